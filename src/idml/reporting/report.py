"""The report of a run: one HTML file that needs neither network nor scripts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from idml.reporting import series, tables
from idml.reporting.captions import count
from idml.reporting.figures import accuracy_figure, cases_figure, earnings_figure, stakes_figure
from idml.reporting.incentive import incentive_command, incentive_view
from idml.reporting.style import DARK, WIDTH, Chart, describe, render
from idml.reporting.summary import headlines, numbers
from idml.store import RunStore, write_atomically
from idml.store.errors import StoreError

REPORT = "report.html"
NARROW = 250
"""Width of a plot on a telephone, in pixels. A figure is drawn twice, not shrunk, so that its text keeps its size."""


@dataclass(frozen=True, slots=True)
class FigureView:
    """A figure of the report.

    Args:
        words: what it shows, in words.
        wide, narrow: the figure as SVG for wide and for narrow screens.
    """

    words: str
    wide: Markup
    narrow: Markup


def write_report(directory: Path | str) -> Path:
    """Write `report.html` into a run's directory.

    Args:
        directory: directory of the run, finished or not.

    Returns:
        The path of the report.

    Raises:
        StoreError: if the directory holds no readable run, or cannot be written.
    """
    with RunStore.open(directory, damaged=True) as run:
        page = report_html(run)
        path = run.directory / REPORT
    write_atomically(path, page.encode())
    return path


def report_html(run: RunStore) -> str:
    """Make the report as HTML. Equal runs give equal text.

    Args:
        run: the run, finished or not.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files(__package__).joinpath("report.html.j2").read_text("utf-8"))
    cohorts = series.Cohorts.of(run.devices())
    summary = numbers(run)
    return template.render(
        name=Path(os.path.realpath(run.directory)).name,
        subtitle=_subtitle(run, cohorts),
        finished=run.read_summary() is not None,
        headlines=headlines(summary, attackers=len(cohorts.attackers)),
        figures=_figures(run),
        incentive=incentive_view(run),
        incentive_command=incentive_command(run),
        ledger=bool(run.stakes()),
        devices=tables.devices_table(run),
        cases=tables.cases_table(run),
        skips=tables.skips_table(run),
        encounters=tables.encounters_table(run),
        gas=tables.gas_table(run),
        config=run.config,
        engine=run.meta.get("engine"),
        dark=DARK,
    )


def _figures(run: RunStore) -> list[FigureView]:
    """Draw the figures that this run has data for."""
    available: list[tuple[Callable[..., Chart], object]] = [
        (accuracy_figure, run.accuracy()),
        (stakes_figure, run.stakes()),
        (cases_figure, run.encounters()),
        (earnings_figure, run.earnings()),
    ]
    return [_figure(figure, run) for figure, data in available if data]


def _figure(figure: Callable[..., Chart], run: RunStore) -> FigureView:
    wide, narrow = figure(run, width=WIDTH), figure(run, width=NARROW)
    return FigureView(describe(wide), Markup(render(wide, "svg").decode()), Markup(render(narrow, "svg").decode()))


def _subtitle(run: RunStore, cohorts: series.Cohorts) -> str:
    parts = [count(len(cohorts.kinds), "device")]
    if cohorts.attackers:
        parts.append(count(len(cohorts.attackers), "attacker") + " among them")
    try:
        config = run.settings
    except StoreError:
        config = {}
    parts += [str(config[key]) for key in ("algorithm", "dataset", "partition", "model") if key in config]
    parts += [f"{key} {config[key]}" for key in ("preset", "seed") if key in config]
    return " · ".join(parts)
