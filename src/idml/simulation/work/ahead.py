"""Has the work of coming encounters done by other processes, before the run asks for it.

The run itself stays serial, and it alone decides what happens. This module guesses from the coming contacts which tasks
the run will ask, and submits them early. An answer is found by the key of its task, which covers all that the answer
depends on. A wrong guess is therefore never used, and any number of workers gives the same run to the last bit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, dropwhile, islice

from idml.simulation.contacts import Contact
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.work.encounter import EncounterPlan
from idml.simulation.work.executors.base import Done, Executor, Failed
from idml.simulation.work.runner import PlannedResult, TaskRunner
from idml.simulation.work.tasks import Answer, ContributeTask, MergeTask, ScreenTask, Task, TrainOwnTask, task_key


@dataclass(frozen=True, slots=True)
class ContactForecast:
    """A guess at how a contact will go.

    Args:
        validators: device numbers of those who will judge, in the order of voting; None if everything is merged.
        contributes: whether the contact lasts until the neighbor has contributed.
        broken_off: whether it ends before the learner has the contribution.
    """

    validators: tuple[int, ...] | None
    contributes: bool = True
    broken_off: bool = False


Forecaster = Callable[[Contact, int], ContactForecast | None]
"""Guesses from a contact and the number of encounters that its learner will have had; None if nothing will happen."""

_LOOK = 32
_KEEP = 4
"""Contacts to look at and results to keep, for each of the executor's slots."""

_State = tuple[Model | None, int]
"""A device's model, None while it is not known, and how many encounters it had."""


class Ahead:
    """A `TaskService` whose work is done by an executor, much of it ahead of time.

    Args:
        executor: does the work.
        runner: does here what is too small to be sent.
        devices: the devices of the run, with their current models.
        contacts: all contacts of the run, in order.
        forecast: see `Forecaster`.
    """

    def __init__(
        self,
        executor: Executor,
        runner: TaskRunner,
        devices: Sequence[Device],
        contacts: Iterator[Contact],
        forecast: Forecaster,
    ) -> None:
        self._executor = executor
        self._runner = runner
        self._devices = devices
        self._contacts = contacts
        self._forecast = forecast
        self._coming: list[Contact] = []
        self._numbers = count()
        # Plans by the key of their first task: on their way, and what came of them (None: an error).
        self._running: dict[int, tuple[bytes, Contact]] = {}
        self._foreseen: dict[bytes, tuple[Contact, PlannedResult | None]] = {}
        self._asked: dict[int, Done | Failed] = {}
        self._answers: dict[bytes, Answer] = {}
        self._now = 0
        # Of the learner at hand, from its first task on: its model and number of encounters after this contact.
        self._expected: dict[int, _State] = {}
        self.redone = 0

    def begin(self, contact: int) -> None:
        """See `TaskService.begin`."""
        self._now = contact
        self._answers, self._expected = {}, {}
        self._foreseen = {key: kept for key, kept in self._foreseen.items() if kept[0].index >= contact}
        self._coming = [coming for coming in self._coming if coming.index >= contact]
        if not self._coming:  # a run that goes on begins far from its first contact
            self._contacts = dropwhile(lambda coming: coming.index < contact, self._contacts)
        self._collect(wait=False)

    def ask(self, task: Task) -> Answer:
        """See `TaskService.ask`."""
        key = task_key(task)
        if isinstance(task, ContributeTask | TrainOwnTask) and key not in self._answers:
            self._take_course(key, task)
        if (answer := self._answers.get(key)) is not None:
            return answer
        if isinstance(task, MergeTask | ScreenTask):
            return self._runner.perform(task)
        self.redone += 1
        return self.ask_all([task])[0]

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """See `TaskService.ask_all`."""
        numbers = [next(self._numbers) for _ in tasks]
        for number, task in zip(reversed(numbers), reversed(tasks), strict=True):  # each goes before the last
            self._executor.submit(number, task, urgent=True)
        while not all(number in self._asked for number in numbers):
            self._asked |= self._collect(wait=True)
        results = [self._asked.pop(number) for number in numbers]
        for result in results:
            if isinstance(result, Failed):
                raise result.error
        return [result for result in results if isinstance(result, Answer)]

    def close(self) -> None:
        """See `TaskService.close`."""
        self._executor.close()

    def _take_course(self, key: bytes, first: ContributeTask | TrainOwnTask) -> None:
        """Take the answers that were prepared for the encounter that begins with this task, if there are any."""
        while any(key == running for running, _ in self._running.values()):
            self._collect(wait=True)
        _, foreseen = self._foreseen.get(key, (None, None))
        self._answers = foreseen.answers if foreseen else {}
        self._coming = [coming for coming in self._coming if coming.index > self._now]
        self._expected = {first.learner: (foreseen.after if foreseen else None, first.encounter + 1)}

    def _collect(self, *, wait: bool) -> dict[int, Done | Failed]:
        """Take finished work and submit more; returns the results that the run itself has asked for."""
        asked = {}
        for number, result in self._executor.collect(wait=wait):
            if number not in self._running:
                asked[number] = result
                continue
            key, contact = self._running.pop(number)
            if contact.index >= self._now:
                self._foreseen[key] = contact, result if isinstance(result, PlannedResult) else None
        self._look_ahead()
        return asked

    def _look_ahead(self) -> None:
        """Guess how the coming contacts will go, and submit those whose models are known by now."""
        slots, settings = self._executor.slots, self._runner.settings
        if len(self._running) >= slots:
            return
        self._coming += islice(self._contacts, max(0, slots * _LOOK - len(self._coming)))
        running = {key for key, _ in self._running.values()}
        room = min(slots - len(running), slots * _KEEP - len(running) - len(self._foreseen))
        states = dict(self._expected)
        for contact in self._coming:
            if room <= 0:
                break
            model, encounter = states.get(contact.learner) or self._stands(contact.learner)
            forecast = self._forecast(contact, encounter)
            if forecast is None:
                continue
            first: ContributeTask | TrainOwnTask | None = None
            if forecast.contributes:
                neighbor = states.get(contact.neighbor) or self._stands(contact.neighbor)
                own = neighbor[0] if settings.adapter.sends_own_model else model
                if model is not None and own is not None:
                    first = ContributeTask(contact.learner, encounter, contact.neighbor, model, own)
            elif settings.local_epochs and model is not None:
                first = TrainOwnTask(contact.learner, encounter, model)
            after = None if forecast.contributes or settings.local_epochs else model
            if first is not None:
                key = task_key(first)
                if key in self._foreseen:
                    foreseen = self._foreseen[key][1]
                    after = foreseen.after if foreseen else None
                elif key not in running:
                    number = next(self._numbers)
                    self._running[number] = key, contact
                    self._executor.submit(number, EncounterPlan(first, forecast.validators, forecast.broken_off))
                    room -= 1
            states[contact.learner] = after, encounter + 1

    def _stands(self, device: int) -> _State:
        return self._devices[device].model, self._devices[device].encounters
