"""Traces in files: reads all known formats, plain, gzipped or zipped, and writes csv, plain or gzipped."""

import bz2
import gzip
import io
import lzma
import math
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import IO, cast

from idml.simulation.traces.formats import FORMATS, SLOT_S, Format
from idml.simulation.traces.trace import Trace, TraceError

_SHOWN = 80


def read_trace(path: Path | str, format: str | None = None) -> Trace:
    """Read a contact trace.

    Two kinds of rows are left out and counted in `Trace.dropped`: contacts of a device with itself, and rows that the
    publisher of a format says are not meant (see `docs/traces.md`). Empty lines and lines that begin with # are
    skipped.

    Args:
        path: a text file in UTF-8 or UTF-16, plain or packed by gzip, xz or bzip2, or a zip archive with one text file.
            Its content tells which it is.
        format: one of `FORMATS`. By default it is recognized by the first line.

    Raises:
        TraceError: if the file is no such trace. Its message names the file and the line, and says what was expected
            and what was found.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, _unpacked(file) as lines:
            return _read(path, lines, format)
    except UnicodeError:
        raise TraceError(f"{path}: no text in UTF-8: convert it, for instance with iconv -f LATIN1 -t UTF-8") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError) as error:
        raise TraceError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def write_trace(trace: Trace, path: Path | str) -> None:
    """Write a trace as csv with the columns `time_start,client1,client2,time_end`, gzipped if the name ends in .gz.

    Raises:
        TraceError: if the file cannot be written.
    """
    path = Path(path)
    rows = zip(trace.start_s.tolist(), trace.a.tolist(), trace.b.tolist(), trace.end_s.tolist(), strict=True)
    text = "".join(
        f"{_plain(start)},{trace.devices[a]},{trace.devices[b]},{_plain(end)}\n" for start, a, b, end in rows
    )
    content = (",".join(FORMATS["csv"].header) + "\n" + text).encode()
    try:
        # No time goes into the gzip header, so that equal traces give equal files.
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from None


def _unpacked(file: io.BufferedReader) -> io.TextIOWrapper:
    magic = file.peek(6)[:6]
    binary: IO[bytes] = file
    if magic[:2] == b"\x1f\x8b":
        binary = cast(IO[bytes], gzip.GzipFile(fileobj=file))
    elif magic == b"\xfd7zXZ\0":
        binary = cast(IO[bytes], lzma.LZMAFile(file))  # noqa: SIM115  as long as the text is read
    elif magic[:3] == b"BZh":
        binary = cast(IO[bytes], bz2.BZ2File(file))
    elif magic[:4] == b"PK\x03\x04":
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir() and not _of_macos(member.filename)]
        if len(members) != 1:
            raise zipfile.BadZipFile(f"expected a zip archive of one file, found {len(members)} files in it")
        binary = archive.open(members[0])
    buffered = io.BufferedReader(cast(io.RawIOBase, binary))
    wide = buffered.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff")
    return io.TextIOWrapper(buffered, encoding="utf-16" if wide else "utf-8-sig")


def _of_macos(name: str) -> bool:
    """Whether a file of an archive is one that macOS adds to those that somebody packed."""
    last = name.rpartition("/")[2]
    return name.startswith("__MACOSX/") or last.startswith("._") or last == ".DS_Store"


def _read(path: Path, lines: Iterator[str], format: str | None) -> Trace:
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    rows: Iterator[tuple[int, str]] = ((number, line) for number, line in numbered if line and not line.startswith("#"))
    try:
        first = next(rows)
    except StopIteration:
        raise TraceError(f"{path}: expected contacts, found an empty file") from None
    how = _format(path, first, format)
    if how.header:
        columns = how.split(first[1])
        if not set(how.header) <= set(columns):
            raise _unexpected(path, first, "a header that names " + ", ".join(how.header))
        picked, width = [columns.index(name) for name in how.header], len(columns)
    else:
        rows, picked, width = chain([first], rows), [], 0

    starts, ends, ones, others = array("d"), array("d"), array("q"), array("q")
    numbers: dict[str, int] = {}
    dropped: Counter[str] = Counter()
    for row in rows:
        columns = how.split(row[1])
        try:
            if picked:
                if len(columns) != width:
                    raise ValueError("columns")
                columns = [columns[place] for place in picked]
            sighting = how.parse(columns)
        except (ValueError, OverflowError):
            raise _unexpected(path, row, how.expects) from None
        if isinstance(sighting, str):
            dropped[sighting] += 1
            continue
        start, end, one, other = sighting
        if not -math.inf < start <= end < math.inf:
            raise _unexpected(path, row, how.expects)
        if one == other:
            dropped["of a device with itself"] += 1
            continue
        starts.append(start)
        ends.append(end)
        ones.append(numbers.setdefault(one, len(numbers)))
        others.append(numbers.setdefault(other, len(numbers)))
    if not starts:
        left_out = "".join(f", {count} {reason}" for reason, count in dropped.items())
        raise TraceError(f"{path}: expected contacts between devices, found none{left_out}")
    trace = Trace.of(list(numbers), starts, ends, ones, others, dropped)
    if format is None and how.name == "sociopatterns":
        names = list(numbers)
        _check_order(path, ends, [names[other] for other in others])
    return trace


def _check_order(path: Path, first: Sequence[float], last: Sequence[str]) -> None:
    """Refuse columns `i j t` where `t i j` is expected: no header tells the two apart, but times can be known.

    In such files, times go up, and are a multiple of the slot apart.
    """
    third = [float(name) for name in last]
    if len(set(third)) > 1 and _time_like(third) > _time_like(first):
        raise TraceError(
            f"{path}: its columns look like i j t, and t i j is expected: put the time first, or write it as csv with "
            f"the header {','.join(FORMATS['csv'].header)}; --format sociopatterns takes it as it is"
        )


def _time_like(column: Sequence[float]) -> int:
    """How many of the two properties of times a column has."""
    goes_up = all(before <= after for before, after in pairwise(column))
    return goes_up + all((value - column[0]) % SLOT_S == 0 for value in column)


def _format(path: Path, first: tuple[int, str], name: str | None) -> Format:
    if name is not None:
        if name not in FORMATS:
            raise TraceError(f"{path}: format is {name!r}: choose one of {', '.join(FORMATS)}")
        return FORMATS[name]
    for format in FORMATS.values():
        if format.recognizes(first[1]):
            return format
    raise _unexpected(path, first, f"a first line of one of the formats {', '.join(FORMATS)} (docs/traces.md)")


def _unexpected(path: Path, row: tuple[int, str], expected: str) -> TraceError:
    number, line = row
    found = line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
    return TraceError(f"{path}:{number}: expected {expected}; found {found!r}")


def _plain(seconds: float) -> str:
    return str(int(seconds)) if seconds.is_integer() else repr(seconds)
