"""Who of several workers does which job, and what becomes of the jobs of one that dies."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from idml.simulation.work.executors.base import ExecutorError

AHEAD = 2
"""Jobs that a worker has at hand, so that it need not wait for the next."""
MOST_DEATHS = 3
"""Of workers on the same job: then it is the job that kills them."""

Worker = TypeVar("Worker", bound=Hashable)
Work = TypeVar("Work")


class Roster(Generic[Worker, Work]):
    """Hands jobs to the workers that have the fewest, and again to others if a worker dies.

    Args:
        hand: gives a job under its number to a worker, which does its jobs in the order given.
    """

    def __init__(self, hand: Callable[[Worker, int, Work], None]) -> None:
        self._hand = hand
        self._jobs: dict[int, Work] = {}
        self._deaths: dict[int, int] = {}
        self._waiting: deque[int] = deque()
        self._workers: dict[Worker, deque[int]] = {}

    @property
    def workers(self) -> list[Worker]:
        """Those that take jobs."""
        return list(self._workers)

    def join(self, worker: Worker) -> None:
        """Have a worker take jobs."""
        self._workers[worker] = deque()
        self._hand_out()

    def submit(self, number: int, job: Work, *, urgent: bool) -> None:
        """Take a job; see `Executor.submit`."""
        self._jobs[number] = job
        if urgent:
            self._waiting.appendleft(number)
        else:
            self._waiting.append(number)
        self._hand_out()

    def done(self, worker: Worker, number: int) -> None:
        """Take that a worker has done a job."""
        self._workers[worker].remove(number)
        del self._jobs[number]
        self._deaths.pop(number, None)
        self._hand_out()

    def lose(self, worker: Worker, how: str) -> None:
        """Take that a worker died, and have its jobs done by others before all that has not begun.

        Args:
            worker: the dead.
            how: it ended, in a few words.

        Raises:
            ExecutorError: if it was not the first to die of this job.
        """
        numbers = self._workers.pop(worker)
        if numbers:  # the first is the one it was at
            self._deaths[numbers[0]] = self._deaths.get(numbers[0], 0) + 1
            if self._deaths[numbers[0]] == MOST_DEATHS:
                raise ExecutorError(
                    f"workers: {MOST_DEATHS} workers died one after another of the same job, the last one {how}"
                )
        self._waiting.extendleft(reversed(numbers))
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._workers:
            worker = min(self._workers, key=lambda worker: len(self._workers[worker]))
            if len(self._workers[worker]) >= AHEAD:
                return
            number = self._waiting.popleft()
            self._workers[worker].append(number)
            self._hand(worker, number, self._jobs[number])
