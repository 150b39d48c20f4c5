"""Sends to the contract what a role submits about an encounter."""

from idml.ledger.errors import LedgerError
from idml.ledger.interface import Ledger, TxResult
from idml.ledger.mirror import AccountsMirror
from idml.ledger.wallet import Wallet
from idml.protocol.encounter import Encounter
from idml.protocol.roles import (
    Contest,
    Draw,
    Open,
    Reject,
    Submission,
    SubmitReport,
    SubmitReports,
    SubmitVote,
)


def submit(
    ledger: Ledger, mirror: AccountsMirror, wallet: Wallet, encounter: bytes | None, submission: Submission
) -> TxResult:
    """Send a submission from the role's own account, as one transaction.

    Args:
        ledger: the contract.
        mirror: knows the encounter's Progress, and the learner's free lanes and budget.
        wallet: key of the role's own account.
        encounter: the encounter's id, 32 bytes; None for an opening.
        submission: what the role wants.

    Raises:
        Reverted: if the contract refuses.
        LedgerError: if the encounter is not open. Also if a vote, or the learner's own Report, was made for another
            result or Report than the one that is on the chain now. That happens when the chain took blocks back: the
            sender has not judged, or not seen, what is there now.
    """
    if isinstance(submission, Open):
        terms = submission.terms
        # A learner with a budget must sign, so that it can be punished if it signs other Terms with the same nonce.
        own = wallet.sign(ledger.domain.digest(terms)) if mirror.account(terms.learner).budget_nonces else b""
        lane = mirror.lane(terms.learner, terms.nonce)
        return ledger.open(wallet, terms, own, submission.neighbor_signature, lane=lane)
    at = mirror.encounters.get(encounter) if encounter is not None else None
    if at is None:
        raise LedgerError(f"no encounter 0x{(encounter or b'').hex()} is open: it is over, or was never opened")
    progress = at.progress
    if _is_about_another(submission, at, ledger):
        raise LedgerError(f"encounter 0x{at.id.hex()} is about another result by now: it is judged and answered anew")
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
    return ledger.finalize(wallet, progress)


def _is_about_another(submission: Submission, at: Encounter, ledger: Ledger) -> bool:
    """Whether a vote, or a learner's answer to the neighbor's Report, was made for another state of the encounter."""
    match submission:
        case SubmitVote(vote):
            return vote != at.vote(vote.validator, vote.accept)
        case SubmitReport(report) if report.reporter == at.terms.learner:
            return report != at.report(report.reporter, report.result, report.secret, ledger.domain)
    return False
