"""The learner: pays a neighbor to help train its model (paper, section III-A; docs/mechanism.md: An encounter)."""

from collections.abc import Sequence
from dataclasses import replace

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import Settled
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.roles.actions import (
    Action,
    Adopt,
    Finish,
    Identity,
    Ignore,
    Open,
    Send,
    Submit,
    SubmitReport,
    SubmitReports,
)
from idml.protocol.roles.conversation import (
    Accept,
    Decline,
    JudgedResult,
    Message,
    ModelSent,
    Offer,
    ReportSent,
    ResultRequest,
    ResultSent,
)
from idml.protocol.roles.deadlines import ask_to_judge, describe, finalize_if_due, is_late
from idml.protocol.roles.inputs import Clock, Happened, Heard, Input, Started, SubmissionRefused
from idml.protocol.task import TaskParams

_ANSWERABLE = (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED)
"""Phases in which both Reports may be brought. Two that agree go before anything else, until the neighbor contests."""


class Learner:
    """The learner's part in one encounter.

    Args:
        identity: signs for `offer.learner`.
        domain: the contract's EIP-712 domain.
        task: the rules that `offer.task` names.
        offer: the Terms to propose, see `propose`. The neighbor's commitment in them must be zero.
        secret: the secret whose commitment the offer holds, 32 bytes.
        validators: addresses of those to ask for votes if anyone may vote (`committee_size` 0). If there is a
            committee, the committee is asked.
        adopt_unjudged: whether to merge a result on which too few voted, as the paper does.

    Raises:
        ValueError: if the offer does not fit identity, task or secret.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        domain: Domain,
        task: TaskParams,
        offer: Terms,
        secret: bytes,
        validators: Sequence[bytes] = (),
        adopt_unjudged: bool = False,
    ) -> None:
        fits = {
            "learner": offer.learner == identity.address,
            "task": offer.task == task.id,
            "learner_commitment": offer.learner_commitment == commitment(secret),
            "neighbor_commitment": offer.neighbor_commitment == ZERO_WORD,
        }
        for field, fit in fits.items():
            if not fit:
                raise ValueError(f"the offer's {field} is 0x{getattr(offer, field).hex()}: it does not fit")
        self._identity = identity
        self._domain = domain
        self._task = task
        self._offer = offer
        self._secret = secret
        self._validators = tuple(validators)
        self._adopt_unjudged = adopt_unjudged
        self._terms: Terms | None = None
        self._encounter: Encounter | None = None
        self._handed: ResultSent | None = None
        self._agreed: tuple[ResultSent, ReportSent] | None = None
        self._useless: set[tuple[Phase, SubmitReports]] = set()
        self._brought_both = False
        self._reported = False
        self._wanted: bytes | None = None
        self._over = False
        self._finished = False

    def take(self, given: Input) -> list[Action]:
        """See `Role`."""
        match given:
            case Started():
                return [Send(self._offer.neighbor, Offer(self._offer))]
            case Heard(sender, JudgedResult(result)):
                return self._on_judged_result(sender, result)
            case Heard(sender, message):
                if sender != self._offer.neighbor:
                    return [Ignore("only the neighbor has a say in this")]
                return self._on_message(message)
            case Happened():
                return self._on_happened(given)
            case Clock(now_s, block):
                return self._on_time(now_s, block)
            case SubmissionRefused():
                return self._on_refused(given)
        return []

    def _on_message(self, message: Message) -> list[Action]:
        match message:
            case ResultSent() if self._over:
                return self._on_late_result(message.result)
            case ResultSent():
                return self._on_result(message)
            case Accept() | Decline() if self._finished:
                return []
            case Accept() if self._terms is not None:
                return self._repeat_model(message)
            case Accept():
                return self._on_accept(message)
            case Decline(reason):  # of no weight once the opening is on its way: from there on the ledger decides
                return self._finish(f"declined: {reason}") if self._terms is None else []
        return [Ignore(f"a learner has no use for {type(message).__name__}")]

    def _on_accept(self, message: Accept) -> list[Action]:
        terms = replace(self._offer, neighbor_commitment=message.terms.neighbor_commitment)
        if message.terms != terms:
            return self._finish("the neighbor changed the terms")
        if not self._identity.verify(terms.neighbor, self._domain.digest(terms), message.signature):
            return self._finish("the neighbor's signature is not valid")
        self._terms = terms
        return [Submit(Open(terms, message.signature))]

    def _repeat_model(self, message: Accept) -> list[Action]:
        """Hand the model over again to a neighbor that accepts again: the model may not have arrived."""
        is_open = self._encounter is not None and self._encounter.progress.phase is Phase.OPEN
        return [self._hand_over()] if is_open and message.terms == self._terms else []

    def _hand_over(self) -> Send:
        return Send(self._offer.neighbor, ModelSent(self._offer.model_before))

    @property
    def _result(self) -> bytes | None:
        return None if self._handed is None else self._handed.result

    def _on_result(self, message: ResultSent) -> list[Action]:
        if self._agreed is not None and self._agreed[0] == message and self._brought_both:
            return [Send(self._offer.neighbor, self._agreed[1])]  # the answer may not have arrived
        encounter = self._encounter
        disputed = encounter is not None and encounter.progress.phase is Phase.DISPUTED
        answered = self._reported or self._is_reported(self._result)
        if self._brought_both or (answered and not disputed):
            return []
        if not self._is_reported(self._result):
            self._handed = message  # the latest result counts, until one comes that the neighbor reported
        return self._report_both(message) or self._report_if_ready()

    def _report_both(self, message: ResultSent) -> list[Action]:
        """Bring both Reports if the neighbor's is valid and the learner's alone would not do.

        That is so in three cases. The neighbor's Report is not on the ledger yet. Or the neighbor reported another
        result there than the one that it signed and handed over; then the one that it handed over counts. Or the
        learner denied before the right result came.
        """
        encounter, report = self._encounter, message.report
        if encounter is None or encounter.progress.phase not in _ANSWERABLE:
            return []
        if encounter.progress.phase is Phase.REPORTED and self._is_reported(message.result):
            return []
        terms, digest = encounter.terms, self._domain.digest(report)
        expected = Report(encounter.id, terms.neighbor, message.result, report.secret)
        signed = self._identity.verify(terms.neighbor, digest, message.signature)
        if report != expected or commitment(report.secret) != terms.neighbor_commitment or not signed:
            return []
        both = SubmitReports(report.result, report.secret, self._secret, message.signature)
        if (encounter.progress.phase, both) in self._useless:
            return []
        if self._agreed is not None and self._agreed[0].result != message.result:
            return []  # it has signed for another result already, which the neighbor signed too
        own = Report(encounter.id, terms.learner, report.result, self._secret, digest)
        agreed = ReportSent(own, self._identity.sign(self._domain.digest(own)))
        self._brought_both, self._handed, self._agreed = True, message, (message, agreed)
        return [Submit(both), Send(terms.neighbor, agreed)]

    def _on_happened(self, happened: Happened) -> list[Action]:
        encounter = happened.encounter
        if encounter.terms != self._terms:
            return []
        before = self._encounter.progress.phase if self._encounter else None
        self._encounter = encounter
        if happened.end is not None:
            over, self._over = self._over, True
            return [] if over else self._finish_by(happened)
        self._finished = False  # it may have given up, but an opening that came late is still an opening
        phase = happened.phase
        if phase is Phase.OPEN:
            return [self._hand_over(), *(self._report_both(self._handed) if self._handed else [])]
        if phase is Phase.REPORTED:
            return self._report_if_ready()
        if phase is Phase.DISPUTED and before is not Phase.DISPUTED and self._handed is not None:
            self._brought_both = False  # if it did, the transaction was in vain
            return self._report_both(self._handed)
        if phase is Phase.VALIDATING and before is not Phase.VALIDATING and self._result is not None:
            return ask_to_judge(encounter, self._task, self._result, self._validators)
        return []

    def _finish_by(self, happened: Happened) -> list[Action]:
        """Merge what was accepted, and finish.

        The learner pays for the result that was judged. After a contest it may hold another result, or none. Then it
        asks the validators who voted yes for the right one.
        """
        progress, end = happened.encounter.progress, happened.end
        assert end is not None
        work: list[Action] = []
        accepted = end.accepted if isinstance(end, Settled) else False
        if accepted or (accepted is None and self._adopt_unjudged):
            if self._is_reported(self._result):
                work = [Adopt(progress.result)]
            else:
                self._wanted = progress.result
                request = ResultRequest(happened.encounter.id, progress.result)
                work = [Send(voter, request) for voter, accept in progress.votes if accept]
        return work + self._finish(describe(end))

    def _on_judged_result(self, sender: bytes, result: bytes) -> list[Action]:
        """Merge a result that came from a validator, if it was judged and this validator voted for it."""
        encounter = self._encounter
        if self._wanted is None or encounter is None or result != self._wanted:
            return [Ignore("this result was not asked for")]
        if (sender, True) not in encounter.progress.votes:
            return [Ignore("it did not vote for this result")]
        return self._on_late_result(result)

    def _on_late_result(self, result: bytes) -> list[Action]:
        """Merge the accepted result, if it was missing when the encounter ended."""
        if self._wanted is None or result != self._wanted:
            return []
        self._wanted = None
        return [Adopt(result)]

    def _on_time(self, now_s: int, block: int) -> list[Action]:
        """Answer the neighbor's Report when the time runs out, and finalize what is over."""
        if self._finished:
            return []
        encounter = self._encounter
        if encounter is None:
            return self._finish("never opened") if now_s > self._offer.deadline else []
        if encounter.progress.phase is Phase.REPORTED and is_late(encounter, self._task, now_s):
            return self._report_if_ready(late=True)
        return finalize_if_due(encounter, self._task, now_s, block)

    def _on_refused(self, refused: SubmissionRefused) -> list[Action]:
        """Try another way if there is one."""
        match refused.submission:
            case Open() if self._encounter is None:
                return self._finish(refused.reason)
            case SubmitReports() as both if self._encounter is not None:
                self._brought_both = self._reported = False
                self._useless.add((self._encounter.progress.phase, both))
                return self._report_if_ready()
            case SubmitReport():
                self._reported = False
        return []

    def _is_reported(self, result: bytes | None) -> bool:
        """Whether a result is the one that the neighbor reported."""
        return self._encounter is not None and result is not None and result == self._encounter.progress.result

    def _report_if_ready(self, *, late: bool = False) -> list[Action]:
        """Answer the neighbor's Report with a Report on the result that was handed over.

        If that result is not the one that the neighbor reported, the learner denies it only when its time runs out: the
        right one may still come. A learner that brought both Reports waits as long. Perhaps their transaction is not
        seen yet; or the neighbor's own Report was there first, and must still be answered. If the neighbor reported
        another result than it signed, both are brought again.
        """
        encounter, handed = self._encounter, self._handed
        if self._reported or handed is None or encounter is None or encounter.progress.phase is not Phase.REPORTED:
            return []
        result = handed.result
        if not late and (self._brought_both or not self._is_reported(result)):
            return []
        self._reported = True
        return self._report_both(handed) or [
            Submit(SubmitReport(encounter.report(self._offer.learner, result, self._secret, self._domain)))
        ]

    def _finish(self, reason: str) -> list[Action]:
        self._finished = True
        return [Finish(reason)]
