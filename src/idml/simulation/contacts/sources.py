"""The sources of contacts that ship: evenly distributed at random, or as a trace has them."""

import os
from collections.abc import Iterator

import numpy as np

from idml.adapters.keys import draw_seed
from idml.simulation.contacts.base import Contact, ContactSource
from idml.simulation.contacts.registry import CONTACTS, names_source
from idml.simulation.traces import Trace, TraceError, read_trace


class Even(ContactSource):
    """At random, so that in each round every device is learner once and neighbor once (the paper, section IV-A).

    Contacts last as long as need be.
    """

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        """See `ContactSource.contacts`."""
        for index in range(count):
            turn, position = divmod(index, devices)
            if position == 0:
                generator = np.random.default_rng(draw_seed(seed, "contacts", turn))
                # Neighbors in a cycle: a permutation without fixed points, so nobody meets itself.
                cycle = generator.permutation(devices)
                order = generator.permutation(devices)
            place = order[position]
            learner, neighbor = int(cycle[place]), int(cycle[(place + 1) % devices])
            yield Contact(index, turn + 1, learner, neighbor, index * interval_s)


class TraceContacts(ContactSource):
    """The contacts of a trace in their order; chance decides which of the two is the learner.

    Args:
        trace: whose devices are the run's, by their numbers, and which has as many contacts as are asked for.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        """See `ContactSource.contacts`; the trace knows its devices and times."""
        del devices, interval_s
        trace = self._trace
        is_learner = np.random.default_rng(draw_seed(seed, "learners")).integers(0, 2, len(trace), dtype=np.int8)
        since_s = np.floor(trace.start_s - trace.start_s[0]).astype(np.int64)
        for index in range(count):
            pair = int(trace.a[index]), int(trace.b[index])
            learner, neighbor = pair if is_learner[index] else pair[::-1]
            duration_s = float(trace.end_s[index] - trace.start_s[index])
            yield Contact(index, index // len(trace.devices) + 1, learner, neighbor, int(since_s[index]), duration_s)


def find_trace(contacts: str) -> Trace | None:
    """The trace that a configuration's `contacts` names; None if it names a source in the registry.

    Raises:
        TraceError: there is no such file, or what it holds is no trace.
    """
    if names_source(contacts):
        return None
    if not os.path.isfile(contacts):
        raise TraceError(
            f"contacts is {contacts!r}: choose {', '.join(CONTACTS.names())}, FILE.py:NAME or PACKAGE.MODULE:NAME, "
            "or name a trace's file that is there"
        )
    return read_trace(contacts)
