"""How much work the devices of a run did, counted in images."""

from collections import Counter
from collections.abc import Callable, Sequence

from idml.simulation.work.tasks import Answer, ContributeTask, JudgeTask, Task, TaskService, TrainOwnTask


class Effort:
    """A `TaskService` that counts what is answered.

    Args:
        service: answers.
        sample_size: how many images a device scores as a validator, by its number.

    Attributes:
        trained_images: for each learner, that were trained for it, by its neighbors and by itself.
        scored_images: by each validator.
    """

    def __init__(self, service: TaskService, sample_size: Callable[[int], int]) -> None:
        self._service = service
        self._sample_size = sample_size
        self.trained_images: Counter[int] = Counter()
        self.scored_images: Counter[int] = Counter()

    def begin(self, contact: int) -> None:
        """See `TaskService.begin`."""
        self._service.begin(contact)

    def ask(self, task: Task) -> Answer:
        """See `TaskService.ask`."""
        answer = self._service.ask(task)
        match task:
            case ContributeTask() | TrainOwnTask():
                self.trained_images[task.learner] += answer.values[0]
            case JudgeTask():
                self.scored_images[task.validator] += 2 * self._sample_size(task.validator)
        return answer

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """See `TaskService.ask_all`: what measures a run is none of the devices' work."""
        return self._service.ask_all(tasks)

    def close(self) -> None:
        """See `TaskService.close`."""
        self._service.close()
