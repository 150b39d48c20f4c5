"""A run on disk: one directory, one database, one writer, any number of readers at the same time."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from idml.store.errors import StoreError
from idml.store.files import write_atomically
from idml.store.records import (
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EarningsRecord,
    EncounterRecord,
    EventRecord,
    ExpulsionRecord,
    Record,
    StakePoint,
    TransactionRecord,
)
from idml.store.schema import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    TABLES,
    R,
    decoder,
    encode,
    insert_statement,
    select_statement,
)

CONFIG = "config.toml"
DATABASE = "run.sqlite"
MODELS = "models"
SUMMARY = "summary.json"


class RunStore:
    """What happened in a run: `create` it to write, `open` it to read; a context manager, or `close` it yourself.

    The directory holds `config.toml` (as resolved), `run.sqlite`, `models/*.safetensors` and, once the run has ended,
    `summary.json`. Every method raises StoreError, in one line, when the disk or the file does not play along.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection, *, writable: bool) -> None:
        """For `create` and `open`, which are the ways to get one."""
        self.directory = directory
        self._connection = connection
        self._writable = writable

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
        with _one_line(f"cannot create a run in {directory}"):
            cls.check_free(directory)
            directory.mkdir(parents=True, exist_ok=True)
            (directory / MODELS).mkdir(exist_ok=True)
            try:
                # Exclusive: of two processes that start here at once, one gets the directory.
                (directory / DATABASE).open("xb").close()
            except FileExistsError as error:
                raise _already_a_run(directory) from error
            write_atomically(directory / CONFIG, config_toml.encode())
            connection = sqlite3.connect(directory / DATABASE, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                # In WAL mode NORMAL survives a killed process; only a power cut can take the last batches with it.
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.executescript(
                    f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; {SCHEMA}"
                )
                connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted((meta or {}).items()))
                connection.execute("COMMIT")
            except BaseException:
                connection.close()
                raise
        return cls(directory, connection, writable=True)

    @classmethod
    def open(cls, directory: Path | str) -> RunStore:
        """Open the run in `directory` for reading, finished or not, also while it is being written."""
        directory = Path(directory)
        database = directory / DATABASE
        if not database.is_file():
            raise StoreError(
                f"{directory} holds no run: there is no {DATABASE} in it; name a directory that `idml run` made"
            )
        with _one_line(f"cannot read {database}"):
            connection = _connect_to_read(database)
            try:
                _check_version(connection, database)
            except BaseException:
                connection.close()
                raise
        return cls(directory, connection, writable=False)

    def append(self, *records: Record) -> None:
        """Write a batch in one transaction: all of its records, in this order, or none of them."""
        self._must_be_writable()
        with _one_line(f"cannot write to {self.directory / DATABASE}"), _transaction(self._connection):
            for record in records:
                self._connection.execute(insert_statement(type(record)), encode(record))

    def devices(self) -> list[DeviceRecord]:
        """The participants."""
        return self._read(DeviceRecord)

    def encounters(self) -> list[EncounterRecord]:
        """The contacts and what became of them; like all readers: everything, in the order of writing."""
        return self._read(EncounterRecord)

    def transactions(self) -> list[TransactionRecord]:
        """The transactions on the ledger; none in a run without incentive."""
        return self._read(TransactionRecord)

    def events(self) -> list[EventRecord]:
        """The contract's events; none in a run without incentive."""
        return self._read(EventRecord)

    def stakes(self) -> list[StakePoint]:
        """The changes of stakes; none in a run without incentive."""
        return self._read(StakePoint)

    def accuracy(self) -> list[AccuracyPoint]:
        """The measured accuracies."""
        return self._read(AccuracyPoint)

    def baselines(self) -> list[BaselinePoint]:
        """What the accuracies are compared with."""
        return self._read(BaselinePoint)

    def earnings(self) -> list[EarningsRecord]:
        """Net earnings, once the run has ended; none in a run without incentive."""
        return self._read(EarningsRecord)

    def expulsions(self) -> list[ExpulsionRecord]:
        """The devices whose stake fell below the threshold."""
        return self._read(ExpulsionRecord)

    @property
    def meta(self) -> dict[str, str]:
        """The facts about the run as a whole that `create` was given."""
        with _one_line(f"cannot read {self.directory / DATABASE}"):
            return dict(self._connection.execute("SELECT key, value FROM meta ORDER BY key").fetchall())

    @property
    def config(self) -> str:
        """The configuration as resolved: the text of `config.toml`."""
        with _one_line(f"cannot read {self.directory / CONFIG}"):
            return (self.directory / CONFIG).read_text(encoding="utf-8")

    def count(self, kind: type[Record]) -> int:
        """The number of records of `kind`, without reading them."""
        with _one_line(f"cannot read {self.directory / DATABASE}"):
            (count,) = self._connection.execute(f"SELECT count(*) FROM {TABLES[kind]}").fetchone()
        return int(count)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`, which marks the run as finished: keys sorted, two spaces, so that equal runs give equal
        bytes."""
        self._must_be_writable()
        with _one_line(f"cannot write {self.directory / SUMMARY}"):
            text = json.dumps(summary, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            write_atomically(self.directory / SUMMARY, text.encode())

    def read_summary(self) -> dict[str, Any] | None:
        """The content of `summary.json`; None while the run has not finished."""
        path = self.directory / SUMMARY
        with _one_line(f"cannot read {path}"):
            try:
                summary = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return None
            if not isinstance(summary, dict):
                raise StoreError(f"cannot read {path}: it holds a {type(summary).__name__}, not an object")
            return summary

    def save_model(self, device: int, content: bytes) -> Path:
        """Keep a device's model, replacing an earlier one; `content` is a safetensors file. Returns its path."""
        self._must_be_writable()
        path = self.model_path(device)
        write_atomically(path, content)
        return path

    def model_path(self, device: int) -> Path:
        """Where the model of `device` is kept, if it is kept."""
        return self.directory / MODELS / f"device-{device:04d}.safetensors"

    def close(self) -> None:
        """Release the database; the store is of no use afterwards. Closing twice does no harm.

        The writer leaves one plain file behind, which can be copied and read anywhere, unless someone reads it now.
        """
        if self._writable:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, kind: type[R]) -> list[R]:
        with _one_line(f"cannot read {self.directory / DATABASE}"):
            return list(map(decoder(kind), self._connection.execute(select_statement(kind))))

    def _must_be_writable(self) -> None:
        if not self._writable:
            raise StoreError(
                f"{self.directory} was opened for reading; only the process that created the run writes it"
            )


def _already_a_run(directory: Path) -> StoreError:
    return StoreError(f"{directory} already holds a run: choose another directory with --out, or delete this one first")


def _connect_to_read(database: Path) -> sqlite3.Connection:
    uri = f"{database.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # A WAL database needs a shared-memory file next to it, which cannot be made where nobody may write. Without a
        # log there is no writer either, and the file can be read as it is.
        if database.with_name(f"{DATABASE}-wal").exists():
            raise StoreError(
                f"cannot read {database}: {error}; its writer was stopped, so it is read with write access to the "
                f"directory only: copy {database.parent} to where you may write"
            ) from error
        connection = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, database: Path) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreError(f"{database} is empty: the run was killed while it started; delete {database.parent}")
    if application_id != APPLICATION_ID:
        raise StoreError(f"{database} is not the database of an iDML run; name a directory that `idml run` made")
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"{database} has schema {version}, this idml reads schema {SCHEMA_VERSION}; use the idml that wrote it"
        )


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself on a full disk.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn what the disk, SQLite or JSON says into one StoreError line: `what`, then the cause."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror}") from error
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"{what}: {error}") from error
