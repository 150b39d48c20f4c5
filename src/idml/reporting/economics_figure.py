"""The figure that shows at which error rates of validators honesty pays best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from idml.reporting.captions import Caption
from idml.reporting.style import BLUE, INK, ORANGE, PURPLE, SILVER, VERMILLION, WIDTH, Chart, styled

_GAP = 96  # pixels between the panels
_VOTES = {"honest": BLUE, "always yes": ORANGE, "always no": VERMILLION, "inverted": PURPLE}
_WORKS = {"honest work": BLUE, "attack": VERMILLION, "nothing": SILVER}


def economics_figure(
    name: str, rows: Sequence[Mapping[str, Any]], at: tuple[float, float], junk: float, *, width: int = WIDTH
) -> Chart:
    """Draw what pays a validator, and what pays a neighbor, the most at each pair of error rates.

    Args:
        name: name of the rules, for the title.
        rows: one row for each pair. `false_rejection` and `miss` are the pair, 0 to 1, each the middle of one of
            several equal steps from 0. `vote` and `work` say what pays most there.
        at: false rejection and miss of the present validators, which are marked, 0 to 1.
        junk: share of the work that is an attack, 0 to 1.
        width: width of both panels together, in pixels.
    """
    half = (width - _GAP) // 2
    step = {rate: min(row[rate] for row in rows) for rate in _AXES}  # half a step: the least middle
    places = [
        {**row, **{f"{side}_{rate}": row[rate] + sign * step[rate] for rate in _AXES for side, sign in _SIDES.items()}}
        for row in rows
    ]
    most = {rate: max(place[f"high_{rate}"] for place in places) for rate in _AXES}
    panels = [
        _panel(places, key, title, colours, at, most, half)
        for key, title, colours in (
            ("vote", "What pays a validator most", _VOTES),
            ("work", "What pays a neighbor most", _WORKS),
        )
    ]
    caption = Caption(
        f"{name}: where honest voting and honest work pay best",
        f"Validators: sealed votes among honest others, {junk:.0%} of the work being attacks. Neighbors: honest work, "
        "an attack or neither; free rides aside. The cross marks the error rates at hand.",
    )
    chart = alt.hconcat(*panels, spacing=_GAP).resolve_scale(color="independent", stroke="independent")
    return styled(alt.vconcat(chart), caption, width)


_AXES = ("false_rejection", "miss")
_SIDES = {"low": -1, "high": 1}


def _panel(
    places: Sequence[Mapping[str, Any]],
    key: str,
    title: str,
    colours: Mapping[str, str],
    at: tuple[float, float],
    most: Mapping[str, float],
    side: int,
) -> alt.LayerChart | alt.FacetChart:
    seen = {place[key] for place in places}
    shown = [name for name in colours if name in seen]
    axis = alt.Axis(format=".0%", grid=False, tickCount=5)
    x_scale, y_scale = (alt.Scale(domain=[0, most[rate]], nice=False) for rate in _AXES)
    colour = alt.Scale(domain=shown, range=[colours[name] for name in shown])
    fields = ["low_false_rejection", "high_false_rejection", "low_miss", "high_miss"]
    squares = (
        alt.Chart(alt.InlineData(values=[{name: place[name] for name in (*fields, key)} for place in places]))
        .mark_rect(strokeWidth=0.8)  # without it, seams show
        .encode(
            x=alt.X("low_false_rejection:Q", title="A validator rejects honest work", axis=axis, scale=x_scale),
            x2="high_false_rejection:Q",
            y=alt.Y("low_miss:Q", title="A validator misses an attack", axis=axis, scale=y_scale),
            y2="high_miss:Q",
            color=alt.Color(f"{key}:N", scale=colour, legend=alt.Legend(title=title, titleColor=INK, columnPadding=12)),
            stroke=alt.Stroke(f"{key}:N", scale=colour, legend=None),
        )
    )
    layers = [squares]
    if all(value <= most[rate] for value, rate in zip(at, _AXES, strict=True)):
        here = alt.InlineData(values=[{"x": at[0], "y": at[1]}])
        cross = alt.Chart(here).mark_point(shape="cross", size=120, color=INK, filled=True, stroke="white")
        layers.append(cross.encode(x=alt.X("x:Q", scale=x_scale), y=alt.Y("y:Q", scale=y_scale)))
    return alt.layer(*layers).properties(width=side, height=side)
