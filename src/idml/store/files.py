"""Files that are either old or new, never half written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from idml.store.errors import StoreError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, which is on the disk when this returns.

    Raises StoreError if it cannot be written; the old file, if any, is then untouched.
    """
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            # mkstemp makes files for its owner alone; a run is as readable as any other file of the user.
            os.chmod(temporary, 0o666 & ~_umask())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise StoreError(f"cannot write {path}: {error.strerror}") from error


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    # A rename survives a power cut only once its directory is on the disk; Windows cannot open directories.
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
