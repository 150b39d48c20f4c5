"""The keeper: does what anyone may do, so that an encounter ends even if both its parties have given it up."""

from idml.protocol.encounter import Encounter
from idml.protocol.roles.actions import Action
from idml.protocol.roles.deadlines import go_on_if_due
from idml.protocol.roles.inputs import Clock, Happened, Input
from idml.protocol.task import TaskParams


class Keeper:
    """The keeper's part in one encounter. It draws a contested committee and finalizes, when the time allows it.

    Args:
        task: the rules of the encounter.
    """

    def __init__(self, task: TaskParams) -> None:
        self._task = task
        self._encounter: Encounter | None = None

    def take(self, given: Input) -> list[Action]:
        """See `Role`."""
        match given:
            case Happened():
                self._encounter = None if given.end else given.encounter
            case Clock(now_s, block) if self._encounter is not None:
                return go_on_if_due(self._encounter, self._task, now_s, block)
        return []
