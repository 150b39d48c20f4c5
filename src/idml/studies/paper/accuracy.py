"""Fig. 8: what label flippers do to accuracy, without iDML and with it."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from idml.reporting.captions import Caption
from idml.reporting.style import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILLION, WIDTH, Chart, styled
from idml.reporting.tables import Column, TableView
from idml.studies.batch import RunBatch, WantedRun
from idml.studies.estimates import Estimate, span
from idml.studies.paper.accuracy_claims import difference, elsewhere, judge
from idml.studies.paper.attacks import AWAY, FEW, MANY, NONE, PAPER, SAFE, Attack, Outcomes, Variant
from idml.studies.paper.section import Claim, Section, Unjudged
from idml.studies.scales import PaperSize

_COLOURS = {NONE: BLUE, FEW: GREEN, MANY: INK, PAPER: VERMILLION, SAFE: PURPLE, AWAY: ORANGE}
_DASHES = {PAPER: [3, 3], SAFE: [8, 3], AWAY: [1, 3]}


def attacks(size: PaperSize) -> list[Attack]:
    """The experiments: each data set and network, without and with own training."""
    own = [Attack(size, learned, 1) for learned in size.attacked if learned.own_epoch]
    return [*(Attack(size, learned, 0) for learned in size.attacked), *own]


def wanted(size: PaperSize) -> list[WantedRun]:
    """The runs that the figure needs."""
    return [run for attack in attacks(size) for run in attack.runs()]


def section(size: PaperSize, where: RunBatch) -> Section:
    """The figure, computed from its runs."""
    outcomes = [Outcomes(attack, where) for attack in attacks(size)]
    judged = [one for outcome in outcomes for one in judge(outcome)]
    many = size.attackers[1]
    seeds = span([learned.seeds for learned in size.attacked])
    return Section(
        key="fig8",
        title="Fig. 8: accuracy with label flippers",
        text=(
            f"{size.devices} devices, {size.rounds} encounters each, {seeds} seeds. An attacker trains on "
            "labels of look-alike classes swapped, and votes yes on everything. Accuracy is that of the same "
            f"{size.devices - many} devices in every curve, those that are honest where {many} are not; lines are "
            "means over seeds, bands their 95 % intervals. Runs with equal seeds share data, initial model and "
            "contacts, so differences are taken seed by seed.",
            "Departs from the paper: no own epoch follows a merge, unless said otherwise. With one, flippers of "
            "look-alike pairs do almost no harm, as the curves with one show. How the paper's networks were "
            "trained (rates, batches, rounds) it does not say.",
        ),
        charts={f"fig8-{outcome.attack.name}": _chart(outcome) for outcome in outcomes},
        tables=[_table(outcome) for outcome in outcomes],
        claims=[one for one in judged if isinstance(one, Claim)],
        unjudged=[*(one for one in judged if isinstance(one, Unjudged)), *elsewhere(size)],
        data={outcome.attack.name: data(outcome) for outcome in outcomes},
    )


def _chart(outcomes: Outcomes) -> Chart:
    attack, lost = outcomes.attack, difference(outcomes, NONE, MANY)
    finding = f"{MANY.label(attack.size).capitalize()} cost {100 * lost.mean:.1f} points without iDML"
    return curves(outcomes, finding, _COLOURS, _DASHES)


def curves(
    outcomes: Outcomes,
    finding: str,
    colours: Mapping[Variant, str],
    dashes: Mapping[Variant, Sequence[int]],
    alone: float | None = None,
) -> Chart:
    """Accuracy over rounds, a line for each variant.

    Args:
        outcomes: of the experiment.
        finding: what the picture shows, in a line above it.
        colours, dashes: of the lines; one without dashes is drawn through.
        alone: what a device reaches that never meets anyone, as a line of its own.
    """
    attack, rows = outcomes.attack, list[dict[str, Any]]()
    for variant in attack.variants:
        curves = [outcomes.curve(variant, seed) for seed in attack.seeds]
        for number in sorted(set.intersection(*(set(curve) for curve in curves))):
            value = Estimate.of([curve[number] for curve in curves])
            low, high = value.band
            rows.append(
                {
                    "variant": variant.label(attack.size),
                    "round": number,
                    "mean": value.mean,
                    "low": low,
                    "high": high,
                }
            )
    labels = [variant.label(attack.size) for variant in attack.variants]
    legend = alt.Legend(symbolType="stroke", symbolSize=400, symbolOpacity=1, columns=2)
    colour = alt.Color(
        "variant:N",
        scale=alt.Scale(domain=labels, range=[colours[variant] for variant in attack.variants]),
        legend=legend,
    )
    dash = alt.StrokeDash(
        "variant:N",
        scale=alt.Scale(domain=labels, range=[dashes.get(variant, [1, 0]) for variant in attack.variants]),
        legend=legend,
    )
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "round:Q", title="Encounter round", axis=alt.Axis(grid=False, tickMinStep=1), scale=alt.Scale(nice=False)
        )
    )
    percent = alt.Axis(format=".0%", tickCount=6)
    means = [row["mean"] for row in rows] + ([] if alone is None else [alone])
    margin = 0.05 * (max(means) - min(means)) + 0.002
    # From line to line: intervals of few seeds may be many times as wide, and are cut off.
    within = alt.Scale(domain=[min(means) - margin, max(means) + margin], nice=False)
    mean = alt.Y("mean:Q", title="Mean accuracy on the test images", axis=percent, scale=within)
    layers = [
        base.mark_area(opacity=0.12, clip=True).encode(y=alt.Y("low:Q", scale=within), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=2.2).encode(y=mean, color=colour, strokeDash=dash),
    ]
    if alone is not None:
        line = alt.Chart(alt.InlineData(values=[{"mean": alone, "round": 1, "text": "one device alone"}]))
        layers += [
            line.mark_rule(color=INK, strokeDash=[2, 2], strokeWidth=1.2).encode(y=mean),
            line.mark_text(color=INK, align="left", baseline="bottom", dx=4, dy=-3, fontSize=12).encode(
                y=mean, x="round:Q", text="text:N"
            ),
        ]
    caption = Caption(
        finding, f"{attack.title}. Mean over honest devices and {len(attack.seeds)} seeds; bands are 95 % intervals."
    )
    return styled(alt.layer(*layers).properties(width=WIDTH, height=360), caption, WIDTH)


def _table(outcomes: Outcomes) -> TableView:
    attack, rows = outcomes.attack, list[Sequence[str]]()
    for variant in attack.variants:
        row = [variant.label(attack.size), Estimate.of(outcomes.final(variant)).points()]
        row.append("–" if variant is NONE else difference(outcomes, variant, NONE).points(signed=True))
        rows.append([*row, *expelled(outcomes, variant)])
    columns = [Column("", number=False), Column("Final accuracy, %"), Column("Less no attackers, points")]
    columns += [Column("Attackers expelled"), Column("Last one in round"), Column("Honest expelled")]
    return TableView(f"{attack.title}: the last rounds, with 95 % intervals", columns, rows)


def expelled(outcomes: Outcomes, variant: Variant) -> list[str]:
    """Attackers expelled, the round of the last one, and honest devices expelled, as text."""
    if variant.rules is None:
        return ["–", "–", "–"]
    runs = [outcomes.expulsions(variant, seed) for seed in outcomes.attack.seeds]
    many, honest = variant.count(outcomes.attack.size), len(outcomes.compared[1])
    if not many:
        everybody = [len(others) + len(compared) for others, compared in runs]
        return ["–", "–", f"{span(everybody)} of {outcomes.attack.size.devices}"]
    last = [max(number for number, _ in out) for out, _ in runs if len(out) == many]
    return [
        f"{span([len(out) for out, _ in runs])} of {many}",
        span(last) if len(last) == len(runs) else "–",
        f"{span([len(out) for _, out in runs])} of {honest}",
    ]


def data(outcomes: Outcomes) -> dict[str, Any]:
    """What an experiment gave, by variant, for those who compute with it."""
    attack = outcomes.attack
    return {
        variant.key: {
            "attackers": variant.count(attack.size),
            "final": outcomes.final(variant),
            "curves": {seed: outcomes.curve(variant, seed) for seed in attack.seeds},
            "expulsions": {
                seed: dict(zip(("attackers", "honest"), outcomes.expulsions(variant, seed), strict=True))
                for seed in attack.seeds
                if variant.rules is not None
            },
        }
        for variant in attack.variants
    }
