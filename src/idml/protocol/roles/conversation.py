"""The messages of an encounter: what learner, neighbor and validators say to each other before, during and after it.

A message names a model by its digest (SHA-256 of its canonical bytes, 32 bytes); the model itself travels beside the
message. Whoever drives a role gives it a message only after it received the models that the message hands over, and
computed their digests itself.
"""

from dataclasses import dataclass, replace

from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.task import TaskParams


@dataclass(frozen=True, slots=True)
class Offer:
    """The learner proposes Terms. The neighbor's commitment in them is still zero."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Accept:
    """The neighbor agrees to an offer.

    Args:
        terms: the offered Terms, with the neighbor's commitment filled in.
        signature: the neighbor's, on these Terms.
    """

    terms: Terms
    signature: bytes


@dataclass(frozen=True, slots=True)
class Decline:
    """The neighbor does not want this encounter.

    Args:
        reason: why, in a few words.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class ModelSent:
    """The learner hands over its model as it was before the encounter.

    Args:
        model: digest of the model, 32 bytes.
    """

    model: bytes


@dataclass(frozen=True, slots=True)
class ResultSent:
    """The neighbor hands over the result that its Report names, together with the signed Report.

    With it, the learner can bring both Reports to the contract at once. If it does not, the neighbor brings its own.

    Args:
        result: digest of the model that is handed over, 32 bytes.
        report: the neighbor's Report.
        signature: the neighbor's, on the Report.
    """

    result: bytes
    report: Report
    signature: bytes


@dataclass(frozen=True, slots=True)
class ReportSent:
    """The learner hands over its own signed Report, which agrees with the neighbor's.

    The neighbor then holds both Reports and may bring them. So a learner that agreed once can no longer stay silent,
    nor deny.

    Args:
        report: the learner's Report.
        signature: the learner's, on the Report.
    """

    report: Report
    signature: bytes


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """Either party asks a validator to judge, and hands it both models.

    Args:
        encounter: the encounter's id, 32 bytes. The validator reads the rest from the ledger.
        model: digest of the learner's model before the encounter, 32 bytes.
        result: digest of what the neighbor reported, 32 bytes.
    """

    encounter: bytes
    model: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class ResultRequest:
    """The learner asks a validator for the result that it voted for, because the neighbor did not hand it over.

    Args:
        encounter: the encounter's id, 32 bytes.
        result: digest of the result, 32 bytes.
    """

    encounter: bytes
    result: bytes


@dataclass(frozen=True, slots=True)
class JudgedResult:
    """A validator hands the learner the result that it voted for.

    Args:
        result: digest of the result, 32 bytes.
    """

    result: bytes


Message = (
    Offer | Accept | Decline | ModelSent | ResultSent | ReportSent | ValidationRequest | ResultRequest | JudgedResult
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way.

    Args:
        conversation: which encounter it is about, see `conversation_of`, 32 bytes.
        sender: address of the participant that says it, 20 bytes. Whoever carries messages makes sure that it is true.
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
    """Make the Terms that a learner offers now. The neighbor's commitment is left zero; the neighbor fills it in.

    Args:
        task: the rules.
        learner, neighbor: addresses, 20 bytes each.
        reward_wei: what the learner pays, in base units of the token.
        model_before: digest of the learner's model, 32 bytes.
        secret: the learner's secret, 32 fresh bytes that nobody else knows.
        seats: length of the seat table.
        now_s: the ledger's time, in seconds. The offer is valid for one completion window from then.
        nonce: a nonce that the learner has not used.
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
    """Name an encounter from its offer on, before it has an id.

    Args:
        terms: the Terms as they were offered, or as both signed them.
        domain: the contract's EIP-712 domain.

    Returns:
        The hash of the Terms as they were offered, 32 bytes.
    """
    offered = terms if terms.neighbor_commitment == ZERO_WORD else replace(terms, neighbor_commitment=ZERO_WORD)
    return domain.digest(offered)
