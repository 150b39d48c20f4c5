"""Writes files that hold either the old or the new content, never half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from idml.store.errors import StoreError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file as a whole. When this returns, the content is on the disk.

    Args:
        path: the file, which may exist.
        content: all that it is to hold.

    Raises:
        StoreError: if it cannot be written. An old file is then unchanged.
    """
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            # mkstemp lets only the owner read the file, but a run should be as readable as any other file of the user.
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
    # The only portable way to read the umask is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(directory: Path) -> None:
    # A rename survives a power cut only after its directory is on the disk. Windows cannot open directories.
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
