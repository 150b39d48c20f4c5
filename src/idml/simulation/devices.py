"""A simulated device: its key, its data, its model and the part it plays."""

from dataclasses import dataclass, field

import numpy as np

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.keys import draw_bytes, draw_seed
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.engine import Engine
from idml.learning.validation import Rule
from idml.protocol.batch import SECRET_BYTES
from idml.simulation.adversaries import Participant


@dataclass(frozen=True, slots=True)
class Settings:
    """What all devices of a run have in common.

    Args:
        seed: of the run.
        engine, adapter, rule: how models are trained, exchanged and judged.
        learning_rate, learning_rate_decay, batch: of gradient descent; the rate decays with a learner's encounters.
        local_epochs: on its own data that a learner trains after each encounter.
        validation_images: that a validator scores.
        tolerance_bps: by how much the metric may fall for a yes.
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


@dataclass(slots=True)
class Device:
    """One participant.

    Args:
        index: its number.
        address: on the ledger, 20 bytes.
        participant: how it acts.
        images: its own, float32 (N, C, H, W).
        labels: int64 (N,), as it trains on them.
        model: its flat vector; replaced, never changed in place.
        encounters: that it opened as a learner so far; also its next nonce.
        lanes: of the contract that its open encounters occupy.
    """

    index: int
    address: bytes
    participant: Participant
    images: FloatImages
    labels: Labels
    model: FloatVector
    encounters: int = 0
    lanes: set[int] = field(default_factory=set)
    trained_images: int = 0
    scored_images: int = 0

    def __post_init__(self) -> None:
        self.model = frozen(self.model)

    @property
    def honest(self) -> bool:
        """Whether it follows the rules."""
        return type(self.participant) is Participant

    def key(self, settings: Settings, *purpose: str) -> tuple[int | str, ...]:
        """What the draws of its current encounter as a learner derive from; see `idml.adapters.keys`."""
        return (settings.seed, self.address.hex(), self.encounters, *purpose)

    def secret(self, learner: "Device", settings: Settings) -> bytes:
        """Its secret in a learner's current encounter, 32 bytes."""
        return draw_bytes(*learner.key(settings, "secret", self.address.hex()))[:SECRET_BYTES] + bytes(SECRET_BYTES)

    def contribute(self, learner: "Device", received: FloatVector, settings: Settings) -> FloatVector:
        """What it hands to a learner in the learner's current encounter."""
        training = self._training(learner, "contribute", settings)
        result = self.participant.contribute(settings.adapter, received, self.model, training)
        learner.trained_images += training.trained_images
        return result

    def judge(self, learner: "Device", before: FloatVector, result: FloatVector, settings: Settings) -> bool:
        """Its verdict on a contribution in a learner's current encounter."""
        if not self.participant.evaluates:
            return self.participant.verdict(None)
        seed = draw_seed(*learner.key(settings, "validate", self.address.hex()))
        count = min(settings.validation_images, len(self.labels))
        drawn = np.random.default_rng(seed).choice(len(self.labels), count, replace=False)
        candidate = settings.adapter.candidate(before, result)
        old, new = settings.engine.evaluate([before, candidate], self.images[drawn], self.labels[drawn])
        self.scored_images += 2 * count
        return self.participant.verdict(settings.rule(old, new, count, settings.tolerance_bps))

    def adopt(self, result: FloatVector, settings: Settings) -> None:
        """Merge an accepted contribution."""
        self.model = frozen(settings.adapter.merge(self.model, result))

    def finish_encounter(self, settings: Settings) -> None:
        """Train on its own data after its encounter, and count the encounter."""
        training = self._training(self, "local", settings)
        for _ in range(settings.local_epochs):
            self.model = frozen(training.epoch(self.model))
        self.trained_images += training.trained_images
        self.encounters += 1

    def _training(self, learner: "Device", purpose: str, settings: Settings) -> LocalTraining:
        """Its means to train in a learner's current encounter.

        The rate falls with the encounters of the learner, whose model it is: the more a model has learned, the more a
        constant rate would undo.
        """
        return LocalTraining(
            settings.engine,
            self.images,
            self.labels,
            learning_rate(settings.learning_rate, settings.learning_rate_decay, learner.encounters + 1),
            settings.batch,
            key=learner.key(settings, purpose),
        )


def frozen(vector: FloatVector) -> FloatVector:
    """Make a vector read-only: models are shared between devices and messages, and never changed in place."""
    vector.setflags(write=False)
    return vector
