"""What a device can do: hold data, train, draw a sample, judge, and say what it cares for.

A simulated device and a device on a network learn through the same object. It knows no chain, no network and no other
device: models come and go as flat vectors, and every random draw derives from the encounter that it is for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.keys import draw_seed
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatImages, FloatVector, Indices, Labels
from idml.learning.data.poisons import Poison, taint
from idml.learning.data.source import DataSource
from idml.learning.engine import Engine
from idml.learning.judging.defences import Defence
from idml.learning.judging.evidence import Weights, label_shares
from idml.learning.judging.validation import Finding, Rule, examine


@dataclass(frozen=True, slots=True)
class Settings:
    """What devices have in common that learn together.

    Args:
        seed: every random draw derives from it.
        engine: computes the models.
        adapter: the learning algorithm.
        rule: by which validators judge.
        learning_rate, learning_rate_decay, batch: of gradient descent; the rate decays with a learner's encounters.
        local_epochs: that a learner trains on its own data after each encounter.
        validation_images: that a validator scores.
        tolerance_bps: how much worse a contribution may be for a yes, in 1/10,000.
        source: the data set, which knows its classes.
        own_goal: whether learners care for the classes of their own data; else for all alike.
        defence: by which a learner screens what it merges; None for none.
    """

    seed: int
    engine: Engine
    adapter: Adapter
    rule: Rule
    learning_rate: float
    learning_rate_decay: float
    batch: int
    local_epochs: int
    validation_images: int
    tolerance_bps: int
    source: DataSource
    own_goal: bool = False
    defence: Defence | None = None

    def screen(self, models: Sequence[FloatVector]) -> bool:
        """Whether a learner's own defence takes a contribution.

        Args:
            models: before and after its recent encounters, one after another, and last of this one, float32 (size,).
        """
        candidate = self.adapter.candidate
        updates = [candidate(before, result) - before for before, result in zip(models[::2], models[1::2], strict=True)]
        assert self.defence is not None
        return self.defence.takes(updates[-1], updates[:-1])

    def accepts(self, finding: Finding) -> bool:
        """Whether the rule accepts a contribution about which a validator found this."""
        return self.rule.accepts(finding.harm, self.tolerance_bps)


@dataclass(frozen=True, slots=True)
class EncounterKey:
    """Names one of a learner's encounters, so that all random draws for it can derive from the name.

    Args:
        seed: of the run.
        learner: address, 20 bytes.
        number: how many encounters the learner had before.
    """

    seed: int
    learner: bytes
    number: int

    def __call__(self, *purpose: str) -> tuple[int | str, ...]:
        """The key of a draw with this purpose; see `idml.adapters.keys`."""
        return (self.seed, self.learner.hex(), self.number, *purpose)


@dataclass(frozen=True, slots=True, eq=False)
class LocalData:
    """The images that a device holds.

    Args:
        pool: images that devices of a run share in memory, float32 (M, C, H, W), prepared.
        own: positions of the device's own in it, integers (N,).
        labels: of its own, int64 (N,).
    """

    pool: FloatImages
    own: Indices
    labels: Labels

    @property
    def images(self) -> FloatImages:
        """A copy of its own images, float32 (N, C, H, W)."""
        return self.pool[self.own]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a neighbor is asked for, and its means to do it.

    Args:
        adapter: the algorithm.
        received: the learner's model, float32 (size,).
        own: the neighbor's.
        training: on its data, poisoned if it poisons them.
        passes: whether a result would be accepted by each of a committee that it rehearses with, on its true data.
    """

    adapter: Adapter
    received: FloatVector
    own: FloatVector
    training: LocalTraining
    passes: Callable[[FloatVector], bool]

    def honest(self) -> FloatVector:
        """Do as the algorithm says."""
        return self.adapter.contribute(self.received, self.own, self.training)


@dataclass(frozen=True, slots=True)
class Means:
    """What one device can do.

    Args:
        settings: that it shares with others.
        data: its own.
        address: of the device, 20 bytes; what it draws for itself derives from it.
        poison: what it does to its data before it trains on them; None for an honest device.
    """

    settings: Settings
    data: LocalData
    address: bytes
    poison: Poison | None = None

    @property
    def goal(self) -> Weights | None:
        """How much each class counts to it as a learner, float64 (classes,); None: all alike."""
        settings = self.settings
        return label_shares(self.data.labels, settings.source.classes) if settings.own_goal else None

    @property
    def sample_size(self) -> int:
        """How many of its images it scores as a validator."""
        return min(self.settings.validation_images, len(self.data))

    def training(self, encounter: EncounterKey, purpose: str) -> LocalTraining:
        """Its means to train in an encounter.

        The rate falls with the encounters of the learner, whose model it is: the more a model has learned, the more a
        constant rate would undo.
        """
        settings, images, labels = self.settings, self.data.images, self.data.labels
        if self.poison is not None:
            images, labels = taint(self.poison, images, labels, settings.source)
        return LocalTraining(
            settings.engine,
            images,
            labels,
            learning_rate(settings.learning_rate, settings.learning_rate_decay, encounter.number + 1),
            settings.batch,
            key=encounter(purpose),
        )

    def assignment(
        self, encounter: EncounterKey, received: FloatVector, own: FloatVector, *, votes: int, goal: Weights | None
    ) -> Assignment:
        """What it is asked for as a neighbor.

        Args:
            encounter: of the learner.
            received: the learner's model, float32 (size,).
            own: its own model, if the algorithm sends it; else the learner's.
            votes: that settle the encounter.
            goal: of the learner, see `goal`.
        """

        def passes(result: FloatVector) -> bool:
            """Rehearse the vote with samples of its own."""
            rehearsals = [f"rehearsal {member}" for member in range(votes)]
            findings = (self.measure(encounter, received, result, goal, purpose=name) for name in rehearsals)
            return all(map(self.settings.accepts, findings))

        return Assignment(self.settings.adapter, received, own, self.training(encounter, "contribute"), passes)

    def train_own(self, encounter: EncounterKey, vector: FloatVector) -> tuple[FloatVector, int]:
        """Train a learner's own epochs after its encounter; returns the model and how many images were trained."""
        training = self.training(encounter, "local")
        for _ in range(self.settings.local_epochs):
            vector = training.epoch(vector)
        return vector, training.trained_images

    def sample(self, encounter: EncounterKey, purpose: str = "validate") -> tuple[FloatImages, Labels]:
        """The images that it scores as a validator in an encounter, with their labels, drawn for this purpose."""
        count, data = self.sample_size, self.data
        drawn: Indices | slice = slice(None)
        if count < len(data):
            seed = draw_seed(*encounter(purpose, self.address.hex()))
            drawn = np.random.default_rng(seed).choice(len(data), count, replace=False)
        return data.pool[data.own[drawn]], data.labels[drawn]

    def measure(
        self,
        encounter: EncounterKey,
        before: FloatVector,
        result: FloatVector,
        goal: Weights | None,
        *,
        purpose: str = "validate",
    ) -> Finding:
        """Measure how much worse a contribution is, by the rule, on a sample of its images.

        Args:
            encounter: of the learner.
            before: the learner's model before it, float32 (size,).
            result: what the neighbor contributed, likewise.
            goal: of the learner, see `goal`.
            purpose: of the sample.

        Returns:
            The harm and what else it saw.
        """
        settings = self.settings
        images, labels = self.sample(encounter, purpose)
        candidate = np.ascontiguousarray(settings.adapter.candidate(before, result))
        return examine(settings.rule, settings.engine, before, candidate, images, labels, goal)
