"""Results as csv, for machines, and as Markdown, for pages."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Final

from idml.learning.data.registry import DATASETS
from idml.learning.judging.registry import RULES
from idml.reporting.style import kind_label
from idml.store import HONEST
from idml.studies.attacks import RULE, AttackRow
from idml.studies.error_rates import JudgedContribution
from idml.studies.estimates import Estimate
from idml.studies.rates import Rate, compare, curve

_NONE = "–"
DETECTION: Final = 0.95

CUTS: Final[Mapping[int, str]] = {1: "All encounters", 6: "From each learner's sixth encounter on"}
"""Over which encounters errors are counted, by a learner's first; in its first five nothing is told apart well."""


def rules_markdown(judged: Sequence[JudgedContribution], attacks: Sequence[str], dataset: str) -> str:
    """Errors of all rules on a data set, over all encounters and without each learner's first.

    Of each cut two tables: at each rule's tolerances, the default one bold, and false rejections at equal detection.
    """
    parts = []
    for first, title in CUTS.items():
        found = _from(judged, first)
        committees = len({one.contact for one in found})
        tables = _cut_markdown(found, attacks, dataset) if found else "Nothing so late was judged.\n"
        parts.append(f"### {title} ({committees} committees)\n\n{tables}")
    return "\n".join(parts)


def _cut_markdown(judged: Sequence[JudgedContribution], attacks: Sequence[str], dataset: str) -> str:
    names = _rules_in(judged)
    rows: dict[tuple[str, float], dict[str, Rate]] = {}
    for row in compare(judged, names, attacks, dataset):
        rows.setdefault((row.rule, row.tolerance), {})[row.kind] = row.verdicts
    own = _markdown(
        ["A committee's errors", "tolerance", "honest rejected", *(f"{kind_label(kind)} missed" for kind in attacks)],
        [
            [
                f"`{rule}`",
                f"**{tolerance:g}**" if _is_default(rule, tolerance, dataset) else f"{tolerance:g}",
                _rate(rates.get(HONEST), interval=True),
                *(_rate(rates.get(kind)) for kind in attacks),
            ]
            for (rule, tolerance), rates in rows.items()
        ],
    )
    equal = _markdown(
        [f"Honest rejected where {DETECTION:.0%} of the attacks are", *(kind_label(kind) for kind in attacks)],
        [
            [f"`{name}`", *(f"{curve(judged, name, [kind]).at_detection(DETECTION):.1%}" for kind in attacks)]
            for name in names
        ],
    )
    note = "Drift was fitted to each rule's default tolerance.\n\n" if "drift" in attacks else ""
    return f"{own}\n{note}{equal}"


