"""A study that is stopped by Ctrl-C while it does its runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Stopping = Callable[..., dict[Path, int]]
"""Stops a command; gives the summaries of the runs that were done by then, and when each was written."""


@pytest.fixture
def stop() -> Stopping:
    """Begin a command, stop it when two runs are under way, and see that it says how to go on and leaves no process."""

    def stop(out: Path, *command: str) -> dict[Path, int]:
        line = [sys.executable, "-m", "idml.cli.main", *command, "--out", str(out), "--processes", "2"]
        process = subprocess.Popen(line, stderr=subprocess.PIPE, start_new_session=True)
        while len(list(out.glob("*/*/run.sqlite"))) < 2:
            time.sleep(0.02)
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130
        what, *options = command[:2], "--scale", "smoke", "--out", str(out), "--processes", "2", *command[2:]
        assert f"idml: interrupted; go on with: {' '.join(['idml', *what, *options])}\n" in error.decode()
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        return {path: path.stat().st_mtime_ns for path in out.glob("*/*/summary.json")}

    return stop
