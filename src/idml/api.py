"""The public face: run a simulation and write its report, from Python as from the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idml.adapters.base import Adapter
from idml.reporting.report import write_report
from idml.simulation.config import Config, make_config
from idml.simulation.runs import resume as go_on
from idml.simulation.runs import simulate
from idml.simulation.totals import Observer


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Args:
        directory: where all of it lies: config.toml, run.sqlite, models, summary.json, report.html.
        summary: what `summary.json` holds.
    """

    directory: Path
    summary: dict[str, Any]

    @property
    def report(self) -> Path:
        """The report, one HTML file."""
        return self.directory / "report.html"


def run(
    directory: Path | str,
    config: Config | None = None,
    *,
    adapter: Adapter | None = None,
    observer: Observer | None = None,
    report: bool = True,
    **settings: Any,
) -> Run:
    """Simulate and report.

    Args:
        directory: where to write; must not hold a run yet.
        config: what to run, best made by `load_config`, which explains what is wrong; by default the defaults.
        adapter: a learning algorithm of your own, instead of the one that the configuration names.
        observer: called with a `Snapshot` after each contact.
        report: whether to write the report, which takes a second or two; `idml report` does so later.
        settings: configuration keys that differ from `config`, for instance `devices=30`.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: one line for each problem.
    """
    values = {**(config.model_dump(exclude_none=True) if config else {}), **settings}
    summary = simulate(make_config(values), Path(directory), adapter=adapter, observer=observer)
    if report:
        write_report(Path(directory))
    return Run(Path(directory), summary)


def resume(
    directory: Path | str,
    *,
    adapter: Adapter | None = None,
    observer: Observer | None = None,
    report: bool = True,
    **settings: Any,
) -> Run:
    """Go on with a run that was stopped or killed, and report: it ends as it would have ended.

    Args:
        directory: of the run.
        adapter: the learning algorithm, if the run was given one.
        observer: called with a `Snapshot` after each contact, from the first on.
        report: as in `run`.
        settings: keys that change nothing about what happens, for instance `workers=4`.

    Raises:
        ConfigError, TraceError, DataError, AdapterError, StoreError, LedgerError: one line for each problem.
    """
    summary = go_on(Path(directory), settings, adapter=adapter, observer=observer)
    if report:
        write_report(Path(directory))
    return Run(Path(directory), summary)
