"""A run on disk: one directory with one database. One process may write it while any number of others read it."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from idml.outside import OutsideError, usable_path
from idml.store.checkpoint import START, Checkpoint, Tape, cut_to_checkpoint, read_checkpoint, write_checkpoint
from idml.store.database import check_version, connect_to_read, one_line, prepare_to_write, transaction
from idml.store.errors import StoreError
from idml.store.files import write_atomically
from idml.store.lock import WriterLock
from idml.store.records import EncounterRecord, Record
from idml.store.run_reader import CONFIG, DATABASE, MODELS, SUMMARY, RunReader
from idml.store.salvage import damage, filled_up, losses, salvage
from idml.store.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, TABLES, encode, insert_statement

_LOG = logging.getLogger(__name__)
READERS_WAIT_S = 5.0
"""How long the end of a run waits for others to finish what they are reading, in seconds."""


class RunStore(RunReader):
    """What happened in a run, on disk. Use `create` to write a new run, `resume` to go on with one, `open` to read one.

    The directory holds `config.toml` with every default filled in, `run.sqlite`, `models/*.safetensors` and, when the
    run has ended, `summary.json`. Use it in a `with` block, or `close` it yourself.

    Raises:
        StoreError: every method raises it, in one line, if a file cannot be read or written.
    """

    def __init__(
        self,
        directory: Path,
        connection: sqlite3.Connection,
        lock: WriterLock | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Only `create`, `resume` and `open` call this."""
        super().__init__(directory, connection)
        self.checkpoint = checkpoint or START
        self._lock = lock
        self._tape = Tape(self.checkpoint)
        self._cut = checkpoint is None

    @staticmethod
    def check_free(directory: Path | str) -> None:
        """Check that a run can be started in a directory, before anything is computed for it.

        Args:
            directory: it may be missing.

        Raises:
            StoreError: if the directory holds a run already, or cannot be used.
        """
        directory = _usable(directory)
        if os.path.exists(directory) and not os.path.isdir(directory):
            raise StoreError(f"{directory} is a file: name a directory with --out")
        if any(os.path.exists(directory / name) for name in (CONFIG, DATABASE, SUMMARY)):
            raise _already_a_run(directory)

    @classmethod
    def create(cls, directory: Path | str, config_toml: str, meta: Mapping[str, str] | None = None) -> RunStore:
        """Start a run.

        Args:
            directory: made if it is missing; it must not hold a run yet.
            config_toml: the configuration, with every default filled in. It is written to `config.toml` word for word.
            meta: facts about the run as a whole that readers need, such as `threshold_wei`.

        Raises:
            StoreError: if the directory holds a run already, or cannot be written.
        """
        directory = _usable(directory)
        with one_line(f"cannot create a run in {directory}"):
            cls.check_free(directory)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / MODELS).mkdir(exist_ok=True)
            try:
                # "x" is exclusive: if two processes start here at once, only one gets the directory.
                (directory / DATABASE).open("xb").close()
            except FileExistsError as error:
                raise _already_a_run(directory) from error
            lock = WriterLock(directory)
            try:
                write_atomically(directory / CONFIG, config_toml.encode())
                connection = sqlite3.connect(directory / DATABASE, isolation_level=None)
                try:
                    # So that the space that checkpoints took can be given back to the disk when the run has ended.
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
        """Open a run that was stopped, to go on with it. The run is then played again from its start.

        Records up to its `checkpoint` must be the same as before, and are not written again. Before the first record
        after it is written, all that had been written after the checkpoint is deleted.

        Args:
            directory: the run's directory.

        Raises:
            StoreError: if there is no run, it is finished or damaged, its schema is another version, or another process
                is writing it.
        """
        directory = _usable(directory)
        database = directory / DATABASE
        if not os.path.isfile(database):
            raise _no_run(directory)
        if os.path.exists(directory / SUMMARY):
            raise StoreError(f"{directory} holds a finished run: there is nothing to resume")
        with one_line(f"cannot resume {directory}"):
            lock = WriterLock(directory)
            connection = sqlite3.connect(database, isolation_level=None)
            try:
                check_version(connection, database, (SCHEMA_VERSION,))
                if problem := damage(connection):
                    raise sqlite3.DatabaseError(f"{DATABASE} is damaged: {problem}")
                checkpoint = read_checkpoint(connection)
                prepare_to_write(connection)
                with transaction(connection):  # fails now if the database cannot be written
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            except BaseException:
                connection.close()
                lock.release()
                raise
        return cls(directory, connection, lock, checkpoint)

    @classmethod
    def open(cls, directory: Path | str, *, damaged: bool = False) -> RunStore:
        """Open a run for reading, finished or not. Another process may be writing it.

        Args:
            directory: the run's directory.
            damaged: whether a damaged database is taken as well. Then a warning says what could be read of it.

        Raises:
            StoreError: if there is no run, or it cannot be read.
        """
        directory = _usable(directory)
        database = directory / DATABASE
        if not os.path.isfile(database):
            raise _no_run(directory)
        with one_line(f"cannot read {database}"):
            connection = (filled_up(database) if damaged else None) or connect_to_read(database)
            try:
                check_version(connection, database)
                if problem := damage(connection):
                    if not damaged:
                        raise sqlite3.DatabaseError(f"it is damaged ({problem}); idml report shows what is left of it")
                    whole = salvage(connection)
                    _LOG.warning("%s", losses(database, whole))
                    connection.close()
                    connection = whole
            except BaseException:
                connection.close()
                raise
        run = cls(directory, connection)
        run._tell_what_is_missing()
        return run

    def append(self, *records: Record) -> None:
        """Write records, in this order, in one transaction: either all of them are written, or none.

        Args:
            records: records of any kinds.

        Raises:
            StoreError: if they cannot be written; or if the run is being resumed and the checkpoint is reached with
                other records than before.
        """
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
        """Whether the next record is one that was written before the run was stopped."""
        return self._tape.repeating

    def write_checkpoint(self, models: Mapping[bytes, Callable[[], bytes]], wall_s: float) -> None:
        """Write a checkpoint after the last record. It replaces the one before, in one transaction.

        Args:
            models: for each model that the run may still need, by digest (32 bytes), a function that returns its vector
                as bytes. It is called only for models that are not kept yet.
            wall_s: how long the run has taken so far, in seconds.
        """
        self._must_be_writable()
        with one_line(f"cannot write to {self.directory / DATABASE}"), transaction(self._connection):
            write_checkpoint(self._connection, self._tape.stop(wall_s), models)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, which marks the run as finished.

        Keys are sorted and indented by two spaces, so that equal runs give equal bytes.

        Args:
            summary: values that JSON can hold.
        """
        self._must_be_writable()
        with one_line(f"cannot write {self.directory / SUMMARY}"):
            text = json.dumps(summary, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            write_atomically(self.directory / SUMMARY, text.encode())
            with transaction(self._connection):
                self._connection.execute("DELETE FROM vectors")
                self._connection.execute("DELETE FROM checkpoint")
            # This statement gives back one page at each step, and only a script takes all its steps.
            self._connection.executescript("PRAGMA incremental_vacuum")

    def save_model(self, device: int, content: bytes) -> Path:
        """Keep a device's model, in place of an earlier one.

        Args:
            device: the device.
            content: a safetensors file.

        Returns:
            Where the model is now.
        """
        self._must_be_writable()
        path = self.model_path(device)
        write_atomically(path, content)
        return path

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards. It may be called more than once.

        If nobody else is reading, the writer leaves the database as one plain file, which can be copied and read
        anywhere. If somebody reads for long, a warning says which file must be copied with it.
        """
        lock, self._lock = self._lock, None
        kept_back = lock is not None and self._gather()
        super().close()
        if lock is not None:
            lock.release()
        log = self.directory / f"{DATABASE}-wal"
        if kept_back and os.path.exists(log) and os.path.getsize(log):
            _LOG.warning(
                "copy %s only together with %s: it is not complete alone, because another program was reading it",
                self.directory / DATABASE, log.name, extra={"last": True},
            )  # fmt: skip

    def _gather(self) -> bool:
        """Put all that is in the log beside the database into its file, and leave no log if nobody has it open.

        Returns:
            Whether somebody who reads an old state kept it from that.
        """
        busy = False
        # What fails here otherwise has failed before, and was told: a full disk, for instance.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA busy_timeout = {round(1000 * READERS_WAIT_S)}")
            busy = bool(self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("PRAGMA journal_mode = DELETE")
        return busy

    def _must_be_writable(self) -> None:
        if self._lock is None:
            raise StoreError(
                f"{self.directory} was opened for reading; only the process that created the run writes it"
            )

    def _tell_what_is_missing(self) -> None:
        """Warn of a database that has less than the summary counts, as when it was copied without its log."""
        try:
            summary = self.read_summary() or {}
            expected, there = int(summary["encounters"]) + int(summary["skipped"]), self.count(EncounterRecord)
        except (StoreError, KeyError, TypeError, ValueError):
            return  # who reads the summary is told what is wrong with it
        if there < expected:
            _LOG.warning(
                "%s has %d of the %d contacts that %s counts: was it copied without %s-wal?",
                self.directory / DATABASE, there, expected, SUMMARY, DATABASE,
            )  # fmt: skip


def _usable(directory: Path | str) -> Path:
    try:
        return usable_path(directory)
    except OutsideError as error:
        raise StoreError(str(error)) from None


def _no_run(directory: Path) -> StoreError:
    if os.path.isdir(directory) and not os.access(directory, os.R_OK | os.X_OK):
        return StoreError(f"{directory} cannot be read: {os.strerror(errno.EACCES)}")
    return StoreError(f"{directory} holds no run: there is no {DATABASE} in it; name a directory that `idml run` made")


def _already_a_run(directory: Path) -> StoreError:
    return StoreError(
        f"{directory} already holds a run: choose another directory with --out, go on with --resume, or delete it"
    )
