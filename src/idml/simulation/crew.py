"""Everything that a run's heavy work needs, and the work itself: pure functions of tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from idml.adapters.keys import draw_seed
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatVector, Indices
from idml.protocol.settlement import settle
from idml.protocol.task import TaskParams
from idml.simulation.devices import Device, Settings
from idml.simulation.measure import TestSet
from idml.simulation.model import Model
from idml.simulation.tasks import Answer, Contribute, Judge, Merge, Score, Task, TrainAlone, TrainOwn, task_key


@dataclass(frozen=True, slots=True)
class Course:
    """How an encounter will probably go: the tasks that a run will ask one after another.

    Args:
        first: the first task; the learner's own epochs, if the contact ends before the neighbor contributes.
        validators: who will judge, device numbers in the order of voting; None where everything is merged.
        broken_off: whether the contact ends before the learner has the contribution, so that nobody judges it.
    """

    first: Contribute | TrainOwn
    validators: tuple[int, ...] | None
    broken_off: bool = False


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a course comes to.

    Args:
        answers: by the key of their task.
        after: the learner's model after the encounter.
    """

    answers: dict[bytes, Answer]
    after: Model


@dataclass(frozen=True, slots=True)
class Crew:
    """The devices of a run and what they have in common, their models aside.

    Args:
        devices: by number.
        settings: of the run.
        test_set: to score on.
        rules: of the task.
        adopt_unjudged: whether learners merge what too few voted on.
    """

    devices: Sequence[Device]
    settings: Settings
    test_set: TestSet
    rules: TaskParams
    adopt_unjudged: bool

    def perform(self, task: Task) -> Answer:
        """Do the work of a task. The same task has the same answer, to the last bit."""
        match task:
            case Contribute():
                return self._contribute(task)
            case Judge():
                return self._judge(task)
            case Merge(current, result):
                return Answer((), self._made(self.settings.adapter.merge(current.vector, result.vector)))
            case TrainOwn():
                return self._train_own(task)
            case Score(model, part, count):
                return Answer((self.test_set.correct(model.vector, part, count, self.settings.engine),))
            case TrainAlone():
                return self._train_alone(task)
            case _:
                assert_never(task)

    def foresee(self, course: Course) -> Foreseen:
        """Do the work of an encounter that will probably go this way."""
        answers: dict[bytes, Answer] = {}

        def ask(task: Task) -> Answer:
            return answers.setdefault(task_key(task), self.perform(task))

        first = course.first
        if isinstance(first, Contribute):
            after, result = first.received, ask(first).made
            if not course.broken_off and self._accepts(first, result, course.validators, ask):
                after = ask(Merge(after, result)).made
        else:
            after = first.model
        if self.settings.local_epochs:
            after = ask(TrainOwn(first.learner, first.encounter, after)).made
        return Foreseen(answers, after)

    def _accepts(
        self,
        asked: Contribute,
        result: Model,
        validators: Sequence[int] | None,
        ask: Callable[[Task], Answer],
    ) -> bool:
        if validators is None:
            return True
        verdicts: list[bool] = []
        for index in validators:
            if len(verdicts) == self.rules.votes:
                break
            participant, honest = self.devices[index].participant, None
            if participant.evaluates:
                task = Judge(asked.learner, asked.encounter, index, asked.received, result)
                honest = bool(ask(task).values[0])
            verdicts.append(participant.verdict(honest))
        votes_for = sum(verdicts)
        accepted = settle(0, votes_for, len(verdicts) - votes_for, self.rules).accepted
        return self.adopt_unjudged if accepted is None else accepted

    def _contribute(self, task: Contribute) -> Answer:
        learner, neighbor = self.devices[task.learner], self.devices[task.neighbor]
        training = neighbor.training(learner, task.encounter, "contribute", self.settings)
        adapter = self.settings.adapter
        result = neighbor.participant.contribute(adapter, task.received.vector, task.own.vector, training)
        return Answer((training.trained_images,), self._made(result))

    def _judge(self, task: Judge) -> Answer:
        learner, validator, settings = self.devices[task.learner], self.devices[task.validator], self.settings
        count = validator.sample_size(settings)
        drawn: Indices | slice = slice(None)
        if count < len(validator.labels):
            seed = draw_seed(*learner.key(settings, task.encounter, "validate", validator.address.hex()))
            drawn = np.random.default_rng(seed).choice(len(validator.labels), count, replace=False)
        before = task.before.vector
        candidate = settings.adapter.candidate(before, task.result.vector)
        images = validator.pool[validator.own[drawn]]
        old, new = settings.engine.evaluate([before, candidate], images, validator.labels[drawn])
        return Answer((int(settings.rule(old, new, count, settings.tolerance_bps)),))

    def _train_own(self, task: TrainOwn) -> Answer:
        learner = self.devices[task.learner]
        training = learner.training(learner, task.encounter, "local", self.settings)
        vector = task.model.vector
        for _ in range(self.settings.local_epochs):
            vector = training.epoch(vector)
        return Answer((training.trained_images,), self._made(vector))

    def _train_alone(self, task: TrainAlone) -> Answer:
        device, settings, vector = self.devices[task.device], self.settings, task.start.vector
        images, counts = device.images, []
        for epoch in range(task.epochs + 1):
            if epoch:
                vector = settings.engine.train_epoch(
                    vector,
                    images,
                    device.labels,
                    learning_rate=learning_rate(settings.learning_rate, settings.learning_rate_decay, epoch),
                    batch=settings.batch,
                    seed=draw_seed(settings.seed, "alone", device.index, epoch),
                )
            count = task.count if epoch < task.epochs else task.final
            counts.append(self.test_set.correct(vector, task.part, count, settings.engine))
        return Answer(tuple(counts))

    def _made(self, vector: FloatVector) -> Model:
        return Model.of(vector, self.settings.engine.layout)


class Serial:
    """Does work when it is asked for, in this process."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def begin(self, contact: int) -> None:
        """See `Work.begin`."""

    def ask(self, task: Task) -> Answer:
        """See `Work.ask`."""
        return self._crew.perform(task)

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """See `Work.ask_all`."""
        return [self._crew.perform(task) for task in tasks]

    def close(self) -> None:
        """See `Work.close`."""
