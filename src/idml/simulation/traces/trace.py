"""A contact trace in memory: one form, whatever file it came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from idml.errors import IdmlError

Seconds = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


class TraceError(IdmlError, ValueError):
    """A trace cannot be used. The message names file and line, and says what was expected and what was found."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Contacts between devices, sorted by (start, end, a, b). Make one with `Trace.of`.

    Contacts of one pair neither overlap nor touch. Times are those of the file, which may count from any moment.

    Args:
        devices: names of the devices as the file has them. Numbers come before words, and each are in order. A device's
            number is its place in this list.
        start_s, end_s: start and end of each contact, in seconds, float64 (n,), `start_s <= end_s`. They are equal for
            a single sighting.
        a, b: numbers of the two devices, int64 (n,), `a < b`, because contacts have no direction.
        dropped: number of rows of the file that were left out, by reason.
    """

    devices: tuple[str, ...]
    start_s: Seconds
    end_s: Seconds
    a: Numbers
    b: Numbers
    dropped: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        start_s: npt.ArrayLike,
        end_s: npt.ArrayLike,
        one: npt.ArrayLike,
        other: npt.ArrayLike,
        dropped: Mapping[str, int] | None = None,
    ) -> "Trace":
        """Make a trace of sightings. For each pair, intervals that overlap or touch become one contact.

        It does not matter which of the two devices saw the other.

        Args:
            names: names of devices, all different. Those without a sighting are left out.
            start_s, end_s: start and end of each sighting, in seconds, (n,), `start_s <= end_s`.
            one, other: the two devices of each sighting as places in `names`, (n,), `one != other`.
            dropped: number of rows that were left out, by reason.
        """
        used, places = np.unique(np.concatenate([np.asarray(one, int), np.asarray(other, int)]), return_inverse=True)
        kept = [names[place] for place in used.tolist()]
        order = sorted(range(len(kept)), key=lambda place: _natural(kept[place]))
        number = np.empty(len(used), np.int64)
        number[order] = np.arange(len(used))
        low, high = np.sort(number[places.reshape(2, -1)], axis=0)
        pair, start, end = union(low * len(used) + high, np.asarray(start_s, float), np.asarray(end_s, float))
        sequence = np.lexsort((pair, end, start))
        low, high = np.divmod(pair[sequence], max(len(used), 1))
        devices = tuple(kept[place] for place in order)
        return cls(devices, start[sequence], end[sequence], low, high, dict(dropped or {}))

    def __len__(self) -> int:
        return len(self.start_s)

    @property
    def pair(self) -> Numbers:
        """A number for each contact's pair of devices, int64 (n,)."""
        return self.a * len(self.devices) + self.b


def union(key: Numbers, start: Seconds, end: Seconds) -> tuple[Numbers, Seconds, Seconds]:
    """Join intervals of equal key that overlap or touch.

    Args:
        key: int64 (n,), what an interval belongs to.
        start, end: float64 (n,), `start <= end`.

    Returns:
        Keys, starts and ends of the joined intervals, sorted by key and start.
    """
    order = np.lexsort((start, key))
    key, start, end = key[order], start[order], end[order]
    # We need the latest end so far within each key. With ranks by (key, end), one running maximum serves all keys.
    by_end = np.lexsort((end, key))
    rank = np.empty(len(key), np.int64)
    rank[by_end] = np.arange(len(key))
    latest = end[by_end[np.maximum.accumulate(rank)]]
    begins = np.ones(len(key), bool)
    begins[1:] = (key[1:] != key[:-1]) | (start[1:] > latest[:-1])
    return key[begins], start[begins], latest[np.append(begins[1:], True)[: len(key)]]


def _natural(name: str) -> tuple[bool, int, str, str]:
    is_number = name.isascii() and name.isdecimal()
    digits = name.lstrip("0") if is_number else ""  # as Python makes no number of more than 4,300
    return not is_number, len(digits), digits, name
