"""Sweeps played and gone on with: `idml.sweep`, and what it returns."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tomli_w

from idml.outside import OutsideError, read_toml
from idml.simulation.config import Config
from idml.simulation.totals import HOW
from idml.store import write_atomically
from idml.store.lock import WriterLock
from idml.store.run_reader import DATABASE
from idml.store.run_store import RunStore
from idml.studies.batch import Progress, RunBatch, WantedRun
from idml.studies.errors import StudyError, unwritable
from idml.studies.sweep.files import frame, write_files
from idml.studies.sweep.page import PAGE, write_page
from idml.studies.sweep.quantities import Numbers, numbers_of
from idml.studies.sweep.vary import CellPlan, make_plans, setting_of

if TYPE_CHECKING:
    import pandas

RECORD = "sweep.toml"
_RUNS = "runs"


@dataclass(frozen=True, slots=True)
class SweepCell:
    """One run of a sweep.

    Args:
        values: what is varied, by key.
        directory: of the run; one that cannot be has none.
        status: whether it is done, or failed.
        error: why it failed, in a line; None if it is done.
        numbers: what came of it, by name; empty if it failed. Shares and accuracies are from 0 to 1.
    """

    values: Mapping[str, Any]
    directory: Path
    status: Literal["done", "failed"]
    error: str | None
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep that is done.

    Args:
        directory: holds `sweep.csv`, `sweep.parquet` where pyarrow is installed, the page `sweep.html`, and the runs.
        cells: one for each way to combine what is varied.
    """

    directory: Path
    cells: Sequence[SweepCell]

    @property
    def page(self) -> Path:
        """The page that shows what came of it."""
        return self.directory / PAGE

    @property
    def failed(self) -> Sequence[SweepCell]:
        """The cells that failed."""
        return [cell for cell in self.cells if cell.status == "failed"]

    def frame(self) -> "pandas.DataFrame":
        """One row for each cell: what is varied, `status`, `error`, `directory` and the numbers, as in `sweep.csv`.

        Raises:
            StudyError: if pandas is not installed.
        """
        return frame(self.cells)


def sweep(
    directory: Path | str,
    config: Config | None = None,
    *,
    vary: Mapping[str, Iterable[Any] | str],
    jobs: int = 1,
    **settings: Any,
) -> Sweep:
    """Run a configuration once for each way to combine values of some keys, and write tables and a page about it.

    If it is stopped or killed, the same call goes on. Cells that are done are kept, and one that was under way is gone
    on with. A cell that fails does not stop the others.

    Args:
        directory: where to; it may hold a sweep of the same configuration.
        config: the configuration; by default the defaults.
        vary: values by key, for instance `{"seed": range(1, 11), "adversaries.label_flip": [0, 5]}`. Values may be a
            text as on the command line, for instance "1..10".
        jobs: runs at a time, each in a process.
        settings: configuration keys that differ from `config`, for instance `devices=30`.

    Raises:
        ConfigError: if a key or a value can be in no cell.
        StudyError: if the directory holds something else, or cannot be written.
    """
    base = {**(config.model_dump(exclude_none=True) if config else {}), **settings}
    return play_sweep(Path(directory), base, vary, jobs, lambda _done, _all: None)


def play_sweep(
    directory: Path,
    base: Mapping[str, Any],
    vary: Mapping[str, Iterable[Any] | str],
    jobs: int,
    progress: Progress,
) -> Sweep:
    """Do the same as `sweep`.

    Args:
        directory, vary, jobs: as of `sweep`.
        base: the configuration keys that are set, as `make_config` takes them.
        progress: told how many cells are over.

    Raises:
        ConfigError, StudyError: as `sweep`.
        KeyboardInterrupt: on Ctrl-C; nothing is lost.
    """
    plans = make_plans(base, vary)
    try:
        json.dumps([dict(plan.settings) for plan in plans])
    except TypeError as error:
        raise StudyError(f"a sweep plays in other processes, which take names and numbers alone: {error}") from None
    record = _record(plans, base)
    _check_folder(directory, record)
    batch = RunBatch(directory, runs=_RUNS)
    wanted = {plan.name: WantedRun(plan.name, plan.settings) for plan in plans if plan.config}
    batch.check(wanted.values())
    problems = {plan.name: plan.problem for plan in plans if plan.problem}

    def note(run: WantedRun, problem: str) -> None:
        problems[run.name] = "; ".join(problem.splitlines())

    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(directory, error) from error
    lock = WriterLock(directory)
    try:
        if not os.path.exists(directory / RECORD):
            write_atomically(directory / RECORD, tomli_w.dumps(record).encode())
        batch.play(wanted.values(), jobs, progress, note)
        cells = [_cell(plan, directory / _RUNS / plan.name, problems.get(plan.name)) for plan in plans]
        write_files(directory, cells)
        write_page(directory, cells, _fixed(record))
    finally:
        lock.release()
    return Sweep(directory, cells)


def _cell(plan: CellPlan, directory: Path, problem: str | None) -> SweepCell:
    if problem is not None:
        return SweepCell(plan.values, directory, "failed", problem, {})
    with RunStore.open(directory) as run:
        summary = run.require_summary()
    return SweepCell(plan.values, directory, "done", None, numbers_of(summary))


_Recorded = Mapping[str, Any]
"""What `sweep.toml` holds: `vary`, the keys that were varied first, and `settings`, those that were set."""


def _record(plans: Sequence[CellPlan], base: Mapping[str, Any]) -> _Recorded:
    """What all cells have in common, as far as it is set and decides what happens."""
    varied = list(plans[0].values)
    config = next(plan.config for plan in plans if plan.config)
    names = [name for key, value in base.items() for name in _flat(key, value)]
    common = {name: setting_of(config, name) for name in names if name not in {*varied, *HOW}}
    return {"vary": varied, "settings": {name: value for name, value in common.items() if value is not None}}


def _flat(key: str, value: Any) -> list[str]:
    return [f"{key}.{name}" for name in value] if isinstance(value, Mapping) else [key]


def _fixed(record: _Recorded) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = record["settings"]
    return settings


def _check_folder(directory: Path, record: _Recorded) -> None:
    """Refuse a folder that holds a sweep of another configuration, or something else.

    Raises:
        StudyError: if it does.
    """
    path = directory / RECORD
    try:
        found = read_toml(path)
    except OutsideError as error:
        if not error.missing:
            raise StudyError(f"{error}: choose another --out, or delete it") from None
        if os.path.exists(directory / DATABASE) or os.path.exists(directory / _RUNS):
            raise StudyError(f"{directory} holds runs, but no sweep: choose another --out") from None
        return
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read, {error}: choose another --out, or delete it") from None
    before, now, varied = found.get("settings", {}), record["settings"], found.get("vary", [])
    if not isinstance(before, dict) or not isinstance(varied, list) or not all(isinstance(key, str) for key in varied):
        raise StudyError(f"{path} is no record of a sweep: choose another --out, or delete it")
    free = {*varied, *record["vary"]}
    for key in [*before, *now]:
        old, new = (settings.get(key, _default(key)) for settings in (before, now))
        if key not in free and old != new:
            raise StudyError(
                f"{directory} holds a sweep with {key} = {old!r}, not {new!r}: choose another --out, or delete it"
            )


def _default(key: str) -> Any:
    table, dot, _ = key.partition(".")
    if dot:
        return 0
    field = Config.model_fields.get(table)
    return None if field is None else field.get_default(call_default_factory=True)
