"""The conduct of a participant: whether it carries out what its roles ask for, or does something else."""

from collections.abc import Sequence
from typing import Literal

from idml.protocol.roles.actions import Action
from idml.protocol.roles.conversation import Message

Part = Literal["learner", "neighbor", "validator", "keeper"]


class Conduct:
    """Conduct of an honest participant, and base class of every other conduct.

    Before the driver carries out an action, it asks the participant's conduct what becomes of it. An adversary is a
    class whose answers differ.
    """

    def act(self, action: Action, part: Part) -> Action | None:
        """Decide what is done when the role asks for an action.

        Args:
            action: what the role asks for.
            part: which role asks.

        Returns:
            The action to carry out; None for nothing.
        """
        del part
        return action

    def hear(self, message: Message, part: Part) -> Sequence[Action]:
        """Decide what the participant does on its own when a message arrives, before its role takes the message.

        Args:
            message: what was said.
            part: which role is to take it.

        Returns:
            Actions to carry out, in this order.
        """
        del message, part
        return ()

    def hand_over(self, received: bytes, result: bytes) -> bytes | None:
        """Decide which model a neighbor hands to the learner as its result.

        Args:
            received: digest of the learner's model, 32 bytes.
            result: digest of the result that the neighbor reports, 32 bytes.

        Returns:
            Digest of the model that is handed over, which must be one of the two; None for no model at all.
        """
        del received
        return result
