"""Runs side by side for the terminal, and as JSON."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from idml.studies.sweep.compare import Comparison, changes_nothing
from idml.studies.sweep.quantities import NONE, quantities
from idml.studies.sweep.vary import value_text

_LONGEST = 40


def comparison_text(compared: Comparison) -> Group:
    """Make what the terminal shows: the keys that differ, the headline numbers, and whether results are the same."""
    parts: list[RenderableType] = []
    heads = [f"({place})" for place in range(1, len(compared.runs) + 1)]
    for head, run in zip(heads, compared.runs, strict=True):
        state = "" if run.finished else ", not finished: what it has recorded so far"
        parts.append(Text(f"{head} {run.directory}{state}", style="bold"))
    if differing := compared.differing:
        table = _table("Keys that differ", *heads)
        for key, values in sorted(differing.items(), key=lambda item: changes_nothing(item[0])):
            name = f"{key} (changes no result)" if changes_nothing(key) else key
            table.add_row(name, *(NONE if value is None else _short(value_text(value)) for value in values))
        parts += [Text(), table]
    else:
        parts += [Text(), Text("No key differs.")]
    if shown := quantities([run.numbers for run in compared.runs]):
        table = _table("What came of it (less 1)", *heads)
        for one in shown:
            base = compared.runs[0].numbers.get(one.name)
            cells = [one.text(base)]
            for run in compared.runs[1:]:
                value = run.numbers.get(one.name)
                less = "" if base is None or value is None else f" ({one.text(value - base, signed=True)})"
                cells.append(one.text(value) + less)
            table.add_row(one.with_unit(), *cells)
        parts += [Text(), table]
    parts += [Text(), Text(_verdict(compared))]
    return Group(*parts)


def comparison_facts(compared: Comparison) -> dict[str, Any]:
    """All of it as JSON holds it. Differences are against the first run."""
    base = compared.runs[0].numbers
    return {
        "runs": [
            {
                "directory": str(run.directory),
                "finished": run.finished,
                "digest": run.digest,
                "numbers": dict(run.numbers),
                "less_first": {name: value - base[name] for name, value in run.numbers.items() if name in base},
            }
            for run in compared.runs
        ],
        "differing": {key: list(values) for key, values in compared.differing.items()},
        "same_results": compared.same_results,
    }


def _verdict(compared: Comparison) -> str:
    if compared.same_results:
        return "Same results: all that happened is equal, and so is every model to the last bit."
    if all(run.finished for run in compared.runs):
        return "Other results. Single runs do not tell an effect from chance; idml sweep compares over seeds."
    return "Not all are finished, so whether they end alike is not known."


def _table(name: str, *heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(name, no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right")
    return table


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST + 1 :]}"
