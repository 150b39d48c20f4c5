"""The lock that lets only one process at a time write to a run."""

import contextlib
import os
import time
from pathlib import Path

from idml.store.errors import StoreError

_TRIES = 3
_PAUSE_S = 0.05
"""A reader that looks whether there is a writer holds the lock for a moment; see `being_written`."""


class WriterLock:
    """Keeps other processes from writing to a run. It is released when the process ends, however it ends.

    Args:
        directory: the run's directory.

    Raises:
        StoreError: if another process has locked the run.
    """

    def __init__(self, directory: Path) -> None:
        self._descriptor = -1
        if os.name != "posix":
            return
        import fcntl

        try:
            self._descriptor = os.open(directory, os.O_RDONLY)
        except OSError as error:
            raise StoreError(f"cannot read {directory}: {error.strerror}") from error
        try:
            for tries_left in reversed(range(_TRIES)):
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not tries_left:
                        raise
                    time.sleep(_PAUSE_S)
        except BlockingIOError as error:
            self.release()
            raise StoreError(f"{directory} is being written by another process: wait for it, or stop it") from error
        except OSError:
            pass  # this file system has no locks

    def release(self) -> None:
        """Release the lock. It may be called more than once."""
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(OSError):
            if descriptor >= 0:
                os.close(descriptor)


def being_written(directory: Path) -> bool:
    """Whether a process is writing to a run now; True where that cannot be told.

    Args:
        directory: the run's directory.
    """
    if os.name != "posix":
        return True
    import fcntl

    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:  # there is a writer, or this file system has no locks
        return True
    finally:
        os.close(descriptor)
    return False
