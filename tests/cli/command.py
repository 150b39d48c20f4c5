"""The command line in the process of the test: no new process has to load everything again, which takes seconds."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

from idml.cli.main import main


def idml(
    *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None, stdin: str = ""
) -> CompletedProcess[str]:
    """Give a command, and tell what it printed and its exit code.

    Args:
        arguments: what stands after `idml`.
        cwd: the folder in which it is given.
        variables: the whole environment that it sees. None leaves that of the test.
        stdin: what it reads from standard input.
    """
    out, err = StringIO(), StringIO()
    environment = os.environ if variables is None else variables
    with (
        _in(cwd),
        patch.dict(os.environ, environment, clear=True),
        patch.object(sys, "argv", ["idml", *arguments]),
        patch.object(sys, "stdin", StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main(arguments)
        except SystemExit as end:  # argparse
            code = end.code if isinstance(end.code, int) else 1
    return CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextmanager
def _in(folder: Path | None) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)
