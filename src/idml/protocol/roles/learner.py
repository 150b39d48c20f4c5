"""The learner: pays a neighbor to help train its model (paper, section III-A; MECHANISM: An encounter)."""

from collections.abc import Sequence
from dataclasses import replace

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.roles.actions import (
    Accept,
    Action,
    Adopt,
    Decline,
    Fetch,
    Finalize,
    Finish,
    Identity,
    ModelSent,
    Offer,
    Open,
    Parcel,
    ReportSent,
    ResultSent,
    Send,
    Submit,
    SubmitReport,
    SubmitReports,
    ValidationRequest,
)
from idml.protocol.task import TaskParams

_ANSWERABLE = (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED)
"""Until the neighbor contests, two signed reports that agree go before whatever else was reported."""


class Learner:
    """One encounter as its learner sees it.

    Args:
        identity: signs for `offer.learner`.
        domain: the contract's EIP-712 domain.
        task: the rules that `offer.task` names.
        offer: the Terms to propose; the neighbor fills in its commitment (zero here).
        secret: 32 bytes whose commitment the offer holds.
        model: the learner's model before the encounter; its digest is in the offer.
        validators: whom to ask where anyone may vote (`committee_size` 0); otherwise the committee is asked.
        adopt_unjudged: whether to merge a result on which too few voted (the paper does).

    Raises:
        ValueError: if the offer does not fit identity, task, secret or model.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        domain: Domain,
        task: TaskParams,
        offer: Terms,
        secret: bytes,
        model: Parcel,
        validators: Sequence[bytes] = (),
        adopt_unjudged: bool = False,
    ) -> None:
        fits = {
            "learner": offer.learner == identity.address,
            "task": offer.task == task.id,
            "learner_commitment": offer.learner_commitment == commitment(secret),
            "neighbor_commitment": offer.neighbor_commitment == ZERO_WORD,
            "model_before": offer.model_before == model.digest,
        }
        for field, fit in fits.items():
            if not fit:
                raise ValueError(f"the offer's {field} is 0x{getattr(offer, field).hex()}: it does not fit")
        self._identity = identity
        self._domain = domain
        self._task = task
        self._offer = offer
        self._secret = secret
        self._model = model
        self._validators = tuple(validators)
        self._adopt_unjudged = adopt_unjudged
        self._terms: Terms | None = None
        self._encounter: Encounter | None = None
        self._handed: ResultSent | None = None
        self._brought_both = False
        self._reported = False
        self._finished = False

    def start(self) -> list[Action]:
        """Propose the Terms to the neighbor."""
        return [Send(self._offer.neighbor, Offer(self._offer))]

    def on_message(self, message: Accept | Decline | ResultSent) -> list[Action]:
        """Take what the neighbor sent."""
        if self._finished:
            return []
        if isinstance(message, ResultSent):
            return self._on_result(message)
        if self._terms is not None:
            return []  # the opening is on its way: from here on the ledger decides
        if isinstance(message, Decline):
            return self._finish(f"declined: {message.reason}")
        return self._on_accept(message)

    def _on_accept(self, message: Accept) -> list[Action]:
        terms = replace(self._offer, neighbor_commitment=message.terms.neighbor_commitment)
        if message.terms != terms:
            return self._finish("the neighbor changed the terms")
        if not self._identity.verify(terms.neighbor, self._domain.digest(terms), message.signature):
            return self._finish("the neighbor's signature is not valid")
        self._terms = terms
        return [Submit(Open(terms, message.signature))]

    @property
    def _result(self) -> Parcel | None:
        return None if self._handed is None else self._handed.result

    def _on_result(self, message: ResultSent) -> list[Action]:
        encounter = self._encounter
        disputed = encounter is not None and encounter.progress.phase is Phase.DISPUTED
        answered = self._reported or self._is_reported(self._result)
        if self._brought_both or (answered and not disputed):
            return []
        if not self._is_reported(self._result):
            self._handed = message  # the last one, until one is what the neighbor reported
        return self._report_both(message) or self._report_if_ready()

    def _report_both(self, message: ResultSent) -> list[Action]:
        """Bring both reports where its own does not do, if the neighbor's is what the neighbor says it is.

        So while the neighbor's is not on the ledger, and where the neighbor went on to report another result: what it
        signed first, and handed over, is what counts. Also where the learner denied, before the right result came.
        """
        encounter, report = self._encounter, message.report
        if encounter is None or encounter.progress.phase not in _ANSWERABLE:
            return []
        if encounter.progress.phase is Phase.REPORTED and self._is_reported(message.result):
            return []
        terms, digest = encounter.terms, self._domain.digest(report)
        expected = Report(encounter.id, terms.neighbor, message.result.digest, report.secret)
        signed = self._identity.verify(terms.neighbor, digest, message.signature)
        if report != expected or commitment(report.secret) != terms.neighbor_commitment or not signed:
            return []
        self._brought_both, self._handed = True, message
        own = Report(encounter.id, terms.learner, report.result, self._secret, digest)
        agreed = ReportSent(own, self._identity.sign(self._domain.digest(own)))
        both = SubmitReports(report.result, report.secret, self._secret, message.signature)
        return [Submit(both), Send(terms.neighbor, agreed)]

    def on_encounter(self, encounter: Encounter) -> list[Action]:
        """Take where the encounter stands now, after each of its events on the ledger."""
        if encounter.terms != self._terms:
            return []
        before = self._encounter.progress.phase if self._encounter else None
        self._encounter = encounter
        self._finished = False  # an opening that came late is an opening all the same
        phase = encounter.progress.phase
        if phase is Phase.OPEN:
            return [Send(encounter.terms.neighbor, ModelSent(self._model))]
        if phase is Phase.REPORTED:
            return self._report_if_ready()
        if phase is Phase.DISPUTED and before is not Phase.DISPUTED and self._handed is not None:
            self._brought_both = False  # in vain, as it seems
            return self._report_both(self._handed)
        if phase is Phase.VALIDATING and before is not Phase.VALIDATING and self._result is not None:
            request = ValidationRequest(encounter, self._model, self._result)
            judges = encounter.progress.committee if self._task.committee_size else self._validators
            return [Send(judge, request) for judge in judges]
        return []

    def on_settled(self, accepted: bool | None) -> list[Action]:
        """Take the verdict: accepted, rejected, or None where too few voted.

        What it pays for is what was judged. Where it has another, or nothing, as after a contest, it asks for that.
        """
        encounter = self._encounter
        if self._finished or encounter is None:
            return []
        work: list[Action] = []
        if accepted or (accepted is None and self._adopt_unjudged):
            held = self._result if self._is_reported(self._result) else None
            work = [Adopt(held)] if held is not None else [Fetch(encounter.progress.result)]
        return work + self._finish(describe(accepted))

    def on_fetched(self, result: Parcel) -> list[Action]:
        """Take what came from one who voted for it: merged if it is what was judged."""
        return [Adopt(result)] if self._is_reported(result) else []

    def on_ended(self, outcome: str) -> list[Action]:
        """Take that the encounter ended without a verdict ("rejected" or "incomplete")."""
        return self._finish(outcome)

    def on_time(self, now_s: int, block: int) -> list[Action]:
        """Take time and number of the next block: answers a report at last, ends what is over."""
        if self._finished:
            return []
        encounter = self._encounter
        if encounter is None:
            return self._finish("never opened") if now_s > self._offer.deadline else []
        if encounter.progress.phase is Phase.REPORTED and is_late(encounter, self._task, now_s):
            return self._report_if_ready(late=True)
        return finalize_if_due(encounter, self._task, now_s, block)

    def _is_reported(self, result: Parcel | None) -> bool:
        """Whether a result is the one that the neighbor reported."""
        encounter = self._encounter
        return encounter is not None and result is not None and result.digest == encounter.progress.result

    def _report_if_ready(self, *, late: bool = False) -> list[Action]:
        """Report what came. Another result than the neighbor's is only denied late: the right one may yet come.

        Who brought both reports waits likewise: the neighbor's own may be all of theirs that is seen so far, or it was
        there first and the learner must still answer it. Where the neighbor signed another, both are brought again.
        """
        encounter, handed = self._encounter, self._handed
        if self._reported or handed is None or encounter is None or encounter.progress.phase is not Phase.REPORTED:
            return []
        result = handed.result
        if not late and (self._brought_both or not self._is_reported(result)):
            return []
        self._reported = True
        return self._report_both(handed) or [
            Submit(SubmitReport(encounter.report(self._offer.learner, result.digest, self._secret, self._domain)))
        ]

    def _finish(self, reason: str) -> list[Action]:
        self._finished = True
        return [Finish(reason)]


def describe(accepted: bool | None) -> str:
    """A verdict in words."""
    return "settled: " + ("unjudged" if accepted is None else "accepted" if accepted else "rejected")


def is_late(encounter: Encounter, task: TaskParams, now_s: int) -> bool:
    """Whether the last quarter of a party's window has begun and it may still act: time to stop waiting for others."""
    return encounter.progress.late_s(task) <= now_s <= encounter.progress.due_s(task)


def finalize_if_due(encounter: Encounter, task: TaskParams, now_s: int, block: int) -> list[Action]:
    """Ask to finalize an encounter if the ledger allows it in a block of this time and number."""
    return [Submit(Finalize())] if encounter.progress.finalizable(task, now_s, block) else []
