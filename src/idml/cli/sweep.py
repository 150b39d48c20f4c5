"""`idml sweep`: one run for each way to combine values of some keys, and what came of them."""

import argparse
import json
import os
import shlex
import sys

from idml.cli.batches import Countdown, show_each_message_once
from idml.outside import usable_path

_EPILOG = """\
examples:
  idml sweep --vary seed=1..5 --vary reward=10,20 --set dataset=digits --set devices=10 --out sweeps/reward
  idml sweep experiments/main.toml --vary seed=1..10 --vary adversaries.label_flip=0,5,10 --out sweeps/flips
  idml sweep --vary model=small,examples/custom_model.py:TwoLayers --vary seed=1..3 --out sweeps/models
  idml sweep --vary tolerance=0.1..0.5:0.1 --out sweeps/tolerance

Every value of one key is combined with every value of the others. DIR/sweep.html shows means, intervals over seeds, and
what each value changes against the first one. DIR/sweep.csv has a row for each run, and so has sweep.parquet if pyarrow
is installed. What was stopped or killed goes on with the same command, and more values can be added: runs that are done
are kept. A run that fails is named and does not stop the others; the exit code is then 1."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sweep",
        help="vary keys of a configuration, and compare what comes of it",
        description="Run a configuration once for each way to combine values of some keys.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("config", nargs="?", type=usable_path, metavar="CONFIG.toml", help="a configuration file")
    parser.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="values of a key: 10,20 or 1..10 or 0.1..0.5:0.1; repeatable",
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help="set one key; repeatable"
    )
    parser.add_argument(
        "--out", type=usable_path, metavar="DIR", required=True, help="takes the runs, the tables and the page"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="runs at a time (default: one a core)")
    parser.add_argument(
        "--data-dir",
        type=usable_path,
        metavar="DIR",
        help="look for data here first (then $IDML_DATA, the user cache, the network)",
    )
    parser.add_argument("--json", action="store_true", help="print runs, means and differences as JSON")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if options.jobs is not None and options.jobs < 1:
        options.parser.error(f"--jobs {options.jobs}: must be at least 1")
    show_each_message_once()
    from idml.simulation.config import read_values
    from idml.studies.sweep.vary import make_plans, read_vary

    vary = read_vary(options.vary)
    base = read_values(options.config, options.settings)
    if options.data_dir is not None:
        base["data_dir"] = str(options.data_dir)
    make_plans(base, vary)
    # Only now: these take a second to load.
    from idml.studies.sweep.cells import play_sweep
    from idml.studies.sweep.texts import facts, sweep_text

    jobs, countdown = options.jobs or os.cpu_count() or 1, Countdown(quiet=options.quiet)
    try:
        swept = play_sweep(options.out, base, vary, jobs, countdown)
    except KeyboardInterrupt:
        print(f"idml: interrupted; go on with: {_again(options)}", file=sys.stderr)
        return 130
    for cell in swept.failed:
        print(f"idml: {cell.directory.name} failed: {cell.error}", file=sys.stderr)
    if options.json:
        print(json.dumps(facts(swept), indent=2))
    else:
        from idml.cli.output import console

        console().print(sweep_text(swept))
        print(f"page: {swept.page}")
    return 1 if swept.failed else 0


def _again(options: argparse.Namespace) -> str:
    words = ["idml", "sweep", *([str(options.config)] if options.config else [])]
    words += [word for text in options.vary for word in ("--vary", text)]
    words += [word for text in options.settings for word in ("--set", text)]
    words += ["--out", str(options.out)]
    for name in ("jobs", "data_dir"):
        if (value := getattr(options, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join([*words, *(["--json"] if options.json else [])])
