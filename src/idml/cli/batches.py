"""What commands that do many runs show of them: how many are done, and how long the rest will take."""

import argparse
import logging
import shlex
import sys
import time


class Countdown:
    """A `Progress` that writes a line on standard error whenever a run is done.

    Args:
        quiet: whether to write nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._begun_s = time.monotonic()
        self._before = self._total = -1

    def __call__(self, done: int, total: int) -> None:
        """Take that so many of all are done; the first call says how many were before."""
        if total != self._total or done <= self._before:
            self._begun_s, self._before, self._total = time.monotonic(), done, total
            return
        gone_s = time.monotonic() - self._begun_s
        left_s = gone_s / (done - self._before) * (total - done)
        self.say(f"{done} of {total} runs, {_clock(gone_s)} gone, about {_clock(left_s)} left")

    def say(self, text: str) -> None:
        """Write a line, unless all are to be quiet."""
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def show_each_message_once() -> None:
    """What the library has to say of one run it says of hundreds."""
    shown = set[str]()

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        new = text not in shown
        shown.add(text)
        return new

    for handler in logging.getLogger("idml").handlers:
        handler.addFilter(is_new)


def again(options: argparse.Namespace, command: str) -> str:
    """The command line that goes on with a study that was interrupted."""
    words = ["idml", command, options.what, "--scale", options.scale]
    for name in ("out", "processes", "data_dir", "only", "seeds"):
        if (value := getattr(options, name, None)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)
