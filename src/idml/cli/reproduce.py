"""`idml reproduce`: the paper's figures and tables, computed anew."""

import argparse
import os
import sys
from pathlib import Path

from idml.cli.batches import Countdown, again, show_each_message_once
from idml.outside import usable_path

_EPILOG = """\
examples:
  idml reproduce all --scale smoke          everything, tiny, in a minute: whether it works
  idml reproduce fig8 --scale laptop        one figure, in hours on two cores
  idml reproduce all --scale paper --cost   what the full setting would take here; computes nothing
  idml reproduce table2                     what an encounter costs

Each run that a figure rests on is a run directory under DIR/runs. What was stopped goes on where it was with the same
command; Ctrl-C stops cleanly. DIR/index.html sets the paper's claims beside what was measured; the figures are there as
SVG, PDF and PNG, all numbers in results.json."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reproduce",
        help="compute the paper's figures and tables anew",
        description="Compute the paper's figures and tables anew, with seeds and intervals, and say what became of "
        "each of its claims.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "what",
        choices=["table1", "fig7", "fig8", "fig9", "table2", "natural", "all"],
        help="a figure, a table, natural data, or all",
    )
    parser.add_argument(
        "--scale", choices=["smoke", "laptop", "paper"], default="smoke", help="how much to compute (default: smoke)"
    )
    parser.add_argument("--out", type=usable_path, metavar="DIR", help="runs and results (default: reproduction/SCALE)")
    parser.add_argument("--processes", type=int, metavar="N", help="runs at a time (default: one a core)")
    parser.add_argument(
        "--data-dir", type=usable_path, metavar="DIR", help="look for data here first (then as idml run does)"
    )
    parser.add_argument("--cost", action="store_true", help="say what it would take, and stop")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if options.processes is not None and options.processes < 1:
        options.parser.error(f"--processes is {options.processes}: it must be at least 1")
    show_each_message_once()
    # Only now: these load PyTorch, which takes a second.
    from idml.learning.errors import DataError
    from idml.studies.paper.natural import why_not
    from idml.studies.paper.work import TARGETS, cost, reproduce
    from idml.studies.scales import SCALES

    names = list(TARGETS) if options.what == "all" else [options.what]
    scale, directory = SCALES[options.scale], options.out or Path("reproduction") / options.scale
    data_dir = str(options.data_dir) if options.data_dir else None
    processes = options.processes or os.cpu_count() or 1

    countdown = Countdown(quiet=options.quiet)
    if "natural" in names and (reason := why_not(scale.paper, data_dir)):
        if options.what == "natural":
            raise DataError(reason)
        names.remove("natural")
        if scale.paper.natural is not None:
            countdown.say(f"left out: {reason}")
    ahead = cost(names, scale, directory, data_dir, download=not options.cost)
    if options.cost:
        print(f"{ahead.text(processes)}, in {directory}")
        return 0
    if ahead.runs:
        countdown.say(f"{ahead.text(processes)}, in {directory}")
    try:
        page = reproduce(names, scale, directory, data_dir=data_dir, processes=processes, progress=countdown)
    except KeyboardInterrupt:
        print(f"idml: interrupted; go on with: {again(options, 'reproduce')}", file=sys.stderr)
        return 130
    print(page)
    return 0
