"""Inputs: what a role takes. They are messages, what happened on the ledger, the time, and results of work.

A role does nothing by itself and draws nothing at random. The same inputs in the same order lead to the same state and
to the same actions. So a role is restored by giving it its inputs again.
"""

from dataclasses import dataclass
from typing import Protocol

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import EncounterEvent, Ended, Settled
from idml.protocol.roles.actions import Action, Submission
from idml.protocol.roles.conversation import Message


@dataclass(frozen=True, slots=True)
class Started:
    """The learner may begin: it is to make its offer."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of this conversation arrived.

    Args:
        sender: address of the participant that said it, 20 bytes.
        message: what it said.
    """

    sender: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Happened:
    """One transaction changed this encounter, or several of one block did.

    Args:
        events: all events about it that the contract announced, in order; at least one.
        encounter: the encounter as it stands afterwards. If it is over, as it stood last.
    """

    events: tuple[EncounterEvent, ...]
    encounter: Encounter

    @property
    def end(self) -> Settled | Ended | None:
        """What ended the encounter, if it is over."""
        last = self.events[-1]
        return last if isinstance(last, Settled | Ended) else None

    @property
    def phase(self) -> Phase:
        """Which step comes next."""
        return self.encounter.progress.phase

    @property
    def block(self) -> int:
        """Number of the transaction's block."""
        return self.events[-1].block


@dataclass(frozen=True, slots=True)
class Clock:
    """The time.

    Args:
        now_s: the time, in seconds.
        block: number of the next block.
    """

    now_s: int
    block: int


@dataclass(frozen=True, slots=True)
class Contributed:
    """The neighbor's work is done; answers `Contribute`.

    Args:
        result: digest of the result, 32 bytes.
    """

    result: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """The validator's work is done; answers `Judge`.

    Args:
        result: digest of what was judged, 32 bytes.
        accept: whether the validator finds that the neighbor really contributed.
    """

    result: bytes
    accept: bool


@dataclass(frozen=True, slots=True)
class SubmissionRefused:
    """The contract refused a submission, and would refuse it again.

    Args:
        submission: what was refused.
        reason: why, in the contract's words.
    """

    submission: Submission
    reason: str


Input = Started | Heard | Happened | Clock | Contributed | Judged | SubmissionRefused


class Role(Protocol):
    """One participant's part in one encounter."""

    def take(self, given: Input) -> list[Action]:
        """Take an input.

        Returns:
            What is to be done now, in this order.
        """
        ...
