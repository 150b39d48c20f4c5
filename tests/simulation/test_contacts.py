"""Contacts: evenly distributed, random, and the same for the same seed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from idml.simulation.contacts import even_contacts


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
