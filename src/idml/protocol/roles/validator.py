"""The validator: judges on its own data whether a neighbor's help was real, and stakes on its verdict."""

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.roles.actions import Action, Ignore, Judge, Submit, SubmitVote, ValidationRequest
from idml.protocol.task import TaskParams


class Validator:
    """One encounter as one of its validators sees it.

    Args:
        address: the validator's, 20 bytes.
        task: the rules of the encounter.
    """

    def __init__(self, address: bytes, task: TaskParams) -> None:
        self._address = address
        self._task = task
        self._encounter: Encounter | None = None
        self._voted = False

    def on_message(self, message: ValidationRequest, encounter: Encounter) -> list[Action]:
        """Take a request to judge.

        Args:
            message: from either party; the first good one counts.
            encounter: where the encounter stands on the ledger, which the request is checked against.
        """
        if self._encounter is not None:
            return []
        fault = self._fault(message, encounter)
        if fault is not None:
            return [Ignore(fault)]
        self._encounter = encounter
        return [Judge(encounter, message.model, message.result)]

    def _fault(self, message: ValidationRequest, encounter: Encounter) -> str | None:
        terms, progress = encounter.terms, encounter.progress
        if terms.task != self._task.id:
            return "the encounter is of another task"
        if message.encounter.id != encounter.id or progress.phase is not Phase.VALIDATING:
            return "the encounter is not under validation"
        if self._address in (terms.learner, terms.neighbor):
            return "a party does not judge its own encounter"
        if self._task.committee_size and self._address not in progress.committee:
            return "not in the committee"
        if message.model.digest != terms.model_before:
            return "the model before is not the one in the terms"
        if message.result.digest != progress.result:
            return "the result is not the one reported"
        return None

    def on_verdict(self, accept: bool, encounter: Encounter) -> list[Action]:
        """Take the outcome of the work: vote.

        Args:
            accept: whether the contribution was real.
            encounter: where the encounter stands now: others may have voted meanwhile.
        """
        if self._encounter is None or self._voted or encounter.progress.phase is not Phase.VALIDATING:
            return []
        self._voted = True
        return [Submit(SubmitVote(encounter.vote(self._address, accept)))]
