"""The figure of a partition: how many training images of each class each device holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt

from idml.reporting.captions import Caption
from idml.reporting.style import BLUE, GRID, MUTED, PAPER, WIDTH, Chart, styled

_TALL = 460
"""Pixels that all classes together take, where there are many."""
_LONG = 24
"""Characters of a class's name that are shown."""


def shares_figure(
    title: str, counts: npt.NDArray[Any], class_names: Sequence[str], *, noun: str = "images", width: int = WIDTH
) -> Chart:
    """Draw how many training images each device holds, and of which classes they are.

    Args:
        title: what is shown, in a few words.
        counts: images of each device and class, integers (devices, classes).
        class_names: one for each class.
        noun: what one calls them, such as "rows".
        width: width of the plot, in pixels.
    """
    caption = Caption(
        title,
        f"Above: how many training {noun} each of {len(counts):,} devices has. Below: of which classes they are. "
        "The darker, the more, and white is none.",
    )
    chart = alt.vconcat(_sizes(counts.sum(axis=1), noun, width), _classes(counts, class_names, noun, width), spacing=12)
    return styled(chart, caption, width)


def _sizes(sizes: npt.NDArray[Any], noun: str, width: int) -> alt.Chart:
    rows = [{"from": place - 0.5, "to": place + 0.5, "count": int(n), "none": 0} for place, n in enumerate(sizes)]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(color=BLUE, stroke=PAPER, strokeWidth=0.5)
        .encode(
            x=_across(len(sizes), title=None, labels=False),
            x2="to:Q",
            y=alt.Y("count:Q", title=noun.capitalize(), axis=alt.Axis(format=",d", tickCount=4)),
            y2="none:Q",
        )
        .properties(width=width, height=90)
    )
    return chart


def _classes(counts: npt.NDArray[Any], class_names: Sequence[str], noun: str, width: int) -> alt.Chart:
    devices, classes = counts.shape
    # By number: two classes may look alike once their names are cut.
    labels = [name if len(name) <= _LONG else f"{name[: _LONG - 1]}…" for name in class_names]
    rows = [
        {"from": int(device) - 0.5, "to": int(device) + 0.5, "class": int(label), "count": int(counts[device, label])}
        for device, label in zip(*np.nonzero(counts), strict=True)
    ]
    each = max(4, min(24, _TALL // classes))
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(stroke=PAPER, strokeWidth=0.5 if max(devices, classes) > 40 else 1)
        .encode(
            x=_across(devices, title="Device", labels=True),
            x2="to:Q",
            y=alt.Y(
                "class:O",
                title="Class",
                scale=alt.Scale(domain=list(range(classes)), paddingInner=0),
                axis=alt.Axis(
                    labelExpr=f"{_vega_list(labels)}[datum.value]", labelOverlap="greedy", ticks=False, labelLimit=200
                ),
            ),
            color=alt.Color(
                "count:Q",
                scale=alt.Scale(domain=[0, int(counts.max())], range=["#d6e6f3", BLUE, "#062a44"]),
                legend=alt.Legend(
                    title=f"{noun.capitalize()} of a class", titleColor=MUTED, titleFontWeight="normal", format=",d",
                    gradientLength=160, tickCount=3,
                ),
            ),
        )
        .properties(width=width, height=each * classes, view=alt.ViewBackground(stroke=GRID))
    )  # fmt: skip
    return chart


def _across(devices: int, *, title: str | None, labels: bool) -> alt.X:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if devices / step <= 20)
    return alt.X(
        "from:Q",
        title=title,
        scale=alt.Scale(domain=[-0.5, devices - 0.5], nice=False),
        axis=alt.Axis(grid=False, format=",d", values=list(range(0, devices, step)), labels=labels, ticks=labels),
    )


def _vega_list(texts: Sequence[str]) -> str:
    """Texts as a list in a Vega expression."""

    return json.dumps(list(texts), ensure_ascii=False)
