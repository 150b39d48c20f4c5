"""The neighbor: helps a learner train its model, and stakes that its help is real."""

from collections.abc import Callable
from dataclasses import replace

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.messages import Domain, Terms, commitment
from idml.protocol.roles.actions import (
    Accept,
    Action,
    Contribute,
    Decline,
    Finish,
    Identity,
    ModelSent,
    Offer,
    Parcel,
    Reject,
    ResultSent,
    Send,
    Submit,
    SubmitReport,
    ValidationRequest,
)
from idml.protocol.roles.learner import finalize_if_due
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
    """

    def __init__(
        self,
        *,
        identity: Identity,
        domain: Domain,
        task: TaskParams,
        secret: bytes,
        policy: Policy = lambda _terms: None,
    ) -> None:
        self._identity = identity
        self._domain = domain
        self._task = task
        self._secret = secret
        self._policy = policy
        self._terms: Terms | None = None
        self._encounter: Encounter | None = None
        self._model: Parcel | None = None
        self._result: Parcel | None = None
        self._working = False
        self._finished = False

    def on_message(self, message: Offer | ModelSent) -> list[Action]:
        """Take what the learner sent."""
        if self._finished:
            return []
        if isinstance(message, Offer):
            return self._on_offer(message.terms)
        if self._model is None:
            self._model = message.model
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
        before = self._encounter.progress.phase if self._encounter else None
        self._encounter = encounter
        phase = encounter.progress.phase
        if phase is Phase.OPEN:
            return self._work_if_ready()
        if self._model is None or self._result is None:
            return []
        if phase is Phase.REPORTED and before is not Phase.REPORTED:
            return [Send(encounter.terms.learner, ResultSent(self._result))]
        if phase is Phase.VALIDATING and before is not Phase.VALIDATING:
            request = ValidationRequest(encounter, self._model, self._result)
            return [Send(judge, request) for judge in encounter.progress.committee]
        return []

    def on_contribution(self, result: Parcel) -> list[Action]:
        """Take the outcome of the work: report it, so that the learner can never be the first."""
        encounter = self._encounter
        if self._finished or self._result is not None or encounter is None:
            return []
        self._result = result
        return [Submit(SubmitReport(encounter.report(encounter.terms.neighbor, result.digest, self._secret)))]

    def on_settled(self, accepted: bool | None) -> list[Action]:
        """Take the verdict: accepted, rejected, or None where too few voted."""
        verdict = "unjudged" if accepted is None else "accepted" if accepted else "rejected"
        return self._finish(f"settled: {verdict}")

    def on_ended(self, outcome: str) -> list[Action]:
        """Take that the encounter ended without a verdict ("rejected" or "incomplete")."""
        return self._finish(outcome)

    def on_time(self, now_s: int) -> list[Action]:
        """Take the time: ends an encounter whose windows are over."""
        if self._finished or self._terms is None:
            return []
        if self._encounter is None:
            return self._finish("never opened") if now_s > self._terms.deadline else []
        return finalize_if_due(self._encounter, self._task, now_s)

    def _work_if_ready(self) -> list[Action]:
        """Begin once the prepayment is on the ledger and the model is the one that the Terms name."""
        encounter, model = self._encounter, self._model
        if encounter is None or model is None or self._working or encounter.progress.phase is not Phase.OPEN:
            return []
        self._working = True
        if model.digest != encounter.terms.model_before:
            return [Submit(Reject())]
        return [Contribute(encounter, model)]

    def _finish(self, reason: str) -> list[Action]:
        self._finished = True
        return [Finish(reason)]
