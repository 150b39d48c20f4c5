"""Where a command prints: streams that may be closed or full, and a console that cuts nothing that goes into a pipe."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 100_000


def console() -> Console:
    """What prints tables on standard output: as wide as a terminal, and as wide as they are into a pipe or a file."""
    from rich.console import Console

    fixed = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if fixed else _WIDE)


class Stream:
    """A standard stream that takes whatever is written. What cannot be written is lost, and the first cause kept.

    Args:
        stream: standard output or standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.problem: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, if the stream takes it.

        Args:
            text: the text.

        Returns:
            Its length.
        """
        if self.problem is None:
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:
                encoding = error.encoding
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Pass on what was written, if the stream takes it."""
        if self.problem is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self, error: OSError) -> None:
        self.problem = error
        # Python writes what is left in its buffer when it ends, and would complain then.
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


@contextlib.contextmanager
def standard_streams() -> Iterator[Stream]:
    """Have both standard streams take whatever is written until the context ends; gives standard output."""
    _occupy_closed()
    before = sys.stdout, sys.stderr
    out, err = (Stream(stream) for stream in before)
    sys.stdout, sys.stderr = cast("tuple[TextIO, TextIO]", (out, err))
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def problem_with(out: Stream) -> str:
    """Why not all of the output was written, in words; empty if it was, or if whoever read it had enough of it."""
    error = out.problem
    return "" if error is None or error.errno == errno.EPIPE else f"standard output: {error.strerror}"


def _occupy_closed() -> None:
    """Open the null device where a standard stream is closed, or the next file that is opened would take its place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  for as long as Python runs
