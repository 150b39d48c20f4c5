"""One writer at a time."""

import contextlib
import os
from pathlib import Path

from idml.store.errors import StoreError


class WriterLock:
    """Holds a run's directory for one process; let go when that process ends, however it ends.

    Args:
        directory: the run's.

    Raises:
        StoreError: if another process holds it.
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
            pass  # a file system without locks

    def release(self) -> None:
        """Let go. Doing so twice does no harm."""
        descriptor, self._descriptor = self._descriptor, -1
        with contextlib.suppress(OSError):
            if descriptor >= 0:
                os.close(descriptor)
