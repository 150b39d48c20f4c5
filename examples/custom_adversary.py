"""An adversary of your own: its work is good, but it keeps half of it, and it votes without looking.

python examples/custom_adversary.py
idml run --set adversaries.examples/custom_adversary.py:Miser=3 --set devices=10
"""

import numpy as np

import idml


class Miser(idml.Participant):
    """Hands over half of the weights that it trained, chosen at random, and votes yes on everything."""

    kind = "miser"  # its name in reports

    def contribute(self, assignment: idml.Assignment) -> np.ndarray:
        result = assignment.honest()
        kept = assignment.training.generator("kept").random(result.size) < 0.5  # the same if this is repeated
        return np.where(kept, assignment.received, result)

    def blind_vote(self, ballot: idml.Ballot) -> bool | None:
        return True


if __name__ == "__main__":
    idml.check_adversary(Miser())  # says what is wrong before a run does
