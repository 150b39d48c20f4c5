"""The page of a sweep: for each quantity the means of all settings with intervals, and what each value changes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from idml.reporting.captions import count
from idml.reporting.pages import make_page
from idml.reporting.tables import Column, TableView
from idml.store import write_atomically
from idml.studies.estimates import Estimate
from idml.studies.sweep.effects import SEED, Effect, SettingMeans, effects, half_width, setting_means
from idml.studies.sweep.files import TABLE, Tabled
from idml.studies.sweep.quantities import NONE, Quantity, quantities, varying
from idml.studies.sweep.vary import key_label, setting_text, value_text

PAGE = "sweep.html"


def write_page(directory: Path, cells: Sequence[Tabled], fixed: Mapping[str, Any]) -> Path:
    """Write `sweep.html`, one file that needs neither network nor scripts; returns its path.

    Args:
        directory: of the sweep.
        cells: all of it.
        fixed: the keys that are the same in all cells and are set.

    Raises:
        StoreError: if it cannot be written.
    """
    values = [(cell.values, cell.numbers if cell.status == "done" else None) for cell in cells]
    means, compared = setting_means(values), effects(values)
    runs = [numbers for _, numbers in values if numbers]
    differing, same = varying(quantities(runs), runs)
    page = make_page(
        __package__,
        "page.html.j2",
        name=Path(os.path.realpath(directory)).name,
        subtitle=_subtitle(cells),
        varied={key_label(key): _values(cells, key) for key in cells[0].values},
        done=sum(cell.status == "done" for cell in cells),
        failed=[(setting_text(cell.values), cell.error) for cell in cells if cell.status == "failed"],
        sections=[
            {
                "quantity": one,
                "means": means_table(one, means),
                "effects": effects_table(one, compared),
            }
            for one in differing
        ],
        same=[f"{one.with_unit()}: {one.text(next(run[one.name] for run in runs if one.name in run))}" for one in same],
        seeds=SEED in cells[0].values,
        fixed={key: value_text(value) for key, value in fixed.items()},
        table=TABLE,
        runs=[(setting_text(cell.values), cell.directory.name) for cell in cells],
    )
    write_atomically(directory / PAGE, page.encode())
    return directory / PAGE


def means_table(quantity: Quantity, means: Sequence[SettingMeans]) -> TableView:
    """Make the table of a quantity's means: a row for each setting that has any."""
    rows = [
        [setting_text(one.setting) or "all runs", str(value.count), *_shown(quantity, value)]
        for one in means
        if (value := one.means.get(quantity.name)) is not None
    ]
    columns = [Column("Setting", number=False), Column("Runs"), Column("Mean"), Column("95 % interval")]
    return TableView(quantity.with_unit(), columns, rows)


def effects_table(quantity: Quantity, compared: Sequence[Effect]) -> TableView:
    """Make the table of what each value changes in a quantity, against the first value of its key."""
    rows = [
        [one.words, str(value.count), *_shown(quantity, value, signed=True)]
        for one in compared
        if (value := one.differences.get(quantity.name)) is not None
    ]
    columns = [Column("Compared", number=False), Column("Pairs"), Column("Difference"), Column("95 % interval")]
    return TableView(f"{quantity.with_unit(points=True)}: differences", columns, rows)


def _shown(quantity: Quantity, value: Estimate, *, signed: bool = False) -> list[str]:
    """A mean and its interval."""
    mean = quantity.text(value.mean, signed=signed)
    if half_width(value) is None:
        return [mean, NONE]
    low, high = (quantity.text(end, signed=signed) for end in (value.low, value.high))
    return [mean, f"{low} to {high}"]


def _subtitle(cells: Sequence[Tabled]) -> str:
    failed = sum(cell.status == "failed" for cell in cells)
    return count(len(cells), "run") + (f", {failed} of them failed" if failed else "")


def _values(cells: Sequence[Tabled], key: str) -> str:
    return ", ".join(dict.fromkeys(value_text(cell.values[key]) for cell in cells))
