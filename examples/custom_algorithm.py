"""A learning algorithm of your own: the neighbor trains the mean of both models, the learner takes the result over.

python examples/custom_algorithm.py
idml run --set algorithm=examples/custom_algorithm.py:MeetInTheMiddle --set devices=10
"""

from typing import ClassVar

import numpy as np

import idml


class MeetInTheMiddle(idml.Adapter):
    """Average, train, return, adopt."""

    name: ClassVar[str] = "meet-in-the-middle"
    sends_own_model: ClassVar[bool] = True  # contribute() reads `own`

    def contribute(self, received: np.ndarray, own: np.ndarray, training: idml.LocalTraining) -> np.ndarray:
        """The neighbor's part; validators judge what it returns."""
        return training.epoch((received + own) / np.float32(2))

    def merge(self, current: np.ndarray, result: np.ndarray) -> np.ndarray:
        """The learner's part, once validators have accepted."""
        return result.copy()


if __name__ == "__main__":
    idml.check_adapter(MeetInTheMiddle())  # says what is wrong before a run does
