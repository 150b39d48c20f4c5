"""The runs and replays that a study rests on: each done once, several at a time, and gone on with if stopped."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from idml.errors import IdmlError
from idml.learning.data.files import find_file
from idml.simulation.config import ConfigError, make_config
from idml.store.errors import StoreError
from idml.store.false_start import clear_false_start
from idml.store.run_reader import CONFIG, SUMMARY
from idml.studies.errors import StudyError, unwritable
from idml.studies.fingerprint import Fingerprint, difference, fingerprint, fingerprint_of_run
from idml.studies.replays import fingerprint_of_replay, replay_fingerprint


@dataclass(frozen=True, slots=True)
class JudgedReplay:
    """What a replay judges, see `idml.studies.error_rates.replay`.

    Args:
        every: one contact in so many is judged.
        attacks: kinds of adversary whose contributions are judged beside honest ones.
    """

    every: int
    attacks: Sequence[str]


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run that is wanted, or a replay of honest devices.

    Args:
        name: of its directory, or of its csv; says all that tells it from others.
        settings: its configuration, seed included.
        judged: None for a run.
        files: keys that name a file, sought where data are: it is the same run wherever the file lies.
    """

    name: str
    settings: Mapping[str, Any]
    judged: JudgedReplay | None = None
    files: Mapping[str, str] = field(default_factory=dict)


Progress = Callable[[int, int], None]
"""Called with the number of runs that are done, and of all."""
Failed = Callable[[WantedRun, str], None]
"""Called with a run that failed, and why."""


class RunBatch:
    """A folder of runs.

    Args:
        directory: takes all of it.
        extra: settings that change nothing about what happens, such as `data_dir`.
        runs, replays: its folders for these.
    """

    def __init__(
        self, directory: Path, extra: Mapping[str, Any] | None = None, *, runs: str = "runs", replays: str = "replays"
    ) -> None:
        self.directory = directory
        self._extra = dict(extra or {})
        self._runs = directory / runs
        self._replays = directory / replays
        self._log = directory / "log.txt"

    def path(self, wanted: WantedRun) -> Path:
        """Where a run's directory, or what a replay found, is or will be."""
        return (self._runs if wanted.judged is None else self._replays) / wanted.name

    def is_done(self, wanted: WantedRun) -> bool:
        """Whether it is finished, and was made as is wanted."""
        return self._is_finished(wanted) and self._problem(wanted) is None

    def check(self, wanted: Iterable[WantedRun]) -> None:
        """See that what is there of these runs, if anything, was made as is wanted.

        What a run left that was killed before anything was written of it is deleted.

        Raises:
            StudyError: if one was made otherwise, or nothing says how.
        """
        for one in wanted:
            if one.judged is None:
                clear_false_start(self.path(one))
            if os.path.exists(self.path(one)) and (problem := self._problem(one)) is not None:
                raise StudyError(problem)

    def play(
        self, wanted: Iterable[WantedRun], processes: int, progress: Progress, failed: Failed | None = None
    ) -> None:
        """Do all runs that are not done yet, `processes` at a time.

        Args:
            wanted: the runs.
            processes: how many at a time.
            progress: told how many are over.
            failed: told of each run that fails, while the others go on; None: one that fails ends all.

        Raises:
            StudyError: if one fails; the others that are under way are ended, and can be gone on with.
            KeyboardInterrupt: on Ctrl-C, once all have stopped; likewise.
        """
        runs = {one.name: one for one in wanted}
        self.check(runs.values())
        # All of them before hours of work, not each when its turn comes.
        waiting = []
        for one in runs.values():
            try:
                if not self._is_finished(one):
                    waiting.append((one, self._job(one)))
            except IdmlError as error:
                if failed is None:
                    raise
                failed(one, str(error))
        self._make_folders(one for one, _ in waiting)
        done = len(runs) - len(waiting)
        progress(done, len(runs))
        if not waiting:
            return
        jobs: _Jobs = queue.SimpleQueue()
        results: _Results = queue.SimpleQueue()
        for job in waiting:
            jobs.put(job)
        players = [_Player(self._log, jobs, results) for _ in range(min(processes, len(waiting)))]
        try:
            for _ in waiting:
                one, problem = results.get()
                if problem == _STOPPED:
                    raise KeyboardInterrupt
                if problem is not None and failed is None:
                    raise StudyError(f"the run {one.name} failed: {problem} ({self._log})")
                if problem is not None and failed is not None:
                    failed(one, problem)
                done += 1
                progress(done, len(runs))
        except KeyboardInterrupt:
            # A terminal sends Ctrl-C to them too, and each stops cleanly.
            for player in players:
                player.finish()
            raise
        finally:
            for player in players:
                player.end()

    def _is_finished(self, wanted: WantedRun) -> bool:
        """Whether it is finished, however it was made."""
        path = self.path(wanted)
        return os.path.exists(path / SUMMARY if wanted.judged is None else path)

    def _problem(self, wanted: WantedRun) -> str | None:
        """Why the run that is there is not the one that is wanted, in a line; None if it is."""
        path, files = self.path(wanted), self._find(wanted.files)
        config = make_config({**wanted.settings, **self._extra, **files})
        judged = wanted.judged
        asked = fingerprint(config) if judged is None else replay_fingerprint(config, **asdict(judged))
        try:
            found = fingerprint_of_run(path) if judged is None else fingerprint_of_replay(path)
        except (StoreError, StudyError) as error:
            return str(error)
        except ConfigError as error:
            return f"{path} has settings that cannot be read here ({error}): choose another --out, or delete it"
        # What a file holds that is not here now cannot be compared.
        unknown = set(wanted.files) - set(files)
        other = difference(_without(found, unknown), _without(asked, unknown))
        return None if other is None else f"{path} {other}: choose another --out, or delete it"

    def _job(self, wanted: WantedRun) -> dict[str, Any]:
        """What a player is told.

        Raises:
            StudyError: a file is missing.
            ConfigError, TraceError, PluginError: the run cannot be.
        """
        files = self._find(wanted.files)
        for key, name in wanted.files.items():
            if key not in files:
                raise StudyError(f"{name} is in none of the data folders: put it in $IDML_DATA")
        settings = {**wanted.settings, **self._extra, **files}
        fingerprint(make_config(settings))
        return {
            "path": str(self.path(wanted)),
            "settings": settings,
            "judged": asdict(wanted.judged) if wanted.judged else None,
            "go_on": wanted.judged is None and os.path.exists(self.path(wanted) / CONFIG),
        }

    def _find(self, files: Mapping[str, str]) -> dict[str, str]:
        """Where files are, those that are."""
        folder = self._extra.get("data_dir")
        found = {key: find_file(name, Path(folder) if folder else None) for key, name in files.items()}
        return {key: str(path) for key, path in found.items() if path is not None}

    def _make_folders(self, wanted: Iterable[WantedRun]) -> None:
        try:
            for folder in (self.directory, *{self.path(one).parent for one in wanted}):
                folder.mkdir(parents=True, exist_ok=True)
            self._log.touch()
        except OSError as error:
            raise unwritable(self.directory, error) from error


