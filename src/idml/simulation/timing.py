"""Computes how long an exchange takes two devices, and whether their contact lasts long enough for it.

This is known before anything is sent or trained, because it depends on the configuration and the contact alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from idml.adapters.base import LocalTraining
from idml.adapters.keys import draw_seed
from idml.adapters.means import Assignment, Settings
from idml.learning.arrays import FloatVector
from idml.protocol.digest import canonical_bytes
from idml.simulation.config import Config
from idml.simulation.devices import Device

Rates = npt.NDArray[np.float64]


class ExchangeStage(Enum):
    """The stage at which a contact ended too early, in words for the record."""

    SENDING = "the contact ended before the neighbor had the model"
    TRAINING = "the contact ended while the neighbor trained"
    RETURNING = "the contact ended before the learner had the result"


@dataclass(frozen=True, slots=True)
class Exchange:
    """How long the three parts of an exchange take, in seconds.

    Args:
        send_s: to send the learner's model to the neighbor.
        train_s: to train it there.
        return_s: to send the result back to the learner.
    """

    send_s: float
    train_s: float
    return_s: float

    def broken_off(self, contact_s: float) -> ExchangeStage | None:
        """Return the stage at which a contact of this many seconds ends; None if it lasts until all is done."""
        if contact_s < self.send_s:
            return ExchangeStage.SENDING
        if contact_s < self.send_s + self.train_s:
            return ExchangeStage.TRAINING
        if contact_s < self.send_s + self.train_s + self.return_s:
            return ExchangeStage.RETURNING
        return None


@dataclass(frozen=True, slots=True)
class Timing:
    """How fast devices are. Each array is float64 (devices,), and infinite where something takes no time.

    Args:
        model_bytes: size of a model that is sent.
        link_bytes_s: bytes a second that a device sends or receives. A link is as fast as the slower of its two ends.
        compute_images_s: images a second that a device trains.
        images: images that a device trains for one contribution.
    """

    model_bytes: int
    link_bytes_s: Rates
    compute_images_s: Rates
    images: Rates

    @classmethod
    def of(cls, config: Config, devices: Sequence[Device], settings: Settings) -> "Timing":
        """Draw the rates of devices. They are log-normal, and the configured rates are their medians."""
        draws = np.random.default_rng(draw_seed(config.seed, "rates")).standard_normal((len(devices), 2))
        spread = np.exp(config.heterogeneity * draws)
        link, compute = config.link_bytes_s, config.compute_images_s
        images = np.zeros(len(devices))
        if compute is not None:
            images[:] = _images_contributed(devices, settings)
        return cls(
            model_bytes=len(canonical_bytes(devices[0].model.vector, settings.engine.layout)),
            link_bytes_s=spread[:, 0] * (np.inf if link is None else link),
            compute_images_s=spread[:, 1] * (np.inf if compute is None else compute),
            images=images,
        )

    def exchange(self, learner: int, neighbor: int) -> Exchange:
        """Return how long an exchange takes a learner and a neighbor, given by their device numbers."""
        transfer_s = float(self.model_bytes / min(self.link_bytes_s[learner], self.link_bytes_s[neighbor]))
        return Exchange(transfer_s, float(self.images[neighbor] / self.compute_images_s[neighbor]), transfer_s)


def _images_contributed(devices: Sequence[Device], settings: Settings) -> list[int]:
    """Return how many images each device trains when it contributes.

    A rehearsal finds it out, so that no algorithm and no adversary needs to declare it.
    """
    epochs: dict[type, int] = {}
    for device in devices:
        kind = type(device.participant)
        if kind not in epochs:
            rehearsal = _Rehearsal(
                settings.engine,
                device.data.images,
                device.data.labels,
                settings.learning_rate,
                settings.batch,
                ("rehearsal",),
            )
            vector = device.model.vector
            device.participant.contribute(Assignment(settings.adapter, vector, vector, rehearsal, lambda _result: True))
            epochs[kind] = rehearsal.trained_images // len(device.data)
    return [epochs[type(device.participant)] * len(device.data) for device in devices]


@dataclass(slots=True)
class _Rehearsal(LocalTraining):
    """Counts what would be trained, and trains nothing."""

    def epoch(self, vector: FloatVector) -> FloatVector:
        """Count one epoch."""
        self.trained_images += len(self.labels)
        return vector.copy()
