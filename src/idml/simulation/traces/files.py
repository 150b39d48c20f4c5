"""Traces in files: reads all known formats, plain, gzipped or zipped, and writes csv, plain or gzipped."""

import gzip
import io
import math
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, cast

from idml.simulation.traces.formats import FORMATS, Format
from idml.simulation.traces.trace import Trace, TraceError

_SHOWN = 80


def read_trace(path: Path | str, format: str | None = None) -> Trace:
    """Read a contact trace.

    Two kinds of rows are left out and counted in `Trace.dropped`: contacts of a device with itself, and rows that the
    publisher of a format says are not meant (see `docs/traces.md`). Empty lines and lines that begin with # are
    skipped.

    Args:
        path: a text file, plain or gzipped, or a zip archive with one text file. Its content tells which it is.
        format: one of `FORMATS`. By default it is recognized by the first line.

    Raises:
        TraceError: if the file is no such trace. Its message names the file and the line, and says what was expected
            and what was found.
    """
    path = Path(path)
    try:
        with path.open("rb") as file, _unpacked(file) as lines:
            return _read(path, lines, format)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, UnicodeDecodeError) as error:
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
    magic = file.peek(4)[:4]
    binary: IO[bytes] = file
    if magic[:2] == b"\x1f\x8b":
        binary = cast(IO[bytes], gzip.GzipFile(fileobj=file))
    elif magic == b"PK\x03\x04":
        archive = zipfile.ZipFile(file)
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) != 1:
            raise zipfile.BadZipFile(f"expected a zip archive of one file, found {len(members)} files in it")
        binary = archive.open(members[0])
    return io.TextIOWrapper(binary, encoding="utf-8-sig")


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
    return Trace.of(list(numbers), starts, ends, ones, others, dropped)


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
