"""Does many jobs at once in this process: what they train and evaluate goes through one stacked engine together.

A job calls its engine from deep inside an algorithm, and cannot know of others. So each runs in a thread of its own,
and stops at each call until all jobs have come to one or to their end; then all calls are answered at once. Threads run
only one at a time and in turn: algorithms need not be safe for threads, and nothing depends on timing.
"""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import fields, replace
from threading import Semaphore, Thread
from typing import cast

import numpy as np
import numpy.typing as npt

from idml.learning.architectures import Architecture
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.calls import Epoch, Query, Sample
from idml.learning.engine import Layout
from idml.learning.models import module_factory
from idml.learning.networks import Blueprint
from idml.learning.stacked import StackedEngine, find_cuda
from idml.registry import blame
from idml.simulation.config import ConfigError
from idml.simulation.model import Model
from idml.simulation.work.encounter import EncounterPlan
from idml.simulation.work.executors.base import Done, ExecutorError, Failed, Job
from idml.simulation.work.runner import TaskRunner

Call = Epoch | Sample | Query
Reply = FloatVector | list[int] | list[npt.NDArray[np.float32]]

_LOG = logging.getLogger(__name__)

_AT_ONCE = 64
"""Jobs at most: beyond that the memory they take grows, while each of them gains little."""


class Stacked:
    """An `Executor` that answers the calls of many jobs at once.

    Args:
        runner: does the jobs.
        engine: answers their calls, in place of the runner's own.
    """

    def __init__(self, runner: TaskRunner, engine: StackedEngine) -> None:
        self._runner = runner
        self._engine = engine
        self._waiting: deque[tuple[int, Job]] = deque()
        self._threads: list[_JobThread] = []

    @property
    def hardware(self) -> str:
        """What the models are trained on."""
        return self._engine.hardware

    @property
    def slots(self) -> int:
        """See `Executor.slots`."""
        return min(_AT_ONCE, len(self._runner.devices))

    def submit(self, number: int, job: Job, *, urgent: bool = False) -> None:
        """See `Executor.submit`."""
        _fetch(job)
        if urgent:
            self._waiting.appendleft((number, job))
        else:
            self._waiting.append((number, job))

    def collect(self, *, wait: bool) -> list[tuple[int, Done | Failed]]:
        """See `Executor.collect`: all is done here while the run waits, until the first job ends."""
        done: list[tuple[int, Done | Failed]] = []
        while wait and not done and (self._waiting or self._threads):
            self._begin()
            self._answer()
            done = [(thread.number, thread.result) for thread in self._threads if thread.result is not None]
            self._threads = [thread for thread in self._threads if thread.result is None]
        return done

    def close(self) -> None:
        """See `Executor.close`."""
        self._waiting.clear()
        threads, self._threads = self._threads, []
        for thread in threads:
            thread.abandon()

    def _begin(self) -> None:
        """Let waiting jobs run up to their first call."""
        while self._waiting and len(self._threads) < self.slots:
            number, job = self._waiting.popleft()
            thread = _JobThread(number, job, self._runner, self._engine)
            self._threads.append(thread)
            thread.resume(None)

    def _answer(self) -> None:
        """Answer all calls, each kind in one stack, and let their jobs run up to the next."""
        trainings = [(thread, thread.call) for thread in self._threads if isinstance(thread.call, Epoch)]
        evaluations = [(thread, thread.call) for thread in self._threads if isinstance(thread.call, Sample)]
        queries = [(thread, thread.call) for thread in self._threads if isinstance(thread.call, Query)]
        try:
            trained = self._engine.train_epochs([epoch for _, epoch in trainings])
            counts = self._engine.evaluate_samples([sample for _, sample in evaluations])
            logits = self._engine.logits_of([query for _, query in queries])
        except RuntimeError as error:  # torch's own: most of all, that memory ran out
            cause = (str(error).splitlines() or [type(error).__name__])[0]
            raise ExecutorError(
                f"executor is 'cuda': {len(self._threads)} jobs at once failed ({cause}); set it to 'processes'"
            ) from error
        for (thread, _), vector in zip(trainings, trained, strict=True):
            thread.resume(vector)
        for (thread, _), correct in zip(evaluations, counts, strict=True):
            thread.resume(correct)
        for (thread, _), found in zip(queries, logits, strict=True):
            thread.resume(found)


class _Abandoned(BaseException):
    """Ends a thread that nobody waits for; no `Exception`, so that no algorithm takes it for its own."""


