"""Neighbors that do the protocol's steps, but not the work: only judging what they return can find them out."""

from typing import Final

import numpy as np

from idml.adapters.means import Assignment
from idml.learning.arrays import FloatVector
from idml.simulation.adversaries.base import Participant

_BOOST: Final = 10.0
_NOISE: Final = 0.5


class RandomWeights(Participant):
    """Returns random weights of the received model's spread instead of working."""

    kind = "random_weights"

    def contribute(self, assignment: Assignment) -> FloatVector:
        """Draw normal weights."""
        return random_weights(assignment)


class FreeRider(Participant):
    """Returns the learner's model unchanged: wants the reward without the work."""

    kind = "free_rider"

    def contribute(self, assignment: Assignment) -> FloatVector:
        """Return what came."""
        return assignment.received.copy()


class SignFlip(Participant):
    """Works, then goes as far in the opposite direction."""

    kind = "sign_flip"

    def contribute(self, assignment: Assignment) -> FloatVector:
        """The received model less the step."""
        return _stepped(assignment, -1)


class Scaling(Participant):
    """Works, then goes ten times as far in the same direction."""

    kind = "scaling"

    def contribute(self, assignment: Assignment) -> FloatVector:
        """The received model plus ten steps."""
        return _stepped(assignment, _BOOST)


class Noise(Participant):
    """Works, then adds normal noise of half the weights' spread."""

    kind = "noise"

    def contribute(self, assignment: Assignment) -> FloatVector:
        """The result with noise."""
        result = assignment.honest()
        draws = assignment.training.generator("noise").standard_normal(result.size, dtype=np.float32)
        return result + draws * np.float32(_NOISE * result.std())


def random_weights(assignment: Assignment) -> FloatVector:
    """Normal weights of the received model's spread, float32 (size,)."""
    scale = np.float32(assignment.received.std())
    draws = assignment.training.generator("random weights").standard_normal(assignment.received.size, dtype=np.float32)
    return draws * scale


def _stepped(assignment: Assignment, factor: float) -> FloatVector:
    received, result = assignment.received, assignment.honest()
    return received + np.float32(factor) * (result - received)
