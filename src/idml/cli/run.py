"""`idml run`: simulate, watch, and leave with a report."""

import argparse
import gc
import itertools
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idml.cli.keys import help_width, keys_help
from idml.outside import usable_path

if TYPE_CHECKING:
    from idml.simulation.config import Config

_EPILOG = """\
examples:
  idml run --set devices=20 --set encounters=200 --set dataset=digits
  idml run --set algorithm=gossip --set devices=20 --out runs/gossip
  idml run --set algorithm=my_file.py:MyAlgorithm
  idml run --json > summary.json

configuration keys (in a TOML file, or by --set):

"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="simulate devices that learn from and pay each other",
        description="Simulate devices that meet, train each other's models and pay each other through the contract.",
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=help_width()),
        epilog=_EPILOG,
    )
    parser.format_help = lambda: argparse.ArgumentParser.format_help(parser) + keys_help()  # type: ignore[method-assign]
    what = parser.add_argument_group("what to run")
    what.add_argument("config", nargs="?", type=usable_path, metavar="CONFIG.toml", help="a configuration file")
    what.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help="set one key; repeatable"
    )
    what.add_argument("--resume", type=usable_path, metavar="DIR", help="go on with a run that was stopped or killed")
    what.add_argument(
        "--without-incentive",
        action="store_true",
        help="play the same run without its incentive as well, into DIR/without-incentive; the report compares them",
    )
    what.add_argument(
        "--data-dir",
        type=usable_path,
        metavar="DIR",
        help="look for data here first (then $IDML_DATA, the user cache, the network)",
    )
    result = parser.add_argument_group("what it leaves and shows")
    result.add_argument("--out", type=usable_path, metavar="DIR", help="run directory (default: runs/DATE-TIME)")
    result.add_argument("--no-report", action="store_true", help="write no report; idml report DIR does so later")
    result.add_argument("--json", action="store_true", help="print the summary as JSON on standard output")
    result.add_argument("--quiet", action="store_true", help="show no progress")
    how = parser.add_argument_group("how to run it")
    how.add_argument("--rpc", metavar="URL", help="settle on a development node (anvil, ganache) instead")
    how.add_argument("--workers", type=int, metavar="N", help="processes that train (default 1; with ray one a CPU)")
    how.add_argument(
        "--executor", choices=["processes", "ray", "cuda"], help="who trains: processes, a Ray cluster, a GPU"
    )
    how.add_argument(
        "--backend",
        choices=["auto", "native", "torch"],
        help="what computes the networks (default auto: native if built)",
    )
    how.add_argument("--ray-address", metavar="HOST:PORT", help="of a Ray cluster (default: made here for the run)")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from idml.simulation.config import make_config, read_values

    given = {key: getattr(options, key) for key in ("data_dir", "rpc", "workers", "executor", "backend", "ray_address")}
    overrides = {key: str(value) if key == "data_dir" else value for key, value in given.items() if value is not None}
    if options.resume and options.out:
        options.parser.error("--resume writes where the run is: leave --out away")
    values = {**read_values(options.config, options.settings), **overrides}
    config = None if options.resume else make_config(values)
    named = options.resume or options.out
    with nullcontext(named) if named else _directory_of_its_own(Path("runs")) as directory:
        return _play(options, directory, config, values)


def _play(options: argparse.Namespace, directory: Path, config: "Config | None", values: dict[str, Any]) -> int:
    report = not options.no_report

    # Only now: these may load PyTorch, which takes a second.
    import idml
    from idml.cli.interrupt import stop_cleanly
    from idml.progress import watch
    from idml.store.run_reader import DATABASE

    try:
        # What a plug-in prints is no part of the summary.
        apart = redirect_stdout(sys.stderr) if options.json else nullcontext()
        with apart, watch(quiet=options.quiet) as watcher, stop_cleanly(watcher) as observer:
            if options.resume:
                finished = idml.resume(
                    directory, observer=observer, report=report, without_incentive=options.without_incentive, **values
                )
            else:
                finished = idml.run(
                    directory, config, observer=observer, report=report, without_incentive=options.without_incentive
                )
    # What was under way when a run ended early refers to itself and to shared memory. Taken apart while Python ends, it
    # may complain, or crash: `gc.freeze` leaves it as it is.
    except (KeyboardInterrupt, idml.Stopped):
        goes_on = "rpc" not in values and os.path.exists(directory / DATABASE)
        also = " --without-incentive" if options.without_incentive else ""
        hint = f"; go on with: idml run --resume {shlex.quote(str(directory))}{also}" if goes_on else ""
        print(f"idml: interrupted{hint}", file=sys.stderr)
        gc.freeze()
        return 130
    except idml.IdmlError:
        gc.freeze()
        raise
    summary = finished.summary
    if options.json:
        print(json.dumps(summary, indent=2, sort_keys=True))
    else:
        _print_summary(directory)
        print(f"report: {finished.report}" if report else f"run: {directory}")
    if summary["tokens"]["supply"] != summary["tokens"]["accounts"]:
        print("idml: tokens were lost or minted: supply and accounts differ", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _directory_of_its_own(parent: Path) -> Iterator[Path]:
    """Make a directory with the time as its name, which no other process has; it is gone again if it stays empty."""
    from idml.store.database import one_line

    was_there, name = os.path.exists(parent), time.strftime("%Y-%m-%d-%H%M%S")
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    with one_line(f"cannot make a directory in {parent}"):
        directory = next(filter(_makes, (parent / name for name in names)))
    try:
        yield directory
    finally:
        with suppress(OSError):  # it is not empty
            directory.rmdir()
            if not was_there:
                parent.rmdir()


def _makes(directory: Path) -> bool:
    """Whether a directory was not there and is now."""
    try:
        directory.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def _print_summary(directory: Path) -> None:
    from idml.cli.output import console
    from idml.reporting.incentive import incentive_view
    from idml.reporting.summary import numbers
    from idml.reporting.terminal import summary_table
    from idml.store.run_store import RunStore

    printer = console()
    with RunStore.open(directory) as run:
        printer.print(summary_table(numbers(run)))
        if (view := incentive_view(run)) is not None:
            printer.print(view.finding, highlight=False)
