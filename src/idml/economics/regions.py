"""Regions: at which error rates of validators honesty pays best, and where the thresholds are."""

from collections.abc import Callable, Sequence
from fractions import Fraction

from idml.economics.payoffs import SEALED, ZERO, NeighborWork, Strategy, Verdicts, neighbor_value, vote_value
from idml.protocol.task import TaskParams

_HALF = Fraction(1, 2)


def best_vote(
    task: TaskParams,
    verdicts: Verdicts,
    *,
    others: Strategy = Strategy.HONEST,
    junk: Fraction = ZERO,
    cost: Fraction = ZERO,
    among: Sequence[Strategy] = SEALED,
) -> Strategy:
    """The strategy that pays one validator the most, if all others vote in one way.

    Args:
        task, verdicts, others, junk, cost: see `vote_value`.
        among: the strategies to choose from. If several pay the same, the first wins; by default that is honest voting.
    """
    return max(among, key=lambda own: vote_value(task, own, others, verdicts, junk=junk, cost=cost))


def best_work(
    task: TaskParams, verdicts: Verdicts, *, cost: Fraction = ZERO, among: Sequence[NeighborWork] = tuple(NeighborWork)
) -> NeighborWork | None:
    """The work that pays a neighbor the most if validators are honest; None if nothing pays.

    Args:
        task, verdicts: see `neighbor_value`.
        cost: cost of honest work, as a share of the reward.
        among: the kinds of work to choose from. If several pay the same, the first wins; by default that is honest
            work.
    """
    values = {work: neighbor_value(task, work, Strategy.HONEST, verdicts, cost=cost) for work in among}
    best = max(among, key=values.__getitem__)
    return best if values[best] > 0 else None


def vote_lead(task: TaskParams, verdicts: Verdicts, *, junk: Fraction = ZERO, cost: Fraction = ZERO) -> Fraction:
    """How much more honest voting pays than the best other sealed strategy, if all others vote honestly.

    Args:
        task, verdicts, junk, cost: see `vote_value`.

    Returns:
        A share of the reward; negative if another strategy pays more.
    """
    honest, *rest = (vote_value(task, own, Strategy.HONEST, verdicts, junk=junk, cost=cost) for own in SEALED)
    return honest - max(rest)


def honesty_threshold(task: TaskParams, *, junk: Fraction = ZERO, bits: int = 30) -> Fraction:
    """The accuracy above which honest voting pays more than always voting no, if all others vote honestly.

    The accuracy of verdicts is taken to be the same on all work.

    Args:
        task: the rules.
        junk: share of the work that is an attack, below 1.
        bits: precision of the result.

    Returns:
        The threshold, rounded up to a multiple of 2^-bits. It is 1/2, the accuracy of a coin, if honest voting pays
        more even there.
    """

    def honest_trails(accuracy: Fraction) -> bool:
        verdicts = Verdicts.of_accuracy(accuracy)
        values = (vote_value(task, own, Strategy.HONEST, verdicts, junk=junk) for own in (Strategy.HONEST, Strategy.NO))
        return next(values) <= next(values)

    return _HALF if not honest_trails(_HALF) else _boundary(honest_trails, _HALF, Fraction(1), bits - 1)


def junk_threshold(
    task: TaskParams, verdicts: Verdicts, *, cost: Fraction = ZERO, against: Strategy = Strategy.YES
) -> Fraction | None:
    """The share of attacks at which honest voting pays as much as another strategy, if all others vote honestly.

    Args:
        task, verdicts, cost: see `vote_value`.
        against: the other strategy.

    Returns:
        The share, exactly, because payoffs are linear in it. None if the two are never equal. A value outside 0 to 1 is
        no share that can occur.
    """
    leads = [
        vote_value(task, Strategy.HONEST, Strategy.HONEST, verdicts, junk=junk, cost=cost)
        - vote_value(task, against, Strategy.HONEST, verdicts, junk=junk, cost=cost)
        for junk in (ZERO, Fraction(1))
    ]
    return None if leads[0] == leads[1] else leads[0] / (leads[0] - leads[1])


def _boundary(holds: Callable[[Fraction], bool], low: Fraction, high: Fraction, bits: int) -> Fraction:
    """The value between `low`, at which something holds, and `high` above which it no longer does.

    It is found by halving the interval `bits` times, and rounded up.
    """
    for _ in range(bits):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
