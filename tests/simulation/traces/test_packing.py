"""Traces as people have them: however packed and encoded, read to the same contacts, or refused in one line."""

import bz2
import gzip
import io
import lzma
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from idml.simulation.traces import TraceError, read_trace
from idml.simulation.traces.trace import Trace

ROWS = [(0, "a", "b", 40), (60, "b", "c", 100), (60, "ü", "a", 80), (200, "c", "a", 220)]
HEADER = "time_start,client1,client2,time_end"
TEXT = HEADER + "\n" + "".join(f"{start},{one},{other},{end}\n" for start, one, other, end in ROWS)


def zipped(*names: str) -> bytes:
    """An archive of the trace and of other files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("contacts.csv", TEXT)
        for name in names:
            archive.writestr(name, "x")
    return packed.getvalue()


def r_style(text: str) -> str:
    """As R's write.csv has it: quoted, with the numbers of rows."""
    lines = text.splitlines()
    names = ",".join(f'"{name}"' for name in lines[0].split(","))
    rows = []
    for number, line in enumerate(lines[1:], 1):
        start, one, other, end = line.split(",")
        rows.append(f'"{number}",{start},"{one}","{other}",{end}')
    return "\n".join([f'"",{names}', *rows]) + "\n"


PLAIN = TEXT.encode()
PACKED = {
    "plain": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "gzip of two members": gzip.compress(PLAIN[:50]) + gzip.compress(PLAIN[50:]),
    "xz": lzma.compress(PLAIN),
    "bzip2": bz2.compress(PLAIN),
    "zip": zipped(),
    "zip of macOS": zipped("__MACOSX/._contacts.csv", ".DS_Store"),
    "byte order mark": b"\xef\xbb\xbf" + PLAIN,
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "CRLF": PLAIN.replace(b"\n", b"\r\n"),
    "as R writes it": r_style(TEXT).encode(),
    "unordered": (HEADER + "\n" + "\n".join(reversed(TEXT.splitlines()[1:]))).encode(),
    "with itself too": PLAIN + b"300,a,a,400\n",
}


def contacts(trace: Trace) -> set[tuple[float, float, frozenset[str]]]:
    pairs = zip(trace.start_s, trace.end_s, trace.a, trace.b, strict=True)
    return {(start, end, frozenset((trace.devices[a], trace.devices[b]))) for start, end, a, b in pairs}


EXPECTED = {(float(start), float(end), frozenset((one, other))) for start, one, other, end in ROWS}


@pytest.mark.parametrize("how", PACKED)
def test_packing_and_encoding_change_nothing(tmp_path: Path, how: str) -> None:
    (tmp_path / "trace").write_bytes(PACKED[how])
    assert contacts(read_trace(tmp_path / "trace")) == EXPECTED


@pytest.mark.parametrize("how", ["gzip", "xz", "bzip2", "zip", "UTF-16"])
def test_what_is_cut_or_spoilt_is_one_line(tmp_path: Path, how: str) -> None:
    whole = PACKED[how]
    path = tmp_path / "trace"
    for content in [whole[:-9], whole[: len(whole) // 2], whole[:20] + bytes([whole[20] ^ 255]) + whole[21:]]:
        path.write_bytes(content)
        try:
            read_trace(path)
        except TraceError as error:
            said = str(error)
        else:
            continue  # no check goes over what was hit
        assert said.startswith(str(path))
        assert "\n" not in said


def test_another_encoding_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(TEXT.encode("latin-1"))
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value) == f"{path}: no text in UTF-8: convert it, for instance with iconv -f LATIN1 -t UTF-8"


def test_a_fifo_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PLAIN,))
    writer.start()
    assert contacts(read_trace(path)) == EXPECTED
    writer.join()


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 2, 20), (1, 3, 40), (2, 3, 60)],  # sorted by all three
        [(5, 9, 1_000), (2, 7, 1_020), (9, 2, 1_020), (5, 2, 1_060)],
        [(17, 3, 31220), (3, 17, 31240), (4, 8, 31240)],
    ],
)
def test_columns_that_may_be_another_order_are_refused(tmp_path: Path, rows: list[tuple[int, int, int]]) -> None:
    path = tmp_path / "trace.dat"
    path.write_text("".join(f"{one} {other} {time}\n" for one, other, time in rows))
    with pytest.raises(TraceError, match="its columns look like i j t, and t i j is expected") as caught:
        read_trace(path)
    assert "\n" not in str(caught.value)
    assert len(read_trace(path, "sociopatterns")) == len(rows)
    path.write_text("".join(f"{time} {one} {other}\n" for one, other, time in rows))
    assert set(read_trace(path).devices) == {str(device) for row in rows for device in row[:2]}


def test_times_in_the_first_column_are_never_refused(tmp_path: Path) -> None:
    """Whatever the devices are called, if times go up by slots; in any order, if devices do not."""
    rng, path = np.random.default_rng(1), tmp_path / "trace.dat"
    for _ in range(200):
        count = int(rng.integers(1, 12))
        times = 20 * np.sort(rng.integers(1, 50, count))
        pairs = [rng.choice(np.arange(1, 9) * int(rng.choice([1, 20])), 2, replace=False) for _ in range(count)]
        path.write_text("".join(f"{time} {one} {other}\n" for time, (one, other) in zip(times, pairs, strict=True)))
        assert len(read_trace(path)) > 0


@pytest.mark.slow
def test_a_million_rows_are_read(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(1), tmp_path / "trace.csv"
    starts, pairs = np.sort(rng.integers(0, 10**7, 10**6)), rng.integers(0, 500, (10**6, 2))
    rows = zip(starts.tolist(), pairs.tolist(), strict=True)
    path.write_text(HEADER + "\n" + "".join(f"{start},{one},{other},{start + 5}\n" for start, (one, other) in rows))
    trace = read_trace(path)
    assert sum(trace.dropped.values()) == int((pairs[:, 0] == pairs[:, 1]).sum())
    assert len(trace.devices) == 500
