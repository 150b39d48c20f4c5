"""Plug in a learning algorithm of your own: one class, and iDML pays for it.

Meet in the middle: the neighbor averages the learner's model with its own, trains the average for one epoch on its own
data and returns it; the learner, if validators accept, takes it over whole.

    python examples/custom_algorithm.py
    idml run --set algorithm=examples/custom_algorithm.py:MeetInTheMiddle
"""

import sys
from pathlib import Path
from typing import ClassVar

import numpy as np

import idml


class MeetInTheMiddle(idml.Adapter):
    """Average, train, return, adopt."""

    name: ClassVar[str] = "meet-in-the-middle"
    sends_own_model: ClassVar[bool] = True  # contribute() reads `own`

    def contribute(self, received: np.ndarray, own: np.ndarray, training: idml.LocalTraining) -> np.ndarray:
        """The neighbor's part: what it returns is what validators judge."""
        return training.epoch((received + own) / np.float32(2))

    def merge(self, current: np.ndarray, result: np.ndarray) -> np.ndarray:
        """The learner's part, once validators have accepted."""
        return result.copy()


if __name__ == "__main__":
    idml.check_adapter(MeetInTheMiddle())  # says what is wrong before a run does
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/meet-in-the-middle")
    run = idml.run(directory, adapter=MeetInTheMiddle(), dataset="digits", devices=10, encounters=100)
    print(run.summary["accuracy"], run.report)
