"""How much work the devices of a run did, counted in images."""

from collections import Counter
from collections.abc import Callable, Sequence

from idml.simulation.work.tasks import Answer, ContributeTask, JudgeTask, Task, TaskService, TrainOwnTask


class Effort:
    """A `TaskService` that passes tasks on, and counts the images in their answers.

    Args:
        service: answers the tasks.
        sample_size: gives, for a device number, how many images that device scores as a validator.

    Attributes:
        trained_images: by learner, images that its neighbors and it itself trained for it.
        scored_images: by validator, images that it scored. A judgement scores its sample twice: before and after.
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
        """See `TaskService.ask_all`. Nothing is counted: these tasks measure the run, so no device works for them."""
        return self._service.ask_all(tasks)

    def close(self) -> None:
        """See `TaskService.close`."""
        self._service.close()
