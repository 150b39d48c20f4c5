"""How good models are on images that nobody trained on, and what one device reaches alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idml.adapters.keys import draw_seed
from idml.learning.arrays import FloatImages, FloatVector, Indices, Labels
from idml.learning.engine import Engine
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.work.effort import Effort
from idml.simulation.work.tasks import DeceiveTask, ScoreTask, TrainAloneTask

_TRAINING = 3
"""What training on an image costs, in evaluations of one: measured 3.4 for 6 to 14 convolutions."""
_PART = 20
"""Measuring may cost one part in so many of what it measures: half of it on the way, half in the end."""
_LEAST_IMAGES = 20
_START_IMAGES = 200
_LEAST_DEVICES = 10


class TestSet:
    """Images to score models on, and how they are shared out.

    Args:
        images: float32 (N, C, H, W).
        labels: int64 (N,).
        parts: how many devices share it.
        seed: of the run.
        shares: positions of each part's own images, where devices are to be good on those alone; else all have all.
    """

    __test__ = False  # to pytest, which collects by name

    def __init__(
        self,
        images: FloatImages,
        labels: Labels,
        parts: int,
        seed: int,
        shares: Sequence[Indices] | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self.parts = parts
        self.shares = shares
        generator = np.random.default_rng(draw_seed(seed, "test"))
        everything = [np.arange(len(labels))] if shares is None else shares
        self._orders = [generator.permutation(share) for share in everything]
        self.size = min(len(order) for order in self._orders)

    @property
    def part_size(self) -> int:
        """As many images a device that the mean over devices learns nothing from more."""
        return self.size if self.shares is not None else -(-self.size // self.parts)

    def correct(self, vector: FloatVector, part: int, count: int, engine: Engine) -> int:
        """How many of `count` images a model classifies correctly: those from the start of a part on."""
        (correct,) = engine.evaluate([vector], *self.sample(part, count))
        return correct

    def sample(self, part: int, count: int) -> tuple[FloatImages, Labels]:
        """`count` images with their labels: those from the start of a part on."""
        if self.shares is None:
            order, start = self._orders[0], part * self.size // self.parts
        else:
            order, start = self._orders[part], 0
        drawn = order[(start + np.arange(count)) % len(order)]
        return self.images[drawn], self.labels[drawn]


@dataclass(frozen=True, slots=True)
class Scores:
    """How good devices are.

    Args:
        devices: those that were scored.
        accuracy: of each.
        images: on so many of the test set.
    """

    devices: Sequence[Device]
    accuracy: Sequence[float]
    images: int


class Measure:
    """Scores models on the test set.

    Each device is scored on images of its own part of the test set, so that the mean over devices rests on as many
    images as possible. If the number of images is given, all devices are scored on so many after each round, and so are
    those that train alone. Else measuring costs at most a twentieth of what the run costs beside it (counted in
    images). A round that cannot be measured well enough is then skipped; what it was allowed is kept for later. Only a
    run too small for that pays more: what is measured in the beginning and in the end has a least size.

    Args:
        test_set: the images.
        devices: those that share it.
        work: does the scoring, and knows what the devices of the run trained and scored.
        images: on so many each device is scored, at most on the whole test set; None for as many as cost little.
    """

    def __init__(self, test_set: TestSet, devices: Sequence[Device], work: Effort, images: int | None = None) -> None:
        self._test_set = test_set
        self._images = images
        self._devices = devices
        self._parts = {device.index: part for part, device in enumerate(devices)}
        self._work = work
        self.scored_images = 0
        self.trained_images = 0

    def beginning(self) -> Scores:
        """Score the model that all devices start from."""
        if self._images is not None:
            return self._scores(self._devices, self._images)
        count = min(self._test_set.size, _START_IMAGES)
        if self._test_set.shares is not None:
            return self._scores(self._devices, count)
        (score,) = self._score(self._devices[:1], count)
        return Scores(self._devices, [score] * len(self._devices), count)

    def on_the_way(self) -> Scores | None:
        """Score all devices, if that is worth it by now."""
        if self._images is not None:
            return self._scores(self._devices, self._images)
        count = self._allowance(2 * _PART) // len(self._devices)
        if count < _LEAST_IMAGES:
            return None
        # A share of the test set for each device: beyond that, the mean over devices learns nothing new.
        count = min(count, max(_LEAST_IMAGES, self._test_set.part_size))
        return self._scores(self._devices, count)

    def in_the_end(self) -> Scores:
        """Score all devices; if they are too many for that, some, spread evenly."""
        if self._images is not None:
            return self._scores(self._devices, self._images)
        allowance, devices = self._allowance(_PART), self._devices
        if allowance < _LEAST_IMAGES * len(devices):
            number = min(len(devices), max(_LEAST_DEVICES, allowance // _LEAST_IMAGES))
            devices = [devices[place * len(devices) // number] for place in range(number)]
        return self._scores(devices, max(_LEAST_IMAGES, allowance // len(devices)))

    def _allowance(self, part: int) -> int:
        """How many images may be scored now: one part in `part` of what the run has cost, less what was scored."""
        cost = _TRAINING * self._work.trained_images.total() + self._work.scored_images.total()
        return max(0, cost // part - self.scored_images)

    def _scores(self, devices: Sequence[Device], count: int) -> Scores:
        count = min(count, self._test_set.size)
        return Scores(devices, self._score(devices, count), count)

    def _score(self, devices: Sequence[Device], count: int) -> list[float]:
        self.scored_images += count * len(devices)
        tasks = [ScoreTask(device.model, self._parts[device.index], count) for device in devices]
        return [answer.values[0] / count for answer in self._work.ask_all(tasks)]

    def deceived(self, kind: str) -> float | None:
        """How often an attack takes in the devices' models, on as many images as a device has of the test set.

        Args:
            kind: of the adversary.

        Returns:
            The mean over devices of the share of images that are taken for what the attack wants; None if no device had
            any image that the attack would change.
        """
        count = min(self._test_set.size, max(_START_IMAGES, self._test_set.part_size))
        tasks = [DeceiveTask(device.model, kind, self._parts[device.index], count) for device in self._devices]
        answers = [answer.values for answer in self._work.ask_all(tasks)]
        self.scored_images += sum(tried for _, tried in answers)
        shares = [taken / tried for taken, tried in answers if tried]
        return float(np.mean(shares)) if shares else None

    def alone(self, devices: Sequence[Device], start: Model, epochs: int) -> list[list[float]]:
        """What devices reach that train alone, each from `start` on its own data.

        Args:
            devices: whose data to use.
            start: the initial model.
            epochs: as many as the devices of the run took gradient steps.

        Returns:
            For each device, its accuracy after 0, 1, ... `epochs` epochs. All are measured on as many images, if their
            number is given; else the last on most.
        """
        size, images = self._test_set.size, _TRAINING * min(len(device.data) for device in devices)
        if self._images is not None:
            count = final = min(size, self._images)
        else:
            count = min(size, max(_LEAST_IMAGES, images // (2 * _PART)))
            final = min(size, max(count, epochs * images // (2 * _PART)))
        self.trained_images += epochs * sum(len(device.data) for device in devices)
        sizes = [count] * epochs + [final]
        self.scored_images += sum(sizes) * len(devices)
        tasks = [
            TrainAloneTask(device.index, start, epochs, self._parts[device.index], count, final) for device in devices
        ]
        return [
            [correct / size for correct, size in zip(answer.values, sizes, strict=True)]
            for answer in self._work.ask_all(tasks)
        ]
