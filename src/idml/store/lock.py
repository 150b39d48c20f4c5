"""The lock that lets only one process at a time write to a run."""

import contextlib
import os
from pathlib import Path

from idml.store.errors import StoreError


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

        self._descriptor = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
