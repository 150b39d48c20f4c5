"""What roles ask of whoever drives them: to send a message, to submit a transaction, to do a piece of work."""

from dataclasses import dataclass
from typing import Protocol

from idml.protocol.messages import Report, Terms, Vote
from idml.protocol.roles.conversation import Message


class Identity(Protocol):
    """Who signs: a wallet, a keystore, a hardware key."""

    @property
    def address(self) -> bytes:
        """The signer's address, 20 bytes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes; returns a signature that the contract accepts for `address`, always the same one."""
        ...

    def verify(self, address: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether `signature` is `address`'s on 32 bytes."""
        ...


# Transactions


@dataclass(frozen=True, slots=True)
class Open:
    """Transaction `open`, from the learner."""

    terms: Terms
    neighbor_signature: bytes


@dataclass(frozen=True, slots=True)
class Reject:
    """Transaction `reject`, from the neighbor."""


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """Transaction `report`, from the reporter."""

    report: Report


@dataclass(frozen=True, slots=True)
class SubmitReports:
    """Transaction `reportBoth`, from either party; it overrules what either reported otherwise.

    Args:
        learner_signature: empty if the learner brings them.
    """

    result: bytes
    neighbor_secret: bytes
    learner_secret: bytes
    neighbor_signature: bytes
    learner_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Contest:
    """Transaction `contest`, from the neighbor."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Transaction `draw`, from anyone."""


@dataclass(frozen=True, slots=True)
class SubmitVote:
    """Transaction `vote`, from the validator."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class Finalize:
    """Transaction `finalize`, from anyone."""


Submission = Open | Reject | SubmitReport | SubmitReports | Contest | Draw | SubmitVote | Finalize


# Work


@dataclass(frozen=True, slots=True)
class Contribute:
    """Work for the neighbor: do the algorithm's part on the learner's model; the answer is `Contributed`.

    Args:
        model: digest of the learner's model, 32 bytes.
    """

    model: bytes


@dataclass(frozen=True, slots=True)
class Judge:
    """Work for a validator: judge the result against the model before; the answer is `Judged`.

    Args:
        model: digest of the learner's model before the encounter, 32 bytes.
        result: digest of what the neighbor reported, 32 bytes.
    """

    model: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class Adopt:
    """Work for the learner: merge the accepted result; nothing is answered.

    Args:
        result: its digest, 32 bytes.
    """

    result: bytes


Work = Contribute | Judge | Adopt


# What roles ask for


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a participant (20-byte address)."""

    to: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit a transaction about this encounter from the role's own account.

    Whoever submits it adds a free lane to an opening, and the learner's signature where it has a budget; and the latest
    Progress to all else.
    """

    submission: Submission


@dataclass(frozen=True, slots=True)
class Finish:
    """The role waits for nothing more in this encounter; should something come all the same, it answers.

    Args:
        reason: why it ended, in a few words.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """The role pays no heed to a message; a good one may follow.

    Args:
        reason: what is wrong with it, in a few words.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Do something once all else is done that can be done now. No role asks for it; a participant's conduct may."""

    action: "Send | Submit | Work | Ignore | Finish"


Action = Send | Submit | Contribute | Judge | Adopt | Ignore | Finish | Later
