"""What learner, neighbor and validators say to each other before, during and after an encounter.

Models are named by their digest (SHA-256 of their canonical bytes, 32 bytes) and travel beside the messages. Whoever
drives a role gives it a message only once it holds the models that the message hands over, and has computed their
digests itself.
"""

from dataclasses import dataclass, replace

from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.task import TaskParams


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

    model: bytes


@dataclass(frozen=True, slots=True)
class ResultSent:
    """The neighbor hands over what its Report names, with the Report and its signature on it.

    The learner may bring both Reports at once; if it does not, the neighbor brings its own.
    """

    result: bytes
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
    """Either party hands a validator what it must judge.

    Args:
        encounter: the encounter's id, 32 bytes; the validator knows the rest from the ledger.
        model: the learner's before the encounter.
        result: what the neighbor reported.
    """

    encounter: bytes
    model: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class ResultRequest:
    """The learner asks a validator for the result that it voted for, which the neighbor did not hand over."""

    encounter: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class JudgedResult:
    """A validator hands the learner the result that it voted for."""

    result: bytes


Message = (
    Offer | Accept | Decline | ModelSent | ResultSent | ReportSent | ValidationRequest | ResultRequest | JudgedResult
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way.

    Args:
        conversation: to which encounter-to-be it belongs, see `conversation_of`, 32 bytes.
        sender: who says it, 20 bytes; whoever carries messages makes sure of that.
        message: what is said.
    """

    conversation: bytes
    sender: bytes
    message: Message


def propose(
    *,
    task: TaskParams,
    learner: bytes,
    neighbor: bytes,
    reward_wei: int,
    model_before: bytes,
    secret: bytes,
    seats: int,
    now_s: int,
    nonce: int,
) -> Terms:
    """The Terms that a learner offers now; the neighbor fills in its commitment.

    Args:
        task: the rules.
        learner, neighbor: addresses, 20 bytes each.
        reward_wei: what the learner pays.
        model_before: digest of the learner's model, 32 bytes.
        secret: the learner's, 32 fresh bytes that nobody else knows.
        seats: length of the seat table.
        now_s: the ledger's time, in seconds; the offer is good for one completion window.
        nonce: one that the learner has not used.
    """
    return Terms(
        task=task.id,
        learner=learner,
        neighbor=neighbor,
        reward=reward_wei,
        model_before=model_before,
        learner_commitment=commitment(secret),
        neighbor_commitment=ZERO_WORD,
        seats=seats,
        as_of=now_s,
        deadline=now_s + task.completion_window_s,
        nonce=nonce,
    )


def conversation_of(terms: Terms, domain: Domain) -> bytes:
    """Names what is said about an encounter, from the offer on: the hash of the Terms as they were offered, 32 bytes.

    Args:
        terms: as offered, or as signed by both.
        domain: of the contract.
    """
    offered = terms if terms.neighbor_commitment == ZERO_WORD else replace(terms, neighbor_commitment=ZERO_WORD)
    return domain.digest(offered)
