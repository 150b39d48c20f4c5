"""Shows a run in TensorBoard, while it goes on or afterwards. It only reads what the run records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

from idml.errors import MissingPackageError
from idml.extras import how_to_install
from idml.reporting import series
from idml.store import EncounterRecord, RunStore, StoreError

POLL_S: Final = 2.0
_REST: Final = 20
"""A look at a long run takes a while, and the pause after it so many times as long, to leave the run its processors."""
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
    devices and of attackers, in the round; devices expelled so far; the mean stake at the end of the round, in tokens;
    and in the end what devices earned in each role, in tokens, mean.

    An encounter that ends late counts in the round in which it ends, so that a round that is over does not change.

    Args:
        run: the run, finished or not.
    """
    finished = run.read_summary() is not None
    cohorts, encounters = series.Cohorts.of(run.devices()), _by_end(run.encounters())
    last = encounters[-1].round if encounters else 0
    over = last if finished else last - 1
    found = []
    for scores in series.accuracy_by_round(run, cohorts.honest):
        found += [
            Scalar("accuracy/mean", scores.at, scores.mean),
            Scalar("accuracy/least", scores.at, min(scores.accuracy)),
            Scalar("accuracy/greatest", scores.at, max(scores.accuracy)),
        ]
    for name, curve in series.baselines_by_round(run).items():
        found += [Scalar(f"accuracy/{name}", scores.at, scores.mean) for scores in curve]
    outcomes = series.outcomes_by_round(encounters, cohorts)
    kinds = {(attacks, outcome) for _, attacks, outcome in outcomes}
    for attacks, outcome in sorted(kinds):
        whose = "attackers" if attacks else "honest"
        for number in range(1, over + 1):
            found.append(Scalar(f"{whose}/{outcome}", number, outcomes[number, attacks, outcome]))
    found += _money(run, cohorts, encounters, over)
    if finished:
        found += _earnings(run, cohorts, last)
    return found


def _by_end(encounters: Iterable[EncounterRecord]) -> list[EncounterRecord]:
    """Encounters in the order in which they ended, with the round in which they did in place of that of their contact.

    The record of a later round may come first: the encounter of an earlier one is open as long as its windows are.
    """
    now, found = 0, []
    for encounter in encounters:
        now = max(now, encounter.round)
        found.append(replace(encounter, round=now))
    return found


def _money(
    run: RunStore, cohorts: series.Cohorts, encounters: Iterable[EncounterRecord], over: int
) -> Iterator[Scalar]:
    """Stakes and expulsions at the end of each round, which is the block in which its last encounter ended."""
    points, expulsions = run.stakes(), run.expulsions()
    if not points:
        return
    ends = {encounter.round: encounter.block for encounter in encounters}
    for whose, members in (("honest", cohorts.honest), ("attackers", cohorts.attackers)):
        current, rest = dict[int, int](), iter(points)
        coming, chosen, end = next(rest, None), set(members), 0
        for number in range(1, over + 1):
            end = ends.get(number, end)
            while coming is not None and coming.block <= end:
                if coming.device in chosen:
                    current[coming.device] = coming.stake_wei
                coming = next(rest, None)
            if current:
                out = {one.device for one in expulsions if one.device in chosen and one.block <= end}
                yield Scalar(f"{whose}/stake", number, fmean(current.values()) / series.TOKEN_WEI)
                yield Scalar(f"{whose}/expelled", number, len(out))


def _earnings(run: RunStore, cohorts: series.Cohorts, last: int) -> Iterator[Scalar]:
    """What devices earned, which is known when the run ends."""
    earnings = {record.device: record for record in run.earnings()}
    for whose, members in (("honest", cohorts.honest), ("attackers", cohorts.attackers)):
        records = [earnings[device] for device in members if device in earnings]
        if records:
            yield Scalar(f"{whose}/earned as learner", last, _mean_tokens(one.as_learner_wei for one in records))
            yield Scalar(f"{whose}/earned as neighbor", last, _mean_tokens(one.as_neighbor_wei for one in records))
            yield Scalar(f"{whose}/earned as validator", last, _mean_tokens(one.as_validator_wei for one in records))


def _mean_tokens(amounts_wei: Iterable[int]) -> float:
    return fmean(series.tokens(amount) for amount in amounts_wei)


def write_events(
    run: RunStore, directory: Path, *, follow: bool = False, going: Callable[[], bool] = lambda: True
) -> int:
    """Write a run's numbers as events of TensorBoard.

    Args:
        run: the run, finished or not.
        directory: where to; made if it is missing. Events of an earlier export are replaced.
        follow: go on until the run has ended, or is not going on.
        going: asked before each look at the run, whether it goes on.

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
                begun_s = time.monotonic()
                over = run.read_summary() is not None or not going()  # before the numbers, so that none is left out
                for scalar in scalars(run):
                    if (key := (scalar.tag, scalar.round)) not in written:
                        written.add(key)
                        value = Summary.Value(tag=scalar.tag, simple_value=scalar.value)
                        event = Event(wall_time=time.time(), step=scalar.round, summary=Summary(value=[value]))
                        writer.add_event(event)
                writer.flush()
                if over or not follow:
                    return len(written)
                time.sleep(max(POLL_S, _REST * (time.monotonic() - begun_s)))
        finally:
            writer.close()
    except OSError as error:
        raise StoreError(f"cannot write to {directory}: {error.strerror or error}") from error
