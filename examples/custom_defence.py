"""A defence of your own: a learner takes only what points in the direction of its recent updates.

python examples/custom_defence.py
idml run --set defence=examples/custom_defence.py:SameWay --set devices=10
"""

from collections.abc import Sequence

import numpy as np

import idml


class SameWay(idml.Defence):
    """Takes an update at less than a right angle to the mean of the recent ones."""

    remembers = 5  # recent updates that takes() is given

    def takes(self, update: np.ndarray, recent: Sequence[np.ndarray]) -> bool:
        usable = [one for one in recent if np.isfinite(one).all()]
        if len(usable) < 2:
            return True
        return bool(np.isfinite(update).all() and update @ np.mean(usable, axis=0) > 0)


if __name__ == "__main__":
    idml.check_defence(SameWay())  # says what is wrong before a run does
