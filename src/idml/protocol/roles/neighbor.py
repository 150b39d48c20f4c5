"""The neighbor: helps a learner train its model, and stakes that its help is real."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.roles.actions import (
    Accept,
    Action,
    Contest,
    Contribute,
    Decline,
    Draw,
    Finish,
    Identity,
    ModelSent,
    Offer,
    Parcel,
    Reject,
    ReportSent,
    ResultSent,
    Send,
    Submit,
    SubmitReport,
    SubmitReports,
    ValidationRequest,
)
from idml.protocol.roles.learner import describe, finalize_if_due, is_late
from idml.protocol.task import TaskParams

Policy = Callable[[Terms], str | None]
"""Decides on offered Terms: None to accept, or why not. Step 2 of the paper: price, the learner's record, own means."""


class Neighbor:
    """One encounter as its neighbor sees it.

    Args:
        identity: signs for the neighbor.
        domain: the contract's EIP-712 domain.
        task: the only task this neighbor serves.
        secret: 32 fresh bytes, revealed in its report.
        policy: decides whether to accept an offer.
        validators: whom to ask where anyone may vote (`committee_size` 0); otherwise the committee is asked.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        domain: Domain,
        task: TaskParams,
        secret: bytes,
        policy: Policy = lambda _terms: None,
        validators: Sequence[bytes] = (),
    ) -> None:
        self._identity = identity
        self._domain = domain
        self._task = task
        self._secret = secret
        self._policy = policy
        self._validators = tuple(validators)
        self._terms: Terms | None = None
        self._encounter: Encounter | None = None
        self._model: Parcel | None = None
        self._result: Parcel | None = None
        self._agreed: ReportSent | None = None
        self._working = False
        self._finished = False

    def on_message(self, message: Offer | ModelSent | ReportSent) -> list[Action]:
        """Take what the learner sent."""
        if self._finished:
            return []
        if isinstance(message, Offer):
            return self._on_offer(message.terms)
        if isinstance(message, ReportSent):
            return self._on_report(message)
        if not self._is_named(self._model):
            self._model = message.model  # the last one, until one is the one that the Terms name
        return self._work_if_ready()

    def _on_offer(self, offer: Terms) -> list[Action]:
        if self._terms is not None:
            return []
        refusal = self._refusal(offer)
        if refusal is not None:
            self._finished = True
            return [Send(offer.learner, Decline(refusal)), Finish(refusal)]
        self._terms = replace(offer, neighbor_commitment=commitment(self._secret))
        signature = self._identity.sign(self._domain.digest(self._terms))
        return [Send(offer.learner, Accept(self._terms, signature))]

    def _refusal(self, offer: Terms) -> str | None:
        if offer.neighbor != self._identity.address:
            return "the offer is for another neighbor"
        if offer.learner == offer.neighbor:
            return "learner and neighbor are the same"
        if offer.task != self._task.id:
            return "the offer is for another task"
        return self._policy(offer)

    def on_encounter(self, encounter: Encounter) -> list[Action]:
        """Take where the encounter stands now, after each of its events on the ledger."""
        if encounter.terms != self._terms:
            return []
        before = self._encounter.progress.phase if self._encounter else None
        self._encounter = encounter
        self._finished = False  # an opening that came late is an opening all the same
        phase = encounter.progress.phase
        if phase is Phase.OPEN:
            return self._work_if_ready()
        if self._model is None or self._result is None:
            return []
        if phase is Phase.REPORTED and before is not Phase.REPORTED:
            return [self._hand_over(encounter, self._result)]
        if phase is Phase.DISPUTED and before is not Phase.DISPUTED:
            return self._answer_denial(encounter, self._result)
        if phase is Phase.VALIDATING and before is not Phase.VALIDATING:
            request = ValidationRequest(encounter, self._model, self._result)
            judges = encounter.progress.committee if self._task.committee_size else self._validators
            return [Send(judge, request) for judge in judges]
        return []

    def on_contribution(self, result: Parcel) -> list[Action]:
        """Take the outcome of the work: hand it over with the signed report, which the learner may bring."""
        encounter = self._encounter
        if self._finished or self._result is not None or encounter is None:
            return []
        self._result = result
        return [self._hand_over(encounter, result)]

    def _on_report(self, message: ReportSent) -> list[Action]:
        """Keep the learner's Report if it agrees with the own one; it may have denied meanwhile."""
        encounter, result = self._encounter, self._result
        if self._agreed is not None or encounter is None or result is None:
            return []
        terms, report = encounter.terms, message.report
        previous = self._domain.digest(self._report(encounter, result))
        expected = Report(encounter.id, terms.learner, result.digest, report.secret, previous)
        signed = self._identity.verify(terms.learner, self._domain.digest(report), message.signature)
        if report != expected or commitment(report.secret) != terms.learner_commitment or not signed:
            return []
        self._agreed = message
        return self._report_both(encounter, result) if encounter.progress.phase is Phase.DISPUTED else []

    def _report_both(self, encounter: Encounter, result: Parcel) -> list[Action]:
        """Bring both reports, if the learner handed over its own."""
        if self._agreed is None:
            return []
        signature = self._identity.sign(self._domain.digest(self._report(encounter, result)))
        learners = self._agreed.report.secret
        return [Submit(SubmitReports(result.digest, self._secret, learners, signature, self._agreed.signature))]

    def _answer_denial(self, encounter: Encounter, result: Parcel) -> list[Action]:
        """Hold the learner to what it signed, else contest; where nobody could judge, hand the result over again."""
        if both := self._report_both(encounter, result):
            return both
        return [Submit(Contest())] if self._task.committee_size else [self._hand_over(encounter, result)]

    def _hand_over(self, encounter: Encounter, result: Parcel) -> Send:
        report = self._report(encounter, result)
        signature = self._identity.sign(self._domain.digest(report))
        return Send(encounter.terms.learner, ResultSent(result, report, signature))

    def _report(self, encounter: Encounter, result: Parcel) -> Report:
        return encounter.report(encounter.terms.neighbor, result.digest, self._secret, self._domain)

    def on_settled(self, accepted: bool | None) -> list[Action]:
        """Take the verdict: accepted, rejected, or None where too few voted."""
        return self._finish(describe(accepted))

    def on_ended(self, outcome: str) -> list[Action]:
        """Take that the encounter ended without a verdict ("rejected" or "incomplete")."""
        return self._finish(outcome)

    def on_time(self, now_s: int, block: int) -> list[Action]:
        """Take time and number of the next block: reports alone, contests, draws, and ends what is over.

        It refuses when it waited too long for a model, and reports by itself when the learner does not bring both
        reports.
        """
        if self._finished or self._terms is None:
            return []
        encounter = self._encounter
        if encounter is None:
            return self._finish("never opened") if now_s > self._terms.deadline else []
        progress, task = encounter.progress, self._task
        if progress.phase in (Phase.OPEN, Phase.REFUSED) and is_late(encounter, task, now_s):
            if self._result is not None:
                return [Submit(SubmitReport(self._report(encounter, self._result)))]
            return [] if self._working or progress.phase is Phase.REFUSED else [Submit(Reject())]
        if self._result is not None and self._may_report_both(encounter, now_s):
            return self._report_both(encounter, self._result)
        contestable = progress.contestable_s(task)
        if self._result is not None and contestable and contestable[0] <= now_s <= contestable[1]:
            return [Submit(Contest())]
        if progress.phase is Phase.CONTESTED and progress.seed_block < block <= progress.seed_block + BLOCKHASH_REACH:
            return [Submit(Draw())]
        return finalize_if_due(encounter, task, now_s, block)

    def _may_report_both(self, encounter: Encounter, now_s: int) -> bool:
        """Whether it is time to bring both reports: late, as the learner may yet answer; after a denial at any time.

        It contests a denial late all the same: the learner's wallet may have taken its signature back.
        """
        progress, task = encounter.progress, self._task
        late = is_late(encounter, task, now_s)
        if self._agreed is None or now_s > progress.due_s(task):
            return False
        if progress.phase is Phase.DISPUTED:
            return not (late and task.committee_size)
        return progress.phase is Phase.REPORTED and late

    def _is_named(self, model: Parcel | None) -> bool:
        """Whether a model is the one that the Terms name."""
        return self._terms is not None and model is not None and model.digest == self._terms.model_before

    def _work_if_ready(self) -> list[Action]:
        """Begin once the prepayment is on the ledger and the model is the one that the Terms name."""
        encounter, model = self._encounter, self._model
        if encounter is None or encounter.progress.phase is not Phase.OPEN or self._working:
            return []
        if model is None or not self._is_named(model):
            return []
        self._working = True
        return [Contribute(encounter, model)]

    def _finish(self, reason: str) -> list[Action]:
        self._finished = True
        return [Finish(reason)]
