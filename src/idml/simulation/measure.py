"""How good models are on images that nobody trained on, and what one device reaches alone."""

from collections.abc import Sequence

import numpy as np

from idml.adapters.keys import draw_seed
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.simulation.devices import Device, Settings

_LEAST_IMAGES = 200


class Measure:
    """Scores models on the test set.

    During a run each device gets a share of the test set of its own, so that the mean over devices rests on the whole
    of it at the cost of one model's; at the end every device is scored on all of it.

    Args:
        images: the test set's, float32 (N, C, H, W).
        labels: int64 (N,).
        devices: those that share it.
        settings: of the run.
    """

    def __init__(self, images: FloatImages, labels: Labels, devices: Sequence[Device], settings: Settings) -> None:
        self._images = images
        self._labels = labels
        self._settings = settings
        self._order = np.random.default_rng(draw_seed(settings.seed, "test")).permutation(len(labels))
        self._share = min(len(labels), max(_LEAST_IMAGES, -(-len(labels) // len(devices))))
        self._places = {device.index: place for place, device in enumerate(devices)}
        self.scored_images = 0
        self.trained_images = 0

    @property
    def share(self) -> int:
        """Images in one device's share."""
        return self._share

    @property
    def images(self) -> int:
        """Images in the test set."""
        return len(self._labels)

    def quick(self, device: Device) -> float:
        """Accuracy of a device's model on its share of the test set."""
        return self._score(device.model, device)

    def full(self, model: FloatVector) -> float:
        """Accuracy of a model on the whole test set."""
        (correct,) = self._settings.engine.evaluate([model], self._images, self._labels)
        self.scored_images += self.images
        return correct / self.images

    def _score(self, model: FloatVector, device: Device) -> float:
        place = self._places[device.index]
        places = np.arange(place * self._share, (place + 1) * self._share) % self.images
        drawn = self._order[places]
        (correct,) = self._settings.engine.evaluate([model], self._images[drawn], self._labels[drawn])
        self.scored_images += self._share
        return correct / self._share

    def alone(self, devices: Sequence[Device], start: FloatVector, epochs: int) -> list[float]:
        """What devices reach that train alone, each from `start` on its own data.

        Args:
            devices: whose data to use.
            start: the initial model.
            epochs: as many as the devices of the run took gradient steps.

        Returns:
            Mean accuracy after 0, 1, ... `epochs` epochs: the last on the whole test set, the others on shares.
        """
        settings = self._settings
        models = [start] * len(devices)
        curve = [float(np.mean([self._score(start, device) for device in devices]))]
        self.trained_images += epochs * sum(len(device.labels) for device in devices)
        for epoch in range(1, epochs + 1):
            models = [
                settings.engine.train_epoch(
                    model,
                    device.images,
                    device.labels,
                    learning_rate=learning_rate(settings.learning_rate, settings.learning_rate_decay, epoch),
                    batch=settings.batch,
                    seed=draw_seed(settings.seed, "alone", device.index, epoch),
                )
                for model, device in zip(models, devices, strict=True)
            ]
            if epoch < epochs:
                scores = [self._score(model, device) for model, device in zip(models, devices, strict=True)]
            else:
                scores = [self.full(model) for model in models]
            curve.append(float(np.mean(scores)))
        return curve
