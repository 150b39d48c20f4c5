"""How a participant acts: honestly here; what an adversary does otherwise, it overrides."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from idml.adapters.base import Adapter, LocalTraining
from idml.learning.arrays import FloatVector
from idml.learning.poisons import Poison
from idml.protocol.roles import Action
from idml.simulation.model import Model

Party = Literal["learner", "neighbor"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a neighbor is asked for, and its means to do it.

    Args:
        adapter: the algorithm.
        received: the learner's model, float32 (size,).
        own: the neighbor's.
        training: on its data, poisoned if it poisons them.
        passes: whether a result would be accepted by each of a committee that it rehearses with, on its true data.
    """

    adapter: Adapter
    received: FloatVector
    own: FloatVector
    training: LocalTraining
    passes: Callable[[FloatVector], bool]

    def honest(self) -> FloatVector:
        """Do as the algorithm says."""
        return self.adapter.contribute(self.received, self.own, self.training)


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


class Participant:
    """An honest participant, and the base of every adversary. It keeps nothing from one encounter to the next.

    Class attributes:
        kind: the name in configurations and reports.
        poison: what it does to the data that it trains on, as a neighbor and by itself.
        waits: whether it votes after all who do not.
        keeps: whether as a learner it merges what it was handed without waiting for the verdict.
        works: whether as a neighbor it does anything once it has accepted.
        recruits: where anyone may vote, has those of its kind asked first as this party.
        rejoins: whether it comes back under another name, with another stake, once it is out.
    """

    kind: ClassVar[str] = "honest"
    poison: ClassVar[Poison | None] = None
    waits: ClassVar[bool] = False
    keeps: ClassVar[bool] = False
    works: ClassVar[bool] = True
    recruits: ClassVar[Party | None] = None
    rejoins: ClassVar[bool] = False

    def contribute(self, assignment: Assignment) -> FloatVector:
        """What it works out for a learner, and reports."""
        return assignment.honest()

    def hand_over(self, received: Model, result: Model) -> Model | None:
        """What it hands to a learner when it has reported `result`, having `received` the learner's; None: nothing."""
        del received
        return result

    def act(self, action: Action, party: Party) -> Action | None:
        """What it does when the protocol asks for an action of it; None: nothing."""
        del party
        return action

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
