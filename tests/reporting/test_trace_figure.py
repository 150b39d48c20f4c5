"""The picture and the table of a contact trace, of any shape."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from idml.reporting.style import render
from idml.reporting.terminal import short_time, trace_summary
from idml.reporting.trace_figure import trace_figure

from .test_figures import texts

SPREAD = {"count": 9, "mean": 70.25, "min": 0.0, "q1": 20.0, "median": 40.0, "q3": 5400.0, "p90": 9e4, "max": 172_800.0}


def drawn(starts_s: Any, durations_s: Any, gaps_s: Any, degrees: Any, contacts: Any, width: int = 400) -> list[str]:
    chart = trace_figure(
        "a & b.csv",
        durations_s=np.array(durations_s, float),
        inter_contact_s=np.array(gaps_s, float),
        alone_s=np.array(gaps_s, float),
        starts_s=np.array(starts_s, float),
        degrees=np.array(degrees),
        contacts=np.array(contacts),
        width=width,
    )
    svg = render(chart, "svg")
    if len(starts_s) < 10:
        assert render(chart, "svg") == svg
    return texts(svg)


def rows_of(chart: dict[str, Any], panel: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = chart["datasets"][panel["data"]["name"]]
    return rows


@pytest.mark.parametrize(("years", "width"), [(0.0, 720), (0.001, 300), (1, 720), (30, 300)])
def test_traces_of_any_span_and_size_can_be_drawn(years: float, width: int) -> None:
    rng = np.random.default_rng(1)
    starts_s = np.sort(rng.random(5000)) * years * 3e7 + 1.3e9
    shown = drawn(starts_s, rng.pareto(1, 5000) * 20, rng.pareto(0.5, 4000), [9] * 40, rng.integers(1, 900, 40), width)
    joined = "".join(shown).replace(" ", "")
    assert "a&b.csv:5,000contactsof40devices" in joined
    for label in ("a contact lasts", "a pair is apart", "a device is alone", "Partners of a device", "100%"):
        assert label in shown
    assert not any("undefined" in text or "NaN" in text for text in shown)


def test_a_single_sighting_can_be_drawn() -> None:
    shown = drawn([5], [0], [], [1, 1], [1, 1])
    assert "a&b.csv:1contactof2devicesin0days" in "".join(shown).replace(" ", "")
    numbers = [text for text in shown if text.isdecimal()]
    assert set(numbers) == {"0", "1", "2"}


def test_bars_count_devices_and_contacts() -> None:
    chart = trace_figure(
        "t",
        durations_s=np.ones(4),
        inter_contact_s=np.ones(2),
        alone_s=np.ones(2),
        starts_s=np.array([0.0, 10, 70, 3700]),
        degrees=np.array([1, 2, 2]),
        contacts=np.array([3, 4, 1]),
        width=720,
    ).to_dict()
    _, over_time, below = chart["vconcat"]
    bars = [rows_of(chart, panel) for panel in (over_time, *below["hconcat"])]
    assert [(row["from"] * 60, row["count"]) for row in bars[0] if row["count"]] == [(0, 2), (1, 1), (61, 1)]
    assert [(row["from"], row["to"], row["count"]) for row in bars[1]] == [(-0.5, 0.5, 0), (0.5, 1.5, 1), (1.5, 2.5, 2)]
    assert [row["count"] for row in bars[2]] == [0, 1, 0, 1, 1]


def test_shares_are_of_times_at_least_so_long() -> None:
    values = np.array([20.0, 20, 40, 100])
    chart = trace_figure(
        "t",
        durations_s=values,
        inter_contact_s=values,
        alone_s=values,
        starts_s=values,
        degrees=np.ones(2, int),
        contacts=np.ones(2, int),
    ).to_dict()
    rows = rows_of(chart, chart["vconcat"][0])
    shares = [(row["time"], row["share"]) for row in rows if row["what"] == "a contact lasts"]
    assert shares == [(1, 1), (20, 1), (40, 0.5), (100, 0.25)]


def test_the_table_says_what_was_left_out_and_fits() -> None:
    facts = {
        "devices": 1200,
        "contacts": 1,
        "pairs": 1,
        "span_s": 3e6,
        "dropped": {"longer than 4 h": 1400},
        "duration_s": SPREAD,
        "inter_contact_s": None,
        "alone_s": SPREAD,
        "degree": SPREAD,
        "contacts_per_device": SPREAD,
    }
    file = io.StringIO()
    Console(width=80, file=file).print(trace_summary("t.csv", facts))
    lines = [line.split() for line in file.getvalue().splitlines()]
    assert " ".join(lines[0]) == "t.csv: 1 contact of 1,200 devices, 1 pair, in 34.7 d"
    assert lines[1] == ["min", "q1", "median", "q3", "max", "mean"]
    assert " ".join(lines[2]) == "a contact lasts 0 s 20 s 40 s 1.5 h 2 d 1.2 min"
    assert lines[3][-6:] == ["-"] * 6
    assert " ".join(lines[-1]) == "rows left out: 1,400 longer than 4 h"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.25, "0.2 s"), (59, "59 s"), (60, "1 min"), (3599, "60.0 min"), (86_400, "1 d"), (1e9, "11,574 d")],
)
def test_times_are_told_in_one_unit(seconds: float, text: str) -> None:
    assert short_time(seconds) == text
