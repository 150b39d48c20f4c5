"""What roles take: messages, what happened on the ledger, the time, and what came of what they asked for.

A role does nothing by itself and draws nothing at random. Given the same inputs in the same order it comes to the same
state and asks for the same actions, so a role is restored by giving it its inputs again.
"""

from dataclasses import dataclass
from typing import Protocol

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import EncounterEvent, Ended, Settled
from idml.protocol.roles.actions import Action, Submission
from idml.protocol.roles.conversation import Message


@dataclass(frozen=True, slots=True)
class Started:
    """The learner may begin."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of this conversation arrived.

    Args:
        sender: who said it, 20 bytes.
    """

    sender: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Happened:
    """What one transaction did to this encounter, or several of one block.

    Args:
        events: all that the contract announced about it, in order; at least one.
        encounter: where it stands afterwards; where it is over, as it stood last.
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
    """Time, in seconds, and number of the next block."""

    now_s: int
    block: int


@dataclass(frozen=True, slots=True)
class Contributed:
    """The neighbor's work is done.

    Args:
        result: digest of what came of it, 32 bytes.
    """

    result: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """The validator's work is done.

    Args:
        result: digest of what was judged, 32 bytes.
        accept: whether the contribution was real.
    """

    result: bytes
    accept: bool


@dataclass(frozen=True, slots=True)
class SubmissionRefused:
    """The contract refused a submission, and would refuse it again.

    Args:
        reason: in the contract's words.
    """

    submission: Submission
    reason: str


Input = Started | Heard | Happened | Clock | Contributed | Judged | SubmissionRefused


class Role(Protocol):
    """One participant's part in one encounter."""

    def take(self, given: Input) -> list[Action]:
        """Take what happened; returns what is to be done, in this order."""
        ...
