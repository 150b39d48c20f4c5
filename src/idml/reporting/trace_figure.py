"""The figure of a contact trace: how long contacts last, how often and when they happen, and how evenly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt

from idml.reporting import captions
from idml.reporting.captions import Caption
from idml.reporting.style import BLUE, GREEN, PAPER, VERMILLION, WIDTH, Chart, styled

Values = npt.NDArray[Any]

_POINTS = 300
_GAP = 72  # pixels between panels that stand side by side
_TIMES = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36_000: "10 h", 86_400: "1 d", 864_000: "10 d"}


def trace_figure(
    name: str,
    *,
    durations_s: Values,
    inter_contact_s: Values,
    alone_s: Values,
    starts_s: Values,
    degrees: Values,
    contacts: Values,
    width: int = WIDTH,
) -> Chart:
    """Draw the distributions of a trace's times, its contacts over time, and partners and contacts of its devices.

    Args:
        name: name of the trace, for the title.
        durations_s, starts_s: duration and start of each contact in seconds, sorted by start.
        inter_contact_s: times between two contacts of a pair, in seconds.
        alone_s: times between two contacts in which a device was in contact with nobody, in seconds.
        degrees, contacts: number of partners and number of contacts of each device.
        width: width of the plots, in pixels.
    """
    curves = {
        "a contact lasts": durations_s,
        "a pair is apart": inter_contact_s,
        "a device is alone": alone_s,
    }
    days = (starts_s[-1] - starts_s[0]) / 86_400
    caption = Caption(
        f"{name}: {captions.count(len(durations_s), 'contact')} of {len(degrees):,} devices in {days:.3g} days",
        "Above: the share of times that are at least so long. Middle: contacts over time. Below: to how many others a "
        "device has contacts, and how many contacts it has.",
    )
    half = (width - _GAP) // 2
    chart = alt.vconcat(
        _survival(curves, width),
        _over_time(starts_s, width),
        alt.hconcat(
            _histogram(degrees, "Partners of a device", half),
            _histogram(contacts, "Contacts of a device", half),
            spacing=_GAP,
        ),
        spacing=24,
    )
    return styled(chart, caption, width)


def _survival(samples: Mapping[str, Values], width: int) -> alt.Chart:
    """Draw the probability that a time is at least x, on logarithmic axes. Times below 1 s are drawn at 1 s."""
    rows: list[dict[str, Any]] = []
    for label, sample in samples.items():
        ordered = np.sort(np.maximum(sample, 1))
        values = np.unique(np.append(ordered, 1))
        if len(values) > _POINTS:  # keep those at equal steps of the logarithm: others would fall on the same pixels
            steps = np.geomspace(values[0], values[-1], _POINTS)
            values = np.unique(values[np.minimum(np.searchsorted(values, steps), len(values) - 1)])
        shares = 1 - np.searchsorted(ordered, values) / max(len(ordered), 1)
        rows += [{"what": label, "time": float(t), "share": float(s)} for t, s in zip(values, shares, strict=True)]
    labels = " : ".join(f"datum.value == {time} ? '{text}'" for time, text in _TIMES.items()) + " : ''"
    longest = max(10.0, *(row["time"] for row in rows))
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2, interpolate="step-before")
        .encode(
            x=alt.X(
                "time:Q",
                title="Time",
                scale=alt.Scale(type="log", domain=[1, longest], nice=False),
                axis=alt.Axis(values=[time for time in _TIMES if time <= longest], labelExpr=labels, grid=True),
            ),
            y=alt.Y(
                "share:Q",
                title="Share at least as long",
                scale=alt.Scale(type="log", nice=False, domain=[min(0.1, *(row["share"] for row in rows)), 1]),
                axis=alt.Axis(values=[10.0**power for power in range(-6, 1)], format="~%"),
            ),
            color=alt.Color(
                "what:N",
                scale=alt.Scale(domain=list(samples), range=[BLUE, VERMILLION, GREEN]),
                legend=alt.Legend(symbolType="stroke", symbolSize=400),
            ),
        )
        .properties(width=width, height=260)
    )
    return chart


def _over_time(starts_s: Values, width: int) -> alt.Chart:
    """Draw how many contacts begin in each of several equal times. These are round numbers of minutes."""
    since_s = starts_s - starts_s[0]
    bins = max(1, width // 6)
    days = 86_400 * _step(since_s[-1] / 86_400, bins)
    step_s = next((s for s in (60, 300, 600, 1800, 3600, 7200, 21_600, 43_200) if since_s[-1] / s < bins), days)
    in_days = since_s[-1] > 3 * 86_400
    unit_s, unit = (86_400, "Days") if in_days else (3600, "Hours")
    counts = np.bincount((since_s // step_s).astype(np.int64))
    every = next(f"{step_s // s} {name}" for s, name in ((86_400, "d"), (3600, "h"), (60, "min")) if step_s >= s)
    edges = np.arange(len(counts) + 1) * step_s / unit_s
    return _bars(edges, counts, f"{unit} from the first contact", f"Contacts in {every}", width, height=110)


def _histogram(values: Values, title: str, width: int) -> alt.Chart:
    """Draw how many devices have how many of something, in bins of whole numbers from 0."""
    step = _step(values.max(), width // 10)
    counts = np.bincount((values // step).astype(np.int64))
    # A bar that counts one whole number is centred on it.
    edges = np.arange(len(counts) + 1) * step - 0.5
    return _bars(edges, counts, title, "Devices", width, height=130)


def _bars(edges: Values, counts: Values, x: str, y: str, width: int, *, height: int) -> alt.Chart:
    rows = [
        {"from": float(low), "to": float(high), "count": int(count), "none": 0}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(color=BLUE, stroke=PAPER, strokeWidth=0.5)
        .encode(
            x=alt.X(
                "from:Q",
                title=x,
                axis=alt.Axis(grid=False, format=",d", values=_whole(edges[-1], width // 50)),
                scale=alt.Scale(nice=False),
            ),
            x2="to:Q",
            y=alt.Y("count:Q", title=y, axis=alt.Axis(format=",d", values=_whole(counts.max(), 5))),
            y2="none:Q",
        )
        .properties(width=width, height=height)
    )
    return chart


def _step(highest: float, most: int) -> int:
    """The least step among 1, 2, 5, 10, 20 and so on that reaches `highest` in about `most` steps or fewer."""
    steps: Iterator[int] = (s * 10**e for e in range(18) for s in (1, 2, 5))
    return next(step for step in steps if highest / step <= most)


def _whole(highest: float, most: int) -> list[int]:
    """Whole numbers for the ticks of an axis. If the numbers are few, Vega's own ticks are fractions."""
    return list(range(0, int(highest) + 1, _step(highest, most)))
