"""`idml`: parses the command line, hands over to a command, and turns errors into one line and an exit code."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from idml.cli import chain, economics, evaluate, gas, report, reproduce, run, traces

_DESCRIPTION = """\
Devices pay each other to train each other's models; validators check that the help was real; a smart contract
holds the money, settles by vote, and fines cheats until they are out."""

_EPILOG = """\
examples:
  idml run                                       simulate 50 honest devices with the defaults
  idml run --set adversaries.label_flip=10       ten of them flip labels
  idml run experiments/main.toml --out runs/main the main job, into a directory of its own
  idml report runs/main                          write its report anew
  idml reproduce all --scale smoke               the paper's figures and tables, computed anew
  idml evaluate all                              measure validation rules, adversaries and defences
  idml economics                                 what honesty pays, and what to choose
  idml gas                                       what an encounter costs on a chain
  idml chain --help                              deploy to a chain, fund and stake accounts
  idml traces info contacts.csv.gz               what a contact trace is like

exit codes: 0 done, 1 a run or its directory failed, 2 command line, configuration, algorithm, data or
trace is wrong, 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="idml",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"idml {version('idml')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (run, report, reproduce, evaluate, economics, gas, chain, traces):
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        code: int = options.execute(options)
    except KeyboardInterrupt:
        print("idml: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        code = _exit_code(error)
        if code == 0:
            raise
        for line in str(error).splitlines():
            print(f"idml: {line}", file=sys.stderr)
    return code


def _exit_code(error: Exception) -> int:
    """2 for what the user can mend before a run, 1 for what failed in it, 0 for a fault of the program."""
    import idml

    if isinstance(error, idml.TraceError | idml.ConfigError | idml.LearningError | idml.AdapterError):
        return 2
    if isinstance(error, idml.StoreError | idml.LedgerError | idml.ExecutorError):
        return 1
    from idml.studies.paper.errors import ReproductionError

    return int(isinstance(error, ReproductionError))


if __name__ == "__main__":
    sys.exit(main())
