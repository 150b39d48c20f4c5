"""Everything that a run's heavy work needs, and the work itself: pure functions of tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from idml.adapters.keys import draw_seed
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatVector
from idml.learning.data.poisons import aims
from idml.learning.judging.defences import SCREENS
from idml.learning.judging.validation import measure_harm
from idml.protocol import roles
from idml.protocol.settlement import settle
from idml.protocol.task import TaskParams
from idml.simulation.adversaries import ADVERSARIES, Assignment, Ballot
from idml.simulation.devices import Device, Settings
from idml.simulation.measure import TestSet
from idml.simulation.model import Model
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
class EncounterPlan:
    """How an encounter will probably go: the tasks that a run will ask one after another.

    Args:
        first: the first task; the learner's own epochs, if the contact ends before the neighbor contributes.
        validators: who will judge, device numbers in the order of voting; None where everything is merged.
        broken_off: whether the contact ends before the learner has the contribution, so that nobody judges it.
    """

    first: ContributeTask | TrainOwnTask
    validators: tuple[int, ...] | None
    broken_off: bool = False


@dataclass(frozen=True, slots=True)
class PlannedResult:
    """What a plan comes to.

    Args:
        answers: by the key of their task.
        after: the learner's model after the encounter.
    """

    answers: dict[bytes, Answer]
    after: Model


@dataclass(frozen=True, slots=True)
class TaskRunner:
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
            case ContributeTask():
                return self._contribute(task)
            case JudgeTask():
                return self._judge(task)
            case MergeTask(current, result):
                return Answer((), self._made(self.settings.adapter.merge(current.vector, result.vector)))
            case ScreenTask():
                return self._screen(task)
            case TrainOwnTask():
                return self._train_own(task)
            case ScoreTask(model, part, count):
                return Answer((self.test_set.correct(model.vector, part, count, self.settings.engine),))
            case DeceiveTask():
                return self._deceive(task)
            case TrainAloneTask():
                return self._train_alone(task)
            case _:
                assert_never(task)

    def foresee(self, plan: EncounterPlan) -> PlannedResult:
        """Do the work of an encounter that will probably go this way."""
        answers: dict[bytes, Answer] = {}

        def ask(task: Task) -> Answer:
            return answers.setdefault(task_key(task), self.perform(task))

        first = plan.first
        if isinstance(first, ContributeTask):
            after, result = first.received, ask(first).made
            if not plan.broken_off and self._accepts(first, result, plan.validators, ask):
                after = ask(MergeTask(after, result)).made
        else:
            after = first.model
        if self.settings.local_epochs:
            after = ask(TrainOwnTask(first.learner, first.encounter, after)).made
        return PlannedResult(answers, after)

    def _accepts(
        self,
        asked: ContributeTask,
        result: Model,
        validators: Sequence[int] | None,
        ask: Callable[[Task], Answer],
    ) -> bool:
        if validators is None:
            return True
        verdicts: list[bool] = []
        parties = self.devices[asked.learner].participant, self.devices[asked.neighbor].participant
        for index in sorted(validators, key=lambda index: self._waits(index, asked.received, result)):
            if len(verdicts) == self.rules.votes:
                break
            participant = self.devices[index].participant
            verdict = participant.blind_vote(Ballot(*parties, tuple(verdicts)))
            if verdict is None:
                task = JudgeTask(asked.learner, asked.encounter, index, asked.received, result)
                verdict = participant.verdict(bool(ask(task).values[0]))
            verdicts.append(verdict)
        votes_for = sum(verdicts)
        accepted = settle(0, votes_for, len(verdicts) - votes_for, self.rules).accepted
        return self.adopt_unjudged if accepted is None else accepted

    def _waits(self, validator: int, before: Model, result: Model) -> bool:
        """Whether a validator judges after those who do not wait."""
        participant = self.devices[validator].participant
        return isinstance(participant.act(roles.Judge(before.digest, result.digest), "validator"), roles.Later)

    def assignment(self, task: ContributeTask) -> Assignment:
        """What a neighbor is asked for in a task, and its means to do it."""
        learner, neighbor = self.devices[task.learner], self.devices[task.neighbor]
        received = task.received.vector
        training = neighbor.training(learner, task.encounter, "contribute", self.settings)

        def passes(result: FloatVector) -> bool:
            """Rehearse the vote with samples of the neighbor's own."""
            rehearsals = [f"rehearsal {member}" for member in range(self.rules.votes)]
            return all(self._accepted(learner, task.encounter, neighbor, received, result, name) for name in rehearsals)

        return Assignment(self.settings.adapter, received, task.own.vector, training, passes)

    def _contribute(self, task: ContributeTask) -> Answer:
        assignment = self.assignment(task)
        result = self.devices[task.neighbor].participant.contribute(assignment)
        return Answer((assignment.training.trained_images,), self._made(result))

    def _judge(self, task: JudgeTask) -> Answer:
        learner, validator = self.devices[task.learner], self.devices[task.validator]
        before, result = task.before.vector, task.result.vector
        return Answer((int(self._accepted(learner, task.encounter, validator, before, result, "validate")),))

    def _accepted(
        self, learner: Device, encounter: int, judge: Device, before: FloatVector, result: FloatVector, purpose: str
    ) -> bool:
        """Whether the rule accepts a contribution on a sample of a device's images, drawn for this purpose."""
        settings = self.settings
        drawn = judge.draw_sample(learner, encounter, purpose, settings)
        harm = measure_harm(
            settings.rule,
            settings.engine,
            before,
            settings.adapter.candidate(before, result),
            judge.pool[judge.own[drawn]],
            judge.labels[drawn],
            learner.goal(settings),
        )
        return settings.rule.accepts(harm, settings.tolerance_bps)

    def _screen(self, task: ScreenTask) -> Answer:
        settings, models = self.settings, (*task.recent, task.before, task.result)
        updates = [
            settings.adapter.candidate(before.vector, result.vector) - before.vector
            for before, result in zip(models[::2], models[1::2], strict=True)
        ]
        assert settings.defence is not None
        return Answer((int(SCREENS[settings.defence](updates[-1], updates[:-1])),))

    def _deceive(self, task: DeceiveTask) -> Answer:
        poison = ADVERSARIES[task.kind].poison
        assert poison is not None
        images, labels = self.test_set.sample(task.part, task.count)
        shown, wanted = aims(poison, images, labels, self.settings.dataset, self.settings.classes)
        if not len(wanted):
            return Answer((0, 0))
        (taken,) = self.settings.engine.evaluate([task.model.vector], shown, wanted)
        return Answer((taken, len(wanted)))

    def _train_own(self, task: TrainOwnTask) -> Answer:
        learner = self.devices[task.learner]
        training = learner.training(learner, task.encounter, "local", self.settings)
        vector = task.model.vector
        for _ in range(self.settings.local_epochs):
            vector = training.epoch(vector)
        return Answer((training.trained_images,), self._made(vector))

    def _train_alone(self, task: TrainAloneTask) -> Answer:
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
