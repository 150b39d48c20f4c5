"""What a terminal shows of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from idml.reporting.summary import CASES, case_name, headlines


def summary_table(summary: Mapping[str, Any]) -> Table:
    """`summary` for the end of a run in a terminal."""
    table = Table(title="The run in numbers", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right")
    table.add_column(style="dim")
    adversaries = (summary.get("config") or {}).get("adversaries")
    for row in headlines(summary, None if adversaries is None else sum(adversaries.values())):
        table.add_row(*row)
    for name, number in (summary.get("cases") or {}).items():
        if number:
            table.add_row(case_name(name), f"{number:,}", CASES.get(name, ""))
    return table
