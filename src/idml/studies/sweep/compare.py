"""Single runs side by side: in which keys they differ, and what came of each."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idml.outside import read_bytes
from idml.reporting.summary import numbers
from idml.simulation.config import Config
from idml.simulation.totals import HOW
from idml.store import RunStore
from idml.studies.sweep.quantities import Numbers, numbers_of

_ORIGINS = ("definition", "rules_version", "plugins", "trace")
"""What a run's record says of its origin beside its configuration."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """A run, as it is compared.

    Args:
        directory: of the run.
        finished: whether it is.
        settings: its configuration by key, and what else decides what happens in it.
        numbers: what came of it so far, by name.
        digest: of all that happened in it and of its models, hexadecimal; equal for equal results.
    """

    directory: Path
    finished: bool
    settings: Mapping[str, Any]
    numbers: Numbers
    digest: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side.

    Args:
        runs: in the order in which they were named.
    """

    runs: Sequence[ComparedRun]

    @property
    def differing(self) -> Mapping[str, Sequence[Any]]:
        """The keys in which any of them differ, with the value of each run; None where a run has none."""
        keys = dict.fromkeys(key for run in self.runs for key in run.settings)
        values = {key: [run.settings.get(key, _default(key)) for run in self.runs] for key in keys}
        return {key: some for key, some in values.items() if any(one != some[0] for one in some)}

    @property
    def same_results(self) -> bool:
        """Whether all are finished, and the same happened in all, to the last bit of each model."""
        return all(run.finished for run in self.runs) and len({run.digest for run in self.runs}) == 1


def compare(directories: Sequence[Path]) -> Comparison:
    """Set runs side by side, finished or not.

    Raises:
        StoreError: if one is no run, or cannot be read.
    """
    return Comparison([_compared(directory) for directory in directories])


def changes_nothing(key: str) -> bool:
    """Whether a key says how a run is done and not what happens in it."""
    return key in HOW


def _compared(directory: Path) -> ComparedRun:
    with RunStore.open(directory) as run:
        config = run.settings
        summary = {"config": config, **numbers(run)}
        settings = {name: value for key, one in config.items() for name, value in _flat(key, one)}
        meta = run.meta
        settings |= {key: meta[key] for key in _ORIGINS if key in meta}
        finished = run.read_summary() is not None
        return ComparedRun(directory, finished, settings, numbers_of(summary), _digest(run))


def _flat(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{key}.{name}", one) for name, one in value.items())
    else:
        yield key, value


def _default(key: str) -> Any:
    """The value of a key that a run's configuration lacks."""
    table, dot, _ = key.partition(".")
    field = Config.model_fields.get(table)
    return None if field is None else 0 if dot else field.get_default(call_default_factory=True)


def _digest(run: RunStore) -> str:
    """Of what happened and what was learned. How the work was done and how long it took is no part of it."""
    digest = hashlib.sha256()
    for records in (
        run.devices(),
        run.encounters(),
        run.transactions(),
        run.stakes(),
        run.accuracy(),
        run.baselines(),
        run.earnings(),
        run.expulsions(),
    ):
        digest.update(repr(records).encode())
    for device in run.devices():
        path = run.model_path(device.device)
        digest.update(hashlib.sha256(read_bytes(path)).digest() if os.path.isfile(path) else b"none")
    return digest.hexdigest()
