"""Where honesty pays best: thresholds, and best replies over the two error rates."""

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
    """What pays one validator the most, all others voting alike.

    Args:
        among: to choose from; the first wins a tie, honest voting by default. The others: see `vote_value`.
    """
    return max(among, key=lambda own: vote_value(task, own, others, verdicts, junk=junk, cost=cost))


def best_work(
    task: TaskParams, verdicts: Verdicts, *, cost: Fraction = ZERO, among: Sequence[NeighborWork] = tuple(NeighborWork)
) -> NeighborWork | None:
    """What pays a neighbor the most before honest validators; None if nothing pays.

    Args:
        cost: of honest work, as a share of the reward.
        among: to choose from; the first wins a tie, honest work by default.
    """
    values = {work: neighbor_value(task, work, Strategy.HONEST, verdicts, cost=cost) for work in among}
    best = max(among, key=values.__getitem__)
    return best if values[best] > 0 else None


def vote_lead(task: TaskParams, verdicts: Verdicts, *, junk: Fraction = ZERO, cost: Fraction = ZERO) -> Fraction:
    """By how much honest voting leads the best other sealed strategy among honest voters; negative where it trails."""
    honest, *rest = (vote_value(task, own, Strategy.HONEST, verdicts, junk=junk, cost=cost) for own in SEALED)
    return honest - max(rest)


def honesty_threshold(task: TaskParams, *, junk: Fraction = ZERO, bits: int = 30) -> Fraction:
    """The accuracy, on all work alike, above which honest voting beats always voting no among honest voters.

    Args:
        junk: share of the work that is an attack, below 1.
        bits: of precision.

    Returns:
        Rounded up to a multiple of 2^-bits; 1/2, a coin's accuracy, if honest voting wins there already.
    """

    def honest_trails(accuracy: Fraction) -> bool:
        verdicts = Verdicts.of_accuracy(accuracy)
        values = (vote_value(task, own, Strategy.HONEST, verdicts, junk=junk) for own in (Strategy.HONEST, Strategy.NO))
        return next(values) <= next(values)

    return _HALF if not honest_trails(_HALF) else _boundary(honest_trails, _HALF, Fraction(1), bits - 1)


def junk_threshold(
    task: TaskParams, verdicts: Verdicts, *, cost: Fraction = ZERO, against: Strategy = Strategy.YES
) -> Fraction | None:
    """The share of attacks at which honest voting pays as much as another strategy among honest voters.

    Returns:
        Exact, since payoffs are linear in it; None if they are never equal. From 0 to 1 where it means anything.
    """
    leads = [
        vote_value(task, Strategy.HONEST, Strategy.HONEST, verdicts, junk=junk, cost=cost)
        - vote_value(task, against, Strategy.HONEST, verdicts, junk=junk, cost=cost)
        for junk in (ZERO, Fraction(1))
    ]
    return None if leads[0] == leads[1] else leads[0] / (leads[0] - leads[1])


def _boundary(holds: Callable[[Fraction], bool], low: Fraction, high: Fraction, bits: int) -> Fraction:
    """Where something ceases to hold between `low`, where it does, and `high`; by so many halvings, rounded up."""
    for _ in range(bits):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
