"""What opportunistic learning algorithms do with parameter vectors: merge two, and train ever more gently."""

import numpy as np

from idml.learning.arrays import FloatVector
from idml.learning.errors import LearningError


def mean(a: FloatVector, b: FloatVector) -> FloatVector:
    """Return the mean of two models in float32: the same bits in either order, on every machine.

    Raises:
        LearningError: the vectors differ in shape or are not float32.
    """
    if a.dtype != np.float32 or b.dtype != np.float32 or a.shape != b.shape:
        raise LearningError(f"cannot average {a.dtype} {a.shape} and {b.dtype} {b.shape}: both must be equal float32")
    half = np.float32(0.5)
    # Halving first cannot overflow; a sum of opposite infinities is NaN, and means to be.
    with np.errstate(invalid="ignore"):
        merged: FloatVector = a * half + b * half
    return merged


def learning_rate(initial: float, decay: float, encounters: int) -> float:
    """Return the rate of a device's k-th encounter, k = `encounters` >= 1: initial / (1 + decay * (k - 1)).

    Raises:
        LearningError: the count is below 1 or a number is negative.
    """
    if encounters < 1:
        raise LearningError(f"encounters is {encounters}: the first one counts 1")
    if initial < 0 or decay < 0:
        raise LearningError(f"learning rate {initial} and decay {decay} must be at least 0")
    return initial / (1 + decay * (encounters - 1))
