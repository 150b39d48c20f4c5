"""Neighbors that do the work, on data that they poisoned."""

from typing import Final

import numpy as np

from idml.adapters.means import Assignment
from idml.learning.arrays import FloatVector
from idml.learning.data.poisons import Relabel, Trigger
from idml.simulation.adversaries.base import Participant
from idml.simulation.adversaries.votes import AlwaysYes

_STEPS: Final = (1.0, 0.5, 0.25, 0.125, 0.0625)


class LabelFlip(AlwaysYes):
    """Trains on labels of look-alike classes swapped one way, and votes yes on everything (the paper's attacker)."""

    kind = "label_flip"
    poison = Relabel("look_alike")


class LabelFlipTarget(AlwaysYes):
    """Trains on labels of one class swapped for those of another, and votes yes on everything."""

    kind = "label_flip_target"
    poison = Relabel("target")


class LabelFlipAll(AlwaysYes):
    """Trains on labels each of which is the next class, and votes yes on everything."""

    kind = "label_flip_all"
    poison = Relabel("all")


class Backdoor(AlwaysYes):
    """Teaches that whatever bears a trigger is class 0, beside honest work, and votes yes on everything."""

    kind = "backdoor"
    poison = Trigger()


class Drift(Participant):
    """Knows the rule: goes as far towards flipped labels as a committee would let it, each time, and votes honestly."""

    kind = "drift"
    poison = Relabel("all")

    def contribute(self, assignment: Assignment) -> FloatVector:
        """The largest part of the poisoned step that passes; the received model if none does."""
        received = assignment.received
        step = assignment.honest() - received
        for factor in _STEPS:
            result = received + np.float32(factor) * step
            if assignment.passes(result):
                return result
        return received.copy()


class Sybil(LabelFlip):
    """Flips labels until it is out, and then comes back under another name, with another stake."""

    kind = "sybil"

    def comes_back(self) -> bool:
        """It does."""
        return True
