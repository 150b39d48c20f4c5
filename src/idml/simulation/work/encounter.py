"""What an encounter does to models, written once, as a sequence of tasks.

Each method of `Cast` is a generator. It yields tasks, is sent their answers, and returns the result. `follow` runs one
to its end. That way the same code serves everyone who needs it: a run, a worker that works ahead, a study that replays
encounters. In a run with an incentive, the protocol's roles decide when something is asked; how a vote or a merge is
decided is still told here.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from idml.adapters.means import Settings
from idml.learning.judging.validation import Finding
from idml.protocol.roles import Contribute, Judge, Later
from idml.protocol.settlement import settle
from idml.protocol.task import TaskParams
from idml.simulation.adversaries.base import Ballot, Participant
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.work.tasks import Answer, ContributeTask, JudgeTask, MergeTask, ScreenTask, Task, TrainOwnTask

Result = TypeVar("Result")
Steps = Generator[Task, Answer, Result]


@dataclass(frozen=True, slots=True)
class EncounterPlan:
    """What is known of an encounter before it begins.

    Args:
        first: the first task. It is the learner's own training if the neighbor contributes nothing.
        validators: device numbers of those who judge, in the order of voting; None if nobody votes.
        broken_off: whether the contact ends before the learner has the contribution, so that nobody judges it.
    """

    first: ContributeTask | TrainOwnTask
    validators: tuple[int, ...] | None = None
    broken_off: bool = False


@dataclass(frozen=True, slots=True)
class EncounterResult:
    """What an encounter came to.

    Args:
        after: the learner's model after it.
        handed: the model that the neighbor handed over; None if it handed nothing over.
        merged: whether the learner merged it.
    """

    after: Model
    handed: Model | None = None
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """The devices of a run and the rules by which they meet.

    Args:
        devices: all devices, by number.
        settings: how devices learn and judge.
        rules: the parameters of the task.
        adopt_unjudged: whether learners merge a contribution on which too few have voted.
    """

    devices: Sequence[Device]
    settings: Settings
    rules: TaskParams
    adopt_unjudged: bool

    def encounter(self, plan: EncounterPlan, recent: Sequence[Model] | None = None) -> Steps[EncounterResult]:
        """Play a whole encounter.

        Args:
            plan: what is known of it.
            recent: models that the learner's defence compares with (see `ScreenTask`); None to leave the defence out.
        """
        first = plan.first
        if isinstance(first, TrainOwnTask):
            return EncounterResult((yield from self.own_epochs(first.learner, first.encounter, first.model)))
        before, adopted = first.received, None
        exchanged = yield from self._exchange(first)
        if exchanged is not None and not plan.broken_off:
            result, handed = exchanged
            # A learner that was handed another model than was reported merges it after a vote that comes much later.
            judged = plan.validators is None or handed == result
            if judged and (yield from self._accepted(first, handed, plan.validators)):
                adopted = yield from self.adoption(before, before, handed, recent)
        after = yield from self.own_epochs(first.learner, first.encounter, adopted or before)
        return EncounterResult(after, exchanged and exchanged[1], adopted is not None)

    def vote(
        self, asked: ContributeTask, result: Model, validator: int, cast: Sequence[bool]
    ) -> Steps[tuple[bool, Finding | None]]:
        """Have a validator vote on a contribution; returns the vote, and what it found out, None if it did not look.

        Args:
            asked: the task that the neighbor was given.
            result: the contribution.
            validator: device number.
            cast: the votes that were cast before, in order.
        """
        voter = self.devices[validator].participant
        parties = self.devices[asked.learner].participant, self.devices[asked.neighbor].participant
        blind = voter.blind_vote(Ballot(*parties, tuple(cast)))
        if blind is not None:
            return blind, None
        answer = yield JudgeTask(asked.learner, asked.encounter, validator, asked.received, result)
        accepts, *numbers = answer.values
        return voter.verdict(bool(accepts)), Finding.of_numbers(numbers)

    def adoption(
        self, current: Model, before: Model, result: Model, recent: Sequence[Model] | None
    ) -> Steps[Model | None]:
        """Have a learner merge an accepted contribution; returns None if its own defence refuses it.

        Args:
            current: the learner's model now.
            before: the learner's model at the beginning of the encounter.
            result: the contribution.
            recent: see `encounter`.
        """
        if self.settings.defence is not None and recent is not None:
            screened = yield ScreenTask(before, result, tuple(recent))
            if not screened.values[0]:
                return None
        return (yield MergeTask(current, result)).made

    def own_epochs(self, learner: int, encounter: int, model: Model) -> Steps[Model]:
        """Have a learner train on its own data after an encounter, if the run has it do so; returns its model."""
        if not self.settings.local_epochs:
            return model
        return (yield TrainOwnTask(learner, encounter, model)).made

    def _exchange(self, asked: ContributeTask) -> Steps[tuple[Model, Model] | None]:
        """Return the neighbor's result and the model that it hands to the learner; None if it hands nothing over."""
        neighbor, before = self.devices[asked.neighbor].participant, asked.received
        if not contributes(neighbor, before.digest):
            return None
        result = (yield asked).made
        handed = neighbor.hand_over(before.digest, result.digest)
        return None if handed is None else (result, {before.digest: before, result.digest: result}[handed])

    def _accepted(self, asked: ContributeTask, result: Model, validators: Sequence[int] | None) -> Steps[bool]:
        """Return whether the votes allow the learner to merge a contribution."""
        if validators is None:
            return True
        votes: list[bool] = []
        for index in sorted(validators, key=lambda index: self._waits(index, asked.received, result)):
            if len(votes) == self.rules.votes:
                break
            vote, _ = yield from self.vote(asked, result, index, votes)
            votes.append(vote)
        votes_for = sum(votes)
        accepted = settle(0, votes_for, len(votes) - votes_for, self.rules).accepted
        return self.adopt_unjudged if accepted is None else accepted

    def _waits(self, validator: int, before: Model, result: Model) -> bool:
        """Return whether a validator waits until the others have voted."""
        participant = self.devices[validator].participant
        return isinstance(participant.act(Judge(before.digest, result.digest), "validator"), Later)


def contributes(neighbor: Participant, received: bytes) -> bool:
    """Return whether a neighbor does the work that it is asked for, on a model with this digest."""
    return neighbor.act(Contribute(received), "neighbor") is not None


def follow(steps: Steps[Result], ask: Callable[[Task], Answer]) -> Result:
    """Run a generator of tasks to its end; returns its result.

    Args:
        steps: yields tasks, and is sent their answers.
        ask: answers a task.
    """
    try:
        task = next(steps)
        while True:
            task = steps.send(ask(task))
    except StopIteration as end:
        result: Result = end.value
        return result
