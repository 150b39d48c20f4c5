"""What the run needs of whoever does work elsewhere."""

from dataclasses import dataclass
from typing import Protocol

from idml.errors import IdmlError
from idml.simulation.work.encounter import EncounterPlan
from idml.simulation.work.runner import PlannedResult
from idml.simulation.work.tasks import Answer, Task

Job = Task | EncounterPlan
Done = Answer | PlannedResult


@dataclass(frozen=True, slots=True)
class Failed:
    """A job whose work raised an error; the same job will always raise it."""

    error: Exception


class ExecutorError(IdmlError):
    """Work cannot be done elsewhere; the message is one line."""


class Executor(Protocol):
    """Does jobs elsewhere, several at a time."""

    @property
    def slots(self) -> int:
        """Jobs that keep everyone busy, those that wait their turn included."""

    def submit(self, number: int, job: Job, *, urgent: bool = False) -> None:
        """Take a job under a number of the caller's choice.

        Args:
            number: comes back with what the job comes to.
            job: what to do.
            urgent: before all that has not begun.
        """

    def collect(self, *, wait: bool) -> list[tuple[int, Done | Failed]]:
        """Give what has been done since the last call, in any order.

        Args:
            wait: until there is something.

        Raises:
            ExecutorError: if the work cannot be done.
        """

    def close(self) -> None:
        """Stop everyone at once, and leave nothing behind. Closing twice does no harm."""
