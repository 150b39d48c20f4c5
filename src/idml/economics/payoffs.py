"""What voting and helping pay on average under a task: exact, from the settlement function (MECHANISM: Settlement)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from math import comb, lcm

from idml.protocol.settlement import settle
from idml.protocol.task import FULL_BPS, TaskParams

ZERO, ONE = Fraction(0), Fraction(1)


class NeighborWork(Enum):
    """What a neighbor hands over: honest work, an attack, or what it received, unchanged."""

    HONEST = "honest work"
    ATTACK = "attack"
    FREE_RIDE = "free ride"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How honest verdicts err; all probabilities are exact, 0 to 1.

    Args:
        false_rejection: of a no to honest work.
        miss: of a yes to an attack.
        free_pass: of a yes to a free ride. A model that did not change has not got worse, so rules that ask for no more
            let it pass.
        together: that all honest verdicts on an encounter fall alike, as on work that really does or really does not
            help; else they fall independently of each other.

    Raises:
        ValueError: for a probability out of range.
    """

    false_rejection: Fraction
    miss: Fraction
    free_pass: Fraction = ONE
    together: Fraction = ZERO

    def __post_init__(self) -> None:
        for name in ("false_rejection", "miss", "free_pass", "together"):
            check_share(name, getattr(self, name))

    @classmethod
    def of_accuracy(cls, accuracy: Fraction) -> "Verdicts":
        """Verdicts that are right with this probability, whatever the work."""
        return cls(1 - accuracy, 1 - accuracy)

    def yes(self, work: NeighborWork) -> Fraction:
        """How probable a yes is."""
        return {
            NeighborWork.HONEST: 1 - self.false_rejection,
            NeighborWork.ATTACK: self.miss,
            NeighborWork.FREE_RIDE: self.free_pass,
        }[work]

    def cases(self, work: NeighborWork) -> Iterator[tuple[Fraction, Fraction]]:
        """What may hold, as (how probable it is, how probable each honest yes then is), independent of each other."""
        yes = self.yes(work)
        yield 1 - self.together, yes
        if self.together:
            yield self.together * yes, ONE
            yield self.together * (1 - yes), ZERO


class Strategy(Enum):
    """How a validator votes; `HONEST` and `INVERTED` look at the work, `COPY` at the votes of all others."""

    HONEST = "honest"
    YES = "always yes"
    NO = "always no"
    INVERTED = "inverted"
    COPY = "copying"

    @property
    def looks(self) -> bool:
        """Whether it evaluates models, which has a cost."""
        return self in (Strategy.HONEST, Strategy.INVERTED)

    def votes_yes(self, verdict: Fraction) -> Fraction:
        """How probable a yes is.

        Args:
            verdict: how probable an honest yes is.

        Raises:
            ValueError: for `COPY`, which depends on votes.
        """
        if self is Strategy.COPY:
            raise ValueError("copying depends on the votes of others: only one validator can copy, the last")
        if not self.looks:
            return Fraction(self is Strategy.YES)
        return verdict if self is Strategy.HONEST else 1 - verdict


SEALED = (Strategy.HONEST, Strategy.YES, Strategy.NO, Strategy.INVERTED)
"""What can be done where votes are sealed until all are cast."""


def vote_value(
    task: TaskParams,
    own: Strategy,
    others: Strategy,
    verdicts: Verdicts,
    *,
    junk: Fraction = ZERO,
    cost: Fraction = ZERO,
) -> Fraction:
    """What one of V validators that all vote gains on average.

    Args:
        own: how it votes.
        others: how all others vote; not `Strategy.COPY`.
        junk: share of the work that is an attack, 0 to 1.
        cost: of evaluating the models, as a share of the reward.

    Returns:
        The mean gain per vote as a share of the reward, without rounding.
    """
    value = sum(
        (
            share * weight * gain
            for share, work in ((1 - junk, NeighborWork.HONEST), (junk, NeighborWork.ATTACK))
            for weight, verdict in verdicts.cases(work)
            for weight, gain in _vote_outcomes(task, own, others, verdict, weight)
        ),
        ZERO,
    )
    return value - cost if own.looks else value


def vote_outcomes(
    task: TaskParams, own: Strategy, others: Strategy, verdicts: Verdicts, work: NeighborWork
) -> list[tuple[Fraction, Fraction]]:
    """What a vote on some work may gain, as (probability, gain as a share of the reward), in no order."""
    return [
        outcome
        for weight, verdict in verdicts.cases(work)
        for outcome in _vote_outcomes(task, own, others, verdict, weight)
    ]


def accepted(task: TaskParams, work: NeighborWork, voters: Strategy, verdicts: Verdicts) -> Fraction:
    """How probable it is that V voters accept some work."""
    return sum(
        (
            weight * probability
            for weight, verdict in verdicts.cases(work)
            for votes_for, probability in enumerate(binomial(task.votes, voters.votes_yes(verdict)))
            if accepts(task, votes_for)
        ),
        ZERO,
    )


def neighbor_value(
    task: TaskParams,
    work: NeighborWork,
    voters: Strategy,
    verdicts: Verdicts,
    *,
    cost: Fraction = ZERO,
) -> Fraction:
    """What a neighbor gains on average, if V validators vote.

    Args:
        cost: of honest work, as a share of the reward; attacks and free rides cost nothing.

    Returns:
        The mean gain per encounter as a share of the reward.
    """
    paid = Fraction(task.neighbor_share_bps, FULL_BPS)
    value = accepted(task, work, voters, verdicts) * (paid + 1) - 1
    return value - cost if work is NeighborWork.HONEST else value


def accepts(task: TaskParams, votes_for: int) -> bool:
    """Whether so many of V votes accept."""
    return 2 * votes_for > task.votes or (2 * votes_for == task.votes and task.tie_accepts)


@lru_cache(maxsize=1024)
def vote_gains(task: TaskParams) -> tuple[tuple[Fraction, Fraction], ...]:
    """What a no and a yes gain, as shares of the reward, by how many of the others say yes."""
    # Divided by 10,000, by the votes, then by the winners, this leaves no dust.
    reward = FULL_BPS * lcm(*range(1, task.votes + 1)) ** 2

    def gain(others_for: int, own: bool) -> Fraction:
        votes_for = others_for + own
        split = settle(reward, votes_for, task.votes - votes_for, task)
        return Fraction(split.winner_share if split.accepted is own else -split.loser_penalty, reward)

    return tuple((gain(others_for, False), gain(others_for, True)) for others_for in range(task.votes))


@lru_cache(maxsize=65_536)
def binomial(count: int, probability: Fraction) -> tuple[Fraction, ...]:
    """How probable it is that 0, 1, ... `count` of so many independent events happen."""
    return tuple(comb(count, k) * probability**k * (1 - probability) ** (count - k) for k in range(count + 1))


def check_share(name: str, value: Fraction) -> None:
    """Raise `ValueError` for what is no share or probability."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {float(value):g}: must be between 0 and 1")


def _vote_outcomes(
    task: TaskParams, own: Strategy, others: Strategy, verdict: Fraction, weight: Fraction
) -> Iterator[tuple[Fraction, Fraction]]:
    for others_for, probability in enumerate(binomial(task.votes - 1, others.votes_yes(verdict))):
        yes = Fraction(2 * others_for >= task.votes - 1) if own is Strategy.COPY else own.votes_yes(verdict)
        no_gain, yes_gain = vote_gains(task)[others_for]
        yield weight * probability * (1 - yes), no_gain
        yield weight * probability * yes, yes_gain
