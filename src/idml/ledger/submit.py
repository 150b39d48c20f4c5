"""Sends what a role submits about an open encounter."""

from idml.ledger.interface import Ledger, TxResult
from idml.ledger.wallet import Wallet
from idml.protocol.encounter import Progress
from idml.protocol.roles import (
    Contest,
    Draw,
    Finalize,
    Reject,
    Submission,
    SubmitReport,
    SubmitReports,
    SubmitVote,
)


def submit(ledger: Ledger, wallet: Wallet, progress: Progress, submission: Submission) -> TxResult:
    """Send a submission from the role's own account.

    Args:
        progress: where the encounter stands.
        submission: anything but `Open`, which needs a lane instead: see `Ledger.open`.

    Raises:
        Reverted: if the contract refuses.
        ValueError: for an opening.
    """
    match submission:
        case SubmitReport(report):
            return ledger.report(wallet, progress, report.reporter, report.result, report.secret)
        case SubmitReports(result, neighbor_secret, learner_secret, first, second):
            return ledger.report_both(wallet, progress, result, neighbor_secret, learner_secret, first, second)
        case SubmitVote(vote):
            return ledger.vote(wallet, progress, vote.validator, vote.accept)
        case Contest():
            return ledger.contest(wallet, progress)
        case Draw():
            return ledger.draw(wallet, progress)
        case Reject():
            return ledger.reject(wallet, progress)
        case Finalize():
            return ledger.finalize(wallet, progress)
    raise ValueError("an opening needs a lane: use Ledger.open")
