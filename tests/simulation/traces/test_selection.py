"""Some devices of a trace: those who meet each other most, with all that happened between them and nothing else."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from idml.simulation.traces import Trace, most_met, read_trace

from .conftest import EXAMPLE
from .test_trace import SIGHTINGS, Sighting, contacts, trace_of


def peeled(trace: Trace, count: int) -> set[str]:
    """The slow way: look through all contacts for each device that goes."""
    left = set(range(len(trace.devices)))
    pairs = list(zip(trace.a.tolist(), trace.b.tolist(), strict=True))
    while len(left) > count:
        met = Counter(dict.fromkeys(left, 0))
        met.update(device for pair in pairs if left >= set(pair) for device in pair)
        left.remove(min(left, key=lambda device: (met[device], -device)))
    met = Counter(device for pair in pairs if left >= set(pair) for device in pair)
    return {trace.devices[device] for device in left if met[device]}


@given(SIGHTINGS, st.integers(2, 6))
def test_who_meets_the_others_least_goes_first(sightings: list[Sighting], count: int) -> None:
    trace = trace_of(sightings)
    kept = most_met(trace, count)
    names = peeled(trace, count)
    assert set(kept.devices) == names
    assert contacts(kept) == [one for one in contacts(trace) if {one[2], one[3]} <= names]
    assert list(kept.devices) == [name for name in trace.devices if name in names]
    assert most_met(kept, count) is kept


def test_a_trace_of_no_more_devices_stays_as_it_is() -> None:
    trace = read_trace(EXAMPLE)
    assert most_met(trace, len(trace.devices)) is trace
    assert most_met(trace, 1_000) is trace
    assert len(most_met(trace, 7).devices) == 7
