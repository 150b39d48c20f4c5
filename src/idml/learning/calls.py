"""Calls of an engine as data, so that many can be answered at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from idml.learning.arrays import FloatImages, FloatVector, Labels


@dataclass(frozen=True, slots=True)
class Epoch:
    """One call of `Engine.train_epoch`: see there for the arguments."""

    vector: FloatVector
    images: FloatImages
    labels: Labels
    learning_rate: float
    batch: int
    seed: int
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One call of `Engine.evaluate`: see there for the arguments."""

    vectors: Sequence[FloatVector]
    images: FloatImages
    labels: Labels


@dataclass(frozen=True, slots=True)
class Query:
    """One call of `Engine.logits`: see there for the arguments."""

    vectors: Sequence[FloatVector]
    images: FloatImages
