"""Parties that break off or twist the protocol itself."""

import hashlib
from dataclasses import replace

from idml.protocol.roles import (
    Accept,
    Action,
    Contest,
    Finalize,
    Message,
    Part,
    ReportSent,
    Send,
    Submission,
    Submit,
    SubmitReport,
    SubmitReports,
    ValidationRequest,
)
from idml.simulation.adversaries.base import Hasty, Participant


class Withhold(Participant):
    """A neighbor that works and reports, and hands its result to nobody."""

    kind = "withhold"

    def hand_over(self, received: bytes, result: bytes) -> bytes | None:
        """Nothing."""
        del received, result
        return None

    def act(self, action: Action, part: Part) -> Action | None:
        """All but serving validators, or asking for some."""
        if part == "neighbor" and (_sends(action, ValidationRequest) or _submits(action, Contest)):
            return None
        return action


class Swap(Participant):
    """A neighbor that works and reports, and hands the learner its own old model instead of the result."""

    kind = "swap"

    def hand_over(self, received: bytes, result: bytes) -> bytes | None:
        """What it received."""
        del result
        return received


class NoShow(Participant):
    """A neighbor that accepts, and is never heard of again."""

    kind = "no_show"

    def act(self, action: Action, part: Part) -> Action | None:
        """Accept, and nothing else."""
        return None if part == "neighbor" and not _sends(action, Accept) else action


class Deny(Hasty):
    """A learner that merges what it gets, and reports that it got something else, so as not to pay."""

    kind = "deny"

    def act(self, action: Action, part: Part) -> Action | None:
        """Report another digest, serve no validators."""
        if part != "learner":
            return action
        if isinstance(action, Submit) and isinstance(action.submission, SubmitReport):
            report = action.submission.report
            other = hashlib.sha256(report.result).digest()
            return Submit(SubmitReport(replace(report, result=other)))
        return None if _submits(action, SubmitReports) or _sends(action, ReportSent, ValidationRequest) else action


class SilentLearner(Hasty):
    """A learner that merges what it gets, and is never heard of again."""

    kind = "silent_learner"

    def act(self, action: Action, part: Part) -> Action | None:
        """Nothing that would settle the encounter, also by the neighbor's hand."""
        if part != "learner":
            return action
        gone = _submits(action, SubmitReport, SubmitReports, Finalize) or _sends(action, ReportSent, ValidationRequest)
        return None if gone else action


def _sends(action: Action, *kinds: type[Message]) -> bool:
    return isinstance(action, Send) and isinstance(action.message, kinds)


def _submits(action: Action, *kinds: type[Submission]) -> bool:
    return isinstance(action, Submit) and isinstance(action.submission, kinds)
