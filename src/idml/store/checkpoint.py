"""How a run that was stopped is picked up: played again from its start, without its heavy work, up to a checkpoint.

A checkpoint says how many records the run had written, and what their hash was. A run that is picked up gives the same
records again; they are counted and hashed instead of written, until the checkpoint is reached with the same hash.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from idml.store.errors import StoreError
from idml.store.schema import TABLES


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stood.

    Args:
        records: how many it had written.
        digest: of them all, in their order, hex.
        rows: by table.
        wall_s: how long it had run.
    """

    records: int
    digest: str
    rows: Mapping[str, int]
    wall_s: float


START = Checkpoint(0, hashlib.sha256().hexdigest(), dict.fromkeys(TABLES.values(), 0), 0.0)


class Tape:
    """Counts and hashes a run's records, and knows which of them an earlier life of the run has written.

    Args:
        end: where the earlier life left off.
    """

    def __init__(self, end: Checkpoint = START) -> None:
        self._end = end
        self._records = 0
        self._hash = hashlib.sha256()
        self._rows = dict.fromkeys(end.rows, 0)

    @property
    def repeating(self) -> bool:
        """Whether the next record is one that the earlier life has written."""
        return self._records < self._end.records

    def take(self, table: str, row: tuple[object, ...]) -> None:
        """Count a record.

        Raises:
            StoreError: if it is the last one to be repeated, and something was not as before.
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
        """A checkpoint after the last record."""
        return Checkpoint(self._records, self._hash.hexdigest(), dict(self._rows), wall_s)


def read_checkpoint(connection: sqlite3.Connection) -> Checkpoint:
    """The last checkpoint; the start of the run if there is none."""
    row = connection.execute("SELECT records, digest, rows, wall_s FROM checkpoint").fetchone()
    return START if row is None else Checkpoint(row[0], row[1], json.loads(row[2]), row[3])


def write_checkpoint(
    connection: sqlite3.Connection, checkpoint: Checkpoint, models: Mapping[bytes, Callable[[], bytes]]
) -> None:
    """Replace the last checkpoint, within the caller's transaction.

    Args:
        connection: of the run.
        checkpoint: the new one.
        models: all that the run may still need, by digest; only those that are new are fetched.
    """
    kept = {digest for (digest,) in connection.execute("SELECT digest FROM vectors")}
    connection.executemany("DELETE FROM vectors WHERE digest = ?", [(digest,) for digest in kept - models.keys()])
    for digest in models.keys() - kept:
        connection.execute("INSERT INTO vectors VALUES (?, ?)", (digest, models[digest]()))
    values = (checkpoint.records, checkpoint.digest, json.dumps(checkpoint.rows), checkpoint.wall_s)
    connection.execute("DELETE FROM checkpoint")
    connection.execute("INSERT INTO checkpoint VALUES (?, ?, ?, ?)", values)


def cut_to_checkpoint(connection: sqlite3.Connection, checkpoint: Checkpoint) -> None:
    """Drop what was written after a checkpoint, within the caller's transaction."""
    for table, rows in checkpoint.rows.items():
        connection.execute(f"DELETE FROM {table} WHERE rowid > ?", (rows,))
