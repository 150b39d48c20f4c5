"""The tables of docs/economics.md, for the defaults of both presets. Verdicts are equally accurate on all work."""

from fractions import Fraction
from math import inf

from idml.economics.collusion import Ring, rob_neighbor
from idml.economics.payoffs import NeighborWork, Strategy, Verdicts, neighbor_value, vote_value
from idml.economics.regions import best_vote, honesty_threshold
from idml.economics.stakes import Pledge, gains, losses, mean_rounds, round_moves
from idml.protocol.task import TaskParams, preset_task

_ACCURACIES = tuple(Fraction(percent, 100) for percent in (60, 70, 80, 90, 95, 100))
_JUNK_SHARES = tuple(Fraction(percent, 100) for percent in (0, 2, 5, 10, 20, 50))
_USUAL_ACCURACY = Fraction(9, 10)
_JUDGED = (NeighborWork.HONEST, NeighborWork.ATTACK)
_DEVICES = 50
_RINGS = (2, 3, 5, 10, 20)
_PLEDGES = {"paper": Pledge(Fraction(20), Fraction(10), Fraction(0)), "safe": Pledge(*map(Fraction, (20, 10, 20)))}


def tables() -> str:
    """All tables of docs/economics.md as Markdown, for V = 3 and the other defaults of both presets."""
    presets = {preset: preset_task(preset) for preset in ("paper", "safe")}
    blocks = [block for preset, task in presets.items() for block in _vote_tables(preset, task)]
    thresholds = {
        f"`{preset}`": [f"{float(honesty_threshold(task, junk=junk)):.4f}" for junk in _JUNK_SHARES]
        for preset, task in presets.items()
    }
    blocks.append(
        _table("Accuracy above which honest voting beats always no, by the share of attacks", _percents(), thresholds)
    )
    neighbor = {
        _percent(q): [
            _signed(neighbor_value(presets["safe"], work, Strategy.HONEST, Verdicts.of_accuracy(q)))
            for work in NeighborWork
        ]
        for q in _ACCURACIES
    }
    blocks.append(
        _table("Both presets: what the neighbor gains, honest voters", [w.value for w in NeighborWork], neighbor)
    )
    blocks.append(_ring_table(presets))
    blocks += [_stake_table(preset, task) for preset, task in presets.items()]
    return "\n\n".join(blocks)


def _vote_tables(preset: str, task: TaskParams) -> list[str]:
    def row(others: Strategy, accuracy: Fraction, work: NeighborWork) -> list[str]:
        verdicts, junk = Verdicts.of_accuracy(accuracy), Fraction(work is NeighborWork.ATTACK)
        return [_signed(vote_value(task, own, others, verdicts, junk=junk)) for own in Strategy]

    strategies = [own.value for own in Strategy]
    blocks = [
        _table(
            f"`{preset}`: what a vote gains, {work.value}, honest others",
            strategies,
            {_percent(q): row(Strategy.HONEST, q, work) for q in _ACCURACIES},
        )
        for work in _JUDGED
    ]
    herd = {
        f"{work.value}, others {others.value}": row(others, _USUAL_ACCURACY, work)
        for work in _JUDGED
        for others in (Strategy.YES, Strategy.NO)
    }
    blocks.append(_table(f"`{preset}`: what a vote gains in a herd, at {_percent(_USUAL_ACCURACY)}", strategies, herd))
    best = {
        _percent(q): [best_vote(task, Verdicts.of_accuracy(q), junk=junk).value for junk in _JUNK_SHARES]
        for q in _ACCURACIES
    }
    title = f"`{preset}`: what pays most among honest others where votes are sealed, by the share of attacks"
    blocks.append(_table(title, _percents(), best))
    return blocks


def _ring_table(presets: dict[str, TaskParams]) -> str:
    verdicts = Verdicts.of_accuracy(_USUAL_ACCURACY)
    rows = {}
    for preset, task in presets.items():
        for members in _RINGS:
            raid = rob_neighbor(task, Ring(_DEVICES, members), verdicts)
            shares = [f"{float(share):.1%}" for share in (raid.outvotes, raid.success)]
            rows[f"`{preset}`, {members} of {_DEVICES}"] = [*shares, _signed(raid.ring), _signed(raid.victim)]
    title = f"A learner and its ring against an honest neighbor, others honest, at {_percent(_USUAL_ACCURACY)}"
    return _table(title, ["outvotes", "work rejected", "ring gains", "neighbor gains"], rows)


def _stake_table(preset: str, task: TaskParams) -> str:
    pledge, rows = _PLEDGES[preset], {}
    for accuracy in _ACCURACIES:
        verdicts = Verdicts.of_accuracy(accuracy)
        honest = round_moves(task, NeighborWork.HONEST, Strategy.HONEST, verdicts, junk=Fraction(0))
        attacker = round_moves(task, NeighborWork.ATTACK, Strategy.YES, verdicts, junk=Fraction(0))
        lives = [_rounds(mean_rounds(pledge, moves)) for moves in (honest, attacker)]
        rows[_percent(accuracy)] = [_signed(-losses(honest)), _signed(gains(honest)), *lives]
    columns = ["loses a round", "gains a round", "honest out after", "attacker out after"]
    target = "never refilled" if not pledge.target else f"refilled to {pledge.target}"
    return _table(f"`{preset}`: a stake of 20 rewards over a threshold of 10, {target}, in rounds", columns, rows)


def _percents() -> list[str]:
    return [_percent(junk) for junk in _JUNK_SHARES]


def _percent(share: Fraction) -> str:
    return f"{float(share):.0%}"


def _rounds(rounds: float) -> str:
    if rounds == inf:
        return "never"
    # Only three digits: further ones depend on how the machine adds.
    return f"{rounds:.0f}" if rounds < 1_000 else f"{float(f'{rounds:.3g}'):,.0f}"


def _signed(value: Fraction) -> str:
    return f"{float(value):+.3f}"


def _table(title: str, columns: list[str], rows: dict[str, list[str]]) -> str:
    lines = [f"| | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return f"{title}:\n\n" + "\n".join(lines)