def _without(made: Fingerprint, keys: set[str]) -> Fingerprint:
    return {key: value for key, value in made.items() if key not in keys}


_STOPPED = "it was stopped"
_Jobs = queue.SimpleQueue[tuple[WantedRun, Mapping[str, Any]]]
_Results = queue.SimpleQueue[tuple[WantedRun, str | None]]


class _Player:
    """A process that does one job after another, and the thread that hands them to it.

    If the process dies, the job at hand has failed, and another process does the next.

    Args:
        log: takes what the process prints.
        jobs: takes from it until it is empty.
        results: gets each run with what went wrong, if anything did.
    """

    def __init__(self, log: Path, jobs: _Jobs, results: _Results) -> None:
        self._log, self._jobs, self._results = log, jobs, results
        self._stopping = False
        self._starting = threading.Lock()
        self._process = self._start()
        self._thread = threading.Thread(target=self._hand_out, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._stopping = True
        self._thread.join()

    def end(self) -> None:
        """End at once; what is under way can be gone on with."""
        with self._starting:
            self._stopping = True
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        _close_pipes(self._process)

    def _start(self) -> subprocess.Popen[str]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "idml.studies.player"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def _hand_out(self) -> None:
        while True:
            with self._starting:
                if self._stopping:
                    return
                try:
                    wanted, job = self._jobs.get_nowait()
                except queue.Empty:
                    return
                if self._process.poll() is not None:
                    _close_pipes(self._process)
                    self._process = self._start()
            self._results.put((wanted, self._play(job)))

    def _play(self, job: Mapping[str, Any]) -> str | None:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            requests.write(json.dumps(job) + "\n")
            requests.flush()
            answer = answers.readline()
        except OSError:
            answer = ""
        if not answer:
            return f"its process ended with {self._process.wait()}"
        told: dict[str, Any] = json.loads(answer)
        return _STOPPED if told["stopped"] else told["problem"]


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(OSError):
            pipe.close()
