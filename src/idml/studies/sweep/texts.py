"""A sweep for the terminal, and as JSON."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from idml.studies.estimates import Estimate
from idml.studies.sweep.cells import Sweep
from idml.studies.sweep.effects import Effect, SettingMeans, effects, half_width, setting_means
from idml.studies.sweep.files import TABLE
from idml.studies.sweep.quantities import Quantity, quantities, varying
from idml.studies.sweep.vary import setting_text


def sweep_text(sweep: Sweep) -> Group:
    """Make the tables that the terminal shows: for each quantity a row for each setting, and for each comparison."""
    means, compared, shown = _computed(sweep)
    runs = [cell.numbers for cell in sweep.cells if cell.numbers]
    differing, same = varying(shown, runs)
    parts: list[RenderableType] = []
    if differing:
        table = _table("setting", "runs", "mean")
        for one in differing:
            found = [(row, value) for row in means if (value := row.means.get(one.name))]
            for place, (row, value) in enumerate(found):
                setting = setting_text(row.setting) or "all runs"
                table.add_row("" if place else one.with_unit(), setting, str(value.count), _shown(one, value))
        parts += [Text("Means over seeds, with 95 % intervals (Student)", style="bold"), table, Text()]
    if differing and compared:
        table = _table("compared", "pairs", "difference")
        for one in differing:
            pairs = [(effect, value) for effect in compared if (value := effect.differences.get(one.name))]
            for place, (effect, value) in enumerate(pairs):
                name = "" if place else one.with_unit(points=True)
                table.add_row(name, effect.words, str(value.count), _shown(one, value, signed=True))
        parts += [Text("Differences between runs of one seed, likewise", style="bold"), table, Text()]
    if same:
        alike = (
            f"{one.with_unit()} {one.text(next(run[one.name] for run in runs if one.name in run))}" for one in same
        )
        parts += [Text(f"The same in all runs: {'; '.join(alike)}"), Text()]
    parts.append(Text(f"a row for each run: {sweep.directory / TABLE}", style="dim"))
    return Group(*parts)


def _table(what: str, count: str, value: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(what)
    table.add_column(count, justify="right", no_wrap=True)
    table.add_column(value, justify="right", no_wrap=True)
    return table


def facts(sweep: Sweep) -> dict[str, Any]:
    """All of it as JSON holds it. What one run alone does not tell is null."""
    means, compared, _ = _computed(sweep)
    return {
        "directory": str(sweep.directory),
        "page": str(sweep.page),
        "cells": [
            {
                "values": dict(cell.values),
                "status": cell.status,
                "error": cell.error,
                "directory": str(cell.directory),
                "numbers": dict(cell.numbers),
            }
            for cell in sweep.cells
        ],
        "means": [{"setting": dict(one.setting), "runs": one.runs, "quantities": _facts(one.means)} for one in means],
        "differences": [
            {
                "compared": one.words,
                "key": one.key,
                "value": one.value,
                "first": one.first,
                "others": dict(one.others),
                "pairs": one.pairs,
                "quantities": _facts(one.differences),
            }
            for one in compared
        ],
    }


def _computed(sweep: Sweep) -> tuple[list[SettingMeans], list[Effect], list[Quantity]]:
    cells = [(cell.values, cell.numbers if cell.status == "done" else None) for cell in sweep.cells]
    return setting_means(cells), effects(cells), quantities([numbers for _, numbers in cells if numbers])


def _facts(values: Mapping[str, Estimate]) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        half = half_width(value)
        ends = (None, None) if half is None else (value.low, value.high)
        found[name] = {"mean": value.mean, "half": half, "low": ends[0], "high": ends[1], "count": value.count}
    return found


def _shown(quantity: Quantity, value: Estimate, *, signed: bool = False) -> str:
    """A mean with half of its interval's width, for example `93.50 ± 0.61`; of one run `93.50 ± –`."""
    half = half_width(value)
    return f"{quantity.text(value.mean, signed=signed)} ± {quantity.text(half)}"
