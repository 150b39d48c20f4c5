"""The formats in which contact traces are published, with a reader of rows for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLOT_S = 20.0
"""A SocioPatterns badge reports once in this time, in seconds."""
LONGEST_MOBEMU_S = 4 * 3600.0
"""Contacts longer than this in MobEmu's version of hyccups (up to 48 days) are artefacts of its log. In seconds."""
CARRIERS = 22
"""Number of devices that upb/mobility2011 gave out. Higher ids are other Bluetooth devices that came near."""
_EARLIEST_UNIX_MS = 10**11

Sighting = tuple[float, float, str, str]
"""One row of a trace: start and end in seconds, and the names of the two devices."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of traces: how a file of it is read.

    Args:
        name: its name on the command line.
        expects: what a row must be, in words.
        separator: what separates columns; None for blanks or tabs.
        header: columns that the first row must name, in any order and possibly with others between them. Empty if the
            format has no header.
        parse: a function that turns the columns of a row, or those of `header` if there is one, into a sighting. For a
            row that is to be left out it returns the reason, in words. It raises ValueError for a row that is not as
            expected.
    """

    name: str
    expects: str
    separator: str | None
    header: tuple[str, ...]
    parse: Callable[[Sequence[str]], Sighting | str]

    def split(self, line: str) -> list[str]:
        """Split a line into its columns."""
        if self.separator is None:
            return line.split()
        return [column.strip().strip('"') for column in line.split(self.separator)]

    def recognizes(self, line: str) -> bool:
        """Whether the first line of a file can be of this format."""
        columns = self.split(line)
        if self.header:
            return set(self.header) <= set(columns)
        try:
            self.parse(columns)
        except (ValueError, OverflowError):
            return False
        return True


def _csv(columns: Sequence[str]) -> Sighting | str:
    start, one, other, end = columns
    if not one or not other:
        raise ValueError("a name is missing")
    return float(start), float(end), one, other


def _malawi(columns: Sequence[str]) -> Sighting | str:
    time, one, other = columns
    return _slot(time, one, other)


def _mobility(columns: Sequence[str]) -> Sighting | str:
    one, other, start, end, _contacts, _since_ms = map(int, columns)
    if max(one, other) > CARRIERS:
        return "with an external device"
    return float(start), float(end), str(one), str(other)


def _hyccups(columns: Sequence[str]) -> Sighting | str:
    one, other, start_ms, duration_s, kind = map(int, columns)
    if kind not in (1, 2):
        raise ValueError("type")
    if 0 in (one, other):
        return "with an unknown device"
    start_s = _unix_s(start_ms)
    return start_s, start_s + duration_s, str(one), str(other)


def _mobemu(columns: Sequence[str]) -> Sighting | str:
    one, other, start_ms, duration_ms = map(int, columns)
    start_s, duration_s = _unix_s(start_ms), duration_ms / 1000
    if duration_s > LONGEST_MOBEMU_S:
        return "longer than 4 h"
    return start_s, start_s + duration_s, str(one), str(other)


def _sociopatterns(columns: Sequence[str]) -> Sighting | str:
    if len(columns) == 5:
        columns = columns[:3]
    time, one, other = columns
    return _slot(time, one, other)


def _slot(time: str, one: str, other: str) -> Sighting:
    end_s = float(int(time))
    return end_s - SLOT_S, end_s, str(int(one)), str(int(other))


def _unix_s(time_ms: int) -> float:
    if time_ms < _EARLIEST_UNIX_MS:
        raise ValueError("no unix time in ms")
    return time_ms / 1000


FORMATS = {
    format.name: format
    for format in (
        Format(
            "csv",
            "time_start,client1,client2,time_end in seconds, time_end not before time_start",
            ",",
            ("time_start", "client1", "client2", "time_end"),
            _csv,
        ),
        Format(
            "malawi",
            "index,contact_time,day,id1,id2 in whole numbers, contact_time in seconds",
            ",",
            ("contact_time", "id1", "id2"),
            _malawi,
        ),
        Format(
            "hyccups",
            "observer,observed,start,duration,type in whole numbers: unix ms, seconds, 1 or 2",
            ",",
            (),
            _hyccups,
        ),
        Format("mobemu", "observer,observed,start,duration in whole numbers: unix ms, ms", ",", (), _mobemu),
        Format(
            "mobility2011",
            "observer, observed, start, end, contacts, ms since the last, in whole numbers between tabs, "
            "end not before start",
            "\t",
            (),
            _mobility,
        ),
        Format(
            "sociopatterns",
            "t i j in whole numbers between blanks, t in seconds, and perhaps two classes",
            None,
            (),
            _sociopatterns,
        ),
    )
}
"""All formats by name, in the order in which they are tried on a file."""
