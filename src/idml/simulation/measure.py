"""How good models are on images that nobody trained on, and what one device reaches alone."""

from collections.abc import Sequence

import numpy as np

from idml.adapters.keys import draw_seed
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.engine import Engine
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.tasks import Score, TrainAlone, Work

_LEAST_IMAGES = 200
_ALL = -1


class TestSet:
    """Images to score models on, and how they are shared out.

    Args:
        images: float32 (N, C, H, W).
        labels: int64 (N,).
        parts: how many devices share it.
        seed: of the run.
    """

    __test__ = False  # to pytest, which collects by name

    def __init__(self, images: FloatImages, labels: Labels, parts: int, seed: int) -> None:
        self.images = images
        self.labels = labels
        self.parts = parts
        self._order = np.random.default_rng(draw_seed(seed, "test")).permutation(len(labels))
        self.part_size = min(len(labels), max(_LEAST_IMAGES, -(-len(labels) // parts)))
        self.size = len(labels)

    def correct(self, vector: FloatVector, part: int, engine: Engine) -> int:
        """How many images a model classifies correctly, of a part of them or of all (-1)."""
        images, labels = self.images, self.labels
        if part != _ALL:
            drawn = self._order[np.arange(part * self.part_size, (part + 1) * self.part_size) % self.size]
            images, labels = images[drawn], labels[drawn]
        (correct,) = engine.evaluate([vector], images, labels)
        return correct


class Measure:
    """Scores models on the test set.

    During a run each device gets a share of the test set of its own, so that the mean over devices rests on the whole
    of it at the cost of one model's; at the end every device is scored on all of it.

    Args:
        test_set: the images.
        devices: those that share it.
        work: does the scoring.
    """

    def __init__(self, test_set: TestSet, devices: Sequence[Device], work: Work) -> None:
        self._test_set = test_set
        self._parts = {device.index: part for part, device in enumerate(devices)}
        self._work = work
        self.scored_images = 0
        self.trained_images = 0

    @property
    def share(self) -> int:
        """Images in one device's share."""
        return self._test_set.part_size

    @property
    def images(self) -> int:
        """Images in the test set."""
        return self._test_set.size

    def quick(self, devices: Sequence[Device]) -> list[float]:
        """Accuracy of each device's model on its share of the test set."""
        self.scored_images += self.share * len(devices)
        answers = self._work.ask_all([Score(device.model, self._parts[device.index]) for device in devices])
        return [answer.values[0] / self.share for answer in answers]

    def full(self, devices: Sequence[Device]) -> list[float]:
        """Accuracy of each device's model on the whole test set."""
        self.scored_images += self.images * len(devices)
        answers = self._work.ask_all([Score(device.model, _ALL) for device in devices])
        return [answer.values[0] / self.images for answer in answers]

    def alone(self, devices: Sequence[Device], start: Model, epochs: int) -> list[float]:
        """What devices reach that train alone, each from `start` on its own data.

        Args:
            devices: whose data to use.
            start: the initial model.
            epochs: as many as the devices of the run took gradient steps.

        Returns:
            Mean accuracy after 0, 1, ... `epochs` epochs: the last on the whole test set, the others on shares.
        """
        self.trained_images += epochs * sum(len(device.labels) for device in devices)
        sizes = [self.share] * max(epochs, 1) + [self.images] * (epochs > 0)
        self.scored_images += sum(sizes) * len(devices)
        tasks = [TrainAlone(device.index, start, epochs, self._parts[device.index]) for device in devices]
        curves = [answer.values for answer in self._work.ask_all(tasks)]
        return [
            float(np.mean([correct / size for correct in column]))
            for size, column in zip(sizes, zip(*curves, strict=True), strict=True)
        ]
