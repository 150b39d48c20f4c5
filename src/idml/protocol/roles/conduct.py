"""How a participant carries out what its roles ask for: as they say, unless it is up to something."""

from collections.abc import Sequence
from typing import Literal

from idml.protocol.roles.actions import Action
from idml.protocol.roles.conversation import Message

Part = Literal["learner", "neighbor", "validator", "keeper"]


class Conduct:
    """An honest participant's conduct, and the base of every other. The driver asks it before it does anything."""

    def act(self, action: Action, part: Part) -> Action | None:
        """What it does when its role asks for an action; None: nothing."""
        del part
        return action

    def hear(self, message: Message, part: Part) -> Sequence[Action]:
        """What it does by itself when it hears a message, before its role takes it."""
        del message, part
        return ()

    def hand_over(self, received: bytes, result: bytes) -> bytes | None:
        """What it hands to a learner as a neighbor that works out `result`; None: nothing.

        Args:
            received: digest of the learner's model, 32 bytes.
            result: digest of what it reports, 32 bytes.

        Returns:
            The digest of the model that goes to the learner: one of the two.
        """
        del received
        return result
