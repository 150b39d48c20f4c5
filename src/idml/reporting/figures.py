"""The figures of a run. Each has one definition, for print and for the web page.

Each function takes a run, finished or not, and the width of the plot in pixels. It returns an Altair chart, which
`style.render` turns into a file. If the run has nothing to show, for instance because it has no ledger, the chart says
so.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import altair as alt

from idml.reporting import captions, series
from idml.reporting.style import (
    ATTACKER_COLOUR,
    GREEN,
    HONEST_COLOUR,
    INK,
    MUTED,
    OUTCOME_COLOURS,
    PURPLE,
    WIDTH,
    Chart,
    kind_colours,
    kind_label,
    styled,
)
from idml.store import HONEST, RunStore

DEFAULT_THRESHOLD_WEI = 100 * series.TOKEN_WEI
"""The contract's stake threshold, which is used if the run's `meta` holds no `threshold_wei`."""

_ROLES = {"as learner": "as_learner_wei", "as neighbor": "as_neighbor_wei", "as validator": "as_validator_wei"}
_GOLDEN = 0.6180339887  # its multiples, modulo 1, lie apart from each other however many there are


def accuracy_figure(run: RunStore, *, width: int = WIDTH) -> Chart:
    """Draw the accuracy of honest devices after each round and of the baselines, with intervals, and the expulsions.

    Args:
        run: the run.
        width: width of the plot, in pixels.
    """
    cohorts = series.Cohorts.of(run.devices())
    rounds = series.accuracy_by_round(run, cohorts.honest)
    if not rounds:
        return _nothing("No accuracy yet", "No device of this run has been evaluated so far.", width)
    baselines = series.baselines_by_round(run)
    honest = f"mean of {captions.count(len(cohorts.honest), 'honest device')} ({rounds[-1].mean:.1%})"
    curves = {honest: rounds} | {f"{name} ({curve[-1].mean:.1%})": curve for name, curve in baselines.items()}
    colours = [HONEST_COLOUR, *[(INK, PURPLE, GREEN)[index % 3] for index in range(len(baselines))]]
    dashes = [[1, 0], *[[6, 4]] * len(baselines)]
    rows = []
    for label, curve in curves.items():
        for scores in curve:
            low, high = scores.estimate.band
            rows.append((label, scores.at, scores.mean, max(0.0, low), min(1.0, high)))

    at = [row[1] for row in rows]
    x = alt.X("round:Q", title="Encounter round", axis=_round_axis(at, width), scale=_between(at))
    rules, headroom = _expulsion_layers(run, cohorts, x, gap=(max(at) - min(at)) * 26 / width)
    legend = _legend(width, offset=8 + headroom)
    colour = alt.Color("series:N", scale=alt.Scale(domain=list(curves), range=colours), legend=legend)
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=list(curves), range=dashes), legend=legend)
    axis = alt.Axis(format=".0%", tickCount=6)
    ends = alt.Y("low:Q", title="Accuracy on the test images", axis=axis, scale=alt.Scale(zero=False))
    base = alt.Chart(_rows(["series", "round", "accuracy", "low", "high"], rows)).encode(x=x, color=colour)
    bands, lines = base.encode(y=ends, y2="high:Q"), base.encode(y="accuracy:Q")
    layers: list[Any] = [
        bands.mark_area(opacity=0.18) if len(rounds) > 1 else bands.mark_rule(opacity=0.3, strokeWidth=12),
        *rules,
        lines.mark_line(strokeWidth=2.5).encode(strokeDash=dash),
    ]
    if len(rounds) <= 40:
        layers.append(lines.mark_circle(size=40, opacity=1).transform_filter(alt.datum.series == honest))
    return styled(
        alt.layer(*layers).properties(width=width, height=300),
        captions.of_accuracy(rounds, baselines, run.expulsions(), cohorts),
        width,
    )


def stakes_figure(run: RunStore, *, width: int = WIDTH) -> Chart:
    """Draw stakes by block: mean and range of honest devices, a line for each attacker, and the threshold.

    Args:
        run: the run.
        width: width of the plot, in pixels.
    """
    points, devices = run.stakes(), run.devices()
    if not points:
        return _nothing("No stakes", "This run has no ledger, so no device staked anything.", width)
    cohorts = series.Cohorts.of(devices)
    last_block = max([point.block for point in points] + [encounter.block for encounter in run.encounters()])
    spreads = series.stakes_by_block(points, cohorts.honest, last_block)
    threshold = series.tokens(run.meta_number("threshold_wei", DEFAULT_THRESHOLD_WEI))

    kinds = [record.kind for record in devices]
    colours = kind_colours(kinds)
    labels = {kind: f"{kind_label(kind)} ({kinds.count(kind)})" for kind in colours}
    if HONEST in labels:
        labels[HONEST] = f"mean and range of {captions.count(kinds.count(HONEST), 'honest device')}"
    scale = alt.Scale(domain=list(labels.values()), range=list(colours.values()))
    colour = alt.Color("kind:N", scale=scale, legend=_legend(width))

    x = alt.X(
        "block:Q",
        title="Block (one transaction each)",
        scale=alt.Scale(nice=False),
        axis=alt.Axis(grid=False, tickCount=max(3, width // 90)),
    )
    y = alt.Y("stake:Q", title="Stake in tokens", scale=alt.Scale(zero=True))
    lines = [
        (device, labels[cohorts.kinds[device]], block, stake)
        for device, line in series.stake_lines(points, cohorts.attackers, last_block).items()
        for block, stake in line
    ]
    layers: list[Any] = []
    if spreads:
        layers.append(
            alt.Chart(_rows(["block", "stake", "high"], [(s.at, s.low, s.high) for s in spreads]))
            .mark_area(color=HONEST_COLOUR, opacity=0.18, interpolate="step-after")
            .encode(x=x, y=y, y2="high:Q")
        )
    layers += [
        alt.Chart(_rows(["device", "kind", "block", "stake"], lines))
        .mark_line(strokeWidth=1.2, opacity=0.8, interpolate="step-after")
        .encode(x=x, y=y, color=colour, detail="device:N"),
        alt.Chart(_rows(["kind", "block", "stake"], [(labels[HONEST], s.at, s.mean) for s in spreads]))
        .mark_line(strokeWidth=2.5, interpolate="step-after")
        .encode(x=x, y=y, color=colour),
        alt.Chart(_rows(["stake"], [(threshold,)])).mark_rule(color=INK, strokeDash=[6, 4]).encode(y=y),
        alt.Chart(_rows(["stake", "label"], [(threshold, f"threshold: {threshold:g} tokens")]))
        .mark_text(color=INK, align="right", baseline="bottom", dy=-4, fontSize=12)
        .encode(x=alt.value(width), y=y, text="label:N"),
    ]
    return styled(
        alt.layer(*layers).properties(width=width, height=300),
        captions.of_stakes(threshold, run.expulsions(), cohorts),
        width,
    )


def cases_figure(run: RunStore, *, width: int = WIDTH) -> Chart:
    """Draw what became of contributions in each round, apart for honest neighbors and for attackers.

    Args:
        run: the run.
        width: width of the plot, in pixels.
    """
    encounters, cohorts = run.encounters(), series.Cohorts.of(run.devices())
    if not encounters:
        return _nothing("No encounters yet", "No devices of this run have met so far.", width)
    counts = series.outcomes_by_round(encounters, cohorts)
    seen = [name for name in series.OUTCOMES if any(key[2] == name for key in counts)]
    colour = alt.Color(
        "outcome:N",
        scale=alt.Scale(domain=seen, range=[OUTCOME_COLOURS[name] for name in seen]),
        legend=_legend(width, symbol="square"),
    )
    rounds = [key[0] for key in counts]
    attacked = any(key[1] for key in counts)

    def panel(attacking: bool, name: str) -> Any:
        # Bars are stacked here and not by Vega, because a bar on a continuous axis needs its own start and end.
        rows, tops = [], dict[int, int]()
        for (round_, attacker, what), count in sorted(
            counts.items(), key=lambda item: series.OUTCOMES.index(item[0][2])
        ):
            if attacker == attacking:
                bottom = tops.get(round_, 0)
                tops[round_] = bottom + count
                rows.append((round_ - 0.42, round_ + 0.42, what, bottom, tops[round_]))
        return (
            alt.Chart(_rows(["start", "end", "outcome", "bottom", "top"], rows))
            .mark_rect()
            .encode(
                x=alt.X(
                    "start:Q",
                    title="Encounter round" if attacking or not attacked else None,
                    scale=_between(rounds, margin=0.5),
                    axis=_round_axis(rounds, width),
                ),
                x2="end:Q",
                y=alt.Y("bottom:Q", title=name, axis=alt.Axis(tickMinStep=1, format="d", tickCount=5)),
                y2="top:Q",
                color=colour,
            )
            .properties(width=width, height=150)
        )

    panels = [panel(False, "By honest neighbors")]
    if attacked:
        panels.append(panel(True, "By attackers"))
    return styled(alt.vconcat(*panels, spacing=16), captions.of_cases(counts), width)


def earnings_figure(run: RunStore, *, width: int = WIDTH) -> Chart:
    """Draw the net earnings of each device by role, honest devices against attackers.

    Args:
        run: the run.
        width: width of the plot, in pixels.
    """
    earnings, cohorts = run.earnings(), series.Cohorts.of(run.devices())
    earned = {record.device: record for record in earnings}
    lanes = [[device for device in group if device in earned] for group in (cohorts.honest, cohorts.attackers)]
    lanes = [lane for lane in lanes if lane]
    if not lanes:
        reason = "They are known when a run with a ledger has ended; this one has no ledger or is unfinished."
        return _nothing("No earnings", reason, width)
    kinds = list(cohorts.kinds.values())
    colours = kind_colours(kinds)
    labels = {kind: f"{kind_label(kind)} ({kinds.count(kind)})" for kind in colours}
    roles = {"net": "total_wei", **_ROLES}
    dots, means = [], []
    for role, attribute in roles.items():
        for lane, members in enumerate(lanes):
            amounts = [series.tokens(getattr(earned[device], attribute)) for device in members]
            # Spread the dots over the width of their lane, in a way that is the same every time.
            dots += [
                (
                    role,
                    labels[cohorts.kinds[device]],
                    lane + 0.8 * (index * _GOLDEN % 1),
                    amount,
                )
                for index, (device, amount) in enumerate(zip(members, amounts, strict=True))
            ]
            means.append((role, lane + 0.4, fmean(amounts), captions.mean_text(amounts)))
    x = alt.X("earned:Q", title="Net earnings in tokens", axis=alt.Axis(format="+,~f", tickCount=max(3, width // 100)))
    y = alt.Y("role:N", title=None, sort=list(roles), axis=alt.Axis(domain=False, ticks=False, labelColor=INK))
    offset = alt.YOffset("lane:Q", scale=alt.Scale(domain=[-0.2, len(lanes)], zero=False, nice=False))
    scale = alt.Scale(domain=list(labels.values()), range=list(colours.values()))
    mean_base = alt.Chart(_rows(["role", "lane", "earned", "label"], means)).encode(y=y, yOffset=offset)
    layers = [
        alt.Chart(_rows(["earned"], [(0,)])).mark_rule(color=MUTED).encode(x=x),
        alt.Chart(_rows(["role", "kind", "lane", "earned"], dots))
        .mark_circle(size=34, opacity=0.5)
        .encode(
            x=x, y=y, yOffset=offset, color=alt.Color("kind:N", scale=scale, legend=_legend(width, symbol="circle"))
        ),
        mean_base.mark_tick(color=INK, thickness=2.5, size=20, opacity=1).encode(x=x),
        mean_base.mark_text(color=INK, align="left", baseline="middle", dx=8, fontSize=12).encode(
            x=alt.value(width), text="label:N"
        ),
    ]
    height = 4 * (20 + 30 * len(lanes))
    return styled(
        alt.layer(*layers).properties(width=width, height=height), captions.of_earnings(earnings, cohorts), width
    )


def _expulsion_layers(run: RunStore, cohorts: series.Cohorts, x: alt.X, gap: float) -> tuple[list[Any], int]:
    """Draw a line for each round in which devices were expelled, with their number above it.

    Where lines stand closer than `gap` rounds, one number counts the devices of all of them.

    Returns:
        The layers, and how many pixels they need above the plot.
    """
    counts: dict[tuple[int, bool], int] = {}
    for expulsion in run.expulsions():
        key = (expulsion.round, cohorts.is_attacker(expulsion.device))
        counts[key] = counts.get(key, 0) + 1
    layers, headroom = list[Any](), 0
    for attacking, colour in ((True, ATTACKER_COLOUR), (False, HONEST_COLOUR)):
        rounds = sorted(round_ for round_, attacker in counts if attacker == attacking)
        sums: dict[int, int] = {}
        for round_ in rounds:
            at = next((first for first in sums if round_ - first < gap), round_)
            sums[at] = sums.get(at, 0) + counts[round_, attacking]
        if rounds:
            rules = alt.Chart(_rows(["round"], [(round_,) for round_ in rounds])).encode(x=x)
            layers.append(rules.mark_rule(color=colour, strokeWidth=1, opacity=0.7))
            numbers = alt.Chart(_rows(["round", "label"], [(at, f"−{count}") for at, count in sums.items()]))
            text = numbers.mark_text(color=colour, dy=-8 - headroom, fontSize=12)
            layers.append(text.encode(x=x, y=alt.value(0), text="label:N"))
            headroom += 14
    return layers, headroom


def _nothing(text: str, reason: str, width: int) -> Chart:
    mark = alt.Chart(_rows(["reason"], [("no data",)])).mark_text(color=MUTED, fontSize=12).encode(text="reason:N")
    return styled(alt.layer(mark).properties(width=width, height=60), captions.Caption(text, reason), width)


def _legend(width: int, *, symbol: str = "stroke", offset: int = 8) -> alt.Legend:
    # Entries stand beside each other if there is room, else below each other.
    columns = 4 if width >= 500 else 1
    size = 400 if symbol == "stroke" else 120
    return alt.Legend(symbolType=symbol, symbolSize=size, symbolOpacity=1, columns=columns, offset=offset)


def _round_axis(rounds: Sequence[int], width: int) -> alt.Axis:
    # If there are few rounds, Vega puts ticks between them.
    low, high, most = min(rounds), max(rounds), max(2, width // 30)
    step = next(s for s in (n * 10**e for e in range(9) for n in (1, 2, 5)) if (high - low) // s < most)
    return alt.Axis(values=[r for r in range(low, high + 1) if r % step == 0], format="d", grid=False)


def _between(rounds: Sequence[int], margin: float = 0.0) -> alt.Scale:
    return alt.Scale(domain=[min(rounds) - margin, max(rounds) + margin], nice=False)


def _rows(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> alt.InlineData:
    return alt.InlineData(values=[dict(zip(names, row, strict=True)) for row in rows])
