"""The connection to a run's database: how it is opened and checked, and how its errors become one line."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from idml.outside import OutsideError
from idml.store.errors import StoreError
from idml.store.schema import APPLICATION_ID, READABLE_VERSIONS


def prepare_to_write(connection: sqlite3.Connection) -> None:
    """Set a connection up so that others can read while it writes.

    Args:
        connection: to a run's database.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode, NORMAL loses nothing if the process is killed. Only a power cut can lose the last batches.
    connection.execute("PRAGMA synchronous = NORMAL")


def connect_to_read(database: Path) -> sqlite3.Connection:
    """Open a run's database for reading, even in a directory in which nobody may write.

    Args:
        database: its file.
    """
    uri = f"{Path(os.path.abspath(database)).as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        # A WAL database needs a shared-memory file beside it, which cannot be made in a directory that nobody may
        # write. If there is no log, there is no writer either, and the file can be read as it is.
        if os.path.exists(f"{database}-wal"):
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
    """Check that a database is that of a run, with a schema that can be read.

    Args:
        connection: to the database.
        database: its file, for messages.
        versions: the versions of the schema that are accepted.

    Raises:
        StoreError: if it is no run's database, or its schema has another version.
    """
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application_id == 0 and version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreError(
            f"{database} is empty: the run is starting, or was killed then; wait, or delete {database.parent}"
        )
    if application_id != APPLICATION_ID:
        raise StoreError(f"{database} is not the database of an iDML run; name a directory that `idml run` made")
    if version not in versions:
        raise StoreError(
            f"{database} has schema {version}, this idml takes schema {' or '.join(map(str, versions))}; "
            "use the idml that wrote it"
        )


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Make a transaction of all that is done within a `with` block: either all of it is written, or nothing.

    Args:
        connection: to the database.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # If the disk is full, SQLite has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def one_line(what: str) -> Iterator[None]:
    """Turn errors of the disk, of SQLite and of JSON within a `with` block into a StoreError of one line.

    Args:
        what: what failed, with which the line begins; the cause follows.

    Raises:
        StoreError: for any such error.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}") from error
    except OutsideError as error:
        raise StoreError(f"{what}: {error.why}") from error
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        raise StoreError(f"{what}: {error}") from error
