"""What a validator sees of a model on its own images: from the logits to the numbers that rules compare."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import Labels
from idml.learning.errors import LearningError

Logits = npt.NDArray[np.float32]
"""(N, classes): what a model makes of each image."""
Weights = npt.NDArray[np.float64]
"""(classes,): how much each class counts, at least 0."""


def label_shares(labels: Labels, classes: int) -> Weights:
    """Which share of the labels each class has, float64 (classes,); the sum is 1."""
    shares: Weights = np.bincount(labels, minlength=classes) / len(labels)
    return shares


@dataclass(frozen=True, eq=False)
class View:
    """One model on labelled images. A model that gives no number for an image has it wrong, at infinite loss.

    Args:
        logits: float32 (N, classes).
        labels: int64 (N,), below `classes`.

    Raises:
        LearningError: the two do not fit each other.
    """

    logits: Logits
    labels: Labels

    def __post_init__(self) -> None:
        if self.logits.ndim != 2 or len(self.logits) != len(self.labels) or not len(self.labels):
            raise LearningError(
                f"logits {self.logits.shape} and labels {self.labels.shape}: (N, classes) and (N,) are needed, N > 0"
            )
        if not 0 <= self.labels.min() <= self.labels.max() < self.logits.shape[1]:
            raise LearningError(
                f"labels lie in {self.labels.min()}..{self.labels.max()}: this model has {self.logits.shape[1]} classes"
            )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.logits.shape[1])

    @cached_property
    def predictions(self) -> Labels:
        """The class that each image is taken for, int64 (N,): the first of the greatest; -1 where a logit is NaN."""
        return np.where(np.isnan(self.logits).any(axis=1), -1, self.logits.argmax(axis=1))

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Which images are classified correctly, (N,)."""
        hits: npt.NDArray[np.bool_] = self.predictions == self.labels
        return hits

    @cached_property
    def correct(self) -> int:
        """How many are."""
        return int(np.count_nonzero(self.hits))

    @cached_property
    def losses(self) -> npt.NDArray[np.float64]:
        """The cross-entropy of each image in nats, (N,); infinite where a logit is NaN or overflows."""
        logits = self.logits.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            shifted = logits - logits.max(axis=1, keepdims=True)
            own = shifted[np.arange(len(self.labels)), self.labels]
            losses = np.log(np.exp(shifted).sum(axis=1)) - own
        return np.where(np.isnan(losses), np.inf, losses)

    @cached_property
    def confusion(self) -> npt.NDArray[np.int64]:
        """How many images of each class (rows) are taken for each class, (classes, classes + 1); last: for none."""
        table = np.zeros((self.classes, self.classes + 1), np.int64)
        np.add.at(table, (self.labels, self.predictions), 1)
        return table

    def mean(self, score: Callable[["View"], Weights], goal: Weights | None) -> float:
        """The mean of a score over the classes that have images here.

        Args:
            score: of each class, float64 (classes,).
            goal: how much each class counts; all alike if None. Where no class that counts has images, all count.
        """
        present = np.bincount(self.labels, minlength=self.classes) > 0
        weights = present.astype(np.float64) if goal is None else present * goal
        if not weights.sum():
            weights = present.astype(np.float64)
        return float((score(self) * weights).sum() / weights.sum())


def recalls(view: View) -> Weights:
    """Of each class: which share of its images is found, float64 (classes,); 0 for a class without images."""
    return _shares(np.diagonal(view.confusion), view.confusion.sum(axis=1))


def precisions(view: View) -> Weights:
    """Of each class: which share of the images taken for it is of it, float64 (classes,); 0 where none is."""
    return _shares(np.diagonal(view.confusion), view.confusion[:, :-1].sum(axis=0))


def f1_scores(view: View) -> Weights:
    """Of each class: the harmonic mean of precision and recall, float64 (classes,)."""
    return _shares(2 * np.diagonal(view.confusion), view.confusion.sum(axis=1) + view.confusion[:, :-1].sum(axis=0))


def _shares(parts: npt.NDArray[np.int64], wholes: npt.NDArray[np.int64]) -> Weights:
    shares: Weights = parts / np.maximum(wholes, 1)
    return shares
