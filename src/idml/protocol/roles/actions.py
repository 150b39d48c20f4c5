"""What roles say to each other and what they ask of whoever drives them.

A driver owns sockets, clocks, chains and models. It hands a role what happened and carries out the actions that the
role returns: sends a message, submits a transaction, or does a piece of work and hands back its outcome.
"""

from dataclasses import dataclass
from typing import Protocol

from idml.protocol.encounter import Encounter
from idml.protocol.messages import Report, Terms, Vote


class Identity(Protocol):
    """Who signs: a wallet, a keystore, a hardware key."""

    @property
    def address(self) -> bytes:
        """The signer's address, 20 bytes."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes; returns a signature that the contract accepts for `address`."""
        ...

    def verify(self, address: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether `signature` is `address`'s on 32 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Parcel:
    """A model on its way, opaque to the protocol.

    Args:
        digest: SHA-256 of its canonical bytes, 32 bytes, computed by whoever holds the content: a driver never takes
            it from the sender.
        content: whatever the driver's adapter understands.
    """

    digest: bytes
    content: object


@dataclass(frozen=True, slots=True)
class Offer:
    """The learner proposes Terms, still without the neighbor's commitment (zero)."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Accept:
    """The neighbor agrees: the offered Terms with its commitment, and its signature on them."""

    terms: Terms
    signature: bytes


@dataclass(frozen=True, slots=True)
class Decline:
    """The neighbor does not want this encounter."""

    reason: str


@dataclass(frozen=True, slots=True)
class ModelSent:
    """The learner hands over its model as it was before the encounter."""

    model: Parcel


@dataclass(frozen=True, slots=True)
class ResultSent:
    """The neighbor hands over what its Report names, with the Report and its signature on it.

    The learner may bring both Reports at once; if it does not, the neighbor brings its own.
    """

    result: Parcel
    report: Report
    signature: bytes


@dataclass(frozen=True, slots=True)
class ReportSent:
    """The learner hands over its own Report, which agrees with the neighbor's, and its signature on it.

    Whoever holds both may bring them, so a learner that agreed can neither fall silent nor deny.
    """

    report: Report
    signature: bytes


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """Either party hands a validator what it must judge."""

    encounter: Encounter
    model: Parcel
    result: Parcel


Message = Offer | Accept | Decline | ModelSent | ResultSent | ReportSent | ValidationRequest


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


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to a participant (20-byte address)."""

    to: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit a transaction about this encounter from the role's own account.

    The driver adds a free lane to an opening and the latest Progress to all else, and tries again with a later one when
    the contract answers `StateMismatch`: others may have acted since the role decided. Any other refusal is final.
    """

    submission: Submission


@dataclass(frozen=True, slots=True)
class Contribute:
    """Work for the neighbor: do the algorithm's part on the learner's model, then call `on_contribution`."""

    encounter: Encounter
    model: Parcel


@dataclass(frozen=True, slots=True)
class Judge:
    """Work for a validator: judge the result against the model before, then call `on_verdict`."""

    encounter: Encounter
    model: Parcel
    result: Parcel


@dataclass(frozen=True, slots=True)
class Adopt:
    """Work for the learner: merge the accepted result."""

    result: Parcel


@dataclass(frozen=True, slots=True)
class Fetch:
    """Work for the learner: get the accepted result from one who voted for it, then call `on_fetched`.

    Args:
        digest: of the result, 32 bytes.
    """

    digest: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """The role has nothing more to do in this encounter.

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


Action = Send | Submit | Contribute | Judge | Adopt | Fetch | Ignore | Finish
