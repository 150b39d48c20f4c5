"""Replays on disk: what was judged as csv, and beside it as TOML what made it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from idml.outside import OutsideError, read_text, read_toml
from idml.simulation.config import Config
from idml.store import write_atomically
from idml.studies.error_rates import ATTACKS, JudgedContribution, Told, replay
from idml.studies.errors import StudyError
from idml.studies.fingerprint import Fingerprint, fingerprint


def replay_fingerprint(config: Config, *, every: int, attacks: Sequence[str]) -> Fingerprint:
    """All that decides what a replay judges; arguments as of `idml.studies.error_rates.replay`."""
    return fingerprint(config, every=every, attacks=list(attacks))


def fingerprint_of_replay(path: Path) -> Fingerprint:
    """The same of a replay that was kept, by the TOML beside its csv.

    Raises:
        StudyError: if nothing says what made it.
    """
    beside = _beside(path)
    try:
        # A replay from before there was a choice judged all attacks.
        made = {"attacks": list(ATTACKS), **read_toml(beside)}
    except OutsideError as error:
        if error.missing:
            raise StudyError(
                f"{path} has no {beside.name} beside it to say what made it: choose another --out, or delete it"
            ) from None
        raise StudyError(
            f"{beside} says not what made {path.name}, {error.why}: choose another --out, or delete it"
        ) from None
    return {**made, "rules_version": str(made.get("rules_version"))}


def play_replay(
    path: Path, config: Config, *, every: int, attacks: Sequence[str], told: Told = lambda _done, _all: None
) -> None:
    """Replay, and keep what was judged; arguments as of `idml.studies.error_rates.replay`."""
    judged = replay(config, attacks=attacks, every=every, told=told)
    # First: a csv without it would be refused.
    made = replay_fingerprint(config, every=every, attacks=attacks)
    write_atomically(_beside(path), tomli_w.dumps(dict(made)).encode())
    write_atomically(path, _csv(judged).encode())


def read_judged(path: Path) -> list[JudgedContribution]:
    """What was judged in a replay that was kept.

    Raises:
        StudyError: if it cannot be read.
    """
    judged = []
    try:
        for row in csv.DictReader(io.StringIO(read_text(path), newline="")):
            numbers = [int(row.pop(key)) for key in ("contact", "encounter", "validator")]
            kind = row.pop("kind")
            harms = {name: float(harm) for name, harm in row.items() if harm}
            judged.append(JudgedContribution(numbers[0], numbers[1], kind, numbers[2], harms))
    except OutsideError as error:
        raise StudyError(str(error)) from None
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise StudyError(f"{path} is damaged, {error}: choose another --out, or delete it") from None
    return judged


def _beside(path: Path) -> Path:
    return path.with_suffix(".toml")


def _csv(judged: Sequence[JudgedContribution]) -> str:
    """With a column for each rule; floats come back as they were."""
    names = list(dict.fromkeys(name for one in judged for name in one.harms))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["contact", "encounter", "kind", "validator", *names])
    for one in judged:
        harms = [repr(float(one.harms[name])) if name in one.harms else "" for name in names]
        writer.writerow([one.contact, one.encounter, one.kind, one.validator, *harms])
    return text.getvalue()
