"""Does jobs in worker processes on this machine. A worker that dies is replaced, and its jobs are done again."""

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from io import RawIOBase
from queue import SimpleQueue
from typing import cast

from idml.simulation.crew import Crew
from idml.simulation.executors.base import Done, ExecutorError, Failed, Job
from idml.simulation.executors.shared import SharedBlock
from idml.simulation.executors.shipping import disassemble
from idml.simulation.executors.wire import receive, send

_AHEAD = 2
"""Jobs that a worker has at hand, so that it need not wait for the next."""
_MOST_DEATHS = 3
"""Of workers on the same job: then it is the job that kills them."""


@dataclass(eq=False, slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    jobs: deque[int] = field(default_factory=deque)
    ready: bool = False
    listener: threading.Thread | None = None

    @property
    def requests(self) -> RawIOBase:
        return cast(RawIOBase, self.process.stdin)

    @property
    def results(self) -> RawIOBase:
        return cast(RawIOBase, self.process.stdout)


class Processes:
    """An `Executor` of worker processes.

    They are started as programs of their own, not by `multiprocessing`: that would import the user's main module in
    each of them, and a script without a guard would start its run again.

    Args:
        crew: does the jobs; its images move to memory that all processes share.
        algorithm: name of its adapter in the configuration.
        workers: how many, at least 1.

    Raises:
        ConfigError: if the adapter cannot be had in another process.
        ExecutorError: if workers cannot be started.
    """

    def __init__(self, crew: Crew, algorithm: str, workers: int) -> None:
        self._jobs: dict[int, Job] = {}
        self._deaths: dict[int, int] = {}
        self._waiting: deque[int] = deque()
        self._inbox: SimpleQueue[tuple[_Worker, object]] = SimpleQueue()
        self._workers: list[_Worker] = []
        if os.name != "posix":
            raise ExecutorError(f"workers is {workers}: here processes cannot share memory; set it to 1")
        cargo, arrays = disassemble(crew, algorithm)
        try:
            self._block = SharedBlock.of(arrays)
        except OSError as error:
            raise ExecutorError(f"workers: the devices' data do not fit shared memory: {error.strerror}") from error
        self._cargo = replace(cargo, descriptor=self._block.descriptor, places=self._block.places)
        pool = self._block.arrays()[0]
        for device in crew.devices:
            device.pool = cast("type(device.pool)", pool)  # type: ignore[valid-type]
        try:
            for _ in range(workers):
                self._workers.append(self._start())
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """See `Executor.slots`."""
        return len(self._workers) * _AHEAD

    @property
    def process_ids(self) -> list[int]:
        """Of the workers."""
        return [worker.process.pid for worker in self._workers]

    def submit(self, number: int, job: Job, *, urgent: bool = False) -> None:
        """See `Executor.submit`."""
        self._jobs[number] = job
        if urgent:
            self._waiting.appendleft(number)
        else:
            self._waiting.append(number)
        self._hand_out()

    def collect(self, *, wait: bool) -> list[tuple[int, Done | Failed]]:
        """See `Executor.collect`."""
        done: list[tuple[int, Done | Failed]] = []
        while not self._inbox.empty() or (wait and not done):
            worker, message = self._inbox.get()
            if isinstance(message, Exception):
                self._replace(worker, message)
            elif message is None:
                worker.ready = True
            else:
                number, result = cast("tuple[int, Done | Failed]", message)
                worker.jobs.remove(number)
                del self._jobs[number]
                self._deaths.pop(number, None)
                done.append((number, result))
            self._hand_out()
        return done

    def close(self) -> None:
        """See `Executor.close`."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            _bury(worker)
        self._block.close()

    def _start(self) -> _Worker:
        program = f"import sys; sys.path[:] = {sys.path!r}; from idml.simulation.executors.worker import main; main()"
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=[self._block.descriptor],
                # A terminal sends Ctrl-C to all processes of a session; it is the run's to decide what it means.
                start_new_session=True,
            )
        except OSError as error:
            raise ExecutorError(f"workers: cannot start a process: {error.strerror}") from error
        worker = _Worker(process)
        worker.listener = threading.Thread(target=_listen, args=(worker, self._inbox), daemon=True)
        worker.listener.start()
        with contextlib.suppress(OSError):  # it died already: the listener says so
            send(worker.requests, self._cargo)
        return worker

    def _hand_out(self) -> None:
        """Give waiting jobs to the workers that have the fewest."""
        while self._waiting:
            worker = min(self._workers, key=lambda worker: len(worker.jobs))
            if len(worker.jobs) >= _AHEAD:
                return
            number = self._waiting.popleft()
            worker.jobs.append(number)
            with contextlib.suppress(OSError):
                send(worker.requests, (number, self._jobs[number]))

    def _replace(self, worker: _Worker, cause: Exception) -> None:
        _bury(worker)
        code = worker.process.returncode
        if not worker.ready:
            raise ExecutorError(f"workers: a worker ended with {code} while it started; see its message above")
        if worker.jobs:  # the first is the one it was at
            self._deaths[worker.jobs[0]] = self._deaths.get(worker.jobs[0], 0) + 1
            if self._deaths[worker.jobs[0]] == _MOST_DEATHS:
                raise ExecutorError(
                    f"workers: {_MOST_DEATHS} workers died one after another of the same job, the last one with {code}"
                    " (-9: perhaps there is too little memory); take fewer workers"
                ) from cause
        self._waiting.extendleft(reversed(worker.jobs))
        self._workers[self._workers.index(worker)] = self._start()


def _listen(worker: _Worker, inbox: SimpleQueue[tuple[_Worker, object]]) -> None:
    try:
        while True:
            inbox.put((worker, receive(worker.results)))
    except Exception as error:
        inbox.put((worker, error))


def _bury(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.wait()
    if worker.listener is not None:
        worker.listener.join()
    for pipe in (worker.requests, worker.results):
        with contextlib.suppress(OSError):
            pipe.close()
