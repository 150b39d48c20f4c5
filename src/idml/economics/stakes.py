"""How a stake fares: what it gains and loses a round, and how long until it is below the threshold.

A round is as many encounters as there are devices: on average a device is neighbor once and votes V times in it.
Amounts are in rewards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from idml.economics.payoffs import NeighborWork, Strategy, Verdicts, accepted, vote_outcomes
from idml.protocol.task import FULL_BPS, TaskParams

FOREVER_ROUNDS = 1e9
"""What is longer than this is for ever."""
_LEVELS = 600

Moves = Sequence[tuple[Fraction, Fraction]]
"""(Mean number a round, change of the stake or the balance in rewards)."""


@dataclass(frozen=True, slots=True)
class Pledge:
    """A stake; all in rewards, so that 20 is a stake of 200 tokens where the reward is 10.

    Args:
        stake: at the beginning.
        threshold: below it the device is out.
        target: rewards go to the stake below it; 0: never.

    Raises:
        ValueError: if the stake is below the threshold.
    """

    stake: Fraction
    threshold: Fraction
    target: Fraction

    def __post_init__(self) -> None:
        if self.stake < self.threshold:
            raise ValueError(
                f"the stake is {float(self.stake):g} rewards: must be at least the threshold, {float(self.threshold):g}"
            )

    @property
    def rejections_survived(self) -> int:
        """So many rejections in a row leave it at the threshold or above."""
        return int(self.stake - self.threshold)


def round_moves(
    task: TaskParams, work: NeighborWork, vote: Strategy, verdicts: Verdicts, *, junk: Fraction
) -> list[tuple[Fraction, Fraction]]:
    """What a device gains and loses in a round among honest devices.

    Args:
        work: what it hands over as a neighbor.
        vote: how it votes.
        junk: share of the work that it judges that is an attack.
    """
    passes = accepted(task, work, Strategy.HONEST, verdicts)
    moves = [(passes, Fraction(task.neighbor_share_bps, FULL_BPS)), (1 - passes, Fraction(-1))]
    for share, judged in ((1 - junk, NeighborWork.HONEST), (junk, NeighborWork.ATTACK)):
        outcomes = vote_outcomes(task, vote, Strategy.HONEST, verdicts, judged)
        moves += [(task.votes * share * probability, gain) for probability, gain in outcomes]
    return [(number, gain) for number, gain in moves if number and gain]


def losses(moves: Moves) -> Fraction:
    """What a device loses a round on average, in rewards: what its stake shrinks by if nothing refills it."""
    return -sum((number * gain for number, gain in moves if gain < 0), Fraction(0))


def gains(moves: Moves) -> Fraction:
    """What it gains a round on average, in rewards: what refills its stake where that is below the target."""
    return sum((number * gain for number, gain in moves if gain > 0), Fraction(0))


def mean_rounds(pledge: Pledge, moves: Moves) -> float:
    """How many rounds pass on average until the stake is below the threshold; inf for ever.

    The stake is a Markov chain on a grid of at most 600 levels; a move between two levels goes to either, so that its
    mean is kept. Moves that follow one another are taken to be independent.
    """
    if not losses(moves):
        return math.inf
    top = max(pledge.stake, pledge.target) - pledge.threshold
    over = max(Fraction(0), pledge.target - pledge.threshold)
    steps = [*(abs(gain) for _, gain in moves), pledge.stake - pledge.threshold, over]
    common = math.lcm(*(step.denominator for step in steps))
    grid = Fraction(math.gcd(*(int(step * common) for step in steps)), common)
    grid = max(grid, top / _LEVELS)
    levels = math.floor(top / grid) + 1
    refilled = min(Fraction(levels - 1), over / grid)
    # Mean time until out, t = (1 + sum of t where the moves lead) / (number of moves a round), for each level.
    total = sum(number for number, _ in moves)
    matrix, ones = np.eye(levels), np.full(levels, 1 / float(total))
    for number, gain in moves:
        lower, upper_share = _ends(gain / grid, levels, refilled)
        for end, share in ((lower, 1 - upper_share), (lower + 1, upper_share)):
            inside = (end >= 0) & (share > 0)
            matrix[np.flatnonzero(inside), end[inside]] -= float(number / total) * share[inside]
    try:
        times = np.linalg.solve(matrix, ones)
    except np.linalg.LinAlgError:
        return math.inf
    found = float(times[math.floor((pledge.stake - pledge.threshold) / grid)])
    return found if 0 < found < FOREVER_ROUNDS else math.inf


def _ends(step: Fraction, levels: int, refilled: Fraction) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Where a step leads from each level: (the level at or below, the share of the next above)."""
    start = np.arange(levels)
    whole = math.floor(step)
    lower, upper_share = start + whole, np.full(levels, float(step - whole))
    if step > 0:
        top = math.floor(refilled)
        over = start > math.floor(refilled - step)
        lower = np.where(over, np.maximum(start, top), lower)
        upper_share = np.where(over, np.where(start > top, 0.0, float(refilled - top)), upper_share)
    return lower, upper_share
