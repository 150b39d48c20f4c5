"""Shows a run in TensorBoard, while it goes on or afterwards. It only reads what the run records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

from idml.errors import MissingPackageError
from idml.extras import how_to_install
from idml.reporting import series
from idml.store import RunStore, StoreError

POLL_S: Final = 2.0
_SUFFIX: Final = ".idml"
"""Tells our event files from those of others in the same folder."""


class Scalar(NamedTuple):
    """A number that TensorBoard draws.

    Args:
        tag: the name of its curve.
        round: the round that it is of.
        value: the number.
    """

    tag: str
    round: int
    value: float


def scalars(run: RunStore) -> list[Scalar]:
    """All numbers of the rounds that are over.

    Accuracy of honest devices (mean, least, greatest) and of baselines, 0 to 1; what became of contributions, of honest
    devices and of attackers, in the round; devices expelled so far; and the mean stake at the end of the round, in
    tokens.

    Args:
        run: the run, finished or not.
    """
    finished = run.read_summary() is not None
    cohorts, encounters = series.Cohorts.of(run.devices()), run.encounters()
    last = max((encounter.round for encounter in encounters), default=0)
    over = last if finished else last - 1
    found = []
    for spread in series.accuracy_by_round(run, cohorts.honest):
        found += [
            Scalar("accuracy/mean", spread.at, spread.mean),
            Scalar("accuracy/least", spread.at, spread.low),
            Scalar("accuracy/greatest", spread.at, spread.high),
        ]
    found += [Scalar(f"accuracy/{point.name}", point.round, point.accuracy) for point in run.baselines()]
    outcomes = series.outcomes_by_round(encounters, cohorts)
    kinds = {(attacks, outcome) for _, attacks, outcome in outcomes}
    for attacks, outcome in sorted(kinds):
        whose = "attackers" if attacks else "honest"
        for number in range(1, over + 1):
            found.append(Scalar(f"{whose}/{outcome}", number, outcomes[number, attacks, outcome]))
    found += _money(run, cohorts, over)
    return found


def _money(run: RunStore, cohorts: series.Cohorts, over: int) -> Iterator[Scalar]:
    points = run.stakes()
    if not points:
        return
    expelled = Counter((point.round, cohorts.is_attacker(point.device)) for point in run.expulsions())
    ends: dict[int, int] = {}
    for encounter in run.encounters():
        ends[encounter.round] = max(ends.get(encounter.round, 0), encounter.block)
    groups = [("honest", cohorts.honest, False), ("attackers", cohorts.attackers, True)]
    for whose, members, attacks in groups:
        current, rest, out = dict[int, int](), iter(points), 0
        coming, chosen = next(rest, None), set(members)
        for number in range(1, over + 1):
            while coming is not None and coming.block <= ends.get(number, 0):
                if coming.device in chosen:
                    current[coming.device] = coming.stake_wei
                coming = next(rest, None)
            out += expelled[number, attacks]
            if current:
                yield Scalar(f"{whose}/stake", number, fmean(current.values()) / series.TOKEN_WEI)
                yield Scalar(f"{whose}/expelled", number, out)


def write_events(
    run: RunStore, directory: Path, *, follow: bool = False, going: Callable[[], bool] = lambda: True
) -> int:
    """Write a run's numbers as events of TensorBoard.

    Args:
        run: the run, finished or not.
        directory: where to; made if it is missing. Events of an earlier export are replaced.
        follow: go on until the run has ended.
        going: asked after each look at the run; False ends following.

    Returns:
        How many numbers were written.

    Raises:
        MissingPackageError: tensorboard is not installed.
        StoreError: the run cannot be read, or the events cannot be written.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise MissingPackageError(f"this needs tensorboard: {how_to_install('tensorboard')}") from error
    written: set[tuple[str, int]] = set()
    try:
        for former in directory.glob(f"events.out.tfevents.*{_SUFFIX}"):
            former.unlink()
        directory.mkdir(parents=True, exist_ok=True)
        writer = EventFileWriter(str(directory), filename_suffix=_SUFFIX)
        try:
            while True:
                finished = run.read_summary() is not None  # before the numbers, so that none is left out
                for scalar in scalars(run):
                    if (key := (scalar.tag, scalar.round)) not in written:
                        written.add(key)
                        value = Summary.Value(tag=scalar.tag, simple_value=scalar.value)
                        event = Event(wall_time=time.time(), step=scalar.round, summary=Summary(value=[value]))
                        writer.add_event(event)
                writer.flush()
                if finished or not follow or not going():
                    return len(written)
                time.sleep(POLL_S)
        finally:
            writer.close()
    except OSError as error:
        raise StoreError(f"cannot write to {directory}: {error.strerror or error}") from error
