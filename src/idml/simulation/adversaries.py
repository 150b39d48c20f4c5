"""Alternative roles: what a participant does with its turn as a neighbor or validator instead of honest work.

Each adversary is one small class. It follows the protocol, so that only judging its work can find it out.
"""

from typing import ClassVar

import numpy as np

from idml.adapters.base import Adapter, LocalTraining
from idml.learning.arrays import FloatVector, Labels
from idml.learning.label_maps import flip_labels


class Participant:
    """An honest participant, and the base of every adversary.

    Class attributes:
        kind: the name in configurations and reports.
        evaluates: whether it looks at the models before it votes.
    """

    kind: ClassVar[str] = "honest"
    evaluates: ClassVar[bool] = True

    def labels(self, labels: Labels, dataset: str) -> Labels:
        """The labels it trains on, int64 (N,)."""
        del dataset
        return labels

    def contribute(
        self, adapter: Adapter, received: FloatVector, own: FloatVector, training: LocalTraining
    ) -> FloatVector:
        """What it hands to a learner."""
        return adapter.contribute(received, own, training)

    def verdict(self, honest: bool | None) -> bool:
        """How it votes.

        Args:
            honest: what an honest evaluation says; None if `evaluates` is False.
        """
        assert honest is not None
        return honest


class AlwaysYes(Participant):
    """A lazy validator: votes yes without looking."""

    kind = "always_yes"
    evaluates = False

    def verdict(self, honest: bool | None) -> bool:
        """Yes."""
        del honest
        return True


class LabelFlip(AlwaysYes):
    """Trains on labels of look-alike classes swapped one way, and votes yes on everything (the paper's attacker)."""

    kind = "label_flip"

    def labels(self, labels: Labels, dataset: str) -> Labels:
        """Flip sneaker to sandal and dress to trouser, or the pairs of the data set at hand."""
        return flip_labels(labels, dataset)


class RandomWeights(Participant):
    """Returns random weights of the received model's spread instead of working."""

    kind = "random_weights"

    def contribute(
        self, adapter: Adapter, received: FloatVector, own: FloatVector, training: LocalTraining
    ) -> FloatVector:
        """Draw normal weights."""
        del adapter, own
        scale = np.float32(received.std())
        return training.generator("random weights").standard_normal(received.size, dtype=np.float32) * scale


class FreeRider(Participant):
    """Returns the learner's model unchanged: wants the reward without the work."""

    kind = "free_rider"

    def contribute(
        self, adapter: Adapter, received: FloatVector, own: FloatVector, training: LocalTraining
    ) -> FloatVector:
        """Return what came."""
        del adapter, own, training
        return received.copy()


class AlwaysNo(Participant):
    """A validator that votes no without looking."""

    kind = "always_no"
    evaluates = False

    def verdict(self, honest: bool | None) -> bool:
        """No."""
        del honest
        return False


class Invert(Participant):
    """A validator that votes the opposite of what it sees."""

    kind = "invert"

    def verdict(self, honest: bool | None) -> bool:
        """The opposite."""
        return not honest


ADVERSARIES: dict[str, type[Participant]] = {
    role.kind: role for role in (LabelFlip, RandomWeights, FreeRider, AlwaysYes, AlwaysNo, Invert)
}
"""By the name under which a configuration's `adversaries` table asks for them."""
