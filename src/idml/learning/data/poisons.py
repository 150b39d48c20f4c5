"""Poisoned data: what an attacker wants to be taken for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from idml.learning.arrays import FloatImages, Labels
from idml.learning.data.label_maps import map_labels, require_look_alikes
from idml.learning.data.source import DataSource
from idml.learning.engine import prepare
from idml.learning.errors import LearningError


class Poison(Protocol):
    """A change of labelled images."""

    @property
    def share(self) -> float:
        """Of its images that an attacker changes before it trains."""

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        """All images as the attacker shows them, in a copy, and what it wants them to be taken for.

        Args:
            images: float32 (N, C, H, W), prepared.
            labels: int64 (N,).
            source: the data set that they are of, which knows its classes.

        Raises:
            LearningError: no such attack on this data set is known.
        """


@dataclass(frozen=True)
class Relabel:
    """Images stay, labels change.

    Args:
        which: "look_alike", the pairs of the data set; "target", the first pair alone; "all", each class to the next.
        share: see `Poison.share`.
    """

    which: Literal["look_alike", "target", "all"]
    share: float = 1.0

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        """See `Poison.apply`."""
        return images, map_labels(labels, self._mapping(source))

    def _mapping(self, source: DataSource) -> Mapping[int, int]:
        if self.which == "all":
            return {label: (label + 1) % source.classes for label in range(source.classes)}
        pairs = require_look_alikes(source)
        return pairs if self.which == "look_alike" else dict([next(iter(pairs.items()))])


_WHITE: Final = float(prepare(np.array([255], np.uint8))[0])


@dataclass(frozen=True)
class Trigger:
    """A white square in the lower right corner makes anything class 0 (Gu et al. 2017, BadNets).

    Args:
        share: of its images that an attacker stamps; the others keep a model good at what it is judged by.
    """

    share: float = 0.5

    def apply(self, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
        """See `Poison.apply`."""
        if source.kind == "tokens":
            raise LearningError("a square cannot be stamped on tokens: no such attack on them is known")
        side = max(2, images.shape[-1] // 8)
        stamped = images.copy()
        stamped[..., -side:, -side:] = _WHITE
        return stamped, np.zeros_like(labels)


def taint(poison: Poison, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
    """A data set in which a poison's share of the images is changed, evenly spread; arguments as in `Poison.apply`."""
    chosen = np.zeros(len(labels), bool)
    chosen[np.floor(np.arange(0, len(labels) - 0.5, 1 / poison.share)).astype(np.int64)] = True
    shown, wanted = poison.apply(images[chosen], labels[chosen], source)
    images, labels = images.copy(), labels.copy()
    images[chosen], labels[chosen] = shown, wanted
    return images, labels


def aims(poison: Poison, images: FloatImages, labels: Labels, source: DataSource) -> tuple[FloatImages, Labels]:
    """What an attack succeeds on if a model takes it for what is wanted: images that by right are something else."""
    shown, wanted = poison.apply(images, labels, source)
    wrong = wanted != labels
    return shown[wrong], wanted[wrong]
