"""The economics of a deployment, as text for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from idml.reporting.captions import count

Facts = Mapping[str, Any]
"""The numbers that `idml economics --json` prints."""


def economics_summary(facts: Facts) -> Group:
    """Make the text that `idml economics` shows: payoffs, where honesty pays, what fails in the paper, and advice.

    Args:
        facts: the numbers to show.
    """
    task = facts["task"]
    committee = f"a committee of {task['committee']}" if task["committee"] else "open voting"
    title = (
        f"Preset {task['preset']}: {task['votes']} votes, {committee}; a neighbor gets {task['neighbor_share']:.0%} of "
        f"{task['reward']:g} tokens, validators share {task['reject_pot_share']:.0%} of a fine"
    )
    parts: list[RenderableType] = [Text(title, style="bold"), Text(_rates(facts["rates"]), style="dim")]
    for heading, table in (
        ("What a vote gains, in rewards (r)", _validators(facts)),
        ("What a neighbor gains among honest validators", _neighbors(facts)),
        (
            f"What becomes of {_stake(facts)}, threshold {task['stake_threshold']:g}: it survives "
            f"{count(facts['stakes']['rejections_survived'], 'rejection')} in a row. A round: one encounter as "
            f"neighbor, {count(task['votes'], 'vote')}",
            _stakes(facts),
        ),
        (f"What a ring of {facts['ring']['members']} of {task['devices']} devices does, in rewards", _ring(facts)),
        ("Where honesty is the best response, up to error rates of 50 %", _list(_regions(facts))),
        ("Where the paper's parameters fail", _list(failures(facts))),
        ("Advice", _list(_advice(facts))),
    ):
        parts += [Text(), Text(heading, style="italic"), table]
    return Group(*parts)


def failures(facts: Facts) -> list[str]:
    """Say in four sentences what goes wrong under the paper's parameters, and how it is under the given task.

    Args:
        facts: the numbers of both.

    Returns:
        The sentences, each with a number for the paper and one for the task.
    """
    paper, here = facts["paper"]["paper"], facts["paper"]["here"]

    def also(show: Callable[[Facts], str]) -> str:
        return show(paper) if paper == here else f"{show(paper)} (here {show(here)})"

    small, large = paper["smallest_ring"], facts["ring"]["members"]
    return [
        f"A no earns {also(_times)} as much as a yes: always voting no beats honest voting below an accuracy of "
        f"{also(lambda at: _percent(at, 'accuracy_needed'))}.",
        "Where others always say yes, always yes pays best, and no rule that pays by agreement is without this: "
        f"{also(_herd)}.",
        f"A learner and its validators rob a good neighbor: a ring of {small} outvotes the others in "
        f"{also(lambda at: _percent(at, 'smallest_ring_wins'))} of its encounters, one of {large} in "
        f"{also(lambda at: _percent(at, 'ring_wins'))}. By that one the neighbor gains on average "
        f"{also(_spoils)}.",
        f"Honest stakes shrink: 20 rewards that nothing refills lose {paper['stake_loses']:.3f} a round and are below "
        f"10 after {_rounds(paper['stake_rounds'])}"
        + ("." if paper == here else f" (here, {_stake(facts)}: {_rounds(here['stake_rounds'])})."),
    ]


def _rates(rates: Facts) -> str:
    text = (
        f"A validator rejects {rates['false_rejection']:.1%} of honest work, misses {rates['miss']:.1%} of attacks and "
        f"{rates['free_pass']:.1%} of free rides; {rates['junk']:.1%} of the work that it judges is an attack."
    )
    if rates["together"]:
        text += f" {rates['together']:.0%} of the time all honest verdicts fall alike."
    if rates["cost_evaluate"] or rates["cost_work"]:
        text += f" Judging costs {rates['cost_evaluate']:.3f} r, honest work {rates['cost_work']:.3f} r."
    return text


def _validators(facts: Facts) -> Table:
    table = _table("others vote", *_HERDS, "")
    best = facts["regions"]["best_vote"]
    for name, gains in facts["validators"].items():
        remark = "pays most, sealed" if name == best else "the last, in clear" if name == "copying" else ""
        table.add_row(name, *(f"{gains[herd]:+.3f} r" for herd in _HERDS), remark)
    return table


def _neighbors(facts: Facts) -> Table:
    table = _table("", "accepted", "gain")
    for name, row in facts["neighbors"].items():
        table.add_row(name, f"{row['accepted']:.1%}", f"{row['gain']:+.3f} r")
    return table


def _stakes(facts: Facts) -> Table:
    table = _table("", "loses a round", "gains a round", "below it after")
    for name in ("honest", "attacker", "free rider"):
        row = facts["stakes"][name]
        table.add_row(name, f"{-row['loses']:+.3f} r", f"{row['gains']:+.3f} r", _rounds(row["rounds"]))
    return table


def _ring(facts: Facts) -> Table:
    table = _table("", "outvotes", "wins", "ring", "victim", "others")
    for name, row in facts["ring"]["raids"].items():
        amounts = (f"{row[key]:+.3f}" for key in ("ring", "victim", "bystanders"))
        table.add_row(name, f"{row['outvotes']:.1%}", f"{row['success']:.1%}", *amounts)
    return table


def _regions(facts: Facts) -> list[str]:
    found = facts["regions"]
    lines = []
    for who, what in (("votes", "Honest voting"), ("works", "Honest work, free rides aside")):
        spans = []
        for key, label in (("false_rejection", "honest work rejected"), ("miss", "attacks missed")):
            span = found["honest"][f"{who} by {key}"]
            spans.append(f"{label} {span[0]:.1%} to {span[1]:.1%}" if span else f"{label}: at no rate")
        lines.append(f"{what}: {'; '.join(spans)}; each with the other as it is.")
    needed = found["junk_against_always_yes"]
    if needed is not None and 0 < needed <= 1:
        lines.append(f"Always yes beats honest voting where attacks are less than {needed:.1%} of the work.")
    if found["best_work"] == "free ride":
        lines.append("A free ride pays a neighbor most: the rule lets pass what changes nothing, and it costs nothing.")
    return lines


def _advice(facts: Facts) -> list[str]:
    found, criteria = facts["advice"], facts["advice"]["criteria"]
    if found["wrong"] <= criteria["wrong"]:
        votes = f"the fewest that reject honest work, accept attacks, and let the ring outvote at most {_most(facts)}"
    else:
        votes = f"no V keeps false verdicts and rings below {_most(facts)}; this one comes nearest"
    lines = [f"V = K = {found['votes']}: {votes}. In a larger committee the ring's members would vote first."]
    lead = f"honest voting leads by {criteria['lead']:g} r, also if errors grow by half (found: {found['lead']:+.4f})"
    if found["neighbor_share"] is None:
        lines.append(f"Shares: none with which {lead}. Judge by a rule that errs less, or plant attacks.")
    else:
        shares = f"neighbor_share = {found['neighbor_share']:g}, reject_pot_share = {found['reject_pot_share']:g}"
        lines.append(f"{shares}: the most for a neighbor, and the least pot for it, with which {lead}.")
    life = f"an honest device {criteria['life_rounds']:,} rounds"
    lasts = "for ever" if found["life_rounds"] is None else _rounds(found["life_rounds"])
    if found["stake"] is None:
        lines.append(f"Stake: none up to 100 rewards above the threshold lasts {life} (with 100: {lasts}).")
    else:
        lines.append(
            f"stake = stake_target = {found['stake']:g}: the least that lasts {life} (with it: {lasts}); an attacker "
            f"survives {count(found['rejections_survived'], 'rejection')} and is out after "
            f"{_rounds(found['attacker_rounds'])}."
        )
    return lines


def _most(facts: Facts) -> str:
    found = facts["advice"]
    return f"{found['criteria']['wrong']:.0%} of the time ({found['wrong']:.1%})"


def _list(lines: Sequence[str]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 1, 0, 0))
    for line in lines:
        table.add_row("-", line)
    return table


_HERDS = ("honest", "always yes", "always no")


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _percent(numbers: Facts, key: str) -> str:
    return f"{numbers[key]:.1%}"


def _herd(numbers: Facts) -> str:
    return f"{numbers['yes_among_yes']:+.3f} r a vote, honest voting {numbers['honest_among_yes']:+.3f}"


def _spoils(numbers: Facts) -> str:
    return f"{-numbers['neighbor_loses']:+.3f} r, the ring {numbers['ring_gains']:+.3f}"


def _times(numbers: Facts) -> str:
    return "any times" if numbers["no_over_yes"] is None else f"{numbers['no_over_yes']:g} times"


def _stake(facts: Facts) -> str:
    task = facts["task"]
    refilled = f"refilled to {task['stake_target']:g}" if task["stake_target"] else "never refilled"
    return f"a stake of {task['stake']:g} tokens, {refilled}"


def _rounds(rounds: float | None) -> str:
    if rounds is None:
        return "never"
    return f"{rounds:.0f} rounds" if rounds < 1_000 else f"{float(f'{rounds:.3g}'):,.0f} rounds"
