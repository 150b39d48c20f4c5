"""The validator: judges on its own data whether a neighbor's help was real, and stakes on its verdict."""

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.roles.actions import Action, Finish, Ignore, Judge, Send, Submit, SubmitVote
from idml.protocol.roles.conversation import JudgedResult, ResultRequest, ValidationRequest
from idml.protocol.roles.inputs import Happened, Heard, Input, Judged, SubmissionRefused
from idml.protocol.task import TaskParams

_MOST_WAITING = 64
"""How many requests are kept until their encounter can be judged, one from each sender. Anyone may send one."""


class Validator:
    """A validator's part in one encounter.

    Args:
        address: the validator's address, 20 bytes.
        task: the rules of the encounter.
    """

    def __init__(self, address: bytes, task: TaskParams) -> None:
        self._address = address
        self._task = task
        self._encounter: Encounter | None = None
        self._over = False
        self._waiting: dict[bytes, ValidationRequest] = {}
        self._judging: ValidationRequest | None = None
        self._verdict: bool | None = None

    def take(self, given: Input) -> list[Action]:
        """See `Role`."""
        match given:
            case Happened():
                if self._encounter is None:  # now it knows who the parties are
                    parties = _parties(given.encounter)
                    self._waiting = {sender: kept for sender, kept in self._waiting.items() if sender in parties}
                self._encounter, self._over = given.encounter, given.end is not None
                return self._judge_what_waits()
            case Heard(sender, ValidationRequest() as request):
                return self._on_request(sender, request)
            case Heard(sender, ResultRequest(encounter, result)):
                return self._hand_over(sender, encounter, result)
            case Heard(_, message):
                return [Ignore(f"a validator has no use for {type(message).__name__}")]
            case Judged(result, accept):
                return self._on_verdict(result, accept)
            case SubmissionRefused(SubmitVote(), reason):
                return [Finish(reason)]
        return []

    def _on_request(self, sender: bytes, request: ValidationRequest) -> list[Action]:
        """Keep a request until the encounter is under validation, which the validator may see later than the party."""
        if self._judging is not None:
            return []  # the other party asks as well, or the same one again
        if self._encounter is not None and sender not in _parties(self._encounter):
            return [Ignore("only a party may ask to judge")]
        if sender not in self._waiting and len(self._waiting) == _MOST_WAITING:
            return [Ignore("too many requests wait")]
        self._waiting[sender] = request
        return self._judge_what_waits()

    def _judge_what_waits(self) -> list[Action]:
        """Begin to judge by the first good request, once the encounter is under validation."""
        if self._encounter is None or (self._encounter.progress.phase is not Phase.VALIDATING and not self._over):
            return []  # too early to refuse the requests
        waiting, self._waiting = self._waiting, {}
        ignored: list[Action] = []
        for request in waiting.values():
            fault = self._fault(request, self._encounter)
            if fault is None:
                self._judging = request
                return [*ignored, Judge(request.model, request.result)]
            ignored.append(Ignore(fault))
        return ignored

    def _fault(self, request: ValidationRequest, encounter: Encounter) -> str | None:
        terms, progress = encounter.terms, encounter.progress
        if self._over:
            return "the encounter is over"
        if request.encounter != encounter.id:
            return "it is about another encounter"
        if terms.task != self._task.id:
            return "the encounter is of another task"
        if self._address in _parties(encounter):
            return "a party does not judge its own encounter"
        if self._task.committee_size and self._address not in progress.committee:
            return "not in the committee"
        if request.model != terms.model_before:
            return "the model before is not the one in the terms"
        if request.result != progress.result:
            return "the result is not the one reported"
        return None

    def _on_verdict(self, result: bytes, accept: bool) -> list[Action]:
        """Vote, if this result is still under validation; others may have decided the encounter meanwhile."""
        encounter = self._encounter
        if self._judging is None or self._verdict is not None or encounter is None or self._over:
            return []
        if encounter.progress.phase is not Phase.VALIDATING or result != encounter.progress.result:
            return []
        self._verdict = accept
        return [Submit(SubmitVote(encounter.vote(self._address, accept)))]

    def _hand_over(self, sender: bytes, encounter: bytes, result: bytes) -> list[Action]:
        """Hand the result to the learner that paid for it, if this validator voted for it."""
        held = self._judging
        if held is None or self._encounter is None or (encounter, result) != (held.encounter, held.result):
            return [Ignore("this result was not judged here")]
        if sender != self._encounter.terms.learner or not self._verdict:
            return [Ignore("only the learner may ask, for what was voted for")]
        return [Send(sender, JudgedResult(result))]


def _parties(encounter: Encounter) -> tuple[bytes, bytes]:
    return encounter.terms.learner, encounter.terms.neighbor
