"""How often each validation rule errs: honest work rejected, attacks missed, all judged on the same pairs of models.

A replay follows honest devices whose contributions are all merged. At some contacts it also asks what each attacker
would have handed over in the neighbor's place, and has validators judge all of that by all rules. So rules are compared
on equal models and equal images, and one replay serves all rules, tolerances and attacks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.keys import draw_seed
from idml.learning.arrays import FloatImages, FloatVector
from idml.learning.judging.evidence import View
from idml.learning.judging.registry import RULES
from idml.learning.judging.validation import FULL_BPS
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.config import Config
from idml.simulation.contacts import Contact
from idml.simulation.devices import Device
from idml.simulation.measure import TestSet
from idml.simulation.model import Model
from idml.simulation.runs import check_all
from idml.simulation.setup import World, build_world, resolve
from idml.simulation.work.encounter import EncounterPlan, follow
from idml.simulation.work.runner import TaskRunner
from idml.simulation.work.tasks import Answer, ContributeTask, Task, TrainOwnTask
from idml.store import HONEST

ATTACKS: Final = (
    "label_flip",
    "label_flip_target",
    "label_flip_all",
    "random_weights",
    "free_rider",
    "sign_flip",
    "scaling",
    "noise",
    "backdoor",
    "drift",
)
"""Kinds of adversary that judging can find out, by what they contribute."""

Told = Callable[[int, int], None]
"""Told how many contacts of how many are done."""


@dataclass(frozen=True, slots=True)
class JudgedContribution:
    """What one validator found of one contribution.

    Args:
        contact: of the replay.
        encounter: how many the learner had before.
        kind: `HONEST`, or the adversary in the neighbor's place.
        validator: device number.
        harms: by rule, see `Rule.harm`.
    """

    contact: int
    encounter: int
    kind: str
    validator: int
    harms: Mapping[str, float]


def replay(
    config: Config, *, attacks: Sequence[str] = ATTACKS, every: int = 1, told: Told = lambda _done, _all: None
) -> list[JudgedContribution]:
    """Replay a run of honest devices and judge contributions by all rules.

    Args:
        config: of the run; its adversaries, rule and tolerance are of no account.
        attacks: kinds of adversary.
        every: one contact in so many is judged.
        told: called after each contact.

    Returns:
        In the order of contacts, first the honest contribution, then those of the attacks.

    Raises:
        ConfigError, TraceError, DataError, AdapterError: with one line each.
    """
    adapter = check_all(config)
    world = build_world(resolve(config.model_copy(update={"adversaries": {}}), adapter), adapter)
    bench = _Panel(world)
    judged: list[JudgedContribution] = []
    for contact in world.contacts():
        learner = world.devices[contact.learner]
        due = contact.index % every == 0
        asked = ContributeTask(
            learner.index, learner.encounters, contact.neighbor, learner.model, world.devices[contact.neighbor].model
        )

        def ask(task: Task, contact: Contact = contact, due: bool = due) -> Answer:
            answer = bench.runner.perform(task)
            if due and isinstance(task, ContributeTask):
                judged.extend(bench.judge(contact, task, answer.made, attacks))
            return answer

        learner.model = follow(bench.runner.cast.encounter(EncounterPlan(asked)), ask).after
        learner.encounters += 1
        told(contact.index + 1, world.config.contact_count)
    return judged


_Seat = tuple[Device, FloatImages, View]


class _Panel:
    """Judges contributions of whoever may stand in a neighbor's place."""

    def __init__(self, world: World) -> None:
        nothing = np.zeros((0, 1, 1, 1), np.float32)
        test_set = TestSet(nothing, np.zeros(0, np.int64), 1, world.config.seed)
        self._world = world
        self.runner = TaskRunner(world.devices, world.settings, test_set, world.config.task(), adopt_unjudged=False)

    def judge(
        self, contact: Contact, task: ContributeTask, honest: Model, attacks: Sequence[str]
    ) -> Iterator[JudgedContribution]:
        """Judge an honest contribution, and those of attacks in its place."""
        names = RULES.built_in
        panel = [self._prepare(task, validator) for validator in self._validators(contact)]
        found = self._found(panel, task, honest.vector, names)
        yield from (JudgedContribution(contact.index, task.encounter, HONEST, *each) for each in found)
        for kind in attacks:
            worked = self._work(kind, task, honest)
            if kind == "drift":  # what it contributes depends on the rule that it knows
                harms: dict[int, dict[str, float]] = {validator.index: {} for validator, *_ in panel}
                for name in names:
                    for index, by_rule in self._found(panel, task, self._attack(kind, task, worked, name), (name,)):
                        harms[index] |= by_rule
                found = list(harms.items())
            else:
                found = self._found(panel, task, self._attack(kind, task, worked, None), names)
            yield from (JudgedContribution(contact.index, task.encounter, kind, *each) for each in found)

    def _cast(self, kind: str, task: ContributeTask, rule: str | None) -> TaskRunner:
        """The runner with an adversary in the place of the neighbor, who knows a rule at the tolerance usual for it."""
        settings, devices = self._world.settings, list(self._world.devices)
        if rule is not None:
            known = RULES.find(rule)
            settings = replace(
                settings, rule=known, tolerance_bps=round(known.tolerance_on(settings.source) * FULL_BPS)
            )
        devices[task.neighbor] = replace(devices[task.neighbor], participant=ADVERSARIES.find(kind))
        return replace(self.runner, devices=devices, settings=settings)

    def _work(self, kind: str, task: ContributeTask, honest: Model) -> FloatVector:
        """What the algorithm makes of an adversary's data, before it does anything else to it."""
        if ADVERSARIES.find(kind).poison is None:
            return honest.vector
        runner = self._cast(kind, task, None)
        if self._world.settings.adapter.sends_own_model:
            # What it sends is its own model, which it trains on what it poisoned.
            number = self._world.devices[task.neighbor].encounters
            task = replace(task, own=runner.perform(TrainOwnTask(task.neighbor, number, task.own)).made)
        return runner.assignment(task).honest()

    def _attack(self, kind: str, task: ContributeTask, worked: FloatVector, rule: str | None) -> FloatVector:
        """What an adversary hands over."""
        assignment = self._cast(kind, task, rule).assignment(task)
        known = _Known(assignment.adapter, worked)
        return ADVERSARIES.find(kind).contribute(replace(assignment, adapter=known))

    def _prepare(self, task: ContributeTask, validator: Device) -> _Seat:
        """A validator, its sample and how it finds the model before."""
        settings, learner = self._world.settings, self._world.devices[task.learner]
        images, labels = validator.means(settings).sample(learner.encounter_key(settings.seed, task.encounter))
        (logits,) = settings.engine.logits([task.received.vector], images)
        return validator, images, View(logits, labels)

    def _found(
        self, panel: Sequence[_Seat], task: ContributeTask, result: FloatVector, rules: Sequence[str]
    ) -> list[tuple[int, dict[str, float]]]:
        """How each validator finds a contribution by these rules, by device number."""
        settings = self._world.settings
        goal = self._world.devices[task.learner].means(settings).goal
        candidate = settings.adapter.candidate(task.received.vector, result)
        found = []
        for validator, images, before in panel:
            (logits,) = settings.engine.logits([candidate], images)
            after = View(logits, before.labels)
            found.append((validator.index, {name: RULES.find(name).harm(before, after, goal) for name in rules}))
        return found

    def _validators(self, contact: Contact) -> list[Device]:
        """As many as vote, drawn among all but the two."""
        world = self._world
        able = [device for device in world.devices if device.index not in (contact.learner, contact.neighbor)]
        generator = np.random.default_rng(draw_seed(world.config.seed, "replay", contact.index))
        return [able[place] for place in generator.choice(len(able), world.config.validators, replace=False)]


class _Known(Adapter):
    """An algorithm whose result is there already."""

    name = "known"

    def __init__(self, adapter: Adapter, result: FloatVector) -> None:
        self._adapter = adapter
        self._result = result

    def contribute(self, received: FloatVector, own: FloatVector, training: LocalTraining) -> FloatVector:
        """Give the result."""
        del received, own, training
        return self._result.copy()

    def candidate(self, before: FloatVector, result: FloatVector) -> FloatVector:
        """As the algorithm has it."""
        return self._adapter.candidate(before, result)

    def merge(self, current: FloatVector, result: FloatVector) -> FloatVector:
        """As the algorithm has it."""
        return self._adapter.merge(current, result)
