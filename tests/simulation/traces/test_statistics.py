"""Figures of a trace, against a trace so small that they can be counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from idml.simulation.traces import Trace, describe, read_trace
from idml.simulation.traces.statistics import (
    contacts_per_device,
    degrees,
    device_gaps,
    durations,
    pair_gaps,
)

# a and b meet three times, c meets a while b does, and meets b later.
SMALL = Trace.of("abc", [0, 20, 100, 25, 200], [10, 30, 100, 60, 260], [0, 1, 0, 0, 1], [1, 0, 1, 2, 2])


def test_figures_of_a_small_trace() -> None:
    assert durations(SMALL).tolist() == [10, 10, 35, 0, 60]
    assert pair_gaps(SMALL).tolist() == [10, 70]
    assert device_gaps(SMALL).tolist() == [10, 40, 10, 70, 100, 140]  # a: 0-10, 20-60, 100; b: 0-10, 20-30, 100, 200
    assert degrees(SMALL).tolist() == [2, 2, 2]
    assert contacts_per_device(SMALL).tolist() == [4, 4, 2]
    facts = describe(SMALL)
    assert (facts["devices"], facts["contacts"], facts["pairs"], facts["span_s"]) == (3, 5, 3, 260)
    assert facts["duration_s"] == {
        "count": 5, "mean": 23, "min": 0, "q1": 10, "median": 10, "q3": 35, "p90": 50, "max": 60
    }  # fmt: skip


def test_where_pairs_meet_once_there_are_no_inter_contact_times() -> None:
    facts = describe(Trace.of("ab", [3], [4], [0], [1]))
    assert facts["inter_contact_s"] is None
    assert facts["alone_s"] is None


def test_figures_fit_json_and_each_other(any_trace_path: Path) -> None:
    trace = read_trace(any_trace_path)
    facts = json.loads(json.dumps(describe(trace), allow_nan=False))
    assert facts["inter_contact_s"]["count"] == facts["contacts"] - facts["pairs"]
    assert facts["inter_contact_s"]["min"] > 0 <= facts["duration_s"]["min"]
    assert facts["degree"]["mean"] == pytest.approx(2 * facts["pairs"] / facts["devices"])
    assert facts["contacts_per_device"]["mean"] == pytest.approx(2 * facts["contacts"] / facts["devices"])
    assert np.min(degrees(trace)) >= 1
