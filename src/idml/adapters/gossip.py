"""Gossip learning (Colin et al. 2016): merge, update, send."""

from typing import ClassVar

from idml.adapters.base import Adapter, LocalTraining
from idml.learning.algorithms import mean
from idml.learning.arrays import FloatVector


class Gossip(Adapter):
    """The neighbor sends its own model; the learner merges it and trains the merged model on its own data.

    Judged is the merged model before that training, which validators compute themselves from what both parties
    attest to: the learner's old model and the model sent.
    """

    name: ClassVar[str] = "gossip"
    default_local_epochs: ClassVar[int] = 1
    sends_own_model: ClassVar[bool] = True

    def contribute(self, received: FloatVector, own: FloatVector, training: LocalTraining) -> FloatVector:
        """Send the neighbor's own model."""
        del received, training
        return own.copy()

    def candidate(self, before: FloatVector, result: FloatVector) -> FloatVector:
        """The merged model."""
        return mean(before, result)

    def merge(self, current: FloatVector, result: FloatVector) -> FloatVector:
        """The mean of own and sent."""
        return mean(current, result)
