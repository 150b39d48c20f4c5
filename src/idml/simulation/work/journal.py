"""Writes down the answers of a run, so that a stopped run goes on without doing the same work again."""

import time
from collections import deque
from collections.abc import Callable, Sequence

from idml.learning.arrays import FloatVector
from idml.simulation.model import Model
from idml.simulation.work.tasks import Answer, Task, TaskService, task_key
from idml.store.errors import StoreError
from idml.store.records import WorkRecord

_LEAST_SHARE = 50
"""A checkpoint may take one part in so many of a run's time."""


class Journal:
    """A `TaskService` that records every answer. After a resume it first repeats what was recorded before.

    Args:
        work: answers what has not been recorded.
        recorded: what the run recorded before it was stopped; empty for a new run.
        load: returns the vector of a model that was made before the stop, by its digest.
    """

    def __init__(self, work: TaskService, recorded: Sequence[WorkRecord], load: Callable[[bytes], FloatVector]) -> None:
        self._work = work
        self._recorded = deque(answer for record in recorded for answer in record.answers)
        self._load = load
        self._given: list[tuple[str, tuple[int, ...], str | None]] = []

    @property
    def repeating(self) -> bool:
        """Whether recorded answers are left to repeat."""
        return bool(self._recorded)

    def begin(self, contact: int) -> None:
        """See `TaskService.begin`."""
        if not self._recorded:
            self._work.begin(contact)

    def ask(self, task: Task) -> Answer:
        """See `TaskService.ask`."""
        if self._recorded:
            return self._repeat(task)
        return self._note(task, self._work.ask(task))

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """See `TaskService.ask_all`."""
        if self._recorded:
            return [self._repeat(task) for task in tasks]
        return [self._note(task, answer) for task, answer in zip(tasks, self._work.ask_all(tasks), strict=True)]

    def take(self, contact: int) -> list[WorkRecord]:
        """Return what was answered since the last call, as one record of this contact; none if nothing was answered."""
        given, self._given = self._given, []
        return [WorkRecord(contact, tuple(given))] if given else []

    def close(self) -> None:
        """See `TaskService.close`."""
        self._work.close()

    def _note(self, task: Task, answer: Answer) -> Answer:
        self._given.append((task_key(task).hex(), answer.values, answer.model.digest.hex() if answer.model else None))
        return answer

    def _repeat(self, task: Task) -> Answer:
        key, values, digest = self._recorded.popleft()
        if key != task_key(task).hex():
            raise StoreError(
                f"the run does not repeat what it recorded: it now asks for another {type(task).__name__}; "
                "was idml, the algorithm, the data or the configuration changed?"
            )
        return self._note(task, Answer(values, Model(bytes.fromhex(digest), self._load) if digest else None))


class Timer:
    """Says when the next checkpoint is due. Checkpoints take at most a fiftieth of a run's time.

    Args:
        interval_s: the least time between two checkpoints; with 0, one is always due.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due_s = time.perf_counter() + interval_s

    @property
    def due(self) -> bool:
        """Whether a checkpoint is due."""
        return time.perf_counter() >= self._due_s

    def took(self, seconds: float) -> None:
        """Note that a checkpoint has just been made, and how many seconds it took."""
        if self._interval_s:
            self._due_s = time.perf_counter() + max(self._interval_s, _LEAST_SHARE * seconds)
