"""`idml`: parses the command line, hands over to a command, and turns errors into one line and an exit code."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from idml.cli import (
    chain,
    compare,
    data,
    economics,
    evaluate,
    export,
    gas,
    model,
    report,
    reproduce,
    run,
    sweep,
    traces,
)
from idml.cli import list as list_command
from idml.cli.output import problem_with, standard_streams
from idml.errors import IdmlError
from idml.outside import OutsideError, usable_text

_DESCRIPTION = """\
Devices pay each other to train each other's models; validators check that the help was real; a smart contract
holds the money, settles by vote, and fines cheats until they are out."""

_EPILOG = """\
examples:
  idml run                                       simulate 50 honest devices with the defaults
  idml run --set adversaries.label_flip=10       ten of them flip labels
  idml run experiments/main.toml --out runs/main the main job, into a directory of its own
  idml list adversaries                          what there is to choose from
  idml data check my.npz                         what a data set is like, and what is wrong with it
  idml model check FILE.py:NAME                  what a network of your own is like, or what is wrong with it
  idml report runs/main                          write its report anew
  idml export runs/main --to csv                 its tables, for other programs
  idml sweep --vary seed=1..5 --vary reward=10,20 --out sweeps/reward
  idml compare runs/one runs/other               what differs, and what came of it
  idml reproduce all --scale smoke               the paper's figures and tables, computed anew
  idml evaluate all                              measure validation rules, adversaries and defences
  idml economics                                 what honesty pays, and what to choose
  idml gas                                       what an encounter costs on a chain
  idml chain --help                              deploy to a chain, money in and out
  idml traces info contacts.csv.gz               what a contact trace is like

exit codes: 0 done, 1 a run or its directory failed, 2 command line, configuration, algorithm, data or
trace is wrong, 130 interrupted"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="idml",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"idml {version('idml')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        run,
        list_command,
        data,
        model,
        report,
        export,
        sweep,
        compare,
        reproduce,
        evaluate,
        economics,
        gas,
        chain,
        traces,
    ):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. A stream that is closed or full costs no result."""
    with standard_streams() as out:
        try:
            code = _command(arguments)
        except SystemExit as end:  # argparse has said why
            code = end.code if isinstance(end.code, int) else 0
        out.flush()
        if problem := problem_with(out):
            print(f"idml: {problem}", file=sys.stderr)
    return code or int(out.problem is not None)


def _command(arguments: Sequence[str] | None) -> int:
    try:
        # A file's name need be no text. Runs and reports write down what was asked for, in UTF-8.
        for argument in sys.argv[1:] if arguments is None else arguments:
            usable_text(argument)
        options = make_parser().parse_args(arguments)
    except OutsideError as error:
        print(f"idml: {error}", file=sys.stderr)
        return error.exit_code
    with _show_messages(logging.WARNING if getattr(options, "quiet", False) else logging.INFO):
        try:
            code: int = options.execute(options)
        except KeyboardInterrupt:
            print("idml: interrupted", file=sys.stderr)
            return 130
        except IdmlError as error:
            for line in str(error).splitlines():
                print(f"idml: {line}", file=sys.stderr)
            return error.exit_code
    return code


class _Messages(logging.Handler):
    """Shows what the library has to say, a line each on standard error; what is to be the last line, at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._last: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        line = f"idml: {record.getMessage()}"
        if getattr(record, "last", False):
            self._last.append(line)
        else:
            print(line, file=sys.stderr)

    def close(self) -> None:
        """Show what was to be shown last."""
        for line in self._last:
            print(line, file=sys.stderr)
        super().close()


@contextmanager
def _show_messages(level: int) -> Iterator[None]:
    """Show what the library logs as the lines of a command, for as long as one runs.

    Args:
        level: of the least important messages to show.
    """
    logger, handler = logging.getLogger("idml"), _Messages()
    before = logger.level, logger.propagate
    logger.setLevel(level)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.level, logger.propagate = before


if __name__ == "__main__":
    sys.exit(main())
