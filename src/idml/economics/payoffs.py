"""Payoffs: what voting and helping pay on average under a task.

They are exact, computed from the settlement function (docs/mechanism.md: Settlement).
"""

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
    """What a neighbor hands over: honest work, an attack, or a free ride, which is the received model unchanged."""

    HONEST = "honest work"
    ATTACK = "attack"
    FREE_RIDE = "free ride"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How often honest verdicts are wrong. All probabilities are exact fractions, 0 to 1.

    Args:
        false_rejection: probability of a no to honest work.
        miss: probability of a yes to an attack.
        free_pass: probability of a yes to a free ride. A model that did not change has not got worse, so rules that
            only ask for that let it pass.
        together: probability that all honest verdicts on an encounter are the same, as they are if the work clearly
            helps or clearly does not. Otherwise they are independent of each other.

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
        """The probability of an honest yes to this work."""
        return {
            NeighborWork.HONEST: 1 - self.false_rejection,
            NeighborWork.ATTACK: self.miss,
            NeighborWork.FREE_RIDE: self.free_pass,
        }[work]

    def cases(self, work: NeighborWork) -> Iterator[tuple[Fraction, Fraction]]:
        """The cases that may hold, as (probability of the case, probability of each honest yes in this case).

        Within a case, honest verdicts are independent of each other.
        """
        yes = self.yes(work)
        yield 1 - self.together, yes
        if self.together:
            yield self.together * yes, ONE
            yield self.together * (1 - yes), ZERO


class Strategy(Enum):
    """How a validator votes. `HONEST` and `INVERTED` look at the work, `COPY` looks at the votes of all others."""

    HONEST = "honest"
    YES = "always yes"
    NO = "always no"
    INVERTED = "inverted"
    COPY = "copying"

    @property
    def looks(self) -> bool:
        """Whether this strategy evaluates models, which has a cost."""
        return self in (Strategy.HONEST, Strategy.INVERTED)

    def votes_yes(self, verdict: Fraction) -> Fraction:
        """The probability that this strategy votes yes.

        Args:
            verdict: probability of an honest yes.

        Raises:
            ValueError: for `COPY`, which depends on the votes of others.
        """
        if self is Strategy.COPY:
            raise ValueError("copying depends on the votes of others: only one validator can copy, the last")
        if not self.looks:
            return Fraction(self is Strategy.YES)
        return verdict if self is Strategy.HONEST else 1 - verdict


SEALED = (Strategy.HONEST, Strategy.YES, Strategy.NO, Strategy.INVERTED)
"""The strategies that are possible if votes are sealed until all are cast."""


def vote_value(
    task: TaskParams,
    own: Strategy,
    others: Strategy,
    verdicts: Verdicts,
    *,
    junk: Fraction = ZERO,
    cost: Fraction = ZERO,
) -> Fraction:
    """What one of V validators gains on average, if all of them vote.

    Args:
        task: the rules.
        own: how this validator votes.
        others: how all others vote; not `Strategy.COPY`.
        verdicts: how honest verdicts err.
        junk: share of the work that is an attack, 0 to 1.
        cost: cost of evaluating the models, as a share of the reward.

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
    """The gains that a vote on this work may bring, as (probability, gain as a share of the reward), in no order."""
    return [
        outcome
        for weight, verdict in verdicts.cases(work)
        for outcome in _vote_outcomes(task, own, others, verdict, weight)
    ]


def accepted(task: TaskParams, work: NeighborWork, voters: Strategy, verdicts: Verdicts) -> Fraction:
    """The probability that V voters accept this work."""
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
        task: the rules.
        work: what the neighbor hands over.
        voters: how all validators vote.
        verdicts: how honest verdicts err.
        cost: cost of honest work, as a share of the reward. Attacks and free rides cost nothing.

    Returns:
        The mean gain per encounter as a share of the reward.
    """
    paid = Fraction(task.neighbor_share_bps, FULL_BPS)
    value = accepted(task, work, voters, verdicts) * (paid + 1) - 1
    return value - cost if work is NeighborWork.HONEST else value


def accepts(task: TaskParams, votes_for: int) -> bool:
    """Whether this number of yes votes among V votes accepts the work."""
    return 2 * votes_for > task.votes or (2 * votes_for == task.votes and task.tie_accepts)


@lru_cache(maxsize=1024)
def vote_gains(task: TaskParams) -> tuple[tuple[Fraction, Fraction], ...]:
    """The gains of a no and of a yes, as shares of the reward, for each number of others who vote yes: 0 to V - 1."""
    # This reward can be divided by 10,000, by the votes and by the winners with nothing left over.
    reward = FULL_BPS * lcm(*range(1, task.votes + 1)) ** 2

    def gain(others_for: int, own: bool) -> Fraction:
        votes_for = others_for + own
        split = settle(reward, votes_for, task.votes - votes_for, task)
        return Fraction(split.winner_share if split.accepted is own else -split.loser_penalty, reward)

    return tuple((gain(others_for, False), gain(others_for, True)) for others_for in range(task.votes))


@lru_cache(maxsize=65_536)
def binomial(count: int, probability: Fraction) -> tuple[Fraction, ...]:
    """The probabilities that 0, 1, ... `count` of `count` independent events happen, if each has this probability."""
    return tuple(comb(count, k) * probability**k * (1 - probability) ** (count - k) for k in range(count + 1))


def check_share(name: str, value: Fraction) -> None:
    """Raise `ValueError` for a value outside 0 to 1, which is no share and no probability."""
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
