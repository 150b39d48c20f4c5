"""A validation rule of your own: the median loss of the validator's images may not rise by more than a share.

python examples/custom_rule.py
idml run --set rule=examples/custom_rule.py:MedianLoss --set devices=10
"""

import numpy as np

import idml


class MedianLoss(idml.Rule):
    """The median loss may rise by the tolerance, as a share of what it was."""

    name = "median_loss"
    default_tolerance = 0.2

    def harm(self, before: idml.View, after: idml.View, goal: np.ndarray | None) -> float:
        old, new = float(np.median(before.losses)), float(np.median(after.losses))
        return new / old - 1 if 0 < old < np.inf else float(new > old)  # the more, the worse


if __name__ == "__main__":
    idml.check_rule(MedianLoss())  # says what is wrong before a run does
