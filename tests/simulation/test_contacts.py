"""Contacts: evenly distributed at random or as a trace has them, and the same for the same seed."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.adapters.oppcl import OppCL
from idml.registry import PluginError
from idml.simulation.config import ConfigError, load_config, make_config
from idml.simulation.contacts import Contact, ContactSource
from idml.simulation.contacts.checker import check_contacts
from idml.simulation.contacts.registry import names_source
from idml.simulation.contacts.sources import Even, TraceContacts, find_trace
from idml.simulation.setup import build_world, resolve
from idml.simulation.traces import Trace, TraceError, most_met, read_trace

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "contacts.csv")


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 2**32))
def test_in_each_round_every_device_is_learner_once_and_neighbor_once(devices: int, rounds: int, seed: int) -> None:
    contacts = list(Even().contacts(devices, devices * rounds, seed, 0))
    assert [contact.index for contact in contacts] == list(range(devices * rounds))
    for number in range(1, rounds + 1):
        turn = [contact for contact in contacts if contact.round == number]
        assert sorted(contact.learner for contact in turn) == list(range(devices))
        assert sorted(contact.neighbor for contact in turn) == list(range(devices))
        assert all(contact.learner != contact.neighbor for contact in turn)


def test_a_longer_run_begins_as_a_shorter_one_and_seeds_differ() -> None:
    assert list(Even().contacts(10, 15, 1, 0)) == list(Even().contacts(10, 30, 1, 0))[:15]
    assert list(Even().contacts(10, 15, 1, 0)) != list(Even().contacts(10, 15, 2, 0))


def test_everybody_meets_everybody() -> None:
    pairs = Counter((contact.learner, contact.neighbor) for contact in Even().contacts(6, 6 * 400, 3, 0))
    # Chi-square over 30 ordered pairs, 80 expected each: 29 degrees of freedom, p = .0001 at 64.
    assert len(pairs) == 30
    assert sum((count - 80) ** 2 / 80 for count in pairs.values()) < 64


def test_even_contacts_come_at_intervals_and_last_as_long_as_need_be() -> None:
    contacts = list(Even().contacts(4, 6, 1, 60))
    assert [contact.time_s for contact in contacts] == [0, 60, 120, 180, 240, 300]
    assert {contact.duration_s for contact in contacts} == {math.inf}


def test_contacts_of_a_trace_are_its_own() -> None:
    trace = Trace.of("abc", [5, 7.5, 65], [5, 107, 66], [0, 1, 2], [1, 2, 0])
    contacts = list(TraceContacts(trace).contacts(3, 3, 1, 60))
    assert [(contact.index, contact.round, contact.time_s, contact.duration_s) for contact in contacts] == [
        (0, 1, 0, 0),
        (1, 1, 2, 99.5),
        (2, 1, 60, 1),
    ]
    assert [{contact.learner, contact.neighbor} for contact in contacts] == [{0, 1}, {1, 2}, {0, 2}]


def test_either_of_two_that_meet_may_be_the_learner() -> None:
    starts = np.arange(2000) * 10
    trace = Trace.of("ab", starts, starts + 1, np.zeros(2000, int), np.ones(2000, int))
    source = TraceContacts(trace)
    contacts = list(source.contacts(2, 2000, 1, 60))
    # Binomial, 2,000 fair draws: p = .0001 at 913.
    assert 913 < sum(contact.learner for contact in contacts) < 1087
    assert list(source.contacts(2, 50, 1, 60)) == contacts[:50]
    assert list(source.contacts(2, 50, 2, 60)) != contacts[:50]


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
    with pytest.raises(
        TraceError, match=r"contacts is 'none.csv': choose even, FILE.py:NAME .*, or name a trace's file that is there"
    ):
        find_trace(make_config({"contacts": "none.csv", **devices}).contacts)


class Pairs(ContactSource):
    """Each even device meets the next one."""

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        for index in range(count):
            learner = 2 * (index % (devices // 2))
            yield self.contact(index, index // devices + 1, learner, learner + 1, index * interval_s)

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn, learner, neighbor, time_s)


class Once(Pairs):
    """Has one walk for all who ask."""

    def __init__(self) -> None:
        self.walks = 0

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        self.walks += 1
        return super().contacts(devices, count, seed, interval_s)


class Moody(Pairs):
    """Draws who learns from nothing."""

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        generator = np.random.default_rng()
        for index in range(count):
            learner = int(generator.integers(devices))
            yield self.contact(index, index // devices + 1, learner, (learner + 1) % devices, 0)


class Few(Pairs):
    """Ends before its time."""

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        return super().contacts(devices, count - 1, seed, interval_s)


class Many(Pairs):
    """Never ends."""

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        return super().contacts(devices, 10**9, seed, interval_s)


class Listed(Pairs):
    """Has all contacts at once."""

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        return list(super().contacts(devices, count, seed, interval_s))  # type: ignore[return-value]


class Fails(Pairs):
    """Is made for many devices."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        raise ValueError(f"device {100} is none of these")


