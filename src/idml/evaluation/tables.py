"""Results as csv, for machines, and as Markdown, for pages."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields

from idml.evaluation.attacks import RULE, AttackRow
from idml.evaluation.error_rates import Judged
from idml.evaluation.estimates import Estimate
from idml.evaluation.rates import Rate, compare, curve
from idml.learning.validation import find_rule, rule_names
from idml.reporting.style import kind_label
from idml.store import HONEST

_NONE = "–"
DETECTION = 0.95


def rules_markdown(judged: Sequence[Judged], attacks: Sequence[str], dataset: str) -> str:
    """Errors of all rules as two tables: at their tolerances on a data set, and false rejections at equal detection."""
    names = [name for name in rule_names() if all(name in one.harms for one in judged)]
    rows = {(row.rule, row.kind): row for row in compare(judged, names, attacks, dataset)}
    kinds = [HONEST, *attacks]
    own = _markdown(
        ["A committee's errors", "tolerance", "honest rejected", *(f"{kind_label(kind)} missed" for kind in attacks)],
        [
            [
                f"`{name}`",
                _tolerance(name, dataset),
                *(_rate(rows[name, kind].verdicts) for kind in kinds),
            ]
            for name in names
        ],
    )
    equal = _markdown(
        [f"Honest rejected where {DETECTION:.0%} of the attacks are", *(kind_label(kind) for kind in attacks)],
        [
            [f"`{name}`", *(f"{curve(judged, name, [kind]).at_detection(DETECTION):.1%}" for kind in attacks)]
            for name in names
        ],
    )
    return f"{own}\n{equal}"


def rules_csv(cells: Iterable[tuple[dict[str, str], Sequence[Judged]]], attacks: Sequence[str]) -> str:
    """One line for each cell (what was replayed, by column, `dataset` among them), rule and kind of contribution."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["rule", "tolerance", "kind", "votes", "vote_errors", "verdicts", "verdict_errors", "low", "high"]
    columns += ["area", f"false_rejections_at_{DETECTION:g}"]
    for place, (cell, judged) in enumerate(cells):
        if not place:
            writer.writerow([*cell, *columns])
        names = [name for name in rule_names() if all(name in one.harms for one in judged)]
        for row in compare(judged, names, attacks, cell["dataset"]):
            against = None if row.kind == HONEST else curve(judged, row.rule, [row.kind])
            low, high = row.verdicts.interval
            numbers = [row.votes.of, row.votes.count, row.verdicts.of, row.verdicts.count, f"{low:.4f}", f"{high:.4f}"]
            extra = [f"{against.area:.4f}", f"{against.at_detection(DETECTION):.4f}"] if against else ["", ""]
            writer.writerow(
                [*cell.values(), row.rule, _tolerance(row.rule, cell["dataset"]), row.kind, *numbers, *extra]
            )
    return text.getvalue()


def attacks_markdown(rows: Sequence[AttackRow]) -> str:
    """What adversaries do to models under every variant, and then for each variant with stakes what becomes of them."""
    variants = list(dict.fromkeys(row.variant for row in rows))
    found = {(row.kind, row.variant): row for row in rows}
    kinds = list(dict.fromkeys(row.kind for row in rows))
    head = [f"{what}: {variant}" for what in ("accuracy", "success") for variant in variants]
    lines = [
        [
            kind_label(kind),
            *(_percent(found[kind, variant].accuracy) for variant in variants),
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
        lost = _NONE if row.lost is None else row.lost.text(scale=100, signed=True)
        line = [kind_label(row.kind), f"`{row.variant.removeprefix(RULE)}`", _percent(row.accuracy), lost]
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


def _tolerance(rule: str, dataset: str) -> str:
    return f"{find_rule(rule).tolerance_on(dataset):g}"


def _rate(rate: Rate) -> str:
    return f"{rate.share:.1%}" if rate.of else _NONE


def _percent(mean: Estimate | None, *, digits: int = 1) -> str:
    return _NONE if mean is None else f"{mean.text(scale=100, digits=digits)} %"


def _number(mean: Estimate | None) -> str:
    return _NONE if mean is None else mean.text()