def rules_csv(cells: Iterable[tuple[dict[str, str], Sequence[JudgedContribution]]], attacks: Sequence[str]) -> str:
    """One line for each cell (what was replayed, by column, `dataset` among them), cut, rule, tolerance and kind.

    `from_encounter` tells the cut, see `CUTS`, and `default` ("yes" or "no") whether the tolerance is the rule's own.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["from_encounter", "rule", "tolerance", "default", "kind"]
    columns += ["votes", "vote_errors", "verdicts", "verdict_errors", "low", "high"]
    columns += ["area", f"false_rejections_at_{DETECTION:g}"]
    for place, (cell, judged) in enumerate(cells):
        if not place:
            writer.writerow([*cell, *columns])
        for first in CUTS:
            for line in _cut_lines(_from(judged, first), attacks, cell["dataset"]):
                writer.writerow([*cell.values(), first, *line])
    return text.getvalue()


def _cut_lines(judged: Sequence[JudgedContribution], attacks: Sequence[str], dataset: str) -> Iterator[list[str | int]]:
    """From `rule` on."""
    # The same at all tolerances.
    curves: dict[tuple[str, str], list[str | int]] = {}
    for row in compare(judged, _rules_in(judged), attacks, dataset):
        if (row.rule, row.kind) not in curves:
            against = None if row.kind == HONEST else curve(judged, row.rule, [row.kind])
            extra = [f"{against.area:.4f}", f"{against.at_detection(DETECTION):.4f}"] if against else ["", ""]
            curves[row.rule, row.kind] = [*extra]
        default = "yes" if _is_default(row.rule, row.tolerance, dataset) else "no"
        low, high = row.verdicts.interval
        yield [
            *(row.rule, f"{row.tolerance:g}", default, row.kind),
            *(row.votes.of, row.votes.count, row.verdicts.of, row.verdicts.count, f"{low:.4f}", f"{high:.4f}"),
            *curves[row.rule, row.kind],
        ]


def _from(judged: Sequence[JudgedContribution], first: int) -> list[JudgedContribution]:
    return [one for one in judged if one.encounter + 1 >= first]


def _rules_in(judged: Sequence[JudgedContribution]) -> list[str]:
    return [name for name in RULES.built_in if all(name in one.harms for one in judged)]


def attacks_markdown(rows: Sequence[AttackRow]) -> str:
    """What adversaries do to models under every variant, and then for each variant with stakes what becomes of them.

    Points of accuracy are lost beside the runs with the same seeds and variant, and nobody hostile.
    """
    variants = list(dict.fromkeys(row.variant for row in rows))
    found = {(row.kind, row.variant): row for row in rows}
    kinds = list(dict.fromkeys(row.kind for row in rows))
    head = [f"{what}: {variant}" for what in ("accuracy", "lost, points", "success") for variant in variants]
    lines = [
        [
            kind_label(kind),
            *(_percent(found[kind, variant].accuracy) for variant in variants),
            *(_points(found[kind, variant].lost) for variant in variants),
            *(_percent(found[kind, variant].success) for variant in variants),
        ]
        for kind in kinds
    ]
    tables = [_markdown(["", *head], lines)]
    head = ["expelled", "in round", "came back", "earned", "an honest one", "honest work rejected", "honest expelled"]
    for variant in variants:
        ours = [found[kind, variant] for kind in kinds]
        if ours[0].honest_expelled is not None:
            tables.append(_markdown([f"with {variant}", *head], [_fates(row) for row in ours]))
    return "\n".join(tables)


def adaptive_markdown(rows: Sequence[AttackRow]) -> str:
    """What adversaries that know the rule cost and earn, by rule."""
    head = ["", "rule", "accuracy", "lost, points", "attack succeeds", "expelled", "earned", "an honest one"]
    head += ["honest work rejected", "honest expelled"]
    lines = []
    for row in sorted(rows, key=lambda row: [other.kind for other in rows].index(row.kind)):
        line = [kind_label(row.kind), f"`{row.variant.removeprefix(RULE)}`", _percent(row.accuracy), _points(row.lost)]
        line += [_percent(row.success), _percent(row.expelled, digits=0), _number(row.earned)]
        lines.append([*line, _number(row.honest_earned), _percent(row.honest_rejected), _number(row.honest_expelled)])
    return _markdown(head, lines)


def _fates(row: AttackRow) -> list[str]:
    return [
        kind_label(row.kind),
        _percent(row.expelled, digits=0),
        _number(row.expelled_round),
        _number(row.rejoined),
        _number(row.earned),
        _number(row.honest_earned),
        _percent(row.honest_rejected),
        _number(row.honest_expelled),
    ]


def attacks_csv(rows: Sequence[AttackRow]) -> str:
    """One line for each row; of each figure the mean, and half the width of its 95 % interval."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(AttackRow)][3:]
    writer.writerow(["kind", "variant", "seeds", *(column for name in names for column in (name, f"{name}_half"))])
    for row in rows:
        means: list[Estimate | None] = [getattr(row, name) for name in names]
        numbers = [
            "" if number is None else f"{number:.6g}"
            for mean in means
            for number in ((mean.mean, None if math.isinf(mean.half) else mean.half) if mean else (None, None))
        ]
        writer.writerow([row.kind, row.variant, row.seeds, *numbers])
    return text.getvalue()


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _is_default(rule: str, tolerance: float, dataset: str) -> bool:
    return math.isclose(tolerance, RULES.find(rule).tolerance_on(DATASETS.find(dataset)))


def _rate(rate: Rate | None, *, interval: bool = False) -> str:
    if rate is None or not rate.of:
        return _NONE
    low, high = rate.interval
    return f"{rate.share:.1%} ({low:.1%} to {high:.1%})" if interval else f"{rate.share:.1%}"


def _percent(mean: Estimate | None, *, digits: int = 1) -> str:
    return _NONE if mean is None else f"{mean.text(scale=100, digits=digits)} %"


def _points(mean: Estimate | None) -> str:
    return _NONE if mean is None else mean.text(scale=100, signed=True)


def _number(mean: Estimate | None) -> str:
    return _NONE if mean is None else mean.text()
