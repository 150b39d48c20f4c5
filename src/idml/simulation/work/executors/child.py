"""A process of the run's own that it talks to over pipes."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Sequence
from io import RawIOBase
from queue import SimpleQueue
from typing import cast

from idml.simulation.work.executors.base import ExecutorError
from idml.simulation.work.executors.wire import receive, send


class Child:
    """A process, which hears of no Ctrl-C and is told to end by the end of its input.

    It is started as a program of its own, not by `multiprocessing`: that would import the user's main module in it, and
    a script without a guard would start its run again.

    Args:
        module: whose `main` it runs.
        inbox: takes what it sends, and at its end the error that reading then raised.
        first: the message that it begins with.
        descriptors: that it inherits.
        quiet: whether what it prints is lost.

    Raises:
        ExecutorError: if it cannot be started.
    """

    def __init__(
        self,
        module: str,
        inbox: SimpleQueue[tuple["Child", object]],
        first: object,
        *,
        descriptors: Sequence[int] = (),
        quiet: bool = False,
    ) -> None:
        program = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if quiet else None,
                bufsize=0,
                pass_fds=descriptors,
                # A terminal sends Ctrl-C to all processes of a session; it is the run's to decide what it means.
                start_new_session=True,
            )
        except OSError as error:
            raise ExecutorError(f"workers: cannot start a process: {error.strerror}") from error
        self.pid = self._process.pid
        self._requests = cast(RawIOBase, self._process.stdin)
        self._results = cast(RawIOBase, self._process.stdout)
        self._listener = threading.Thread(target=self._listen, args=(inbox,), daemon=True)
        self._listener.start()
        self.send(first)

    def send(self, message: object) -> None:
        """Send a message; to one that has ended, it is lost, and the inbox says so."""
        with contextlib.suppress(OSError):
            send(self._requests, message)

    def kill(self) -> None:
        """Have it end at once."""
        self._process.kill()

    def bury(self, grace_s: float = 0) -> int:
        """End it and all that belongs to it here; returns its exit status, negative for a signal.

        Args:
            grace_s: how long it may take to end by itself.
        """
        with contextlib.suppress(OSError):
            self._requests.close()
        if grace_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self._process.kill()
        code = self._process.wait()
        self._listener.join()
        self._results.close()
        return code

    def _listen(self, inbox: SimpleQueue[tuple["Child", object]]) -> None:
        try:
            while True:
                inbox.put((self, receive(self._results)))
        except Exception as error:
            inbox.put((self, error))
