"""A run on disk: one directory, one database, one writer, any number of readers at the same time."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from idml.store.checkpoint import START, Checkpoint, Tape, cut_to_checkpoint, read_checkpoint, write_checkpoint
from idml.store.database import check_version, connect_to_read, one_line, prepare_to_write, transaction
from idml.store.errors import StoreError
from idml.store.files import write_atomically
from idml.store.lock import WriterLock
from idml.store.records import Record
from idml.store.run_reader import CONFIG, DATABASE, MODELS, SUMMARY, RunReader
from idml.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, TABLES, encode, insert_statement


class RunStore(RunReader):
    """What happened in a run: `create` it to write, `open` it to read; a context manager, or `close` it yourself.

    The directory holds `config.toml` (as resolved), `run.sqlite`, `models/*.safetensors` and, once the run has ended,
    `summary.json`. Every method raises StoreError, in one line, when the disk or the file does not play along.
    """

    def __init__(
        self,
        directory: Path,
        connection: sqlite3.Connection,
        lock: WriterLock | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """For `create`, `resume` and `open`, which are the ways to get one."""
        super().__init__(directory, connection)
        self.checkpoint = checkpoint or START
        self._lock = lock
        self._tape = Tape(self.checkpoint)
        self._cut = checkpoint is None

    @staticmethod
    def check_free(directory: Path | str) -> None:
        """Raise StoreError if no run can be started in `directory`, before anything is computed for it."""
        directory = Path(directory)
        if directory.exists() and not directory.is_dir():
            raise StoreError(f"{directory} is a file: name a directory with --out")
        if any((directory / name).exists() for name in (CONFIG, DATABASE, SUMMARY)):
            raise _already_a_run(directory)

    @classmethod
    def create(cls, directory: Path | str, config_toml: str, meta: Mapping[str, str] | None = None) -> RunStore:
        """Start a run in `directory`, which is made if it is missing and must not hold a run yet.

        config_toml: the configuration as resolved, kept word for word in `config.toml`.
        meta: facts about the run as a whole that readers need, such as `threshold_wei`.
        """
        directory = Path(directory)
        with one_line(f"cannot create a run in {directory}"):
            cls.check_free(directory)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / MODELS).mkdir(exist_ok=True)
            try:
                # Exclusive: of two processes that start here at once, one gets the directory.
                (directory / DATABASE).open("xb").close()
            except FileExistsError as error:
                raise _already_a_run(directory) from error
            lock = WriterLock(directory)
            try:
                write_atomically(directory / CONFIG, config_toml.encode())
                connection = sqlite3.connect(directory / DATABASE, isolation_level=None)
                try:
                    # So that what a checkpoint needs can be given back to the disk when the run has ended.
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                    prepare_to_write(connection)
                    connection.executescript(
                        f"BEGIN; PRAGMA application_id = {APPLICATION_ID};"
                        f"PRAGMA user_version = {SCHEMA_VERSION}; {SCHEMA}"
                    )
                    connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted((meta or {}).items()))
                    connection.execute("COMMIT")
                except BaseException:
                    connection.close()
                    raise
            except BaseException:
                lock.release()
                raise
        return cls(directory, connection, lock)

    @classmethod
    def resume(cls, directory: Path | str) -> RunStore:
        """Open a run that was stopped, to be played again from its start.

        Records up to its `checkpoint` must come as they came before, and are not written again. With the first record
        after it, all that was written beyond the checkpoint is dropped.
        """
        directory = Path(directory)
        database = directory / DATABASE
        if not database.is_file():
            raise _no_run(directory)
        if (directory / SUMMARY).exists():
            raise StoreError(f"{directory} holds a finished run: there is nothing to resume")
        with one_line(f"cannot resume {directory}"):
            lock = WriterLock(directory)
            connection = sqlite3.connect(database, isolation_level=None)
            try:
                check_version(connection, database, (SCHEMA_VERSION,))
                (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if problem != "ok":
                    raise sqlite3.DatabaseError(f"{DATABASE} is damaged: {' '.join(problem.split())}")
                checkpoint = read_checkpoint(connection)
                prepare_to_write(connection)
                with transaction(connection):  # finds out now whether it can be written
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            except BaseException:
                connection.close()
                lock.release()
                raise
        return cls(directory, connection, lock, checkpoint)

    @classmethod
    def open(cls, directory: Path | str) -> RunStore:
        """Open the run in `directory` for reading, finished or not, also while it is being written."""
        directory = Path(directory)
        database = directory / DATABASE
        if not database.is_file():
            raise _no_run(directory)
        with one_line(f"cannot read {database}"):
            connection = connect_to_read(database)
            try:
                check_version(connection, database)
            except BaseException:
                connection.close()
                raise
        return cls(directory, connection)

    def append(self, *records: Record) -> None:
        """Write a batch in one transaction: all of its records, in this order, or none of them."""
        self._must_be_writable()
        with one_line(f"cannot write to {self.directory / DATABASE}"), transaction(self._connection):
            rows: dict[type[Record], list[tuple[object, ...]]] = {}
            for record in records:
                row, repeated = encode(record), self._tape.repeating
                self._tape.take(TABLES[type(record)], row)
                if not repeated:
                    rows.setdefault(type(record), []).append(row)
            if rows and not self._cut:
                cut_to_checkpoint(self._connection, self.checkpoint)
                self._cut = True
            for kind, of_kind in rows.items():
                self._connection.executemany(insert_statement(kind), of_kind)

    @property
    def repeating(self) -> bool:
        """Whether the next record is one that is written already."""
        return self._tape.repeating

    def write_checkpoint(self, models: Mapping[bytes, Callable[[], bytes]], wall_s: float) -> None:
        """Remember that the run stands here, after the last record; replaces the last checkpoint in one transaction.

        models: the vectors that the run may still need, by digest; only those that are new are fetched.
        wall_s: how long it has run so far.
        """
        self._must_be_writable()
        with one_line(f"cannot write to {self.directory / DATABASE}"), transaction(self._connection):
            write_checkpoint(self._connection, self._tape.stop(wall_s), models)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, which marks the run as finished: keys sorted, two spaces, so that equal runs give equal
        bytes."""
        self._must_be_writable()
        with one_line(f"cannot write {self.directory / SUMMARY}"):
            text = json.dumps(summary, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            write_atomically(self.directory / SUMMARY, text.encode())
            with transaction(self._connection):
                self._connection.execute("DELETE FROM vectors")
                self._connection.execute("DELETE FROM checkpoint")
            # As a script: it gives back one page a step, and only a script takes all steps.
            self._connection.executescript("PRAGMA incremental_vacuum")

    def save_model(self, device: int, content: bytes) -> Path:
        """Keep a device's model, replacing an earlier one; `content` is a safetensors file. Returns its path."""
        self._must_be_writable()
        path = self.model_path(device)
        write_atomically(path, content)
        return path

    def close(self) -> None:
        """Release the database; the store is of no use afterwards. Closing twice does no harm.

        The writer leaves one plain file behind, which can be copied and read anywhere, unless someone reads it now.
        """
        if self._lock is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        super().close()
        if self._lock is not None:
            self._lock.release()

    def _must_be_writable(self) -> None:
        if self._lock is None:
            raise StoreError(
                f"{self.directory} was opened for reading; only the process that created the run writes it"
            )


def _no_run(directory: Path) -> StoreError:
    return StoreError(f"{directory} holds no run: there is no {DATABASE} in it; name a directory that `idml run` made")


def _already_a_run(directory: Path) -> StoreError:
    return StoreError(
        f"{directory} already holds a run: choose another directory with --out, go on with --resume, or delete it"
    )
