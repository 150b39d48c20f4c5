"""The base class of every learning algorithm that iDML pays for.

An algorithm says three things: what a neighbor contributes, what validators judge, and what a learner makes of an
accepted contribution. It never sees money, chains or other devices' data. To plug in your own, subclass `Adapter`, run
`check_adapter` on it, and name it in a configuration as `algorithm = "my_file.py:MyAlgorithm"`.

    class Thirds(Adapter):
        name = "thirds"

        def contribute(self, received, own, training):
            return training.epoch(received)

        def merge(self, current, result):
            return (2 * current + result) / np.float32(3)
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from idml.adapters.keys import draw_seed
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.engine import Engine


@dataclass(slots=True)
class LocalTraining:
    """A device's means to train in one encounter: its data, its engine and its settings.

    Args:
        engine: runs the model.
        images: the device's own, float32 (N, C, H, W), prepared.
        labels: int64 (N,).
        learning_rate: step size of this encounter (it decays from encounter to encounter).
        batch: images per step.
        key: what the random draws of this encounter derive from; see `idml.adapters.keys`.
        trained_images: counts the images trained, for the record.
    """

    engine: Engine
    images: FloatImages
    labels: Labels
    learning_rate: float
    batch: int
    key: tuple[int | str, ...]
    trained_images: int = 0
    _epochs: int = field(default=0, repr=False)

    def epoch(self, vector: FloatVector) -> FloatVector:
        """Train one epoch on the device's own data; returns a new vector, the given one stays as it is."""
        self._epochs += 1
        self.trained_images += len(self.labels)
        return self.engine.train_epoch(
            vector,
            self.images,
            self.labels,
            learning_rate=self.learning_rate,
            batch=self.batch,
            seed=draw_seed(*self.key, "epoch", self._epochs),
        )

    def generator(self, purpose: str) -> np.random.Generator:
        """A random generator for an algorithm's own draws, the same whenever this encounter is repeated."""
        return np.random.default_rng(draw_seed(*self.key, purpose))


class Adapter(ABC):
    """A learning algorithm as iDML sees it. All models are flat float32 vectors of one size.

    Class attributes:
        name: a short name for reports, lower case.
        default_local_epochs: epochs on its own data that a learner trains after each encounter, unless configured.
        sends_own_model: whether `contribute` reads the neighbor's own model; a scheduler relies on it.
    """

    name: ClassVar[str]
    default_local_epochs: ClassVar[int] = 0
    sends_own_model: ClassVar[bool] = False

    @abstractmethod
    def contribute(self, received: FloatVector, own: FloatVector, training: LocalTraining) -> FloatVector:
        """The neighbor's part: returns what it hands to the learner, and whose digest both report.

        Args:
            received: the learner's model before the encounter; must not be changed.
            own: the neighbor's own model; must not be changed. Read it only if `sends_own_model`.
            training: the neighbor's means to train.
        """

    def candidate(self, before: FloatVector, result: FloatVector) -> FloatVector:
        """The model that validators judge against `before`; computed by each of them, so it must be deterministic.

        Args:
            before: the learner's model before the encounter.
            result: what the neighbor contributed (the default judges it as it is).
        """
        del before
        return result

    @abstractmethod
    def merge(self, current: FloatVector, result: FloatVector) -> FloatVector:
        """What the learner makes of an accepted contribution; deterministic.

        Args:
            current: the learner's model now.
            result: what the neighbor contributed.
        """
