"""The runs and replays that results rest on: each done once, in a process of its own, and gone on with if stopped."""

import os
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from idml.learning.data.datasets import find_file
from idml.learning.judging.validation import RULES_VERSION
from idml.store.files import write_atomically
from idml.store.run_reader import CONFIG, SUMMARY
from idml.studies.paper.errors import ReproductionError, unwritable

_POLL_S = 0.05
JUDGED_BY = f"# Judged by version {RULES_VERSION} of the rules."
"""The first line of a cell's configuration."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A run that is wanted, or a replay.

    Args:
        name: of its directory or file; says all that tells it from others.
        settings: its configuration, seed included.
        judged_every: None for a run. For a replay of honest devices, see `idml.studies.error_rates.replay`: one
            contact in so many is judged.
        files: keys that name a file, sought where data are: the same run wherever it lies.
    """

    name: str
    settings: Mapping[str, Any]
    judged_every: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)


Progress = Callable[[int, int], None]
"""Called with the number of runs that are done, and of all."""


class Cells:
    """A folder of runs.

    Args:
        directory: holds `runs/`, `logs/` and `configs/`.
        extra: settings that change nothing about what happens, such as `data_dir`.
    """

    def __init__(self, directory: Path, extra: Mapping[str, Any] | None = None) -> None:
        self.directory = directory
        self._extra = dict(extra or {})

    def path(self, cell: Cell) -> Path:
        """Where a run's directory, or what a replay found, is or will be."""
        return self.directory / ("runs" if cell.judged_every is None else "replays") / cell.name

    def is_done(self, cell: Cell) -> bool:
        """Whether it is finished, with the settings that are wanted."""
        path = self.path(cell) / SUMMARY if cell.judged_every is None else self.path(cell)
        return path.exists() and not self._differs(cell)

    def play(self, cells: Iterable[Cell], processes: int, progress: Progress) -> None:
        """Do all runs that are not done yet, `processes` at a time.

        Raises:
            ReproductionError: if one fails; the others that are under way are ended, and can be gone on with.
            KeyboardInterrupt: on Ctrl-C, once all have stopped; likewise.
        """
        wanted = {cell.name: cell for cell in cells}
        for cell in wanted.values():
            self._check(cell)
        waiting = [cell for cell in wanted.values() if not self.is_done(cell)]
        done, running = len(wanted) - len(waiting), dict[str, subprocess.Popen[bytes]]()
        progress(done, len(wanted))
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    cell = waiting.pop(0)
                    running[cell.name] = self._start(cell)
                time.sleep(_POLL_S)
                for name in [name for name, process in running.items() if process.poll() is not None]:
                    self._take(name, running.pop(name))
                    done += 1
                    progress(done, len(wanted))
        except KeyboardInterrupt:
            # A terminal sends Ctrl-C to them too, and each stops cleanly.
            for process in running.values():
                process.wait()
            raise
        finally:
            for process in running.values():
                process.terminate()
                process.wait()

    def _check(self, cell: Cell) -> None:
        """A run of this name must be this run: what has changed would otherwise be taken for the old one's result."""
        if self.path(cell).exists() and self._differs(cell):
            raise ReproductionError(
                f"{self.path(cell)} was made with other settings or rules, {self._config_path(cell)}: choose another "
                "--out, or delete both"
            )

    def _differs(self, cell: Cell) -> bool:
        path = self._config_path(cell)
        if not path.exists():
            return False
        text = path.read_text("utf-8")
        return text.partition("\n")[0] != JUDGED_BY or tomllib.loads(text) != dict(cell.settings)

    def _start(self, cell: Cell) -> "subprocess.Popen[bytes]":
        path, log = self._config_path(cell), self._log_path(cell.name)
        try:
            for folder in (path.parent, log.parent, self.path(cell).parent):
                folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, f"{JUDGED_BY}\n{tomli_w.dumps(dict(cell.settings))}".encode())
            output = log.open("ab")
        except OSError as error:
            raise unwritable(self.directory, error) from error
        where = self.path(cell)
        extra = [f"--set={key}={value}" for key, value in {**self._extra, **self._find(cell.files)}.items()]
        if cell.judged_every is not None:
            what = ["idml.studies.paper.replaying", str(path), str(where), str(cell.judged_every)]
        elif (where / CONFIG).exists():
            what = ["idml.cli.main", "run", "--resume", str(where), "--quiet", "--no-report"]
        else:
            what = ["idml.cli.main", "run", str(path), "--out", str(where), "--quiet", "--no-report"]
        command = [sys.executable, "-m", *what, *extra]
        with output:
            output.write(f"$ {shlex.join(command)}\n".encode())
            output.flush()
            return subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def _find(self, files: Mapping[str, str]) -> dict[str, str]:
        """Where files are."""
        folder = self._extra.get("data_dir")
        found = {key: find_file(name, Path(folder) if folder else None) for key, name in files.items()}
        for key, path in found.items():
            if path is None:
                raise ReproductionError(f"{files[key]} is in none of the data folders: put it in $IDML_DATA")
        return {key: str(path) for key, path in found.items()}

    def _take(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        if process.returncode == 130:
            raise KeyboardInterrupt
        if process.returncode:
            log = self._log_path(name)
            last = (log.read_text("utf-8", "replace").strip().splitlines() or [""])[-1]
            raise ReproductionError(f"the run {name} failed with {process.returncode}: {last} ({log})")

    def _config_path(self, cell: Cell) -> Path:
        return self.directory / "configs" / f"{cell.name}.toml"

    def _log_path(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"
