"""The validation rules that ship."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar

import numpy as np

from idml.learning.errors import LearningError
from idml.learning.judging.evidence import View, Weights, f1_scores, precisions, recalls
from idml.learning.judging.validation import FULL_BPS, CountRule, Rule


class Paper(CountRule):
    """Accuracy may fall by the tolerance: the paper's rule."""

    name = "paper"
    default_tolerance = 0.05
    metric = 0

    def harm_of_counts(self, before: int, after: int, images: int) -> float:
        """The fall of accuracy.

        Both this quotient and the limit are the doubles nearest to their fractions, which differ by at least
        1 / (10,000 * images) unless they are equal: so the comparison is exact.
        """
        if images < 1 or not (0 <= before <= images and 0 <= after <= images):
            raise LearningError(f"{before} and {after} of {images} images are no counts of correct ones")
        return (before - after) / images


class Loss(Rule):
    """The mean cross-entropy may rise by a share of what it was, but not from near chance to worse than guessing."""

    name = "loss"
    default_tolerance = 0.3
    metric = 1
    # Of chance, ln(classes): a fresh model lies a little above it. What lies higher still, as where a learner knows
    # few of the validator's classes, is beyond comparison with guessing.
    near_chance: ClassVar[float] = 1.2

    def harm(self, before: View, after: View, goal: Weights | None) -> float:
        """The rise of the mean loss, as a share of the old mean loss.

        It is infinite where the loss rises from below 1.2 ln(classes) to above ln(classes), the loss of guessing: a
        share of a young model's loss would let weights pass that know nothing. From no loss or an infinite one, any
        rise is infinite.
        """
        del goal
        old, new = float(before.losses.mean()), float(after.losses.mean())
        if old in (0, math.inf):
            return math.inf if new > old else 0.0
        guessing = math.log(after.classes)
        if new > max(old, guessing) and old < self.near_chance * guessing:
            return math.inf
        return new / old - 1


class _ByClass(Rule):
    """The mean over classes of a score may fall by the tolerance."""

    default_tolerance = 0.05
    score: ClassVar[Callable[[View], Weights]]
    follows_goal: ClassVar[bool] = False

    def harm(self, before: View, after: View, goal: Weights | None) -> float:
        """The fall of the mean over the classes that the validator has images of."""
        weights = goal if self.follows_goal else None
        score = type(self).score
        return before.mean(score, weights) - after.mean(score, weights)


class F1(_ByClass):
    """The macro F1 score may fall by the tolerance."""

    name = "f1"
    metric = 2
    score = f1_scores


class Precision(_ByClass):
    """The macro precision may fall by the tolerance."""

    name = "precision"
    metric = 3
    score = precisions


class Recall(_ByClass):
    """The macro recall may fall by the tolerance."""

    name = "recall"
    metric = 4
    score = recalls


class Balanced(_ByClass):
    """The mean recall may fall by the tolerance, each class weighted by how much the learner cares for it."""

    name = "balanced"
    metric = 5
    score = recalls
    follows_goal = True


class McNemar(Rule):
    """An exact McNemar test must not find the model worse: the tolerance is the level of false rejections.

    Of the images on which the models differ, the contribution has k right and the old model m. If the contribution were
    as good, each would fall to either with 1/2; it is rejected if so few for it have a probability below the level.
    """

    name = "mcnemar"
    default_tolerance = 0.01
    metric = 6

    def harm(self, before: View, after: View, goal: Weights | None) -> float:
        """The test's p-value, negated: the less probable, the worse."""
        del goal
        gained = int(np.count_nonzero(after.hits & ~before.hits))
        lost = int(np.count_nonzero(before.hits & ~after.hits))
        return -at_most(gained, gained + lost)

    def limit(self, tolerance_bps: int) -> float:
        """A p-value of the level is accepted."""
        return -tolerance_bps / FULL_BPS


@lru_cache(maxsize=4096)
def at_most(heads: int, throws: int) -> float:
    """The probability of at most so many heads in throws of a fair coin, the nearest double."""
    return float(sum(math.comb(throws, k) for k in range(heads + 1)) / 2**throws)
