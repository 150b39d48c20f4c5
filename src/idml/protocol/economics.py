"""What voting and helping pay on average under a task: exact, from the settlement function (MECHANISM: Settlement).

`python -m idml.protocol.economics` prints the tables of docs/economics.md.
"""

from enum import Enum
from fractions import Fraction
from math import comb, lcm

from idml.protocol.settlement import settle
from idml.protocol.task import FULL_BPS, TaskParams, preset_task


class Strategy(Enum):
    """How a validator votes; `HONEST` and `INVERTED` look at the work, and err at a rate of one less the accuracy."""

    HONEST = "honest"
    YES = "always yes"
    NO = "always no"
    INVERTED = "inverted"

    def yes_probability(self, accuracy: Fraction, good_work: bool) -> Fraction:
        """How probable a yes is.

        Args:
            accuracy: probability that an honest verdict is right, 0 to 1.
            good_work: whether yes is right.
        """
        if self is Strategy.YES or self is Strategy.NO:
            return Fraction(self is Strategy.YES)
        return accuracy if good_work is (self is Strategy.HONEST) else 1 - accuracy


def vote_value(
    task: TaskParams, own: Strategy, others: Strategy, accuracy: Fraction, *, junk: Fraction = Fraction(0)
) -> Fraction:
    """What one of V validators that all vote, independently of each other, gains on average.

    Args:
        own: how it votes.
        others: how all others vote.
        accuracy: of every honest verdict, 0 to 1.
        junk: share of the work that deserves a no, 0 to 1.

    Returns:
        The mean gain per encounter as a share of the reward, without rounding.
    """
    return sum(
        (
            share * _vote_value(task, own.yes_probability(accuracy, good), others.yes_probability(accuracy, good))
            for share, good in ((1 - junk, True), (junk, False))
        ),
        Fraction(0),
    )


def neighbor_value(task: TaskParams, voters: Strategy, accuracy: Fraction, *, good_work: bool) -> Fraction:
    """What a neighbor gains on average, if V validators vote independently of each other.

    Returns:
        The mean gain per encounter as a share of the reward, before what the work costs.
    """
    reward, yes = _exact_reward(task), voters.yes_probability(accuracy, good_work)
    total = Fraction(0)
    for votes_for, probability in enumerate(_binomial(task.votes, yes)):
        split = settle(reward, votes_for, task.votes - votes_for, task)
        total += probability * (split.neighbor_gain - split.neighbor_penalty)
    return total / reward


def honesty_threshold(task: TaskParams, *, junk: Fraction = Fraction(0), bits: int = 30) -> Fraction:
    """The accuracy above which honest voting beats always voting no among honest voters.

    Args:
        junk: share of the work that deserves a no, below 1.
        bits: of precision.

    Returns:
        Rounded up to a multiple of 2^-bits; 1/2, a coin's accuracy, if honest voting wins there already.
    """

    def honest_wins(accuracy: Fraction) -> bool:
        values = (vote_value(task, own, Strategy.HONEST, accuracy, junk=junk) for own in (Strategy.HONEST, Strategy.NO))
        return next(values) > next(values)

    low, high = Fraction(1, 2), Fraction(1)
    if honest_wins(low):
        return low
    for _ in range(bits - 1):
        middle = (low + high) / 2
        low, high = (low, middle) if honest_wins(middle) else (middle, high)
    return high


def best_strategy(task: TaskParams, accuracy: Fraction, *, junk: Fraction) -> Strategy:
    """What pays one validator the most among honest ones; honest voting wins a tie."""
    return max(Strategy, key=lambda own: vote_value(task, own, Strategy.HONEST, accuracy, junk=junk))


def _vote_value(task: TaskParams, own_yes: Fraction, other_yes: Fraction) -> Fraction:
    reward = _exact_reward(task)
    total = Fraction(0)
    for others_for, probability in enumerate(_binomial(task.votes - 1, other_yes)):
        for own, own_probability in ((True, own_yes), (False, 1 - own_yes)):
            votes_for = others_for + own
            split = settle(reward, votes_for, task.votes - votes_for, task)
            gain = split.winner_share if split.accepted is own else -split.loser_penalty
            total += probability * own_probability * gain
    return total / reward


def _exact_reward(task: TaskParams) -> int:
    """A reward that leaves no dust: it is divided by 10,000, by the votes, then by the winners."""
    return FULL_BPS * lcm(*range(1, task.votes + 1)) ** 2


def _binomial(count: int, probability: Fraction) -> list[Fraction]:
    return [comb(count, k) * probability**k * (1 - probability) ** (count - k) for k in range(count + 1)]


# What docs/economics.md shows.
_ACCURACIES = tuple(Fraction(percent, 100) for percent in (60, 70, 80, 90, 95, 100))
_JUNK_SHARES = tuple(Fraction(percent, 100) for percent in (0, 2, 5, 10, 20, 50))
_USUAL_ACCURACY = Fraction(9, 10)
_WORK = {True: "honest work", False: "junk"}


def tables() -> str:
    """All tables of docs/economics.md as Markdown, for V = 3 and the other defaults of both presets."""
    presets = {preset: preset_task(preset) for preset in ("paper", "safe")}
    blocks = [block for preset, task in presets.items() for block in _vote_tables(preset, task)]
    thresholds = {
        f"`{preset}`": [f"{float(honesty_threshold(task, junk=junk)):.4f}" for junk in _JUNK_SHARES]
        for preset, task in presets.items()
    }
    blocks.append(
        _table("Accuracy above which honest voting beats always no, by the share of junk", _percents(), thresholds)
    )
    neighbor = {
        _percent(q): [_signed(neighbor_value(presets["safe"], Strategy.HONEST, q, good_work=good)) for good in _WORK]
        for q in _ACCURACIES
    }
    blocks.append(_table("Both presets: what the neighbor gains, honest voters", list(_WORK.values()), neighbor))
    return "\n\n".join(blocks)


def _vote_tables(preset: str, task: TaskParams) -> list[str]:
    def row(others: Strategy, accuracy: Fraction, good: bool) -> list[str]:
        junk = Fraction(not good)
        return [_signed(vote_value(task, own, others, accuracy, junk=junk)) for own in Strategy]

    strategies = [own.value for own in Strategy]
    blocks = [
        _table(
            f"`{preset}`: what a vote gains, {name}, honest others",
            strategies,
            {_percent(q): row(Strategy.HONEST, q, good) for q in _ACCURACIES},
        )
        for good, name in _WORK.items()
    ]
    herd = {
        f"{name}, others {others.value}": row(others, _USUAL_ACCURACY, good)
        for good, name in _WORK.items()
        for others in (Strategy.YES, Strategy.NO)
    }
    blocks.append(_table(f"`{preset}`: what a vote gains in a herd, at {_percent(_USUAL_ACCURACY)}", strategies, herd))
    best = {_percent(q): [best_strategy(task, q, junk=junk).value for junk in _JUNK_SHARES] for q in _ACCURACIES}
    blocks.append(_table(f"`{preset}`: what pays most among honest others, by the share of junk", _percents(), best))
    return blocks


def _percents() -> list[str]:
    return [_percent(junk) for junk in _JUNK_SHARES]


def _percent(share: Fraction) -> str:
    return f"{float(share):.0%}"


def _signed(value: Fraction) -> str:
    return f"{float(value):+.3f}"


def _table(title: str, columns: list[str], rows: dict[str, list[str]]) -> str:
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return f"{title}:\n\n" + "\n".join(lines)


if __name__ == "__main__":
    print(tables())
