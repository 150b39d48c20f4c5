"""Generated traces: the old statistics, evenly spread, for any number of devices, the same for the same seed."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.simulation.traces import Trace, read_trace, spread_evenly
from idml.simulation.traces.statistics import contacts_per_device, degrees, durations, pair_gaps

from .conftest import EXAMPLE
from .test_trace import SIGHTINGS, Sighting, contacts, trace_of


def distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Kolmogorov and Smirnov's: the largest difference between two distribution functions."""
    values = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("devices", [50, 300])
def test_durations_and_inter_contact_times_are_kept_and_contacts_even(
    any_trace_path: Path, devices: int, seed: int
) -> None:
    trace = read_trace(any_trace_path)
    generated = spread_evenly(trace, devices, seed)
    # Of the thousands of values compared, two samples of one distribution would differ by about as much.
    assert distance(durations(trace), durations(generated)) < 0.02
    assert distance(pair_gaps(trace), pair_gaps(generated)) < 0.03
    assert len(generated.devices) == devices
    count = contacts_per_device(generated)
    assert count.max() - count.min() <= max(3, 0.03 * count.mean())
    # As many partners and contacts as the old devices have, unless there are too few others.
    due = 2 * len(trace) / len(trace.devices)
    if degrees(trace).mean() < devices - 1:
        assert count.mean() == pytest.approx(due, rel=0.02)
    assert degrees(generated).max() - degrees(generated).min() <= 4
    assert trace.start_s.min() <= generated.start_s.min() <= generated.end_s.max() <= trace.end_s.max()


def test_the_seed_decides() -> None:
    trace = read_trace(EXAMPLE)
    assert contacts(spread_evenly(trace, 30, 1)) == contacts(spread_evenly(trace, 30, 1))
    assert contacts(spread_evenly(trace, 30, 1)) != contacts(spread_evenly(trace, 30, 2))


def test_one_devices_popularity_is_spread() -> None:
    """A hub that meets everybody, and nobody else meets."""
    others = np.arange(1, 40)
    hub = Trace.of([str(n) for n in range(40)], others * 100, others * 100 + 50, np.zeros(39, int), others)
    assert degrees(hub).max() == 39
    assert degrees(spread_evenly(hub, 40, 1)).max() <= 3


@settings(deadline=None)
@given(SIGHTINGS, st.integers(2, 30), st.integers(0, 2**64 - 1))
def test_any_trace_can_be_spread_over_any_number_of_devices(sightings: list[Sighting], devices: int, seed: int) -> None:
    trace = trace_of(sightings)
    generated = spread_evenly(trace, devices, seed)
    assert generated.devices == tuple(str(device) for device in range(devices))
    assert np.all(generated.a < generated.b)
    timed = set(zip(trace.start_s, trace.end_s, strict=True))
    assert set(zip(generated.start_s, generated.end_s, strict=True)) <= timed
    assert set(pair_gaps(generated)) <= set(pair_gaps(trace))


def test_one_device_is_too_few() -> None:
    with pytest.raises(ValueError, match="devices is 1: must be at least 2"):
        spread_evenly(read_trace(EXAMPLE), 1, 1)
