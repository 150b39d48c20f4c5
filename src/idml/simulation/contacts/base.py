"""A contact, and the base class of all that say who meets whom."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    """Two devices meet, and one asks the other for help.

    Args:
        index: from 0, in the order of time.
        round: from 1; a round is as many contacts as there are devices, so it is index // devices + 1.
        learner, neighbor: device numbers, from 0; two different ones.
        time_s: when it begins, in whole seconds from the first.
        duration_s: how long it lasts, at least 0; infinite: as long as need be.
    """

    index: int
    round: int
    learner: int
    neighbor: int
    time_s: int = 0
    duration_s: float = math.inf


class ContactSource(ABC):
    """Says who meets whom, when and for how long. It keeps nothing: a run walks its contacts several times."""

    @abstractmethod
    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[Contact]:
        """Give contacts one after another, equal ones for equal arguments; `time_s` never goes back.

        Args:
            devices: how many there are, at least 2.
            count: how many contacts are needed; more may be given, and are left out.
            seed: of the run; all that is drawn at random derives from it.
            interval_s: from a contact to the next, for sources that know no times of their own.
        """
