"""What a learner can do by itself against bad contributions: defences that compare an update with recent ones.

An update is what a contribution would make of a model, less that model. No defence looks at data. One of your own is a
class, which a configuration names as `defence = "my_file.py:MyDefence"`; `check_defence` says what is wrong with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from idml.learning.arrays import FloatVector

_LEAST: Final = 3
"""With fewer to compare with, everything is taken."""
_NORM_FACTOR: Final = 2.0
_KRUM_SHARE: Final = 0.25


class Defence(ABC):
    """A learner's own defence. It keeps nothing from one encounter to the next: what it compares with, it is given.

    Class attributes:
        remembers: how many recent updates a learner remembers for it, at least 1.
    """

    remembers: ClassVar[int] = 8

    @abstractmethod
    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        """Whether the learner takes a contribution that it was handed.

        Args:
            update: what the contribution would make of the learner's model, less that model, float32 (size,). It may
                hold NaN or infinity.
            recent: the same of its recent encounters, whether it took them or not; the last one last, at most
                `remembers`, none at first.
        """


class Norm(Defence):
    """Takes an update at most twice as long as the median of the recent ones (norm thresholding, Sun et al. 2019)."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        """See `Defence.takes`."""
        norms = [norm for norm in map(_norm, recent) if np.isfinite(norm)]
        if len(norms) < _LEAST:
            return True
        return bool(_norm(update) <= _NORM_FACTOR * np.median(norms))


class Krum(Defence):
    """Leaves out the quarter of updates that lie farthest from the others (Multi-Krum, Blanchard et al. 2017).

    With n updates, f of which may be bad, each is as far off as the sum of its squared distances to the n - f - 2
    nearest; the f farthest are not taken. Here the n are this update and the recent ones.
    """

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        """See `Defence.takes`."""
        others = [other for other in recent if np.isfinite(_norm(other))]
        if len(others) < _LEAST:
            return True
        if not np.isfinite(_norm(update)):
            return False
        updates = np.stack([*others, update]).astype(np.float64)
        bad = max(1, int(_KRUM_SHARE * len(updates)))
        products = updates @ updates.T
        squares = np.diagonal(products)
        distances = np.sort(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0), axis=1)
        nearest = max(1, len(updates) - bad - 2)
        scores = distances[:, 1 : 1 + nearest].sum(axis=1)  # the first is its distance to itself
        return bool(np.count_nonzero(scores[:-1] > scores[-1]) >= bad)


def _norm(update: FloatVector) -> float:
    return float(np.linalg.norm(update.astype(np.float64)))
