"""Runs that were killed before anything was written of them."""

import contextlib
import os
import shutil
from pathlib import Path

from idml.store.database import connect_to_read, one_line
from idml.store.run_reader import CONFIG, DATABASE, MODELS


def clear_false_start(directory: Path) -> None:
    """Delete a run's directory if the run was killed while it started, so that it can be begun again.

    A directory that holds more than such a run leaves, or that cannot be read, is left as it is.

    Args:
        directory: of the run; it may be missing. No other process may be writing in it.

    Raises:
        StoreError: if it cannot be deleted.
    """
    with one_line(f"cannot start again in {directory}"):
        if os.path.isdir(directory) and not any(map(_is_more, directory.iterdir())) and _is_empty(directory / DATABASE):
            shutil.rmtree(directory)


def _is_more(path: Path) -> bool:
    """Whether this is nothing that a run leaves that was killed while it started."""
    if path.name == MODELS:
        return not os.path.isdir(path) or any(path.iterdir())
    # A file that was being written has its name with a dot before it.
    return os.path.isdir(path) or not path.name.lstrip(".").startswith((CONFIG, DATABASE))


def _is_empty(database: Path) -> bool:
    """Whether a database has no tables yet, or is missing."""
    if not os.path.exists(database):
        return True
    with contextlib.closing(connect_to_read(database)) as connection:
        return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
