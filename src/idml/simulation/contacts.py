"""Who meets whom, when and for how long: evenly distributed at random, or as a trace has it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idml.adapters.keys import draw_seed
from idml.simulation.traces import Trace, TraceError, read_trace

EVEN = "even"
"""Names the random contacts in a configuration; any other name is a trace's file."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Two devices meet, and one asks the other for help.

    Args:
        index: from 0, in the order of time.
        round: from 1; a round is as many contacts as there are devices.
        learner, neighbor: device numbers.
        time_s: when it begins, in whole seconds from the first.
        duration_s: how long it lasts.
    """

    index: int
    round: int
    learner: int
    neighbor: int
    time_s: int = 0
    duration_s: float = math.inf


def even_contacts(devices: int, contacts: int, seed: int, *, interval_s: int = 0) -> Iterator[Contact]:
    """Draw contacts so that in each round every device is learner once and neighbor once (the paper, section IV-A).

    They last as long as need be.

    Args:
        devices: how many there are, at least 2.
        contacts: how many contacts to draw.
        seed: of the run.
        interval_s: from each contact to the next.
    """
    for index in range(contacts):
        turn, position = divmod(index, devices)
        if position == 0:
            generator = np.random.default_rng(draw_seed(seed, "contacts", turn))
            # Neighbors in a cycle: a permutation without fixed points, so nobody meets itself.
            cycle = generator.permutation(devices)
            order = generator.permutation(devices)
        place = order[position]
        learner, neighbor = int(cycle[place]), int(cycle[(place + 1) % devices])
        yield Contact(index, turn + 1, learner, neighbor, index * interval_s)


def trace_contacts(trace: Trace, contacts: int, seed: int) -> Iterator[Contact]:
    """The first contacts of a trace; chance decides which of the two is the learner.

    Args:
        trace: whose devices are the run's, by their numbers.
        contacts: how many, at most as many as the trace has.
        seed: of the run.
    """
    is_learner = np.random.default_rng(draw_seed(seed, "learners")).integers(0, 2, len(trace), dtype=np.int8)
    since_s = np.floor(trace.start_s - trace.start_s[0]).astype(np.int64)
    for index in range(contacts):
        pair = int(trace.a[index]), int(trace.b[index])
        learner, neighbor = pair if is_learner[index] else pair[::-1]
        duration_s = float(trace.end_s[index] - trace.start_s[index])
        yield Contact(index, index // len(trace.devices) + 1, learner, neighbor, int(since_s[index]), duration_s)


def find_trace(name: str) -> Trace | None:
    """The trace that a configuration's `contacts` names; None for random contacts.

    Raises:
        TraceError: if there is no such file, or what it holds is no trace.
    """
    if name == EVEN:
        return None
    if not Path(name).is_file():
        raise TraceError(f"contacts is {name!r}: choose {EVEN}, or name a file that is there")
    return read_trace(name)
