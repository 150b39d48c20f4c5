"""What an encounter does to models, told once: as tasks that are asked one after another.

Each function here is a generator that yields tasks, is sent their answers, and returns what they come to. `follow`
leads one to its end. So the same telling serves whoever asks: a run as it goes, a worker that foresees an encounter, a
study that replays many. In a run with an incentive the protocol's roles decide what is asked when; they, too, have
votes and merges decided here.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from idml.adapters.means import Settings
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
    """How an encounter will go, as far as that is known before it.

    Args:
        first: the first task; the learner's own epochs, if the neighbor contributes nothing.
        validators: who will judge, device numbers in the order of voting; None where everything is merged.
        broken_off: whether the contact ends before the learner has the contribution, so that nobody judges it.
    """

    first: ContributeTask | TrainOwnTask
    validators: tuple[int, ...] | None = None
    broken_off: bool = False


@dataclass(frozen=True, slots=True)
class EncounterResult:
    """What became of the learner's model.

    Args:
        after: the model.
        handed: what the neighbor handed over; None if nothing came.
        merged: whether it was merged.
    """

    after: Model
    handed: Model | None = None
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part in encounters, and by which rules.

    Args:
        devices: by number.
        settings: of learning.
        rules: of the task.
        adopt_unjudged: whether learners merge what too few voted on.
    """

    devices: Sequence[Device]
    settings: Settings
    rules: TaskParams
    adopt_unjudged: bool

    def encounter(self, plan: EncounterPlan, recent: Sequence[Model] | None = None) -> Steps[EncounterResult]:
        """All of an encounter.

        Args:
            plan: how it goes.
            recent: models that the learner's defence compares with, see `ScreenTask`; None to leave the defence out.
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

    def vote(self, asked: ContributeTask, result: Model, validator: int, cast: Sequence[bool]) -> Steps[bool]:
        """How a validator votes on a contribution.

        Args:
            asked: what the neighbor was asked for.
            result: the contribution.
            validator: device number.
            cast: the votes before.
        """
        voter = self.devices[validator].participant
        parties = self.devices[asked.learner].participant, self.devices[asked.neighbor].participant
        blind = voter.blind_vote(Ballot(*parties, tuple(cast)))
        if blind is not None:
            return blind
        answer = yield JudgeTask(asked.learner, asked.encounter, validator, asked.received, result)
        return voter.verdict(bool(answer.values[0]))

    def adoption(
        self, current: Model, before: Model, result: Model, recent: Sequence[Model] | None
    ) -> Steps[Model | None]:
        """What a learner makes of a contribution that was accepted; None if its own defence stops it.

        Args:
            current: its model now.
            before: its model at the beginning of the encounter.
            result: the contribution.
            recent: see `encounter`.
        """
        if self.settings.defence is not None and recent is not None:
            screened = yield ScreenTask(before, result, tuple(recent))
            if not screened.values[0]:
                return None
        return (yield MergeTask(current, result)).made

    def own_epochs(self, learner: int, encounter: int, model: Model) -> Steps[Model]:
        """A learner's training on its own data after its encounter."""
        if not self.settings.local_epochs:
            return model
        return (yield TrainOwnTask(learner, encounter, model)).made

    def _exchange(self, asked: ContributeTask) -> Steps[tuple[Model, Model] | None]:
        """What the neighbor works out, and what it hands to the learner; None if nothing comes."""
        neighbor, before = self.devices[asked.neighbor].participant, asked.received
        if not contributes(neighbor, before.digest):
            return None
        result = (yield asked).made
        handed = neighbor.hand_over(before.digest, result.digest)
        return None if handed is None else (result, {before.digest: before, result.digest: result}[handed])

    def _accepted(self, asked: ContributeTask, result: Model, validators: Sequence[int] | None) -> Steps[bool]:
        """Whether the learner may merge a contribution, as far as votes decide it."""
        if validators is None:
            return True
        votes: list[bool] = []
        for index in sorted(validators, key=lambda index: self._waits(index, asked.received, result)):
            if len(votes) == self.rules.votes:
                break
            votes.append((yield from self.vote(asked, result, index, votes)))
        votes_for = sum(votes)
        accepted = settle(0, votes_for, len(votes) - votes_for, self.rules).accepted
        return self.adopt_unjudged if accepted is None else accepted

    def _waits(self, validator: int, before: Model, result: Model) -> bool:
        """Whether a validator judges after those who do not wait."""
        participant = self.devices[validator].participant
        return isinstance(participant.act(Judge(before.digest, result.digest), "validator"), Later)


def contributes(neighbor: Participant, received: bytes) -> bool:
    """Whether a neighbor works at all when it is asked to, on a model with this digest."""
    return neighbor.act(Contribute(received), "neighbor") is not None


def follow(steps: Steps[Result], ask: Callable[[Task], Answer]) -> Result:
    """Ask all tasks of some steps; returns what these come to."""
    try:
        task = next(steps)
        while True:
            task = steps.send(ask(task))
    except StopIteration as end:
        result: Result = end.value
        return result
