"""Traces in memory: what is known of a pair is the union of its sightings, whoever saw whom, in whatever order."""

from collections import defaultdict
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from idml.simulation.traces.trace import Trace

SIGHTINGS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12), st.integers(0, 4), st.integers(0, 4)).filter(
        lambda sighting: sighting[2] != sighting[3]
    ),
    min_size=1,
    max_size=60,
)
NAMES = ["10", "b", "9", "a", "2"]
Sighting = tuple[int, int, int, int]


def trace_of(sightings: list[Sighting]) -> Trace:
    starts, lengths, ones, others = zip(*sightings, strict=True)
    return Trace.of(NAMES, starts, np.add(starts, lengths), ones, others)


def contacts(trace: Trace) -> list[tuple[float, float, str, str]]:
    columns = (trace.start_s, trace.end_s, trace.a, trace.b)
    return [(s, e, trace.devices[a], trace.devices[b]) for s, e, a, b in zip(*columns, strict=True)]


@given(SIGHTINGS)
def test_contacts_are_the_union_of_the_sightings(sightings: list[Sighting]) -> None:
    """Against a reference that looks at every half second of every pair."""
    seen: dict[frozenset[str], set[float]] = defaultdict(set)
    for start, length, one, other in sightings:
        seen[frozenset((NAMES[one], NAMES[other]))] |= {start + half / 2 for half in range(2 * length + 1)}
    found: dict[frozenset[str], set[float]] = defaultdict(set)
    total = 0
    for begin, end, first, second in contacts(trace_of(sightings)):
        inside = {begin + half / 2 for half in range(round(2 * (end - begin)) + 1)}
        assert not inside & found[frozenset((first, second))], "contacts of a pair touch"
        found[frozenset((first, second))] |= inside
        total += 1
    assert found == seen
    gaps = sum(half + 0.5 not in halves for halves in seen.values() for half in halves)
    assert total == gaps


@given(SIGHTINGS, st.randoms(use_true_random=False))
def test_order_and_direction_of_the_sightings_change_nothing(sightings: list[Sighting], random: Random) -> None:
    shuffled = [(s, n, b, a) if random.random() < 0.5 else (s, n, a, b) for s, n, a, b in sightings]
    random.shuffle(shuffled)
    first, second = trace_of(sightings), trace_of(shuffled)
    assert first.devices == second.devices
    for column in ("start_s", "end_s", "a", "b"):
        assert np.array_equal(getattr(first, column), getattr(second, column)), column


@given(SIGHTINGS)
def test_contacts_are_sorted_and_devices_named_in_order(sightings: list[Sighting]) -> None:
    trace = trace_of(sightings)
    columns = (trace.start_s, trace.end_s, trace.a, trace.b)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    assert rows == sorted(rows)
    assert all(a < b for _, _, a, b in rows)
    named = [name for name in ("2", "9", "10", "a", "b") if any(name in contact for contact in contacts(trace))]
    assert list(trace.devices) == named
    assert trace.start_s.dtype == trace.end_s.dtype == np.float64
    assert trace.a.dtype == trace.b.dtype == np.int64
