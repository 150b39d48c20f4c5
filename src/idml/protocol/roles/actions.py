"""Actions: what a role asks of its driver. It asks to send a message, to submit a transaction, or to do some work."""

from dataclasses import dataclass
from typing import Protocol

from idml.protocol.messages import Report, Terms, Vote
from idml.protocol.roles.conversation import Message


class Identity(Protocol):
    """Whatever signs for a participant: a wallet, a keystore or a hardware key."""

    @property
    def address(self) -> bytes:
        """The address that the signatures are valid for, 20 bytes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Sign a digest (32 bytes).

        Returns:
            A signature that the contract accepts for `address`. For the same digest it is always the same one.
        """
        ...

    def verify(self, address: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether a signature on a digest (32 bytes) is valid for an address (20 bytes)."""
        ...


# Transactions


@dataclass(frozen=True, slots=True)
class Open:
    """Transaction `open`, sent by the learner: it prepays and opens the encounter.

    Args:
        terms: what learner and neighbor agreed on.
        neighbor_signature: the neighbor's, on these Terms.
    """

    terms: Terms
    neighbor_signature: bytes


@dataclass(frozen=True, slots=True)
class Reject:
    """Transaction `reject`, sent by the neighbor: it refuses to collaborate."""


@dataclass(frozen=True, slots=True)
class SubmitReport:
    """Transaction `report`, sent by the party whose Report it is."""

    report: Report


@dataclass(frozen=True, slots=True)
class SubmitReports:
    """Transaction `reportBoth`, sent by either party: it brings two Reports that agree.

    It goes before any other result that one party reported alone.

    Args:
        result: the digest that both reported, 32 bytes.
        neighbor_secret, learner_secret: 32 bytes each.
        neighbor_signature: on the neighbor's Report.
        learner_signature: on the learner's Report; empty if the learner sends the transaction.
    """

    result: bytes
    neighbor_secret: bytes
    learner_secret: bytes
    neighbor_signature: bytes
    learner_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Contest:
    """Transaction `contest`, sent by the neighbor: it asks for a committee against a silent or denying learner."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Transaction `draw`, sent by anyone: it draws the committee of a contested encounter."""


@dataclass(frozen=True, slots=True)
class SubmitVote:
    """Transaction `vote`, sent by the validator."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class Finalize:
    """Transaction `finalize`, sent by anyone: it ends an encounter whose time is over."""


Submission = Open | Reject | SubmitReport | SubmitReports | Contest | Draw | SubmitVote | Finalize


# Work


@dataclass(frozen=True, slots=True)
class Contribute:
    """Work for the neighbor: do its part of the learning algorithm on the learner's model. The answer is `Contributed`.

    Args:
        model: digest of the learner's model, 32 bytes.
    """

    model: bytes


@dataclass(frozen=True, slots=True)
class Judge:
    """Work for a validator: judge the result against the model before the encounter. The answer is `Judged`.

    Args:
        model: digest of the learner's model before the encounter, 32 bytes.
        result: digest of what the neighbor reported, 32 bytes.
    """

    model: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class Adopt:
    """Work for the learner: merge the accepted result into its model. There is no answer.

    Args:
        result: digest of the result, 32 bytes.
    """

    result: bytes


Work = Contribute | Judge | Adopt


# What roles ask for


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a participant.

    Args:
        to: address of the participant, 20 bytes.
        message: what is said.
    """

    to: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit a transaction about this encounter from the role's own account.

    Whoever submits it completes it. An opening needs a free lane, and the learner's signature if the learner has a
    budget. All others need the encounter's latest Progress.
    """

    submission: Submission


@dataclass(frozen=True, slots=True)
class Finish:
    """Take note that the role waits for nothing more in this encounter. If something comes all the same, it answers.

    Args:
        reason: why the encounter ended for it, in a few words.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """Take note that the role did not heed a message. A better one may still follow.

    Args:
        reason: what is wrong with the message, in a few words.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Do something after everything else that can be done now. No role asks for this, but a participant's conduct may.

    Args:
        action: what is to be done then.
    """

    action: "Send | Submit | Work | Ignore | Finish"


Action = Send | Submit | Contribute | Judge | Adopt | Ignore | Finish | Later
