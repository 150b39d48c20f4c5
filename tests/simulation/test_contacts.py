"""Contacts: evenly distributed at random or as a trace has them, and the same for the same seed."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.adapters.oppcl import OppCL
from idml.simulation.config import ConfigError, load_config, make_config
from idml.simulation.contacts import even_contacts, find_trace, trace_contacts
from idml.simulation.setup import build_world, resolve
from idml.simulation.traces import Trace, TraceError, most_met, read_trace

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "contacts.csv")


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 2**32))
def test_in_each_round_every_device_is_learner_once_and_neighbor_once(devices: int, rounds: int, seed: int) -> None:
    contacts = list(even_contacts(devices, devices * rounds, seed))
    assert [contact.index for contact in contacts] == list(range(devices * rounds))
    for number in range(1, rounds + 1):
        turn = [contact for contact in contacts if contact.round == number]
        assert sorted(contact.learner for contact in turn) == list(range(devices))
        assert sorted(contact.neighbor for contact in turn) == list(range(devices))
        assert all(contact.learner != contact.neighbor for contact in turn)


def test_a_longer_run_begins_as_a_shorter_one_and_seeds_differ() -> None:
    assert list(even_contacts(10, 15, 1)) == list(even_contacts(10, 30, 1))[:15]
    assert list(even_contacts(10, 15, 1)) != list(even_contacts(10, 15, 2))


def test_everybody_meets_everybody() -> None:
    pairs = Counter((contact.learner, contact.neighbor) for contact in even_contacts(6, 6 * 400, 3))
    # Chi-square over 30 ordered pairs, 80 expected each: 29 degrees of freedom, p = .0001 at 64.
    assert len(pairs) == 30
    assert sum((count - 80) ** 2 / 80 for count in pairs.values()) < 64


def test_even_contacts_come_at_intervals_and_last_as_long_as_need_be() -> None:
    contacts = list(even_contacts(4, 6, 1, interval_s=60))
    assert [contact.time_s for contact in contacts] == [0, 60, 120, 180, 240, 300]
    assert {contact.duration_s for contact in contacts} == {math.inf}


def test_contacts_of_a_trace_are_its_own() -> None:
    trace = Trace.of("abc", [5, 7.5, 65], [5, 107, 66], [0, 1, 2], [1, 2, 0])
    contacts = list(trace_contacts(trace, 3, seed=1))
    assert [(contact.index, contact.round, contact.time_s, contact.duration_s) for contact in contacts] == [
        (0, 1, 0, 0),
        (1, 1, 2, 99.5),
        (2, 1, 60, 1),
    ]
    assert [{contact.learner, contact.neighbor} for contact in contacts] == [{0, 1}, {1, 2}, {0, 2}]


def test_either_of_two_that_meet_may_be_the_learner() -> None:
    starts = np.arange(2000) * 10
    trace = Trace.of("ab", starts, starts + 1, np.zeros(2000, int), np.ones(2000, int))
    contacts = list(trace_contacts(trace, 2000, seed=1))
    # Binomial, 2,000 fair draws: p = .0001 at 913.
    assert 913 < sum(contact.learner for contact in contacts) < 1087
    assert list(trace_contacts(trace, 50, seed=1)) == contacts[:50]
    assert list(trace_contacts(trace, 50, seed=2)) != contacts[:50]


def test_devices_and_encounters_follow_from_the_trace_unless_set() -> None:
    config = make_config({"contacts": EXAMPLE})
    assert (config.devices, config.encounters) == (20, 611)
    assert load_config(None, [f"contacts={EXAMPLE}", "encounters=9"]).contact_count == 9
    assert make_config({"contacts": "even"}).contact_count == 1500


def test_of_a_trace_of_more_devices_those_take_part_who_meet_most() -> None:
    config = make_config({"contacts": EXAMPLE, "devices": 8, "dataset": "digits"})
    chosen = most_met(read_trace(EXAMPLE), 8)
    assert config.encounters == len(chosen) < 611
    world = build_world(resolve(config, OppCL()), OppCL())
    met = [{contact.learner, contact.neighbor} for contact in world.contacts()]
    assert met == [{a, b} for a, b in zip(chosen.a.tolist(), chosen.b.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"devices": 50}, f"devices is 50: {EXAMPLE} has 20; leave the key out, or generate a trace of 50 with "),
        ({"encounters": 612}, f"encounters is 612: {EXAMPLE} has 611 contacts"),
        ({"devices": 8, "encounters": 612}, f"encounters is 612: {EXAMPLE} has 345 contacts among 8 devices"),
    ],
)
def test_what_does_not_fit_the_trace_is_said_before_anything_runs(changes: dict[str, int], line: str) -> None:
    config = make_config({"contacts": EXAMPLE, "dataset": "digits", **changes})
    with pytest.raises(ConfigError) as caught:
        build_world(resolve(config, OppCL()), OppCL())
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("devices", [{}, {"devices": 20, "encounters": 5}])
def test_a_trace_that_is_not_there_is_named(devices: dict[str, int]) -> None:
    with pytest.raises(TraceError, match=r"contacts is 'none.csv': choose even, or name a file that is there"):
        find_trace(make_config({"contacts": "none.csv", **devices}).contacts)
