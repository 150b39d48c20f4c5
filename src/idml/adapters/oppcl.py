"""Opportunistic Collaborative Learning (Lee et al. 2021): send, train, return, merge."""

from typing import ClassVar

from idml.adapters.base import Adapter, LocalTraining
from idml.learning.algorithms import mean
from idml.learning.arrays import FloatVector


class OppCL(Adapter):
    """The neighbor trains the learner's model for one epoch on its own data and returns it.

    Judged is what it returned, before any merge; accepted, the learner keeps the mean of its own and the returned.
    Local training after the merge is off by default: one own epoch hides a label-flip attack almost completely.
    """

    name: ClassVar[str] = "oppcl"

    def contribute(self, received: FloatVector, own: FloatVector, training: LocalTraining) -> FloatVector:
        """Train the learner's model for one epoch."""
        del own
        return training.epoch(received)

    def merge(self, current: FloatVector, result: FloatVector) -> FloatVector:
        """The mean of own and returned."""
        return mean(current, result)
