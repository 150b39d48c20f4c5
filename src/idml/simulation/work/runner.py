"""Does the heavy work of a run. Each answer is a pure function of its task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from idml.adapters.keys import draw_seed
from idml.adapters.means import Assignment, EncounterKey, Means, Settings
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatVector
from idml.learning.data.poisons import aims
from idml.protocol.task import TaskParams
from idml.simulation.devices import Device
from idml.simulation.measure import TestSet
from idml.simulation.model import Model
from idml.simulation.work.encounter import Cast, EncounterPlan, follow
from idml.simulation.work.tasks import (
    Answer,
    ContributeTask,
    DeceiveTask,
    JudgeTask,
    MergeTask,
    ScoreTask,
    ScreenTask,
    Task,
    TrainAloneTask,
    TrainOwnTask,
    task_key,
)


@dataclass(frozen=True, slots=True)
class PlannedResult:
    """The answers of an encounter that goes as planned.

    Args:
        answers: all its answers, by the key of their task.
        after: the learner's model after the encounter.
    """

    answers: dict[bytes, Answer]
    after: Model


@dataclass(frozen=True, slots=True)
class TaskRunner:
    """Does the tasks of a run. The same task has the same answer, to the last bit.

    Args:
        devices: all devices, by number. Their current models and accounts are not used.
        settings: how devices learn and judge.
        test_set: the images on which models are scored.
        rules: the parameters of the task.
        adopt_unjudged: whether learners merge a contribution on which too few have voted.
    """

    devices: Sequence[Device]
    settings: Settings
    test_set: TestSet
    rules: TaskParams
    adopt_unjudged: bool

    @property
    def cast(self) -> Cast:
        """The devices and the rules by which they meet."""
        return Cast(self.devices, self.settings, self.rules, self.adopt_unjudged)

    def foresee(self, plan: EncounterPlan) -> PlannedResult:
        """Do all the work of an encounter that is expected to go as planned."""
        answers: dict[bytes, Answer] = {}

        def ask(task: Task) -> Answer:
            return answers.setdefault(task_key(task), self.perform(task))

        ended = follow(self.cast.encounter(plan), ask)
        return PlannedResult(answers, ended.after)

    def perform(self, task: Task) -> Answer:
        """Do the work of one task."""
        match task:
            case ContributeTask():
                assignment = self.assignment(task)
                result = self.devices[task.neighbor].participant.contribute(assignment)
                return Answer((assignment.training.trained_images,), self._made(result))
            case JudgeTask():
                judge, before, result = self._means(task.validator), task.before.vector, task.result.vector
                encounter, goal = self._encounter(task), self._means(task.learner).goal
                finding = judge.measure(encounter, before, result, goal)
                return Answer((int(self.settings.accepts(finding)), *finding.to_numbers()))
            case MergeTask(current, result):
                return Answer((), self._made(self.settings.adapter.merge(current.vector, result.vector)))
            case ScreenTask():
                models = [model.vector for model in (*task.recent, task.before, task.result)]
                return Answer((int(self.settings.screen(models)),))
            case TrainOwnTask():
                vector, images = self._means(task.learner).train_own(self._encounter(task), task.model.vector)
                return Answer((images,), self._made(vector))
            case ScoreTask(model, part, count):
                return Answer((self.test_set.correct(model.vector, part, count, self.settings.engine),))
            case DeceiveTask():
                return self._deceive(task)
            case TrainAloneTask():
                return self._train_alone(task)
            case _:
                assert_never(task)

    def assignment(self, task: ContributeTask) -> Assignment:
        """Return what a neighbor is asked for in a task, with the means to do it."""
        neighbor, goal = self._means(task.neighbor), self._means(task.learner).goal
        received, own = task.received.vector, task.own.vector
        return neighbor.assignment(self._encounter(task), received, own, votes=self.rules.votes, goal=goal)

    def _means(self, device: int) -> Means:
        return self.devices[device].means(self.settings)

    def _encounter(self, task: ContributeTask | JudgeTask | TrainOwnTask) -> EncounterKey:
        return self.devices[task.learner].encounter_key(self.settings.seed, task.encounter)

    def _deceive(self, task: DeceiveTask) -> Answer:
        participants = (device.participant for device in self.devices)
        poison = next(participant.poison for participant in participants if participant.kind == task.kind)
        assert poison is not None
        images, labels = self.test_set.sample(task.part, task.count)
        shown, wanted = aims(poison, images, labels, self.settings.source)
        if not len(wanted):
            return Answer((0, 0))
        (taken,) = self.settings.engine.evaluate([task.model.vector], shown, wanted)
        return Answer((taken, len(wanted)))

    def _train_alone(self, task: TrainAloneTask) -> Answer:
        device, settings, vector = self.devices[task.device], self.settings, task.start.vector
        images, counts = device.data.images, []
        for epoch in range(task.epochs + 1):
            if epoch:
                vector = settings.engine.train_epoch(
                    vector,
                    images,
                    device.data.labels,
                    learning_rate=learning_rate(settings.learning_rate, settings.learning_rate_decay, epoch),
                    batch=settings.batch,
                    seed=draw_seed(settings.seed, "alone", device.index, epoch),
                )
            count = task.count if epoch < task.epochs else task.final
            counts.append(self.test_set.correct(vector, task.part, count, settings.engine))
        return Answer(tuple(counts))

    def _made(self, vector: FloatVector) -> Model:
        return Model.of(np.ascontiguousarray(vector), self.settings.engine.layout)


class Serial:
    """A `TaskService` that does each task in this process, when it is asked for."""

    def __init__(self, runner: TaskRunner) -> None:
        self._runner = runner

    def begin(self, contact: int) -> None:
        """See `TaskService.begin`."""

    def ask(self, task: Task) -> Answer:
        """See `TaskService.ask`."""
        return self._runner.perform(task)

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """See `TaskService.ask_all`."""
        return [self._runner.perform(task) for task in tasks]

    def close(self) -> None:
        """See `TaskService.close`."""
