"""Ctrl-C: once stops a run cleanly after the encounter at hand, twice at once."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from idml.simulation.totals import Observer, Snapshot, Stopped


@contextmanager
def stop_cleanly(observer: Observer) -> Iterator[Observer]:
    """Give an observer that watches as the given one and, after a first Ctrl-C, stops the run; a second one raises
    KeyboardInterrupt."""
    asked = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        del number, frame
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("idml: stopping after this encounter; Ctrl-C again stops at once", file=sys.stderr)

    def observe(snapshot: Snapshot) -> None:
        observer(snapshot)
        if asked and snapshot.stage != "done":
            raise Stopped

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield observe
    finally:
        signal.signal(signal.SIGINT, before)
