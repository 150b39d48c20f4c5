"""Shows runs: figures, tables, the HTML report, and summaries for the terminal."""

from idml.reporting.figures import accuracy_figure, cases_figure, earnings_figure, stakes_figure
from idml.reporting.report import write_report
from idml.reporting.style import render
from idml.reporting.terminal import summary_table

__all__ = [
    "accuracy_figure",
    "cases_figure",
    "earnings_figure",
    "render",
    "stakes_figure",
    "summary_table",
    "write_report",
]
