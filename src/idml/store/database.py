"""The connection to a run's database: opened, checked, and its errors in one line."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from idml.store.errors import StoreError
from idml.store.schema import APPLICATION_ID, READABLE_VERSIONS


def prepare_to_write(connection: sqlite3.Connection) -> None:
    """Let others read while the caller writes."""
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode NORMAL survives a killed process; only a power cut can take the last batches with it.
    connection.execute("PRAGMA synchronous = NORMAL")


def connect_to_read(database: Path) -> sqlite3.Connection:
    """Open for reading, also where nobody may write."""
    uri = f"{database.resolve().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # A WAL database needs a shared-memory file next to it, which cannot be made where nobody may write. Without a
        # log there is no writer either, and the file can be read as it is.
        if database.with_name(f"{database.name}-wal").exists():
            raise StoreError(
                f"cannot read {database}: {error}; its writer was stopped, so it is read with write access to the "
                f"directory only: copy {database.parent} to where you may write"
            ) from error
        connection = sqlite3.connect(f"{uri}&immutable=1", uri=True, isolation_level=None)
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(
    connection: sqlite3.Connection, database: Path, versions: Collection[int] = READABLE_VERSIONS
) -> None:
    """Raise StoreError if this is not the database of a run, or if its schema is none of these versions."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreError(f"{database} is empty: the run was killed while it started; delete {database.parent}")
    if application_id != APPLICATION_ID:
        raise StoreError(f"{database} is not the database of an iDML run; name a directory that `idml run` made")
    if version not in versions:
        raise StoreError(
            f"{database} has schema {version}, this idml takes schema {' or '.join(map(str, versions))}; "
            "use the idml that wrote it"
        )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is done within, or nothing."""
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
def one_line(what: str) -> Iterator[None]:
    """Turn what the disk, SQLite or JSON says into one StoreError line: `what`, then the cause."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror}") from error
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"{what}: {error}") from error
