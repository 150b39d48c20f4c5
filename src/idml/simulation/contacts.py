"""Who meets whom: evenly distributed random contacts, as in the paper's evaluation (section IV-A)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from idml.adapters.keys import draw_seed


@dataclass(frozen=True, slots=True)
class Contact:
    """Two devices meet, and one asks the other for help.

    Args:
        index: from 0, in the order of time.
        round: from 1; a round is as many contacts as there are devices.
        learner, neighbor: device numbers.
    """

    index: int
    round: int
    learner: int
    neighbor: int


def even_contacts(devices: int, contacts: int, seed: int) -> Iterator[Contact]:
    """Draw contacts so that in each round every device is learner once and neighbor once.

    Args:
        devices: how many there are, at least 2.
        contacts: how many contacts to draw.
        seed: of the run.
    """
    for index in range(contacts):
        turn, position = divmod(index, devices)
        if position == 0:
            generator = np.random.default_rng(draw_seed(seed, "contacts", turn))
            # Neighbors in a cycle: a permutation without fixed points, so nobody meets itself.
            cycle = generator.permutation(devices)
            order = generator.permutation(devices)
        place = order[position]
        yield Contact(index, turn + 1, int(cycle[place]), int(cycle[(place + 1) % devices]))
