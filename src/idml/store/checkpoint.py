"""Checkpoints, from which a run that was stopped goes on.

A checkpoint says how many records the run had written, and the hash of them all. To go on, the run is played again from
its start, without its heavy work, whose outcomes are among the records. It gives the same records again. They are only
counted and hashed until the checkpoint is reached; there, the hash must be the same.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from idml.outside import parse_json
from idml.store.errors import StoreError
from idml.store.schema import TABLES


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a run had come.

    Args:
        records: number of records that it had written.
        digest: hash of all records in their order, in hexadecimal digits.
        rows: number of rows of each table, by the table's name.
        wall_s: how long it had run, in seconds.
    """

    records: int
    digest: str
    rows: Mapping[str, int]
    wall_s: float


START = Checkpoint(0, hashlib.sha256().hexdigest(), dict.fromkeys(TABLES.values(), 0), 0.0)


class Tape:
    """Counts and hashes a run's records, and knows which of them were written before the run was stopped.

    Args:
        end: how far the run had come before it was stopped; by default it begins now.
    """

    def __init__(self, end: Checkpoint = START) -> None:
        self._end = end
        self._records = 0
        self._hash = hashlib.sha256()
        self._rows = dict.fromkeys(end.rows, 0)

    @property
    def repeating(self) -> bool:
        """Whether the next record is one that was written before the run was stopped."""
        return self._records < self._end.records

    def take(self, table: str, row: tuple[object, ...]) -> None:
        """Count and hash a record.

        Args:
            table: name of the record's table.
            row: the record as a row of that table.

        Raises:
            StoreError: if this record reaches the checkpoint, and some record was not the same as before.
        """
        repeating = self.repeating
        self._records += 1
        self._rows[table] += 1
        self._hash.update(f"{table}{row!r}".encode())
        if repeating and not self.repeating and self._hash.hexdigest() != self._end.digest:
            raise StoreError(
                "the run does not repeat what it recorded: was idml, the algorithm, the data or the configuration "
                "changed?"
            )

    def stop(self, wall_s: float) -> Checkpoint:
        """Make a checkpoint after the last record.

        Args:
            wall_s: how long the run has taken so far, in seconds.
        """
        return Checkpoint(self._records, self._hash.hexdigest(), dict(self._rows), wall_s)


def read_checkpoint(connection: sqlite3.Connection) -> Checkpoint:
    """Read the last checkpoint of a run; if there is none, the start of the run.

    Args:
        connection: to the run's database.
    """
    row = connection.execute("SELECT records, digest, rows, wall_s FROM checkpoint").fetchone()
    return START if row is None else Checkpoint(row[0], row[1], parse_json(row[2]), row[3])


def write_checkpoint(
    connection: sqlite3.Connection, checkpoint: Checkpoint, models: Mapping[bytes, Callable[[], bytes]]
) -> None:
    """Replace the last checkpoint, within the caller's transaction.

    Args:
        connection: to the run's database.
        checkpoint: the new checkpoint.
        models: for each model that the run may still need, by digest (32 bytes), a function that returns its vector as
            bytes. It is called only for models that are not kept yet; models that are not named are dropped.
    """
    kept = {digest for (digest,) in connection.execute("SELECT digest FROM vectors")}
    connection.executemany("DELETE FROM vectors WHERE digest = ?", [(digest,) for digest in kept - models.keys()])
    for digest in models.keys() - kept:
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (digest, models[digest]()))
    values = (checkpoint.records, checkpoint.digest, json.dumps(checkpoint.rows), checkpoint.wall_s)
    connection.execute("DELETE FROM checkpoint")
    connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?)", values)


def cut_to_checkpoint(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Delete all records that were written after a checkpoint, within the caller's transaction.

    Args:
        connection: to the run's database.
        checkpoint: the checkpoint to go back to.
    """
    for table, rows in checkpoint.rows.items():
        connection.execute(f"DELETE FROM {table} WHERE rowid > ?", (rows,))
