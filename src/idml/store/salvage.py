"""Reads what can be read of a damaged database."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from idml.store.schema import APPLICATION_ID, SCHEMA

_HEADER_BYTES = 100
_MOST_BYTES = 2**30
"""Larger files are not copied into memory."""
_TABLES = ("meta", "devices", "encounters", "votes", "transactions", "stakes", "accuracy", "baselines", "earnings",
           "expulsions", "work")  # fmt: skip


def damage(connection: sqlite3.Connection) -> str:
    """What is wrong with a database, in some words; empty if its pages are whole.

    Args:
        connection: to the database.
    """
    try:
        (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        problem = str(error)
    return "" if problem == "ok" else " ".join(str(problem).replace("***", "").split())


def filled_up(database: Path) -> sqlite3.Connection | None:
    """Open a database whose end is missing as if zeros were there, because SQLite refuses a file that is too short.

    Args:
        database: its file.

    Returns:
        A connection to a copy in memory; None if the file is as long as it says.
    """
    with database.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        page_bytes = int.from_bytes(header[16:18], "big")
        expected_bytes = int.from_bytes(header[28:32], "big") * (page_bytes if page_bytes > 1 else 2**16)
        there_bytes = file.seek(0, os.SEEK_END)
        if len(header) < _HEADER_BYTES or not there_bytes < expected_bytes < _MOST_BYTES:
            return None
        file.seek(0)
        content = bytearray(file.read().ljust(expected_bytes, b"\0"))
    content[18:20] = b"\1\1"  # as one without a log, which a copy in memory cannot have
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(bytes(content))
    return connection


def salvage(damaged: sqlite3.Connection) -> sqlite3.Connection:
    """Copy all rows that can be read into a database in memory.

    Rows that do not fit their table are left out, because they come from a page of something else.

    Args:
        damaged: connection to the damaged database.

    Raises:
        sqlite3.DatabaseError: if not even the names of its tables can be read.
    """
    (version,) = damaged.execute("PRAGMA user_version").fetchone()
    # No row is smaller than a byte, so a greater number is not one that a run has given.
    last = next(damaged.execute("PRAGMA page_count"))[0] * next(damaged.execute("PRAGMA page_size"))[0]
    there = {name for (name,) in damaged.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    whole = sqlite3.connect(":memory:", isolation_level=None)
    whole.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; {SCHEMA}")
    for table in _TABLES:
        if table in there:
            for rowid, row in _rows(damaged, table, last):
                places = ", ".join("?" * (len(row) + 1))
                columns = ", ".join(f'"{name}"' for name in _columns(whole, table))
                with contextlib.suppress(sqlite3.Error):
                    whole.execute(f"INSERT INTO {table} (rowid, {columns}) VALUES ({places})", (rowid, *row))
    return whole


def _rows(damaged: sqlite3.Connection, table: str, last: int) -> Iterator[tuple[int, tuple[object, ...]]]:
    """The rows of a table in order, up to number `last`, without those on pages that cannot be read."""
    after = 0
    while after < last:
        try:
            for rowid, *row in damaged.execute(
                f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (after,)
            ):
                if not after < rowid <= last:
                    raise sqlite3.DatabaseError("rows are out of order")
                yield rowid, tuple(row)
                after = rowid
        except sqlite3.DatabaseError:
            # Steps grow with what is lost, so that a few thousand are enough for the longest table.
            skipped = 1
            while after + skipped < last and not _readable(damaged, table, after + skipped, last):
                skipped += max(1, skipped // 64)
            after += skipped
        else:
            return


def _readable(damaged: sqlite3.Connection, table: str, after: int, last: int) -> bool:
    """Whether the first row after a place can be read."""
    try:
        row = damaged.execute(f"SELECT rowid, * FROM {table} WHERE rowid > ? LIMIT 1", (after,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return row is None or after < row[0] <= last


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def losses(database: Path, whole: sqlite3.Connection) -> str:
    """What was read of a damaged database, in words.

    Args:
        database: its file.
        whole: what `salvage` made of it.
    """
    counts = [f"{whole.execute(f'SELECT count(*) FROM {table}').fetchone()[0]:,} {table}" for table in _TABLES[1:5]]
    return f"{database} is damaged; what could be read of it: {', '.join(counts)}; the rest is lost"
