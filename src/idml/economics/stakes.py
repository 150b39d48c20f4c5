"""Stakes: what a stake gains and loses in a round, and how long it takes until it is below the threshold.

A round has as many encounters as there are devices. In it, a device is on average once a neighbor and votes V times.
Amounts are in rewards: 20 means twenty times the reward of an encounter.
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
"""A time longer than this counts as infinite."""
_LEVELS = 600

Moves = Sequence[tuple[Fraction, Fraction]]
"""Pairs of (how often it happens in a round on average, change of the stake or the balance in rewards)."""


@dataclass(frozen=True, slots=True)
class Pledge:
    """A stake and its rules. Amounts are in rewards: 20 is a stake of 200 tokens if the reward is 10 tokens.

    Args:
        stake: the stake at the beginning.
        threshold: a device whose stake is below this is out.
        target: rewards go to the stake while it is below this; 0 for never.

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
        """How many rejections in a row leave the stake at the threshold or above."""
        return int(self.stake - self.threshold)


def round_moves(
    task: TaskParams, work: NeighborWork, vote: Strategy, verdicts: Verdicts, *, junk: Fraction
) -> list[tuple[Fraction, Fraction]]:
    """What one device gains and loses in a round, if all other devices are honest.

    Args:
        task: the rules.
        work: what the device hands over as a neighbor.
        vote: how it votes.
        verdicts: how honest verdicts err.
        junk: share of attacks in the work that it judges, 0 to 1.
    """
    passes = accepted(task, work, Strategy.HONEST, verdicts)
    moves = [(passes, Fraction(task.neighbor_share_bps, FULL_BPS)), (1 - passes, Fraction(-1))]
    for share, judged in ((1 - junk, NeighborWork.HONEST), (junk, NeighborWork.ATTACK)):
        outcomes = vote_outcomes(task, vote, Strategy.HONEST, verdicts, judged)
        moves += [(task.votes * share * probability, gain) for probability, gain in outcomes]
    return [(number, gain) for number, gain in moves if number and gain]


def losses(moves: Moves) -> Fraction:
    """What a device loses in a round on average, in rewards. By this its stake shrinks if nothing refills it."""
    return -sum((number * gain for number, gain in moves if gain < 0), Fraction(0))


def gains(moves: Moves) -> Fraction:
    """What a device gains in a round on average, in rewards. This refills its stake while that is below the target."""
    return sum((number * gain for number, gain in moves if gain > 0), Fraction(0))


def mean_rounds(pledge: Pledge, moves: Moves) -> float:
    """How many rounds pass on average until the stake is below the threshold; inf if it never is.

    The stake is modelled as a Markov chain on a grid of at most 600 levels. A move that ends between two levels goes to
    either of them, with probabilities that keep its mean. Moves that follow one another are taken to be independent.
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
    # For each level, the mean time t until the stake is out obeys this equation:
    # t = (1 / number of moves in a round) + (mean of t over the levels to which the next move leads).
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
    """Where a step leads from each level: (the level at or just below, the probability of the level above that one)."""
    start = np.arange(levels)
    whole = math.floor(step)
    lower, upper_share = start + whole, np.full(levels, float(step - whole))
    if step > 0:
        top = math.floor(refilled)
        over = start > math.floor(refilled - step)
        lower = np.where(over, np.maximum(start, top), lower)
        upper_share = np.where(over, np.where(start > top, 0.0, float(refilled - top)), upper_share)
    return lower, upper_share
