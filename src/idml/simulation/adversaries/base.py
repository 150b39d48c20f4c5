"""How a participant acts: honestly here; what an adversary does otherwise, it overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from idml.adapters.means import Assignment
from idml.learning.arrays import FloatVector
from idml.learning.data.poisons import Poison
from idml.protocol.roles import Action, Adopt, Conduct, Message, Part, ResultSent


@dataclass(frozen=True, slots=True)
class Ballot:
    """What a validator knows before it looks at models.

    Args:
        learner, neighbor: who they are.
        cast: votes that stand on the ledger already, in their order.
    """

    learner: "Participant"
    neighbor: "Participant"
    cast: tuple[bool, ...] = ()


class Participant(Conduct):
    """An honest participant, and the base of every adversary. It keeps nothing from one encounter to the next.

    An adversary overrides what it does otherwise. What it is asked is all here and in `Conduct`: what becomes of an
    action that its role asks for (`act`), what it does by itself when it hears a message (`hear`), what it works out,
    hands over and votes.

    Class attributes:
        kind: the name in reports, lower case; no two adversaries of a run have the same.
        poison: what it does to the data that it trains on, as a neighbor and by itself; None: nothing.
    """

    kind: ClassVar[str] = "honest"
    poison: ClassVar[Poison | None] = None

    def contribute(self, assignment: Assignment) -> FloatVector:
        """What it works out for a learner, and reports."""
        return assignment.honest()

    def blind_vote(self, ballot: Ballot) -> bool | None:
        """How it votes without looking at models; None if it looks."""
        del ballot
        return None

    def verdict(self, honest: bool) -> bool:
        """How it votes when it has looked.

        Args:
            honest: what an honest evaluation says.
        """
        return honest

    def asks_first(self, part: Part) -> str | None:
        """Where anyone may vote: the kind whose members it asks before all others to vote on what it does as this part.

        None if it asks whoever is drawn.
        """
        del part
        return None

    def comes_back(self) -> bool:
        """Whether it comes back under another name, with another stake, once it is out."""
        return False


class Hasty(Participant):
    """A learner that merges what it is handed without waiting for the verdict; the base of those who do not pay."""

    def hear(self, message: Message, part: Part) -> Sequence[Action]:
        """Merge what comes."""
        return [Adopt(message.result)] if part == "learner" and isinstance(message, ResultSent) else ()