class Late(Pairs):
    """Counts from 1."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index + 1, turn, learner, neighbor, time_s)


class Rounds(Pairs):
    """Counts rounds from 0."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn - 1, learner, neighbor, time_s)


class Alone(Pairs):
    """Has devices meet themselves."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn, learner, learner, time_s)


class Elsewhere(Pairs):
    """Has devices meet who are not there."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn, learner, neighbor + 7, time_s)


class Backward(Pairs):
    """Counts time down."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn, learner, neighbor, 10_000 - time_s)


class Endless(Pairs):
    """Does not know how long contacts last."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn, learner, neighbor, time_s, math.nan)


class Typed(Pairs):
    """Gives NumPy's numbers, which the store cannot keep."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return Contact(index, turn, np.int64(learner), neighbor, time_s)  # type: ignore[arg-type]


class Tuples(Pairs):
    """Gives tuples."""

    def contact(self, index: int, turn: int, learner: int, neighbor: int, time_s: int) -> Contact:
        return index, turn, learner, neighbor, time_s  # type: ignore[return-value]


@pytest.mark.parametrize("source", [Even(), Pairs(), Many()])
def test_sources_that_are_right_pass_the_check(source: ContactSource) -> None:
    check_contacts(source)


def test_a_trace_passes_the_check_with_the_devices_that_it_has() -> None:
    check_contacts(TraceContacts(read_trace(EXAMPLE)), devices=20, count=611)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Once(), "Once keeps something from one call to the next"),
        (Moody(), r"contacts\(\) gave Contact\(.*\) and then Contact\(.*\) for equal arguments"),
        (Few(), r"contacts\(\) ended after 39 of 40 contacts: give as many as are asked for"),
        (Listed(), r"contacts\(\) returned list: yield contacts, or return an iterator"),
        (Fails(), r"contacts\(\) raised ValueError\('device 100 is none of these'\)"),
        (Late(), "its index must be 0"),
        (Rounds(), "its round must be index // devices \\+ 1, here 1"),
        (Alone(), "learner and neighbor must differ"),
        (Elsewhere(), "devices have the numbers 0 to 7"),
        (Backward(), "time must not go back, it was 10000 s before"),
        (Endless(), "its duration_s must be a number of at least 0"),
        (Typed(), r"learner must be an int, write int\(...\)"),
        (Tuples(), r"contacts\(\) gave \(0, 1, 0, 1, 0\): give idml.Contact"),
    ],
)
def test_the_check_says_what_is_wrong_with_a_source(source: ContactSource, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_contacts(source)


def test_a_file_is_a_trace_and_every_other_name_with_a_colon_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("even", "my.py:Mine", "my.module:Mine"):
        assert names_source(name)
        Path(name).touch()
    assert names_source("even")
    assert [names_source(name) for name in ("my.py:Mine", "my.module:Mine", "trace.csv")] == [False, False, False]
