"""What a learner can do by itself against bad contributions: screens that compare an update with recent ones.

An update is what a contribution would make of a model, less that model. None of these looks at data.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from idml.learning.arrays import FloatVector

Screen = Callable[[FloatVector, Sequence[FloatVector]], bool]
"""Whether to take an update, float32 (size,), given the recent ones, the last one last."""

RECENT: Final = 8
"""Updates that a learner remembers, whether it took them or not."""
_LEAST: Final = 3
"""With fewer to compare with, everything is taken."""
_NORM_FACTOR: Final = 2.0
_KRUM_SHARE: Final = 0.25


def within_norm(update: FloatVector, recent: Sequence[FloatVector]) -> bool:
    """Norm thresholding (Sun et al. 2019): its length is at most twice the median of the recent ones'."""
    norms = [norm for norm in map(_norm, recent) if np.isfinite(norm)]
    if len(norms) < _LEAST:
        return True
    return bool(_norm(update) <= _NORM_FACTOR * np.median(norms))


def among_krum(update: FloatVector, recent: Sequence[FloatVector]) -> bool:
    """Multi-Krum (Blanchard et al. 2017) over encounters: it is not among the quarter that lie farthest from others.

    With n updates, f of which may be bad, each is as far off as the sum of its squared distances to the n - f - 2
    nearest; the f farthest are not taken.
    """
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


SCREENS: Final[Mapping[str, Screen]] = {"norm": within_norm, "krum": among_krum}
"""By the name under which a configuration's `defence` asks for them."""
