"""`idml export`: take a run's results to other programs."""

import argparse
import shlex
import sys

from idml.outside import usable_path

_EPILOG = """\
examples:
  idml export runs/main --to parquet            a file for each table, in runs/main/export
  idml export runs/main --to csv --out tables   the same as text, in a folder of your choice
  idml export runs/main --to tensorboard --follow   while the run goes on, from another terminal;
                                                then: tensorboard --logdir runs/main/export
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "export",
        help="write a run's tables as Parquet, CSV or TensorBoard events",
        description="Write what a run recorded as files that other programs read; works while a run goes on, too.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("directory", type=usable_path, metavar="RUN", help="the run's directory")
    parser.add_argument("--to", required=True, choices=["parquet", "csv", "tensorboard"], help="the format")
    parser.add_argument("--out", type=usable_path, metavar="DIR", help="where to write (default: RUN/export)")
    parser.add_argument("--follow", action="store_true", help="tensorboard: go on until the run has ended")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if options.follow and options.to != "tensorboard":
        options.parser.error(f"--follow is for tensorboard: leave it out with --to {options.to}")
    from idml.store.lock import being_written
    from idml.store.run_store import RunStore

    out = options.out or options.directory / "export"
    with RunStore.open(options.directory) as run:
        if options.to == "tensorboard":
            from idml.reporting.tensorboard import write_events

            count = write_events(run, out, follow=options.follow, going=lambda: being_written(options.directory))
            print(f"{out}: {count} numbers; look at them with: tensorboard --logdir {shlex.quote(str(out))}")
            if options.follow and run.read_summary() is None:
                directory = shlex.quote(str(options.directory))
                print(f"idml: the run was stopped; go on with: idml run --resume {directory}", file=sys.stderr)
            return 0
        from idml.reporting.export import write_tables

        for path in write_tables(run, out, options.to):
            print(path)
    return 0
