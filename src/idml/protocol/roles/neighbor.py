"""The neighbor: helps a learner train its model, and stakes that its help is real."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.roles.actions import (
    Action,
    Contest,
    Contribute,
    Finish,
    Identity,
    Ignore,
    Reject,
    Send,
    Submit,
    SubmitReport,
    SubmitReports,
)
from idml.protocol.roles.conversation import (
    Accept,
    Decline,
    Message,
    ModelSent,
    Offer,
    ReportSent,
    ResultSent,
)
from idml.protocol.roles.deadlines import ask_to_judge, describe, go_on_if_due, is_late
from idml.protocol.roles.inputs import Clock, Contributed, Happened, Heard, Input, SubmissionRefused
from idml.protocol.task import TaskParams

Policy = Callable[[Terms], str | None]
"""A function that decides on offered Terms: it returns None to accept them, or the reason to decline.

This is step 2 of the paper. It may look at the price, at the learner's record, and at what the neighbor can afford. It
must give the same answer when it is asked again, because a role that is restored asks it again.
"""


class Neighbor:
    """The neighbor's part in one encounter.

    Args:
        identity: signs for the neighbor.
        domain: the contract's EIP-712 domain.
        task: the only task that this neighbor serves.
        secret: 32 fresh bytes, which its Report will reveal.
        policy: decides whether to accept an offer.
        validators: addresses of those to ask for votes if anyone may vote (`committee_size` 0). If there is a
            committee, the committee is asked.
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
        self._offer: Terms | None = None
        self._answer: Accept | Decline | None = None
        self._terms: Terms | None = None
        self._encounter: Encounter | None = None
        self._model: bytes | None = None
        self._result: bytes | None = None
        self._agreed: ReportSent | None = None
        self._useless: ReportSent | None = None
        self._working = False
        self._over = False
        self._finished = False

    def take(self, given: Input) -> list[Action]:
        """See `Role`."""
        match given:
            case Heard(sender, Offer(offer)):
                return self._on_offer(sender, offer)
            case Heard(sender, message):
                if self._offer is None or sender != self._offer.learner:
                    return [Ignore("only the learner has a say in this")]
                return [] if self._over else self._on_message(message)
            case Happened():
                return self._on_happened(given)
            case Contributed(result):
                return self._on_contribution(result)
            case Clock(now_s, block):
                return self._on_time(now_s, block)
            case SubmissionRefused(SubmitReports(), _):
                return self._on_useless_agreement()
        return []

    def _on_offer(self, sender: bytes, offer: Terms) -> list[Action]:
        if sender != offer.learner:
            return [Ignore("only the learner may offer")]
        if self._offer is not None and offer != self._offer:
            return [Ignore("another offer is being talked about")]
        if self._answer is not None:
            return [Send(offer.learner, self._answer)]  # the first answer may not have arrived
        self._offer = offer
        refusal = self._refusal(offer)
        if refusal is not None:
            self._answer = Decline(refusal)
            return [Send(offer.learner, self._answer), *self._finish(refusal)]
        self._terms = replace(offer, neighbor_commitment=commitment(self._secret))
        self._answer = Accept(self._terms, self._identity.sign(self._domain.digest(self._terms)))
        return [Send(offer.learner, self._answer)]

    def _on_message(self, message: Message) -> list[Action]:
        match message:
            case ModelSent(model):
                return self._on_model(model)
            case ReportSent():
                return self._on_report(message)
        return [Ignore(f"a neighbor has no use for {type(message).__name__}")]

    def _on_model(self, model: bytes) -> list[Action]:
        if not self._is_named(self._model):
            self._model = model  # the latest model counts, until the one comes that the Terms name
        return self._work_if_ready()

    def _refusal(self, offer: Terms) -> str | None:
        if offer.neighbor != self._identity.address:
            return "the offer is for another neighbor"
        if offer.learner == offer.neighbor:
            return "learner and neighbor are the same"
        if offer.task != self._task.id:
            return "the offer is for another task"
        return self._policy(offer)

    def _on_happened(self, happened: Happened) -> list[Action]:
        encounter = happened.encounter
        if encounter.terms != self._terms:
            return []
        before = self._encounter.progress.phase if self._encounter else None
        self._encounter = encounter
        if happened.end is not None:
            self._over = True
            return self._finish(describe(happened.end))
        self._finished = False  # it may have given up, but an opening that came late is still an opening
        phase = happened.phase
        if phase is Phase.OPEN:
            return self._work_if_ready()
        if self._model is None or self._result is None:
            return []
        if phase is Phase.REPORTED and before is not Phase.REPORTED:
            return [self._hand_over(encounter, self._result)]
        if phase is Phase.DISPUTED and before is not Phase.DISPUTED:
            return self._answer_denial(encounter, self._result)
        if phase is Phase.VALIDATING and before is not Phase.VALIDATING:
            return ask_to_judge(encounter, self._task, self._result, self._validators)
        return []

    def _on_contribution(self, result: bytes) -> list[Action]:
        """Hand over the result of the work, with the signed Report, which the learner may bring to the contract."""
        if self._terms is None or self._result is not None:
            return []
        self._result = result
        return [] if self._encounter is None or self._over else [self._hand_over(self._encounter, result)]

    def _on_report(self, message: ReportSent) -> list[Action]:
        """Keep the learner's Report if it agrees with the neighbor's own.

        If the learner has denied on the ledger meanwhile, both Reports are brought at once.
        """
        terms, result, report = self._terms, self._result, message.report
        if self._agreed is not None or message == self._useless or terms is None or result is None:
            return []
        own = self._report(terms, result)
        expected = Report(own.encounter, terms.learner, result, report.secret, self._domain.digest(own))
        signed = self._identity.verify(terms.learner, self._domain.digest(report), message.signature)
        if report != expected or commitment(report.secret) != terms.learner_commitment or not signed:
            return []
        self._agreed, encounter = message, self._encounter
        disputed = encounter is not None and encounter.progress.phase is Phase.DISPUTED
        return self._report_both(encounter, result) if encounter is not None and disputed else []

    def _report_both(self, encounter: Encounter, result: bytes) -> list[Action]:
        """Bring both Reports, if the learner handed over its own."""
        if self._agreed is None:
            return []
        signature = self._identity.sign(self._domain.digest(self._report(encounter.terms, result)))
        learners = self._agreed.report.secret
        return [Submit(SubmitReports(result, self._secret, learners, signature, self._agreed.signature))]

    def _answer_denial(self, encounter: Encounter, result: bytes) -> list[Action]:
        """Answer a learner that denies.

        If it signed a Report that agrees, both Reports are brought. Otherwise the neighbor contests. If the task has no
        committee that could judge, it hands the result over again.
        """
        if both := self._report_both(encounter, result):
            return both
        return [Submit(Contest())] if self._task.committee_size else [self._hand_over(encounter, result)]

    def _on_useless_agreement(self) -> list[Action]:
        """Go on without the learner's Report. The contract refused it: the learner's wallet revoked its signature."""
        self._useless, self._agreed = self._agreed, None
        disputed = self._encounter is not None and self._encounter.progress.phase is Phase.DISPUTED
        return [Submit(Contest())] if disputed and not self._over and self._task.committee_size else []

    def _hand_over(self, encounter: Encounter, result: bytes) -> Send:
        report = self._report(encounter.terms, result)
        signature = self._identity.sign(self._domain.digest(report))
        return Send(encounter.terms.learner, ResultSent(result, report, signature))

    def _report(self, terms: Terms, result: bytes) -> Report:
        return Report(self._domain.digest(terms), terms.neighbor, result, self._secret)

    def _on_time(self, now_s: int, block: int) -> list[Action]:
        """Do what the time calls for: refuse, report, contest, draw the committee, or finalize.

        The neighbor refuses if it has waited too long for the model. It reports alone if the learner has not brought
        both Reports.
        """
        if self._finished or self._terms is None:
            return []
        encounter = self._encounter
        if encounter is None:
            return self._finish("never opened") if now_s > self._terms.deadline else []
        progress, task = encounter.progress, self._task
        if progress.phase in (Phase.OPEN, Phase.REFUSED) and is_late(encounter, task, now_s):
            if self._result is not None:
                return [Submit(SubmitReport(self._report(encounter.terms, self._result)))]
            return [] if self._working or progress.phase is Phase.REFUSED else [Submit(Reject())]
        if self._result is not None and self._may_report_both(encounter, now_s):
            return self._report_both(encounter, self._result)
        contestable = progress.contestable_s(task)
        if self._result is not None and contestable and contestable[0] <= now_s <= contestable[1]:
            return [Submit(Contest())]
        return go_on_if_due(encounter, task, now_s, block)

    def _may_report_both(self, encounter: Encounter, now_s: int) -> bool:
        """Whether it is time to bring both Reports.

        As long as the learner may still answer, that is only late in the window. After a denial it is at any time, but
        late in the window the neighbor contests instead: the learner's wallet may have revoked its signature.
        """
        progress, task = encounter.progress, self._task
        late = is_late(encounter, task, now_s)
        if self._agreed is None or now_s > progress.due_s(task):
            return False
        if progress.phase is Phase.DISPUTED:
            return not (late and task.committee_size)
        return progress.phase is Phase.REPORTED and late

    def _is_named(self, model: bytes | None) -> bool:
        """Whether a model is the one that the Terms name."""
        return self._terms is not None and model is not None and model == self._terms.model_before

    def _work_if_ready(self) -> list[Action]:
        """Begin to work once the prepayment is on the ledger and the model is the one that the Terms name.

        If the work is done already, its result is handed over once more: it may not have arrived.
        """
        encounter, model = self._encounter, self._model
        if encounter is None or encounter.progress.phase is not Phase.OPEN:
            return []
        if self._result is not None:
            return [self._hand_over(encounter, self._result)]
        if self._working or model is None or not self._is_named(model):
            return []
        self._working = True
        return [Contribute(model)]

    def _finish(self, reason: str) -> list[Action]:
        self._finished = True
        return [Finish(reason)]
