"""Runs and contact traces as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from idml.reporting.captions import count
from idml.reporting.summary import CASES, case_name, headlines


def summary_table(summary: Mapping[str, Any]) -> Table:
    """Make the table that the terminal shows at the end of a run.

    Args:
        summary: the summary of the run.
    """
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


_TRACE_ROWS = {
    "duration_s": "a contact lasts",
    "inter_contact_s": "a pair is apart",
    "alone_s": "a device is alone",
    "degree": "partners of a device",
    "contacts_per_device": "contacts of a device",
}


def trace_summary(name: str, facts: Mapping[str, Any]) -> Group:
    """Make the text that the terminal shows about a contact trace.

    Args:
        name: name of the trace.
        facts: the numbers that `idml traces info --json` prints, with times in seconds.
    """
    title = (
        f"{name}: {count(facts['contacts'], 'contact')} of {facts['devices']:,} devices, "
        f"{count(facts['pairs'], 'pair')}, in {short_time(facts['span_s'])}"
    )
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in facts["dropped"].items())
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    columns = ("min", "q1", "median", "q3", "max", "mean")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for key, label in _TRACE_ROWS.items():
        spread = facts[key]
        show = short_time if key.endswith("_s") else _short_number
        table.add_row(label, *(show(spread[column]) if spread else "-" for column in columns))
    return Group(Text(title, style="bold"), table, *([Text(f"rows left out: {left_out}", "dim")] if left_out else []))


def short_time(seconds: float) -> str:
    """Write a time in seconds in one unit, with about three digits."""
    for unit_s, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{_short_number(seconds / unit_s)} {unit}"
    return f"{_short_number(seconds)} s"


def _short_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or float(value).is_integer() else f"{value:.1f}"
