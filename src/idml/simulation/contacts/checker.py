"""Tells the author of a source of contacts what is wrong with it before a run does."""

import math
from collections.abc import Iterator
from itertools import islice, zip_longest

from idml.checks import brief, call, is_number, keeps_nothing
from idml.registry import PluginError
from idml.simulation.contacts.base import Contact, ContactSource

_LATEST_S = 1 << 36
"""Two thousand years; the contract counts its seconds in 40 bits, from 1970."""


def check_contacts(
    source: ContactSource, *, devices: int = 8, count: int = 40, seed: int = 1, interval_s: int = 60
) -> None:
    """Walk all contacts of a source twice at the same time and check all that iDML relies on.

    Args:
        source: the one to check.
        devices, count, seed, interval_s: see `ContactSource.contacts`; a run gives its own.

    Raises:
        PluginError: at the first thing that would break a run.
    """
    if not isinstance(source, ContactSource):
        raise PluginError(f"{type(source).__name__} is no ContactSource: subclass idml.ContactSource")
    before: Contact | None = None
    with keeps_nothing(source):
        walks = (_walk(source, devices, count, seed, interval_s) for _ in range(2))
        for index, (contact, again) in enumerate(zip_longest(*walks)):
            if contact != again:
                raise PluginError(
                    f"contacts() gave {contact} and then {again} for equal arguments: draw only from "
                    "numpy.random.default_rng(seed), and keep nothing"
                )
            before = _checked(contact, index, devices, before)
    found = 0 if before is None else before.index + 1
    if found < count:
        raise PluginError(f"contacts() ended after {found} of {count} contacts: give as many as are asked for")


def _walk(source: ContactSource, devices: int, count: int, seed: int, interval_s: int) -> Iterator[object]:
    walk = call(source, "contacts", devices, count, seed, interval_s)
    if not isinstance(walk, Iterator):
        raise PluginError(f"contacts() returned {type(walk).__name__}: yield contacts, or return an iterator")
    try:
        yield from islice(walk, count)
    except (Exception, SystemExit) as error:
        raise PluginError(f"contacts() raised {brief(error)}") from error


def _checked(contact: object, index: int, devices: int, before: Contact | None) -> Contact:
    """A contact, once it is checked by itself and against the one before."""
    if not isinstance(contact, Contact):
        raise PluginError(f"contacts() gave {brief(contact)}: give idml.Contact(...)")
    for key in ("index", "round", "learner", "neighbor", "time_s"):
        if type(getattr(contact, key)) is not int:
            raise PluginError(f"contacts() gave {contact}: {key} must be an int, write int(...)")
    wrong = None
    if contact.index != index:
        wrong = f"its index must be {index}"
    elif contact.round != index // devices + 1:
        wrong = f"its round must be index // devices + 1, here {index // devices + 1}"
    elif not (0 <= contact.learner < devices and 0 <= contact.neighbor < devices):
        wrong = f"devices have the numbers 0 to {devices - 1}"
    elif contact.learner == contact.neighbor:
        wrong = "learner and neighbor must differ"
    elif contact.time_s < (before.time_s if before else 0):
        wrong = f"time must not go back, it was {before.time_s if before else 0} s before"
    elif contact.time_s > _LATEST_S:
        wrong = f"time_s is in seconds from the first contact, at most {_LATEST_S:,}"
    elif not is_number(contact.duration_s) or math.isnan(contact.duration_s) or contact.duration_s < 0:
        wrong = "its duration_s must be a number of at least 0"
    if wrong is not None:
        raise PluginError(f"contacts() gave {contact}: {wrong}")
    return contact