class _JobThread:
    """A job in a thread of its own, which runs only while it is resumed; to the job, it is the engine.

    Args:
        number: of the job.
        job: what to do.
        runner: does it.
        engine: knows what models are like, and which calls are in order.
    """

    def __init__(self, number: int, job: Job, runner: TaskRunner, engine: StackedEngine) -> None:
        self.number = number
        self.call: Call | None = None
        self.result: Done | Failed | None = None
        self._engine = engine
        self._abandoned = False
        self._resumed, self._stopped = Semaphore(0), Semaphore(0)
        self._answer: Reply | None = None
        runner = replace(runner, settings=replace(runner.settings, engine=self))
        self._thread = Thread(target=self._run, args=(job, runner), name=f"job {number}", daemon=True)
        self._thread.start()

    @property
    def layout(self) -> Layout:
        """See `Engine.layout`."""
        return self._engine.layout

    @property
    def size(self) -> int:
        """See `Engine.size`."""
        return self._engine.size

    def initial(self, seed: int) -> FloatVector:
        """See `Engine.initial`."""
        return self._engine.initial(seed)

    def train_epoch(
        self,
        vector: FloatVector,
        images: FloatImages,
        labels: Labels,
        *,
        learning_rate: float,
        batch: int,
        seed: int,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> FloatVector:
        """See `Engine.train_epoch`."""
        epoch = Epoch(vector, images, labels, learning_rate, batch, seed, momentum, weight_decay)
        self._engine.check_epoch(epoch)  # here, where it raises in the job that is at fault
        return cast(FloatVector, self._stop(epoch))

    def evaluate(self, vectors: Sequence[FloatVector], images: FloatImages, labels: Labels) -> list[int]:
        """See `Engine.evaluate`."""
        sample = Sample(vectors, images, labels)
        self._engine.check_sample(sample)
        return cast("list[int]", self._stop(sample))

    def logits(self, vectors: Sequence[FloatVector], images: FloatImages) -> list[npt.NDArray[np.float32]]:
        """See `Engine.logits`."""
        query = Query(vectors, images)
        self._engine.check_query(query)
        return cast("list[npt.NDArray[np.float32]]", self._stop(query))

    def resume(self, answer: Reply | None) -> None:
        """Let the job run up to its next call or its end."""
        self.call, self._answer = None, answer
        self._resumed.release()
        self._stopped.acquire()

    def abandon(self) -> None:
        """End the thread, at its next call if it is running."""
        self._abandoned = True
        self._resumed.release()
        self._thread.join()

    def _stop(self, call: Call) -> Reply | None:
        self.call = call
        self._stopped.release()
        self._wait()
        return self._answer

    def _wait(self) -> None:
        if not self._abandoned:
            self._resumed.acquire()
        if self._abandoned:
            raise _Abandoned

    def _run(self, job: Job, runner: TaskRunner) -> None:
        try:
            self._wait()
            self.result = runner.foresee(job) if isinstance(job, EncounterPlan) else runner.perform(job)
        except _Abandoned:
            pass
        except Exception as error:
            self.result = Failed(error)
        except BaseException as error:  # it would end this thread in silence
            self.result = Failed(blame(error) or ExecutorError(f"executor: the algorithm ended its job with {error!r}"))
        finally:
            self._stopped.release()


def on_cuda(runner: TaskRunner, blueprint: Blueprint) -> Stacked | None:
    """An executor on torch's CUDA device; None where there is none, with a warning.

    Args:
        runner: does the jobs.
        blueprint: of the network that it trains.

    Raises:
        ConfigError: if it cannot train the network.
    """
    device = find_cuda()
    if device is None:
        _LOG.warning("executor is 'cuda': torch finds no CUDA device; training on the CPU instead")
        return None
    engine = StackedEngine(module_factory(blueprint), device)
    if not isinstance(blueprint, Architecture):
        _require_stackable(engine, runner.devices[0].data.pool[:2])
    return Stacked(runner, engine)


def _require_stackable(engine: StackedEngine, images: FloatImages) -> None:
    """Refuse a module that torch cannot train in stacks, such as one whose path depends on values."""
    labels, vector = np.zeros(len(images), np.int64), engine.initial(0)
    epoch, sample = Epoch(vector, images, labels, 0.01, 1, 0), Sample([vector, vector], images, labels)
    try:
        engine.train_epochs([epoch, epoch])
        engine.evaluate_samples([sample, sample])
    except Exception as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"executor is 'cuda': it cannot train this model ({cause}); set it to 'processes'") from error


def _fetch(job: Job) -> None:
    """Have all weights that a job starts from at hand: the store that may hold them serves only the run's thread."""
    task = job.first if isinstance(job, EncounterPlan) else job
    for field in fields(task):
        if isinstance(model := getattr(task, field.name), Model):
            _ = model.vector
