"""Does jobs in worker processes on this machine. A worker that dies is replaced, and its jobs are done again."""

import os
import signal
from dataclasses import replace
from queue import SimpleQueue
from typing import cast

from idml.learning.arrays import FloatImages
from idml.simulation.work.executors.base import Done, ExecutorError, Failed, Job
from idml.simulation.work.executors.child import Child
from idml.simulation.work.executors.roster import AHEAD, MOST_DEATHS, Roster
from idml.simulation.work.executors.shared import SharedBlock
from idml.simulation.work.executors.shipping import disassemble
from idml.simulation.work.runner import TaskRunner


class Processes:
    """An `Executor` of worker processes.

    Args:
        runner: does the jobs; its images move to memory that all processes share.
        workers: how many, at least 1.

    Raises:
        ConfigError: if something that is plugged in cannot be had in another process.
        ExecutorError: if workers cannot be started.
    """

    def __init__(self, runner: TaskRunner, workers: int) -> None:
        self.slots = workers * AHEAD
        self._inbox: SimpleQueue[tuple[Child, object]] = SimpleQueue()
        self._roster = Roster[Child, Job](lambda worker, number, job: worker.send((number, job)))
        self._starting: set[Child] = set()
        self._failed_starts = 0
        if os.name != "posix":
            raise ExecutorError(f"workers is {workers}: here processes cannot share memory; set it to 1")
        packed, arrays = disassemble(runner)
        try:
            self._block = SharedBlock.of(arrays)
        except OSError as error:
            raise ExecutorError(f"workers: the devices' data do not fit shared memory: {error.strerror}") from error
        self._packed = replace(packed, descriptor=self._block.descriptor, places=self._block.places)
        pool = self._block.arrays()[0]
        for device in runner.devices:
            device.data = replace(device.data, pool=cast(FloatImages, pool))
        try:
            for _ in range(workers):
                self._start()
        except BaseException:
            self.close()
            raise

    @property
    def process_ids(self) -> list[int]:
        """Of the workers, also those that are starting."""
        return [worker.pid for worker in self._workers]

    @property
    def _workers(self) -> list[Child]:
        return [*self._roster.workers, *self._starting]

    def submit(self, number: int, job: Job, *, urgent: bool = False) -> None:
        """See `Executor.submit`."""
        self._roster.submit(number, job, urgent=urgent)

    def collect(self, *, wait: bool) -> list[tuple[int, Done | Failed]]:
        """See `Executor.collect`."""
        done: list[tuple[int, Done | Failed]] = []
        while not self._inbox.empty() or (wait and not done):
            worker, message = self._inbox.get()
            if isinstance(message, Exception):
                self._replace(worker)
            elif isinstance(message, Failed):  # it cannot have what is plugged in
                raise message.error
            elif message is None:
                self._starting.remove(worker)
                self._failed_starts = 0
                self._roster.join(worker)
            else:
                number, result = cast("tuple[int, Done | Failed]", message)
                self._roster.done(worker, number)
                done.append((number, result))
        return done

    def close(self) -> None:
        """See `Executor.close`."""
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.bury()
        self._block.close()

    def _start(self) -> Child:
        module, descriptors = "idml.simulation.work.executors.worker", [self._block.descriptor]
        worker = Child(module, self._inbox, self._packed, descriptors=descriptors)
        self._starting.add(worker)
        return worker

    def _replace(self, worker: Child) -> None:
        code = worker.bury()
        if worker not in self._starting:
            self._roster.lose(worker, _how(code))
        else:
            self._starting.remove(worker)
            self._failed_starts += 1
            if code >= 0:  # not killed by someone, but of its own accord
                raise ExecutorError(f"workers: a worker ended with {code} while it started; see its message above")
            if self._failed_starts == MOST_DEATHS:
                raise ExecutorError(
                    f"workers: {MOST_DEATHS} workers ended one after another while they started, the last one "
                    f"{_how(code)}"
                )
        self._start()


def _how(code: int) -> str:
    """How a worker ended, by its exit status."""
    if code == -signal.SIGKILL:
        return f"with {code}: perhaps there is too little memory; take fewer workers"
    return f"with {code}; see its message above"
