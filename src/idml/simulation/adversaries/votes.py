"""Validators that do not vote as they see."""

from idml.adapters.means import Assignment
from idml.learning.arrays import FloatVector
from idml.protocol.roles import Action, Judge, Later, Part
from idml.simulation.adversaries.base import Ballot, Hasty, Participant
from idml.simulation.adversaries.work import random_weights


class AlwaysYes(Participant):
    """A lazy validator: votes yes without looking."""

    kind = "always_yes"

    def blind_vote(self, ballot: Ballot) -> bool | None:
        """Yes."""
        del ballot
        return True


class AlwaysNo(Participant):
    """A validator that votes no without looking."""

    kind = "always_no"

    def blind_vote(self, ballot: Ballot) -> bool | None:
        """No."""
        del ballot
        return False


class Invert(Participant):
    """A validator that votes the opposite of what it sees."""

    kind = "invert"

    def verdict(self, honest: bool) -> bool:
        """The opposite."""
        return not honest


class CopyVotes(Participant):
    """Waits until the others have voted in clear, and joins the majority; alone or at a tie it votes yes."""

    kind = "copy_votes"

    def act(self, action: Action, part: Part) -> Action | None:
        """Judge after all who do not wait."""
        return Later(action) if part == "validator" and isinstance(action, Judge) else action

    def blind_vote(self, ballot: Ballot) -> bool | None:
        """As the majority so far."""
        return 2 * sum(ballot.cast) >= len(ballot.cast)


class ColludeWithNeighbor(Participant):
    """One of a ring: returns random weights, and votes yes on those of the others without looking."""

    kind = "collude_neighbor"

    def asks_first(self, part: Part) -> str | None:
        """Its own ring, as a neighbor."""
        return self.kind if part == "neighbor" else None

    def contribute(self, assignment: Assignment) -> FloatVector:
        """Draw normal weights."""
        return random_weights(assignment)

    def blind_vote(self, ballot: Ballot) -> bool | None:
        """Yes to its own ring; else it looks."""
        return True if type(ballot.neighbor) is type(self) else None


class ColludeWithLearner(Hasty):
    """One of a ring: votes no on whatever the others were helped with, so that they need not pay for what they keep."""

    kind = "collude_learner"

    def asks_first(self, part: Part) -> str | None:
        """Its own ring, as a learner."""
        return self.kind if part == "learner" else None

    def blind_vote(self, ballot: Ballot) -> bool | None:
        """No to who helped its own ring; else it looks."""
        return False if type(ballot.learner) is type(self) else None
