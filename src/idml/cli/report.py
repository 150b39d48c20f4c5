"""`idml report`: write a run's report anew from what the run recorded."""

import argparse

from idml.outside import usable_path


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "report",
        help="write the report of a run",
        description="Write report.html from what a run recorded; works while a run goes on and after it was stopped.",
    )
    parser.add_argument("directory", type=usable_path, metavar="DIR", help="the run's directory")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from idml.reporting.report import write_report

    print(f"report: {write_report(options.directory)}")
    return 0
