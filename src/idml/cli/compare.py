"""`idml compare`: runs side by side."""

import argparse
import json

from idml.outside import usable_path

_EPILOG = """\
examples:
  idml compare runs/one runs/other
  idml compare sweeps/reward/runs/* --json"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "compare",
        help="set runs side by side: which keys differ, and what came of it",
        description="Set runs side by side, finished or not: which keys of their configurations differ, and what came "
        "of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "directories", nargs="+", type=usable_path, metavar="RUN", help="a run's directory; at least two"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if len(options.directories) < 2:
        options.parser.error("name at least two runs")
    from idml.studies.sweep.compare import compare
    from idml.studies.sweep.compare_texts import comparison_facts, comparison_text

    compared = compare(options.directories)
    if options.json:
        print(json.dumps(comparison_facts(compared), indent=2))
    else:
        from idml.cli.output import console

        console().print(comparison_text(compared))
    return 0
