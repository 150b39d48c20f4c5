"""The roles: the nine steps in order, and every liberty that another party may take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.ledger.wallet import Wallet
from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase, Stage
from idml.protocol.events import (
    Contested,
    Disputed,
    EncounterEvent,
    Ended,
    Ending,
    Opened,
    Refused,
    Reported,
    Settled,
    ValidationStarted,
    Voted,
)
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, Vote, commitment, committee_seed
from idml.protocol.roles import (
    Accept,
    Action,
    Adopt,
    Clock,
    Contest,
    Contribute,
    Contributed,
    Decline,
    Draw,
    Finalize,
    Finish,
    Happened,
    Heard,
    Identity,
    Ignore,
    Input,
    Judge,
    Judged,
    JudgedResult,
    Keeper,
    Learner,
    Message,
    ModelSent,
    Neighbor,
    Offer,
    Open,
    Reject,
    ReportSent,
    ResultRequest,
    ResultSent,
    Role,
    Send,
    Started,
    SubmissionRefused,
    Submit,
    SubmitReport,
    SubmitReports,
    SubmitVote,
    ValidationRequest,
    Validator,
    propose,
)
from idml.protocol.settlement import settle
from idml.protocol.task import TaskParams, preset_task

DOMAIN = Domain(1, b"D" * 20)
SAFE, PAPER = preset_task("safe"), preset_task("paper")
JUDGES = (b"A" * 20, b"B" * 20, b"C" * 20)
STRANGER = b"S" * 20
MODEL, RESULT, WRONG = b"m" * 32, b"r" * 32, b"x" * 32
LEARNER_SECRET, NEIGHBOR_SECRET = b"l" * 32, b"n" * 32


LEARNER, NEIGHBOR = Wallet.from_seed(1, 0), Wallet.from_seed(1, 1)


def offer(task: TaskParams = SAFE) -> Terms:
    return Terms(
        task.id,
        LEARNER.address,
        NEIGHBOR.address,
        10,
        MODEL,
        commitment(LEARNER_SECRET),
        ZERO_WORD,
        5,
        90,
        100,
        0,
    )


def learner(task: TaskParams = SAFE, *, adopt_unjudged: bool = False, identity: Identity = LEARNER) -> Learner:
    return Learner(
        identity=identity,
        domain=DOMAIN,
        task=task,
        offer=offer(task),
        secret=LEARNER_SECRET,
        validators=JUDGES[:2],
        adopt_unjudged=adopt_unjudged,
    )


def neighbor(task: TaskParams = SAFE, *, identity: Identity = NEIGHBOR) -> Neighbor:
    return Neighbor(identity=identity, domain=DOMAIN, task=task, secret=NEIGHBOR_SECRET, validators=JUDGES[1:])


def terms(task: TaskParams = SAFE) -> Terms:
    return replace(offer(task), neighbor_commitment=commitment(NEIGHBOR_SECRET))


def accept(task: TaskParams = SAFE) -> Accept:
    return Accept(terms(task), NEIGHBOR.sign(DOMAIN.digest(terms(task))))


OPENED_AT = 95
BLOCK = 30
CONTEST_BLOCK = 40
WINDOW_S, VOTING_S = SAFE.completion_window_s, SAFE.voting_window_s
LATE = OPENED_AT + WINDOW_S * 3 // 4


def at(phase: Phase, task: TaskParams = SAFE) -> Encounter:
    """The encounter in a phase that began when it was opened."""
    opened = Encounter.opened(DOMAIN, terms(task), task, OPENED_AT)
    stage = replace(opened.progress.where, phase=phase)
    changes: dict[str, Any] = {}
    if phase in (Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED):
        changes = {"result": RESULT, "neighbor_word": NEIGHBOR_SECRET}
    if phase is Phase.CONTESTED:
        stage = replace(stage, contest_block=CONTEST_BLOCK)
    if phase is Phase.VALIDATING:
        stage = Stage(phase, OPENED_AT)
        seed = committee_seed(LEARNER_SECRET, NEIGHBOR_SECRET)
        committee = JUDGES if task.committee_size else ()
        changes = {"result": RESULT, "learner_word": seed, "neighbor_word": ZERO_WORD, "committee": committee}
    return replace(opened, progress=replace(opened.progress, stage=stage.pack(), **changes))


def happened(phase: Phase, task: TaskParams = SAFE) -> Happened:
    """The transaction that brought the encounter into a phase."""
    encounter = at(phase, task)
    when = (BLOCK, OPENED_AT, encounter.id)
    denial = Reported(*when, LEARNER.address, WRONG, LEARNER_SECRET)
    events: dict[Phase, tuple[EncounterEvent, ...]] = {
        Phase.OPEN: (Opened(*when, LEARNER.address, NEIGHBOR.address, 0, encounter.terms),),
        Phase.REFUSED: (Refused(*when),),
        Phase.REPORTED: (Reported(*when, NEIGHBOR.address, RESULT, NEIGHBOR_SECRET),),
        Phase.DISPUTED: (denial, Disputed(*when)),
        Phase.CONTESTED: (Contested(*when, CONTEST_BLOCK),),
        Phase.VALIDATING: (ValidationStarted(*when, LEARNER_SECRET, encounter.progress.committee),),
    }
    return Happened(events[phase], encounter)


def settled(*votes: bool, task: TaskParams = SAFE) -> Happened:
    """The end of an encounter on which the first judges voted this way."""
    encounter: Encounter | None = at(Phase.VALIDATING, task)
    for judge, vote in zip(JUDGES, votes, strict=False):
        assert encounter is not None
        encounter = encounter.follow(Voted(BLOCK, OPENED_AT, encounter.id, judge, vote))
    assert encounter is not None
    votes_for, votes_against = encounter.progress.votes_for, encounter.progress.votes_against
    case = settle(10, votes_for, votes_against, task).case
    return Happened((Settled(BLOCK, OPENED_AT, encounter.id, case, votes_for, votes_against),), encounter)


def ended(ending: Ending, phase: Phase = Phase.OPEN, task: TaskParams = SAFE) -> Happened:
    """The end of an encounter that nobody judged."""
    encounter = at(phase, task)
    return Happened((Ended(BLOCK, OPENED_AT, encounter.id, ending, 0),), encounter)


VERDICTS: dict[bool | None, tuple[bool, ...]] = {True: (True,) * 3, False: (False,) * 3, None: ()}
"""Votes by what they say together."""


def hear(role: Role, message: Message, sender: bytes | None = None) -> list[Action]:
    """Give a role a message of its counterpart's, or of someone else's."""
    counterpart = NEIGHBOR.address if isinstance(role, Learner) else LEARNER.address
    return role.take(Heard(counterpart if sender is None else sender, message))


def see(role: Role, *phases: Phase, task: TaskParams = SAFE) -> list[Action]:
    """Let a role see the encounter in phases, one after the other; what it asks for after the last."""
    return [role.take(happened(phase, task)) for phase in phases][-1]


def wake(role: Role, now_s: int, block: int = 1) -> list[Action]:
    return role.take(Clock(now_s, block))


def handed_over(result: bytes = RESULT, task: TaskParams = SAFE, **changes: Any) -> ResultSent:
    """What the neighbor hands over; `changes` are made to the report before it is signed."""
    report = Report(at(Phase.OPEN, task).id, NEIGHBOR.address, result, NEIGHBOR_SECRET)
    report = replace(report, **changes)
    return ResultSent(result, report, NEIGHBOR.sign(DOMAIN.digest(report)))


def agreed(result: bytes = RESULT, task: TaskParams = SAFE, **changes: Any) -> ReportSent:
    """What the learner hands over when it agrees; `changes` are made to its report before it is signed."""
    previous = DOMAIN.digest(handed_over(result, task).report)
    report = Report(at(Phase.OPEN, task).id, LEARNER.address, result, LEARNER_SECRET, previous)
    report = replace(report, **changes)
    return ReportSent(report, LEARNER.sign(DOMAIN.digest(report)))


def by_learner(result: bytes = RESULT, task: TaskParams = SAFE) -> Submit:
    """Both reports, brought by the learner."""
    signature = handed_over(result, task).signature
    return Submit(SubmitReports(result, NEIGHBOR_SECRET, LEARNER_SECRET, signature))


def both_of_them(task: TaskParams = SAFE) -> Submit:
    """Both reports, brought by the neighbor."""
    signatures = handed_over(task=task).signature, agreed(task=task).signature
    return Submit(SubmitReports(RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, *signatures))


def to_judge(task: TaskParams = SAFE, **changes: Any) -> ValidationRequest:
    return replace(ValidationRequest(at(Phase.VALIDATING, task).id, MODEL, RESULT), **changes)


def to_hand_over(task: TaskParams = SAFE, **changes: Any) -> ResultRequest:
    return replace(ResultRequest(at(Phase.VALIDATING, task).id, RESULT), **changes)


def submissions(actions: Sequence[Action]) -> list[Any]:
    return [action.submission for action in actions if isinstance(action, Submit)]


def results_shown(actions: Sequence[Action]) -> set[bytes]:
    """The results that validators are asked to judge."""
    messages = [action.message for action in actions if isinstance(action, Send)]
    return {message.result for message in messages if isinstance(message, ValidationRequest)}


# The learner


def test_the_learners_way() -> None:
    role = learner()
    assert role.take(Started()) == [Send(NEIGHBOR.address, Offer(offer()))]
    assert hear(role, accept()) == [Submit(Open(terms(), accept().signature))]
    assert see(role, Phase.OPEN) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    assert hear(role, handed_over()) == [by_learner(), Send(NEIGHBOR.address, agreed())]
    assert hear(role, handed_over()) == [Send(NEIGHBOR.address, agreed())]  # brought once
    asked = see(role, Phase.VALIDATING)
    assert asked == [Send(judge, to_judge()) for judge in JUDGES]
    assert see(role, Phase.VALIDATING) == []  # a vote came in: nobody is asked twice
    assert role.take(settled(True, True, True)) == [Adopt(RESULT), Finish("settled: accepted")]
    assert hear(role, handed_over()) == []
    assert wake(role, 10**9, 10**9) == []


def opened_learner(task: TaskParams = SAFE, *, identity: Identity = LEARNER) -> Learner:
    role = learner(task, identity=identity)
    hear(role, accept(task))
    see(role, Phase.OPEN, task=task)
    return role


def test_a_learner_that_was_late_reports_after_the_neighbor() -> None:
    role = opened_learner()
    assert see(role, Phase.REPORTED) == []  # nothing came yet
    (report,) = submissions(hear(role, handed_over()))
    assert isinstance(report, SubmitReport)
    assert (report.report.result, report.report.secret) == (RESULT, LEARNER_SECRET)
    assert report.report.previous == DOMAIN.digest(handed_over().report)


def test_a_refusal_is_voided_by_both_reports() -> None:
    role = opened_learner()
    see(role, Phase.REFUSED)
    (both,) = submissions(hear(role, handed_over()))
    assert isinstance(both, SubmitReports)


@pytest.mark.parametrize(
    "message",
    [
        replace(handed_over(), signature=LEARNER.sign(DOMAIN.digest(handed_over().report))),
        replace(handed_over(), signature=b"forged"),
        replace(handed_over(), result=WRONG),  # not what the report names
        handed_over(encounter=b"e" * 32),
        handed_over(reporter=LEARNER.address),
        handed_over(secret=b"s" * 32),  # not what the neighbor committed to
        handed_over(previous=b"p" * 32),
        replace(handed_over(), report=handed_over(WRONG).report),
    ],
)
def test_a_forged_or_foreign_report_is_not_brought(message: ResultSent) -> None:
    role = opened_learner()
    assert hear(role, message) == []
    assert hear(role, message) == []  # nor is there anything to say again
    (both,) = submissions(hear(role, handed_over()))  # a bad one does not spoil a good one
    assert isinstance(both, SubmitReports)


def test_a_neighbor_that_reported_first_is_answered_all_the_same() -> None:
    role = opened_learner()
    assert len(submissions(hear(role, handed_over()))) == 1  # stale: the neighbor was faster
    assert see(role, Phase.REPORTED) == []  # or these are both reports, half seen
    assert wake(role, LATE - 1) == []
    (report,) = submissions(wake(role, LATE))
    assert isinstance(report, SubmitReport)
    assert (report.report.result, report.report.previous) == (RESULT, DOMAIN.digest(handed_over().report))
    assert wake(role, LATE + 1) == []


def test_a_result_before_the_opening_is_kept_and_brought_with_it() -> None:
    role = learner()
    hear(role, accept())
    assert hear(role, handed_over()) == []
    model = Send(NEIGHBOR.address, ModelSent(MODEL))
    assert see(role, Phase.OPEN) == [model, by_learner(), Send(NEIGHBOR.address, agreed())]


def test_a_result_before_the_opening_that_cannot_be_brought_is_kept_too() -> None:
    role = learner()
    hear(role, accept())
    assert hear(role, replace(handed_over(), signature=b"forged")) == []
    assert see(role, Phase.OPEN) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    (report,) = submissions(see(role, Phase.REPORTED))
    assert isinstance(report, SubmitReport)
    assert report.report.result == RESULT


@pytest.mark.parametrize(
    ("accepted", "adopt_unjudged", "adopted"), [(False, True, False), (None, False, False), (None, True, True)]
)
def test_only_what_was_accepted_is_adopted(accepted: bool | None, adopt_unjudged: bool, adopted: bool) -> None:
    role = learner(adopt_unjudged=adopt_unjudged)
    hear(role, accept())
    hear(role, handed_over())
    see(role, Phase.OPEN, Phase.REPORTED, Phase.VALIDATING)
    assert (Adopt(RESULT) in role.take(settled(*VERDICTS[accepted]))) is adopted


@pytest.mark.parametrize("accepted", list(VERDICTS))
def test_what_was_accepted_is_adopted_once(accepted: bool | None) -> None:
    role = learner(adopt_unjudged=True)
    hear(role, accept())
    hear(role, handed_over())
    see(role, Phase.OPEN, Phase.REPORTED, Phase.VALIDATING)
    role.take(settled(*VERDICTS[accepted]))
    assert role.take(settled(*VERDICTS[accepted])) == []


def test_in_open_voting_the_learner_chooses_whom_to_ask() -> None:
    role = opened_learner(PAPER)
    hear(role, handed_over(task=PAPER))
    sent = see(role, Phase.VALIDATING, task=PAPER)
    assert [action.to for action in sent if isinstance(action, Send)] == list(JUDGES[:2])


def test_a_result_that_never_came_is_neither_reported_nor_shown() -> None:
    role = opened_learner()
    assert see(role, Phase.REPORTED) == []
    assert submissions(wake(role, OPENED_AT + WINDOW_S)) == []  # nothing to deny
    assert see(role, Phase.VALIDATING) == []
    requests = [Send(judge, to_hand_over()) for judge in JUDGES]
    assert role.take(settled(True, True, True)) == [*requests, Finish("settled: accepted")]
    assert hear(role, JudgedResult(WRONG), JUDGES[0]) == [Ignore("this result was not asked for")]
    assert hear(role, JudgedResult(RESULT), JUDGES[0]) == [Adopt(RESULT)]


def test_what_is_merged_is_what_was_judged_not_what_was_handed_over() -> None:
    role = opened_learner()
    hear(role, handed_over(WRONG))
    see(role, Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED, Phase.VALIDATING)
    requests = [Send(judge, to_hand_over()) for judge in JUDGES]
    assert role.take(settled(True, True, True)) == [*requests, Finish("settled: accepted")]
    assert hear(role, JudgedResult(RESULT), JUDGES[0]) == [Adopt(RESULT)]


def test_what_was_rejected_is_not_asked_for() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED, Phase.VALIDATING)
    assert role.take(settled(False, False, True)) == [Finish("settled: rejected")]
    assert hear(role, JudgedResult(RESULT), JUDGES[2]) == [Ignore("this result was not asked for")]


def wanting_learner(*votes: bool) -> Learner:
    """One whose neighbor handed over nothing that was judged, after these votes."""
    role = opened_learner()
    see(role, Phase.REPORTED, Phase.VALIDATING)
    role.take(settled(*votes))
    return role


def test_only_who_voted_for_a_result_is_asked_for_it() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED, Phase.VALIDATING)
    asked = role.take(settled(True, False, True))
    assert asked == [Send(JUDGES[0], to_hand_over()), Send(JUDGES[2], to_hand_over()), Finish("settled: accepted")]


@pytest.mark.parametrize("sender", [JUDGES[1], STRANGER, NEIGHBOR.address, LEARNER.address])
def test_what_comes_from_someone_who_did_not_vote_for_it_is_not_merged(sender: bytes) -> None:
    role = wanting_learner(True, False, True)
    assert hear(role, JudgedResult(RESULT), sender) == [Ignore("it did not vote for this result")]
    assert hear(role, JudgedResult(WRONG), JUDGES[0]) == [Ignore("this result was not asked for")]
    assert hear(role, JudgedResult(RESULT), JUDGES[2]) == [Adopt(RESULT)]


def test_a_result_that_was_asked_for_is_merged_once() -> None:
    role = wanting_learner(True, True, True)
    assert hear(role, JudgedResult(RESULT), JUDGES[1]) == [Adopt(RESULT)]
    for judge in JUDGES:
        assert hear(role, JudgedResult(RESULT), judge) == [Ignore("this result was not asked for")]


def test_a_result_that_nobody_asked_for_is_not_merged() -> None:
    asking, opened, done = learner(), opened_learner(), opened_learner()
    hear(done, handed_over())
    see(done, Phase.VALIDATING)
    assert Adopt(RESULT) in done.take(settled(True, True, True))
    for role in (asking, opened, done):
        assert hear(role, JudgedResult(RESULT), JUDGES[0]) == [Ignore("this result was not asked for")]


def test_of_an_unjudged_result_that_never_came_only_who_voted_for_it_is_asked() -> None:
    role = learner(adopt_unjudged=True)
    hear(role, accept())
    see(role, Phase.OPEN, Phase.REPORTED, Phase.VALIDATING)
    assert role.take(settled(True)) == [Send(JUDGES[0], to_hand_over()), Finish("settled: unjudged")]
    assert hear(role, JudgedResult(RESULT), JUDGES[0]) == [Adopt(RESULT)]


def test_of_an_encounter_that_it_never_opened_the_learner_makes_nothing() -> None:
    assert learner().take(settled(True, True, True)) == []


def test_the_learner_reports_what_the_neighbor_reported_and_once() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    assert hear(role, UNSIGNED) == []  # the right one may yet come
    (report,) = submissions(hear(role, handed_over()))
    assert isinstance(report, SubmitReport)
    assert report.report.result == RESULT
    assert hear(role, handed_over(WRONG)) == []
    assert submissions(see(role, Phase.REPORTED)) == []


def test_what_the_neighbor_handed_over_goes_before_another_result_that_it_reports() -> None:
    role = opened_learner()
    assert see(role, Phase.REPORTED) == []  # on RESULT
    (both,) = submissions(hear(role, handed_over(WRONG)))
    assert isinstance(both, SubmitReports)
    assert (both.result, both.neighbor_signature) == (WRONG, handed_over(WRONG).signature)


def test_the_right_result_is_kept_whatever_comes_after_it() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    hear(role, handed_over())
    hear(role, handed_over(WRONG))
    assert results_shown(see(role, Phase.VALIDATING)) == {RESULT}


def test_of_results_that_are_not_the_reported_one_the_last_is_kept() -> None:
    role = learner()
    hear(role, accept())
    hear(role, handed_over(WRONG))
    hear(role, handed_over())
    assert submissions(see(role, Phase.OPEN)) == [by_learner().submission]
    role = opened_learner()
    hear(role, UNSIGNED)
    hear(role, replace(handed_over(), signature=b"forged"))
    (report,) = submissions(see(role, Phase.REPORTED))
    assert isinstance(report, SubmitReport)
    assert report.report.result == RESULT


UNSIGNED = replace(handed_over(WRONG), signature=b"forged")


def test_another_result_is_denied_only_late() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    hear(role, UNSIGNED)
    assert wake(role, LATE - 1) == []
    (report,) = submissions(wake(role, LATE))
    assert isinstance(report, SubmitReport)
    assert report.report.result == WRONG
    assert wake(role, LATE + 100) == []


def test_what_the_neighbor_signed_is_not_denied_but_brought_again() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    first = hear(role, handed_over(WRONG))
    assert len(submissions(first)) == 1
    assert wake(role, LATE - 1) == []
    assert wake(role, LATE) == first
    assert wake(role, LATE + 1) == []


@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_a_learner_takes_its_denial_back_when_the_right_result_comes(task: TaskParams) -> None:
    role = opened_learner(task)
    see(role, Phase.REPORTED, task=task)
    hear(role, UNSIGNED)
    assert len(submissions(wake(role, LATE))) == 1
    assert see(role, Phase.DISPUTED, task=task) == []
    assert hear(role, replace(handed_over(task=task), signature=b"forged")) == []
    answer = Send(NEIGHBOR.address, agreed(task=task))
    assert hear(role, handed_over(task=task)) == [by_learner(task=task), answer]
    assert hear(role, handed_over(task=task)) == [answer]  # brought once
    assert results_shown(see(role, Phase.VALIDATING, task=task)) == {RESULT}


def test_a_learner_brings_both_reports_against_a_denial_that_it_did_not_send() -> None:
    """Another client with its key did: what it holds is more than that."""
    role = opened_learner()
    hear(role, handed_over())
    (both,) = submissions(see(role, Phase.DISPUTED))
    assert isinstance(both, SubmitReports)
    assert see(role, Phase.DISPUTED) == []


def test_after_a_denial_the_right_result_is_kept_whatever_comes_after_it() -> None:
    role = opened_learner()
    see(role, Phase.DISPUTED)
    hear(role, replace(handed_over(), signature=b"forged"))
    assert hear(role, UNSIGNED) == []
    assert results_shown(see(role, Phase.VALIDATING)) == {RESULT}


def test_a_learner_that_can_report_in_time_no_more_does_not() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    hear(role, UNSIGNED)
    assert wake(role, OPENED_AT + WINDOW_S + 1) == []


def test_the_learner_opens_only_what_it_offered_and_the_neighbor_signed() -> None:
    dearer = replace(terms(), reward=11)
    assert hear(learner(), Accept(dearer, NEIGHBOR.sign(DOMAIN.digest(dearer)))) == [
        Finish("the neighbor changed the terms")
    ]
    assert hear(learner(), Accept(terms(), b"forged")) == [Finish("the neighbor's signature is not valid")]
    assert hear(learner(), Decline("busy")) == [Finish("declined: busy")]


def test_once_the_opening_is_on_its_way_only_the_ledger_counts() -> None:
    role = learner()
    assert len(submissions(hear(role, accept()))) == 1
    assert hear(role, accept()) == []
    assert hear(role, Decline("changed my mind")) == []
    assert see(role, Phase.OPEN) == [Send(NEIGHBOR.address, ModelSent(MODEL))]


def test_who_accepts_again_gets_the_model_again_while_it_may_still_work() -> None:
    role = opened_learner()
    assert hear(role, accept()) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    assert hear(role, accept()) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    dearer = replace(terms(), reward=11)
    assert hear(role, Accept(dearer, NEIGHBOR.sign(DOMAIN.digest(dearer)))) == []
    for phase in (Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED, Phase.VALIDATING):
        see(role, phase)
        assert hear(role, accept()) == []


def test_only_the_result_whose_reports_were_brought_is_answered_again() -> None:
    role = opened_learner()
    hear(role, handed_over())
    for other in (handed_over(WRONG), UNSIGNED, replace(handed_over(), signature=b"forged")):
        assert hear(role, other) == []
    assert hear(role, handed_over()) == [Send(NEIGHBOR.address, agreed())]


def test_reports_that_were_refused_are_brought_again_only_in_another_phase() -> None:
    role = opened_learner()
    hear(role, handed_over())
    role.take(SubmissionRefused(by_learner().submission, "InvalidSignature"))
    assert hear(role, handed_over()) == []
    see(role, Phase.REFUSED)
    assert hear(role, handed_over()) == [by_learner(), Send(NEIGHBOR.address, agreed())]


def test_a_result_that_comes_again_before_both_reports_were_brought_is_no_repetition() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    assert len(submissions(hear(role, handed_over()))) == 1
    assert hear(role, handed_over()) == []  # its own report answered it


def test_an_opening_that_was_seen_late_is_an_opening() -> None:
    asking, asked = learner(), neighbor()
    hear(asking, accept())
    hear(asked, Offer(offer()))
    for role in (asking, asked):
        assert wake(role, 101) == [Finish("never opened")]
    assert see(asking, Phase.OPEN) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    assert see(asked, Phase.OPEN) == []
    assert hear(asked, ModelSent(MODEL)) == [Contribute(MODEL)]
    assert asked.take(Contributed(RESULT)) == [Send(LEARNER.address, handed_over())]


def test_encounters_of_others_are_none_of_a_roles_business() -> None:
    other = replace(at(Phase.OPEN), terms=replace(terms(), nonce=7))
    for happening in (replace(happened(Phase.OPEN), encounter=other), replace(settled(), encounter=other)):
        for role in (learner(), opened_learner(), neighbor(), done_neighbor()):
            assert role.take(happening) == []
    role = neighbor()
    hear(role, ModelSent(MODEL))
    assert see(role, Phase.OPEN) == []  # nothing was promised


@pytest.mark.parametrize("field", ["learner", "task", "learner_commitment", "neighbor_commitment"])
def test_an_offer_that_does_not_fit_is_refused(field: str) -> None:
    wrong = b"w" * len(getattr(offer(), field))
    with pytest.raises(ValueError, match=f"the offer's {field} is 0x7777"):
        Learner(
            identity=LEARNER,
            domain=DOMAIN,
            task=SAFE,
            offer=replace(offer(), **{field: wrong}),  # type: ignore[arg-type]
            secret=LEARNER_SECRET,
        )


def test_what_is_proposed_fits_and_is_good_for_one_window() -> None:
    proposed = propose(
        task=SAFE,
        learner=LEARNER.address,
        neighbor=NEIGHBOR.address,
        reward_wei=10,
        model_before=MODEL,
        secret=LEARNER_SECRET,
        seats=5,
        now_s=90,
        nonce=0,
    )
    assert proposed == replace(offer(), deadline=90 + WINDOW_S)
    role = Learner(identity=LEARNER, domain=DOMAIN, task=SAFE, offer=proposed, secret=LEARNER_SECRET)
    assert role.take(Started()) == [Send(NEIGHBOR.address, Offer(proposed))]


def test_an_opening_that_the_contract_refuses_ends_it() -> None:
    role = learner()
    (opening,) = submissions(hear(role, accept()))
    assert role.take(SubmissionRefused(opening, "NonceUsed")) == [Finish("NonceUsed")]
    assert hear(role, accept()) == []
    assert see(role, Phase.OPEN) == [Send(NEIGHBOR.address, ModelSent(MODEL))]  # another of its clients opened it


def test_an_opening_that_is_refused_because_it_is_open_ends_nothing() -> None:
    role = opened_learner()
    assert role.take(SubmissionRefused(Open(terms(), accept().signature), "NonceUsed")) == []
    assert len(submissions(hear(role, handed_over()))) == 1


def test_a_learner_whose_two_reports_are_refused_reports_by_itself() -> None:
    role = opened_learner()
    (both,) = submissions(hear(role, handed_over()))
    see(role, Phase.REPORTED)
    (report,) = submissions(role.take(SubmissionRefused(both, "InvalidSignature")))
    assert isinstance(report, SubmitReport)
    assert report.report.result == RESULT


def test_a_learner_whose_two_reports_are_refused_too_early_to_report_by_itself_waits() -> None:
    role = opened_learner()
    (both,) = submissions(hear(role, handed_over()))
    assert role.take(SubmissionRefused(both, "InvalidSignature")) == []
    (report,) = submissions(see(role, Phase.REPORTED))
    assert isinstance(report, SubmitReport)


def test_a_report_that_was_refused_is_sent_again_while_there_is_time() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    (report,) = submissions(hear(role, handed_over()))
    assert role.take(SubmissionRefused(report, "InsufficientFunds")) == []
    assert submissions(wake(role, LATE)) == [report]
    assert wake(role, LATE + 1) == []


def test_a_learner_whose_two_reports_are_refused_late_denies() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED)
    (both,) = submissions(hear(role, handed_over(WRONG)))
    assert role.take(SubmissionRefused(both, "InvalidSignature")) == []  # the right one may yet come
    (report,) = submissions(wake(role, LATE))
    assert isinstance(report, SubmitReport)
    assert report.report.result == WRONG


# The neighbor


def test_the_neighbors_way() -> None:
    role = neighbor()
    assert hear(role, Offer(offer())) == [Send(LEARNER.address, accept())]
    assert hear(role, Offer(offer())) == [Send(LEARNER.address, accept())]  # one promise an encounter
    assert hear(role, ModelSent(MODEL)) == []  # never before the prepayment is on the ledger
    assert see(role, Phase.OPEN) == [Contribute(MODEL)]
    assert role.take(Contributed(RESULT)) == [Send(LEARNER.address, handed_over())]
    assert role.take(Contributed(WRONG)) == []  # never two reports
    assert see(role, Phase.VALIDATING) == [Send(judge, to_judge()) for judge in JUDGES]
    assert see(role, Phase.VALIDATING) == []
    assert role.take(settled(False, False, False)) == [Finish("settled: rejected")]
    assert hear(role, ModelSent(MODEL)) == []
    assert wake(role, 10**9, 10**9) == []


def test_the_model_may_come_after_the_opening() -> None:
    role = neighbor()
    hear(role, Offer(offer()))
    assert see(role, Phase.OPEN) == []
    assert hear(role, ModelSent(MODEL)) == [Contribute(MODEL)]
    assert hear(role, ModelSent(WRONG)) == []


def test_the_neighbor_waits_for_the_model_that_the_terms_name_but_not_for_ever() -> None:
    role = neighbor()
    hear(role, Offer(offer()))
    hear(role, ModelSent(WRONG))
    assert see(role, Phase.OPEN) == []
    assert wake(role, LATE - 1) == []
    assert wake(role, LATE) == [Submit(Reject())]
    assert hear(role, ModelSent(MODEL)) == [Contribute(MODEL)]
    assert wake(role, LATE + 100) == []  # at work


def test_who_refused_does_not_refuse_again() -> None:
    role = neighbor()
    hear(role, Offer(offer()))
    see(role, Phase.OPEN, Phase.REFUSED)
    assert wake(role, LATE) == []
    assert hear(role, ModelSent(MODEL)) == []  # too late: it refused


def working_neighbor(task: TaskParams = SAFE, *, identity: Identity = NEIGHBOR) -> Neighbor:
    role = neighbor(task, identity=identity)
    hear(role, Offer(offer(task)))
    hear(role, ModelSent(MODEL))
    see(role, Phase.OPEN, task=task)
    return role


def done_neighbor(task: TaskParams = SAFE, *, identity: Identity = NEIGHBOR) -> Neighbor:
    """One that handed over its result."""
    role = working_neighbor(task, identity=identity)
    role.take(Contributed(RESULT))
    return role


def test_another_offer_in_the_same_conversation_is_not_answered() -> None:
    role = neighbor()
    hear(role, Offer(offer()))
    for other in (replace(offer(), reward=11), replace(offer(), learner=STRANGER), replace(offer(), nonce=1)):
        assert hear(role, Offer(other), other.learner) == [Ignore("another offer is being talked about")]
    assert hear(role, Offer(offer())) == [Send(LEARNER.address, accept())]


def test_only_the_learner_offers() -> None:
    for sender in (STRANGER, NEIGHBOR.address, JUDGES[0]):
        role = neighbor()
        assert hear(role, Offer(offer()), sender) == [Ignore("only the learner may offer")]
        assert hear(role, Offer(offer())) == [Send(LEARNER.address, accept())]


def test_a_model_that_comes_again_gets_the_result_again_while_it_may_not_have_come() -> None:
    role = done_neighbor()
    for model in (MODEL, MODEL, WRONG):
        assert hear(role, ModelSent(model)) == [Send(LEARNER.address, handed_over())]
    for phase in (Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED, Phase.VALIDATING):
        see(role, phase)
        assert hear(role, ModelSent(MODEL)) == []


def test_a_model_that_comes_again_is_not_worked_on_again() -> None:
    role = working_neighbor()
    assert hear(role, ModelSent(MODEL)) == []
    assert see(role, Phase.OPEN) == []


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.REFUSED])
def test_the_neighbor_reports_by_itself_only_late(phase: Phase) -> None:
    role = done_neighbor()
    see(role, phase)
    assert wake(role, LATE - 1) == []  # the learner may yet bring both
    for now_s in (LATE, OPENED_AT + WINDOW_S):
        assert wake(role, now_s) == [Submit(SubmitReport(handed_over().report))]
    assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Finalize())]
    assert see(role, Phase.REPORTED) == [Send(LEARNER.address, handed_over())]  # it may have missed it
    assert see(role, Phase.REPORTED) == []


def test_the_neighbor_contests_a_silent_learner_at_the_exact_edges() -> None:
    role = done_neighbor()
    see(role, Phase.REPORTED)
    last = OPENED_AT + 2 * WINDOW_S
    assert wake(role, OPENED_AT + WINDOW_S) == []  # the learner may still report
    assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Contest())]
    assert wake(role, last) == [Submit(Contest())]
    assert wake(role, last + 1) == [Submit(Finalize())]


def test_the_neighbor_contests_a_denial_at_once() -> None:
    role = done_neighbor()
    see(role, Phase.REPORTED)
    assert see(role, Phase.DISPUTED) == [Submit(Contest())]
    assert see(role, Phase.DISPUTED) == []
    assert wake(role, OPENED_AT + WINDOW_S) == [Submit(Contest())]  # the first did not go through
    assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Finalize())]


def test_where_nobody_is_drawn_nothing_is_contested() -> None:
    for phase in (Phase.REPORTED, Phase.DISPUTED):
        role = done_neighbor(PAPER)
        # The learner may have missed it, and may yet agree.
        assert see(role, phase, task=PAPER) == [Send(LEARNER.address, handed_over(task=PAPER))]
        assert see(role, phase, task=PAPER) == []
        assert wake(role, OPENED_AT + WINDOW_S) == []
        assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Finalize())]


def agreeing_neighbor(task: TaskParams = SAFE) -> Neighbor:
    """One that holds both reports."""
    role = done_neighbor(task)
    assert hear(role, agreed(task=task)) == []
    return role


@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_a_learner_that_denies_what_it_signed_is_held_to_it(task: TaskParams) -> None:
    role = agreeing_neighbor(task)
    see(role, Phase.REPORTED, task=task)
    assert see(role, Phase.DISPUTED, task=task) == [both_of_them(task)]
    assert see(role, Phase.DISPUTED, task=task) == []
    assert wake(role, LATE - 1) == [both_of_them(task)]  # the first did not go through
    # A wallet that took its signature back: a committee judges, where there is one.
    again = Submit(Contest()) if task is SAFE else both_of_them(task)
    for now_s in (LATE, OPENED_AT + WINDOW_S):
        assert wake(role, now_s) == [again]
    assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Finalize())]


def test_a_learner_that_agreed_and_fell_silent_is_held_to_it() -> None:
    role = agreeing_neighbor()
    assert wake(role, LATE) == [Submit(SubmitReport(handed_over().report))]
    see(role, Phase.REPORTED)
    assert wake(role, LATE - 1) == []  # it may yet answer
    for now_s in (LATE, OPENED_AT + WINDOW_S):
        assert wake(role, now_s) == [both_of_them()]
    assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Contest())]


def test_an_agreement_that_comes_after_the_denial_is_brought() -> None:
    role = done_neighbor()
    see(role, Phase.DISPUTED)
    assert hear(role, agreed()) == [both_of_them()]
    assert hear(role, agreed()) == []


@pytest.mark.parametrize(
    "message",
    [
        replace(agreed(), signature=NEIGHBOR.sign(DOMAIN.digest(agreed().report))),
        replace(agreed(), signature=b"forged"),
        agreed(WRONG),
        agreed(encounter=b"e" * 32),
        agreed(reporter=NEIGHBOR.address),
        agreed(secret=b"s" * 32),  # not what the learner committed to
        agreed(previous=b"p" * 32),
    ],
)
def test_a_report_of_the_learners_that_does_not_agree_is_not_brought(message: ReportSent) -> None:
    role = done_neighbor()
    see(role, Phase.DISPUTED)
    assert hear(role, message) == []
    assert hear(role, agreed()) == [both_of_them()]  # a bad one does not spoil a good one


def test_an_agreement_to_nothing_is_none() -> None:
    role = working_neighbor()
    assert hear(role, agreed()) == []
    role.take(Contributed(RESULT))
    assert see(role, Phase.DISPUTED) == [Submit(Contest())]


@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_a_neighbor_whose_agreement_is_refused_answers_the_denial_without_it(task: TaskParams) -> None:
    role = agreeing_neighbor(task)
    (both,) = submissions(see(role, Phase.DISPUTED, task=task))
    contested = [Submit(Contest())] if task is SAFE else []
    assert role.take(SubmissionRefused(both, "InvalidSignature")) == contested
    assert hear(role, agreed(task=task)) == []  # the same agreement once more
    assert wake(role, LATE - 1) == contested


def test_a_neighbor_whose_agreement_is_refused_before_a_denial_waits_and_contests_the_silence() -> None:
    role = agreeing_neighbor()
    see(role, Phase.REPORTED)
    (both,) = submissions(wake(role, LATE))
    assert role.take(SubmissionRefused(both, "InvalidSignature")) == []
    assert wake(role, LATE) == []
    assert wake(role, OPENED_AT + WINDOW_S + 1) == [Submit(Contest())]


def test_an_agreement_that_is_refused_when_all_is_over_is_no_matter() -> None:
    role = agreeing_neighbor()
    see(role, Phase.DISPUTED)
    role.take(ended(Ending.INCOMPLETE, Phase.DISPUTED))
    assert role.take(SubmissionRefused(both_of_them().submission, "the encounter is over")) == []


def test_what_else_is_refused_is_asked_for_again_in_its_time() -> None:
    role = done_neighbor()
    for submission in (Reject(), Finalize(), SubmitReport(handed_over().report), Contest(), Draw()):
        assert role.take(SubmissionRefused(submission, "InsufficientFunds")) == []
    assert wake(role, LATE) == [Submit(SubmitReport(handed_over().report))]


def test_who_has_no_result_contests_nothing() -> None:
    role = working_neighbor()
    assert see(role, Phase.DISPUTED) == []
    assert wake(role, OPENED_AT + 1) == []
    see(role, Phase.REPORTED)
    assert wake(role, OPENED_AT + WINDOW_S + 1) == []


def test_the_neighbor_draws_in_the_blocks_in_which_the_seed_is_known() -> None:
    role, seed_block = done_neighbor(), CONTEST_BLOCK + 2
    assert see(role, Phase.CONTESTED) == []
    for block in (CONTEST_BLOCK + 1, seed_block):
        assert wake(role, OPENED_AT + 10**6, block) == []
    for block in (seed_block + 1, seed_block + BLOCKHASH_REACH):
        assert wake(role, OPENED_AT, block) == [Submit(Draw())]
    assert wake(role, OPENED_AT, seed_block + BLOCKHASH_REACH + 1) == [Submit(Finalize())]
    assert see(role, Phase.VALIDATING) == [Send(judge, to_judge()) for judge in JUDGES]


def test_the_learner_ends_a_contested_encounter_that_nobody_drew() -> None:
    role, last = opened_learner(), CONTEST_BLOCK + 2 + BLOCKHASH_REACH
    see(role, Phase.CONTESTED)
    assert wake(role, OPENED_AT + 10**6, last) == []
    assert wake(role, OPENED_AT, last + 1) == [Submit(Finalize())]


def test_in_open_voting_the_neighbor_too_may_ask_whom_it_likes() -> None:
    role = done_neighbor(PAPER)
    sent = see(role, Phase.VALIDATING, task=PAPER)
    assert [action.to for action in sent if isinstance(action, Send)] == list(JUDGES[1:])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"neighbor": b"X" * 20}, "the offer is for another neighbor"),
        ({"learner": NEIGHBOR.address}, "learner and neighbor are the same"),
        ({"task": b"x" * 32}, "the offer is for another task"),
        ({"reward": 9}, "too cheap"),
    ],
)
def test_the_neighbor_declines_what_does_not_suit_it(changes: dict[str, Any], reason: str) -> None:
    role = Neighbor(
        identity=NEIGHBOR,
        domain=DOMAIN,
        task=SAFE,
        secret=NEIGHBOR_SECRET,
        policy=lambda offered: "too cheap" if offered.reward < 10 else None,
    )
    wanted = replace(offer(), **changes)
    declined = Send(wanted.learner, Decline(reason))
    assert hear(role, Offer(wanted), wanted.learner) == [declined, Finish(reason)]
    assert hear(role, Offer(wanted), wanted.learner) == [declined]  # as it said before
    assert hear(role, Offer(offer())) == [Ignore("another offer is being talked about")]
    assert see(role, Phase.OPEN) == []  # nothing was promised


def test_a_result_that_comes_when_all_is_over_is_merged_if_it_was_paid_for() -> None:
    role = opened_learner()
    see(role, Phase.REPORTED, Phase.VALIDATING)
    role.take(settled(True, True, True))
    assert hear(role, handed_over(WRONG)) == []
    assert hear(role, handed_over()) == [Adopt(RESULT)]
    assert hear(role, handed_over()) == []


def test_an_agreement_stays_good_while_the_opening_is_in_no_block() -> None:
    """The encounter's id does not depend on the block that opens it."""
    role = neighbor()
    for message in (Offer(offer()), ModelSent(MODEL)):
        hear(role, message)
    role.take(Contributed(RESULT))
    assert hear(role, agreed()) == []
    see(role, Phase.OPEN, Phase.REPORTED)
    assert see(role, Phase.DISPUTED) == [both_of_them()]


def test_work_that_nobody_asked_for_is_not_reported() -> None:
    assert neighbor().take(Contributed(RESULT)) == []


# The validator


def test_a_validators_way() -> None:
    role = Validator(JUDGES[0], SAFE)
    see(role, Phase.VALIDATING)
    assert hear(role, to_judge()) == [Judge(MODEL, RESULT)]
    assert hear(role, to_judge(), NEIGHBOR.address) == []  # from the other party
    assert role.take(Judged(RESULT, True)) == [Submit(SubmitVote(at(Phase.VALIDATING).vote(JUDGES[0], True)))]
    assert role.take(Judged(RESULT, False)) == []  # one vote


def test_a_vote_is_about_where_the_encounter_stands_when_it_is_cast() -> None:
    role = judging_validator()
    others = settled(True).encounter  # meanwhile another member voted
    role.take(Happened((Voted(BLOCK, OPENED_AT, others.id, JUDGES[0], True),), others))
    assert role.take(Judged(RESULT, False)) == [Submit(SubmitVote(others.vote(JUDGES[0], False)))]


def judging_validator(task: TaskParams = SAFE) -> Validator:
    role = Validator(JUDGES[0], task)
    see(role, Phase.VALIDATING, task=task)
    hear(role, to_judge(task))
    return role


def test_a_verdict_that_comes_too_late_is_no_vote() -> None:
    idle = Validator(JUDGES[0], SAFE)
    see(idle, Phase.VALIDATING)
    assert idle.take(Judged(RESULT, True)) == []  # never asked
    undone = judging_validator()
    see(undone, Phase.DISPUTED)
    assert undone.take(Judged(RESULT, True)) == []
    for end in (settled(True, True), ended(Ending.INCOMPLETE, Phase.VALIDATING)):
        late = judging_validator()
        assert late.take(end) == []
        assert late.take(Judged(RESULT, True)) == []


@pytest.mark.parametrize(
    ("who", "request_", "sender", "reason"),
    [
        (JUDGES[0], to_judge(encounter=b"e" * 32), LEARNER.address, "it is about another encounter"),
        (JUDGES[0], to_judge(), STRANGER, "only a party may ask to judge"),
        (JUDGES[0], to_judge(), JUDGES[1], "only a party may ask to judge"),
        (LEARNER.address, to_judge(), NEIGHBOR.address, "a party does not judge its own encounter"),
        (NEIGHBOR.address, to_judge(), LEARNER.address, "a party does not judge its own encounter"),
        (b"X" * 20, to_judge(), LEARNER.address, "not in the committee"),
        (JUDGES[0], to_judge(model=RESULT), NEIGHBOR.address, "the model before is not the one in the terms"),
        (JUDGES[0], to_judge(result=MODEL), NEIGHBOR.address, "the result is not the one reported"),
    ],
)
@pytest.mark.parametrize("early", [False, True])
def test_a_validator_judges_nothing_else(
    who: bytes, request_: ValidationRequest, sender: bytes, reason: str, early: bool
) -> None:
    role = Validator(who, SAFE)
    if early:
        assert hear(role, request_, sender) == []
        known = sender in (LEARNER.address, NEIGHBOR.address)  # strangers are forgotten once the parties are known
        assert see(role, Phase.VALIDATING) == ([Ignore(reason)] if known else [])
    else:
        assert see(role, Phase.VALIDATING) == []
        assert hear(role, request_, sender) == [Ignore(reason)]
    if who == JUDGES[0]:  # a bad request does not spoil a good one
        assert hear(role, to_judge(), sender if sender == NEIGHBOR.address else None) == [Judge(MODEL, RESULT)]


BEFORE_VALIDATION = (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED)


@pytest.mark.parametrize("sender", [LEARNER, NEIGHBOR])
@pytest.mark.parametrize("known", range(len(BEFORE_VALIDATION) + 1))
def test_a_request_that_comes_before_its_event_is_held_through_every_phase(sender: Wallet, known: int) -> None:
    role = Validator(JUDGES[0], SAFE)
    for phase in BEFORE_VALIDATION[:known]:
        assert see(role, phase) == []
    assert hear(role, to_judge(), sender.address) == []
    for phase in BEFORE_VALIDATION[known:]:
        assert see(role, phase) == []
    assert role.take(Judged(RESULT, True)) == []  # nothing was judged yet
    assert see(role, Phase.VALIDATING) == [Judge(MODEL, RESULT)]
    assert see(role, Phase.VALIDATING) == []
    assert len(submissions(role.take(Judged(RESULT, True)))) == 1


def test_of_requests_that_wait_the_first_good_one_is_judged_and_once() -> None:
    role = Validator(JUDGES[0], SAFE)
    hear(role, to_judge(), STRANGER)
    hear(role, to_judge(result=WRONG), NEIGHBOR.address)
    hear(role, to_judge())
    ignored = Ignore("the result is not the one reported")
    assert see(role, Phase.VALIDATING) == [ignored, Judge(MODEL, RESULT)]
    assert hear(role, to_judge(), NEIGHBOR.address) == []


def test_of_each_sender_the_last_request_waits() -> None:
    role = Validator(JUDGES[0], SAFE)
    for result in (WRONG, MODEL, RESULT):
        assert hear(role, to_judge(result=result)) == []
    assert see(role, Phase.VALIDATING) == [Judge(MODEL, RESULT)]


def test_what_waits_when_an_encounter_ends_is_not_judged() -> None:
    role = Validator(JUDGES[0], SAFE)
    hear(role, to_judge())
    see(role, Phase.OPEN)
    assert role.take(ended(Ending.INCOMPLETE)) == [Ignore("the encounter is over")]
    assert hear(role, to_judge(), NEIGHBOR.address) == [Ignore("the encounter is over")]
    assert role.take(Judged(RESULT, True)) == []


def strangers(count: int) -> list[bytes]:
    return [bytes([number]) * 20 for number in range(1, count + 1)]


def test_a_few_strangers_that_ask_before_the_event_do_not_stand_in_a_partys_way() -> None:
    role = Validator(JUDGES[0], SAFE)
    for stranger in strangers(63):
        assert hear(role, to_judge(), stranger) == []
    assert hear(role, to_judge()) == []
    assert see(role, Phase.VALIDATING) == [Judge(MODEL, RESULT)]


def test_what_strangers_make_wait_is_bounded_and_whoever_waits_may_still_change_its_request() -> None:
    role = Validator(JUDGES[0], SAFE)
    hear(role, to_judge(result=WRONG))
    answers = [hear(role, to_judge(), stranger) for stranger in strangers(65)]
    assert answers == [[]] * 63 + [[Ignore("too many requests wait")]] * 2
    assert hear(role, to_judge()) == []
    assert see(role, Phase.VALIDATING) == [Judge(MODEL, RESULT)]


def test_who_was_crowded_out_before_the_event_may_ask_again_after_it() -> None:
    role = Validator(JUDGES[0], SAFE)
    for stranger in strangers(65):
        hear(role, to_judge(), stranger)
    assert hear(role, to_judge()) == [Ignore("too many requests wait")]
    assert see(role, Phase.OPEN) == []
    assert hear(role, to_judge()) == []  # there is room once the parties are known
    assert see(role, Phase.VALIDATING) == [Judge(MODEL, RESULT)]


def test_a_party_that_asks_early_is_not_crowded_out_where_the_parties_are_known() -> None:
    role = Validator(JUDGES[0], SAFE)
    see(role, Phase.OPEN, Phase.REPORTED)
    for stranger in strangers(9):
        hear(role, to_judge(), stranger)
    assert hear(role, to_judge()) == []
    assert Judge(MODEL, RESULT) in see(role, Phase.VALIDATING)


def test_where_nobody_was_drawn_nobody_judges() -> None:
    encounter = replace(at(Phase.VALIDATING), progress=replace(at(Phase.VALIDATING).progress, committee=()))
    happening = replace(happened(Phase.VALIDATING), encounter=encounter)
    for task, reason in ((SAFE, "not in the committee"), (PAPER, "the encounter is of another task")):
        role = Validator(JUDGES[0], task)
        role.take(happening)
        assert hear(role, to_judge()) == [Ignore(reason)]


def test_anyone_staked_may_judge_where_voting_is_open() -> None:
    role = Validator(b"X" * 20, PAPER)
    see(role, Phase.VALIDATING, task=PAPER)
    assert hear(role, to_judge(PAPER)) == [Judge(MODEL, RESULT)]


def test_a_vote_that_is_refused_is_the_end_of_it() -> None:
    role = judging_validator()
    (vote,) = submissions(role.take(Judged(RESULT, True)))
    assert role.take(SubmissionRefused(vote, "InsufficientStake")) == [Finish("InsufficientStake")]
    assert role.take(Judged(RESULT, False)) == []
    assert role.take(SubmissionRefused(Finalize(), "TooEarly")) == []


def test_who_voted_for_a_result_hands_it_to_the_learner_as_often_as_it_asks() -> None:
    role = judging_validator()
    role.take(Judged(RESULT, True))
    for _ in range(2):
        assert hear(role, to_hand_over()) == [Send(LEARNER.address, JudgedResult(RESULT))]
    role.take(settled(True, True, True))
    assert hear(role, to_hand_over()) == [Send(LEARNER.address, JudgedResult(RESULT))]


@pytest.mark.parametrize("verdict", [None, False])
def test_who_did_not_vote_for_a_result_hands_over_nothing(verdict: bool | None) -> None:
    role = judging_validator()
    if verdict is not None:
        role.take(Judged(RESULT, verdict))
    role.take(settled(True, True, True))
    assert hear(role, to_hand_over()) == [Ignore("only the learner may ask, for what was voted for")]


@pytest.mark.parametrize("sender", [STRANGER, NEIGHBOR.address, JUDGES[1]])
def test_nobody_but_the_learner_gets_what_was_judged(sender: bytes) -> None:
    role = judging_validator()
    role.take(Judged(RESULT, True))
    assert hear(role, to_hand_over(), sender) == [Ignore("only the learner may ask, for what was voted for")]
    assert hear(role, to_hand_over()) == [Send(LEARNER.address, JudgedResult(RESULT))]


@pytest.mark.parametrize("request_", [to_hand_over(encounter=b"e" * 32), to_hand_over(result=WRONG)])
def test_nothing_is_handed_over_but_what_was_judged_here(request_: ResultRequest) -> None:
    role = judging_validator()
    role.take(Judged(RESULT, True))
    assert hear(role, request_) == [Ignore("this result was not judged here")]
    assert hear(role, to_hand_over()) == [Send(LEARNER.address, JudgedResult(RESULT))]
    for idle in (Validator(JUDGES[0], SAFE), Validator(JUDGES[1], SAFE)):
        assert hear(idle, to_hand_over()) == [Ignore("this result was not judged here")]
        see(idle, Phase.VALIDATING)


def test_a_learner_gets_from_a_validator_what_its_neighbor_did_not_hand_over() -> None:
    asking, asked = opened_learner(), judging_validator()
    asked.take(Judged(RESULT, True))
    see(asking, Phase.REPORTED, Phase.VALIDATING)
    (request, *_) = asking.take(settled(True, True, True))
    assert isinstance(request, Send)
    (answer,) = hear(asked, request.message)
    assert isinstance(answer, Send)
    assert hear(asking, answer.message, JUDGES[0]) == [Adopt(RESULT)]


# Time, and the ends


@pytest.mark.parametrize(
    ("phase", "over_at"),
    [
        (Phase.OPEN, OPENED_AT + WINDOW_S + 1),
        (Phase.REFUSED, OPENED_AT + WINDOW_S + 1),
        (Phase.REPORTED, OPENED_AT + 2 * WINDOW_S + 1),
        (Phase.DISPUTED, OPENED_AT + WINDOW_S + 1),
        (Phase.VALIDATING, OPENED_AT + VOTING_S + 1),
    ],
)
def test_everyone_ends_what_is_due_and_nothing_earlier(phase: Phase, over_at: int) -> None:
    for role in (opened_learner(), working_neighbor(), Keeper(SAFE)):
        see(role, phase)
        assert submissions(wake(role, over_at - 1)) == []
        assert submissions(wake(role, over_at)) == [Finalize()]


def test_a_keeper_does_nothing_about_what_it_does_not_know() -> None:
    assert wake(Keeper(SAFE), 10**9, 10**9) == []


def test_a_keeper_draws_in_the_blocks_in_which_the_seed_is_known_and_then_finalizes() -> None:
    role, seed_block = Keeper(SAFE), CONTEST_BLOCK + 2
    assert see(role, Phase.OPEN, Phase.CONTESTED) == []
    for block in (CONTEST_BLOCK + 1, seed_block):
        assert wake(role, OPENED_AT + 10**6, block) == []
    for block in (seed_block + 1, seed_block + BLOCKHASH_REACH):
        assert wake(role, OPENED_AT, block) == [Submit(Draw())]
    assert wake(role, OPENED_AT, seed_block + BLOCKHASH_REACH + 1) == [Submit(Finalize())]


@pytest.mark.parametrize("phase", [*Phase][1:])
def test_a_keeper_lets_go_of_what_is_over(phase: Phase) -> None:
    for end in (settled(True, True, True), ended(Ending.REJECTED, phase), ended(Ending.INCOMPLETE, phase)):
        role = Keeper(SAFE)
        see(role, phase)
        assert role.take(end) == []
        assert wake(role, 10**9, 10**9) == []


def test_a_keeper_listens_to_nobody() -> None:
    role = Keeper(SAFE)
    for message in MESSAGES:
        assert hear(role, message) == []


def test_an_offer_that_was_never_opened_is_forgotten() -> None:
    asking, asked = learner(), neighbor()
    assert wake(asked, 10**9, 10**9) == []  # nothing was promised
    hear(asked, Offer(offer()))
    for role in (asking, asked):
        assert wake(role, 100) == []
        assert wake(role, 101) == [Finish("never opened")]
        assert wake(role, 102) == []


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (ended(Ending.INCOMPLETE), "incomplete"),
        (ended(Ending.REJECTED, Phase.REFUSED), "rejected"),
        (settled(), "settled: unjudged"),
        (settled(True, True, False), "settled: accepted"),
        (settled(False, False, True), "settled: rejected"),
    ],
)
def test_a_party_says_how_it_ended(end: Happened, reason: str) -> None:
    for role in (opened_learner(), working_neighbor(), done_neighbor()):
        assert role.take(end)[-1] == Finish(reason)


# Who says it


MESSAGES: tuple[Message, ...] = (
    Offer(offer()),
    accept(),
    Decline("no"),
    ModelSent(MODEL),
    handed_over(),
    agreed(),
    to_judge(),
    to_hand_over(),
    JudgedResult(RESULT),
)


def from_neighbor(message: Message) -> Heard:
    return Heard(NEIGHBOR.address, message)


def from_learner(message: Message) -> Heard:
    return Heard(LEARNER.address, message)


WAYS: dict[str, tuple[Callable[[], Role], list[Input]]] = {
    "learner": (
        learner,
        [
            Started(),
            from_neighbor(accept()),
            happened(Phase.OPEN),
            from_neighbor(handed_over()),
            happened(Phase.VALIDATING),
            settled(True, True, True),
        ],
    ),
    "learner that is declined": (learner, [Started(), from_neighbor(Decline("busy"))]),
    "learner that answers": (
        learner,
        [
            from_neighbor(accept()),
            happened(Phase.OPEN),
            happened(Phase.REPORTED),
            from_neighbor(handed_over()),
            happened(Phase.VALIDATING),
        ],
    ),
    "learner that gets nothing": (
        learner,
        [
            from_neighbor(accept()),
            happened(Phase.OPEN),
            happened(Phase.REPORTED),
            happened(Phase.VALIDATING),
            settled(True, True, True),
            Heard(JUDGES[0], JudgedResult(RESULT)),
        ],
    ),
    "neighbor": (
        neighbor,
        [
            from_learner(Offer(offer())),
            happened(Phase.OPEN),
            from_learner(ModelSent(MODEL)),
            Contributed(RESULT),
            from_learner(agreed()),
            happened(Phase.VALIDATING),
            settled(True, True, True),
        ],
    ),
    "neighbor that is denied": (
        neighbor,
        [
            from_learner(Offer(offer())),
            from_learner(ModelSent(MODEL)),
            happened(Phase.OPEN),
            Contributed(RESULT),
            happened(Phase.REPORTED),
            happened(Phase.DISPUTED),
            from_learner(agreed()),
            happened(Phase.VALIDATING),
        ],
    ),
    "validator": (
        lambda: Validator(JUDGES[0], SAFE),
        [
            happened(Phase.OPEN),
            happened(Phase.VALIDATING),
            from_neighbor(to_judge()),
            Judged(RESULT, True),
            from_learner(to_hand_over()),
            settled(True, True, True),
            from_learner(to_hand_over()),
        ],
    ),
    "validator that is asked early": (
        lambda: Validator(JUDGES[0], SAFE),
        [from_learner(to_judge()), happened(Phase.REPORTED), happened(Phase.VALIDATING), Judged(RESULT, False)],
    ),
}


def all_taken(role: Role, inputs: Sequence[Input]) -> list[list[Action]]:
    return [role.take(given) for given in inputs]


def heeded(actions: Sequence[Action]) -> list[Action]:
    return [action for action in actions if not isinstance(action, Ignore)]


@pytest.mark.parametrize("way", list(WAYS))
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_a_stranger_says_changes_nothing_at_any_time(way: str, message: Message) -> None:
    make, inputs = WAYS[way]
    undisturbed = all_taken(make(), inputs)
    for place in range(len(inputs) + 1):
        role = make()
        before = all_taken(role, inputs[:place])
        assert heeded(hear(role, message, STRANGER)) == []
        after = [heeded(actions) for actions in all_taken(role, inputs[place:])]
        assert [*before, *after] == undisturbed


@pytest.mark.parametrize("way", [way for way in WAYS if not way.startswith("validator")])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_party_says_that_it_pays_no_heed_to_a_stranger(way: str, message: Message) -> None:
    make, inputs = WAYS[way]
    for sender in (STRANGER, (LEARNER if way.startswith("learner") else NEIGHBOR).address):
        role = make()
        for each in (Clock(0, 0), *inputs):
            role.take(each)
            (answer,) = hear(role, message, sender)
            assert isinstance(answer, Ignore)


@pytest.mark.parametrize("way", list(WAYS))
def test_what_a_role_has_no_use_for_changes_nothing_whoever_says_it(way: str) -> None:
    make, inputs = WAYS[way]
    uses = {
        Learner: (Accept, Decline, ResultSent, JudgedResult),
        Neighbor: (Offer, ModelSent, ReportSent),
        Validator: (ValidationRequest, ResultRequest),
    }[type(make())]
    for message in MESSAGES:
        if not isinstance(message, uses):
            role = make()
            for given in inputs:
                role.take(given)
                for sender in (LEARNER.address, NEIGHBOR.address, JUDGES[0]):
                    before = dict(vars(role))
                    assert heeded(hear(role, message, sender)) == []
                    assert vars(role) == before


def test_whoever_offers_itself_is_the_learner_that_the_neighbor_listens_to() -> None:
    role, own = neighbor(), replace(offer(), learner=STRANGER)
    (sent,) = hear(role, Offer(own), STRANGER)
    assert isinstance(sent, Send)
    assert sent.to == STRANGER
    assert isinstance(hear(role, ModelSent(MODEL))[0], Ignore)


def test_the_work_of_others_is_nothing_to_a_role() -> None:
    role: Role
    for role in (opened_learner(), judging_validator(), Keeper(SAFE)):
        assert role.take(Contributed(RESULT)) == []
    for role in (opened_learner(), working_neighbor(), Keeper(SAFE)):
        assert role.take(Judged(RESULT, True)) == []
    for role in (working_neighbor(), judging_validator(), Keeper(SAFE)):
        assert role.take(Started()) == []


# What is signed


@dataclass(frozen=True)
class Pen:
    """A wallet that remembers all that it signed; two of one wallet are equal."""

    wallet: Wallet
    signed: list[bytes] = field(default_factory=list, compare=False)

    @property
    def address(self) -> bytes:
        return self.wallet.address

    def sign(self, digest: bytes) -> bytes:
        self.signed.append(digest)
        return self.wallet.sign(digest)

    def verify(self, address: bytes, digest: bytes, signature: bytes) -> bool:
        return self.wallet.verify(address, digest, signature)


def statements(actions: Sequence[Action], task: TaskParams = SAFE) -> list[Any]:
    """All that a role states in what it asks for: Terms, Reports, Votes."""
    stated: list[Any] = []
    for action in actions:
        match action:
            case Send(_, Accept(agreed_terms, _)):
                stated.append(agreed_terms)
            case Send(_, ResultSent(_, report, _)) | Send(_, ReportSent(report, _)) | Submit(SubmitReport(report)):
                stated.append(report)
            case Submit(SubmitReports(result, secret, _, _, learners)) if learners:  # both, brought by the neighbor
                stated.append(Report(at(Phase.OPEN, task).id, NEIGHBOR.address, result, secret))
            case Submit(SubmitVote(vote)):
                stated.append(vote)
    return stated


def test_a_neighbor_signs_one_promise_and_one_report_whatever_comes() -> None:
    pen = Pen(NEIGHBOR)
    role = neighbor(identity=pen)
    said: list[Input] = [from_learner(message) for message in (Offer(offer()), ModelSent(MODEL), agreed())]
    work: list[Input] = [Contributed(RESULT), Contributed(WRONG)]
    for phase in (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED):
        for each in (*said, happened(phase), *said, *work, Clock(LATE, 1), Clock(LATE + WINDOW_S, 1)):
            role.take(each)
        role.take(SubmissionRefused(both_of_them().submission, "InvalidSignature"))
    assert set(pen.signed) == {DOMAIN.digest(terms()), DOMAIN.digest(handed_over().report)}


def test_a_learner_signs_one_report_whatever_else_the_neighbor_hands_over() -> None:
    pen = Pen(LEARNER)
    role = opened_learner(identity=pen)
    for phase in (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED):
        see(role, phase)
        for result in (RESULT, WRONG, RESULT):
            hear(role, handed_over(result))
            wake(role, LATE)
    assert set(pen.signed) == {DOMAIN.digest(agreed().report)}


def test_a_learner_signs_one_report_though_the_contract_refused_it() -> None:
    pen = Pen(LEARNER)
    role = opened_learner(identity=pen)
    (both,) = submissions(hear(role, handed_over(WRONG)))
    role.take(SubmissionRefused(both, "InvalidSignature"))
    hear(role, handed_over(RESULT))
    assert len(set(pen.signed)) == 1


# Restored by what it took


def transactions(encounter: Encounter | None, task: TaskParams, block: int, now_s: int) -> list[list[EncounterEvent]]:
    """All that may happen next to an encounter on the ledger, transaction by transaction."""
    about = at(Phase.OPEN, task)
    when = (block, now_s, about.id)
    if encounter is None:
        return [[Opened(*when, LEARNER.address, NEIGHBOR.address, 0, about.terms)]]
    committee = JUDGES if task.committee_size else ()
    started = ValidationStarted(*when, LEARNER_SECRET, committee)
    reports = [Reported(*when, NEIGHBOR.address, result, NEIGHBOR_SECRET) for result in (RESULT, WRONG)]
    alone: list[list[EncounterEvent]] = [[report] for report in reports]
    both: list[list[EncounterEvent]] = [[report, started] for report in reports]
    contested: list[list[EncounterEvent]] = [[Contested(*when, block)]] if task.committee_size else []
    denied: list[list[EncounterEvent]] = [[Reported(*when, LEARNER.address, MODEL, LEARNER_SECRET), Disputed(*when)]]
    over: list[list[EncounterEvent]] = [[Ended(*when, Ending.INCOMPLETE, 0)]]
    voters = [judge for judge in JUDGES if judge not in encounter.progress.voters][:1]
    settlements = [Settled(*when, case, 0, 0) for case in (1, 2, 5)]
    votes = [Voted(*when, voter, accept) for voter in voters for accept in (True, False)]
    voted: list[list[EncounterEvent]] = [[vote] for vote in votes]
    voted += [[vote, settlement] for vote in votes for settlement in settlements]
    settled: list[list[EncounterEvent]] = [[settlement] for settlement in settlements]
    by_phase: dict[Phase, list[list[EncounterEvent]]] = {
        Phase.OPEN: [[Refused(*when)], *alone, *both, *over],
        Phase.REFUSED: [*alone, *both, [Ended(*when, Ending.REJECTED, 0)]],
        Phase.REPORTED: [*denied, [started], *both, *contested, *over, [started, *over[0]]],
        Phase.DISPUTED: [*both, *contested, *over],
        Phase.CONTESTED: [[ValidationStarted(*when, b"h" * 32, committee)], *over],
        Phase.VALIDATING: [*voted, *settled, *over],
    }
    return by_phase[encounter.progress.phase]


def edges_s(encounter: Encounter | None, task: TaskParams) -> list[int]:
    """The seconds around which time allows something new."""
    if encounter is None:
        return [OPENED_AT, offer().deadline, offer().deadline + 1]
    progress = encounter.progress
    edges = {progress.since, progress.late_s(task), progress.due_s(task), *(progress.contestable_s(task) or ())}
    return sorted({edge + by for edge in edges for by in (-1, 0, 1)})


def sayings(task: TaskParams) -> list[Message]:
    """Good, bad and worse."""
    dearer = replace(terms(task), reward=11)
    return [
        *(Offer(each) for each in (offer(task), replace(offer(task), reward=9))),
        *(Accept(each, NEIGHBOR.sign(DOMAIN.digest(each))) for each in (terms(task), dearer)),
        Accept(terms(task), b"forged"),
        Decline("busy"),
        *(ModelSent(model) for model in (MODEL, WRONG)),
        *(handed_over(result, task) for result in (RESULT, WRONG, MODEL)),
        *(replace(handed_over(result, task), signature=b"forged") for result in (RESULT, WRONG)),
        *(agreed(result, task) for result in (RESULT, WRONG)),
        replace(agreed(task=task), signature=b"forged"),
        *(to_judge(task, result=result) for result in (RESULT, WRONG)),
        *(to_hand_over(task, result=result) for result in (RESULT, WRONG)),
        *(JudgedResult(result) for result in (RESULT, WRONG)),
    ]


def refusals(task: TaskParams) -> list[SubmissionRefused]:
    submissions_ = (
        Open(terms(task), accept(task).signature),
        SubmitReport(handed_over(task=task).report),
        by_learner(task=task).submission,
        SubmitVote(at(Phase.VALIDATING, task).vote(JUDGES[0], True)),
        Contest(),
        Finalize(),
    )
    return [SubmissionRefused(submission, "Refused") for submission in submissions_]


MAKES: dict[str, Callable[[TaskParams, Pen], Role]] = {
    "learner": lambda task, pen: learner(task, identity=pen, adopt_unjudged=True),
    "neighbor": lambda task, pen: neighbor(task, identity=pen),
    "validator": lambda task, pen: Validator(JUDGES[0], task),
    "keeper": lambda task, pen: Keeper(task),
}


def good_sayings(part: str, task: TaskParams) -> list[Input]:
    """What brings a role on its way, in this order."""
    by_part: dict[str, list[Input]] = {
        "learner": [Started(), from_neighbor(accept(task)), from_neighbor(handed_over(task=task))],
        "neighbor": [
            from_learner(Offer(offer(task))),
            from_learner(ModelSent(MODEL)),
            Contributed(RESULT),
            from_learner(agreed(task=task)),
        ],
        "validator": [from_learner(to_judge(task)), Judged(RESULT, True), from_learner(to_hand_over(task))],
        "keeper": [],
    }
    return by_part[part]


SENDERS = {
    part: (counterpart.address, counterpart.address, LEARNER.address, NEIGHBOR.address, JUDGES[0], STRANGER)
    for part, counterpart in zip(MAKES, (NEIGHBOR, LEARNER, LEARNER, LEARNER), strict=True)
}
"""Who says something to a role, its counterpart more often than others."""

WORK: tuple[Input, ...] = (
    Contributed(RESULT),
    Contributed(WRONG),
    Judged(RESULT, True),
    Judged(RESULT, False),
    Judged(WRONG, True),
)
KINDS = ("good", "good", "good", "ledger", "ledger", "ledger", "said", "said", "again", "time", "work", "refused")


@st.composite
def lives(draw: st.DrawFn, part: str, task: TaskParams) -> list[Input]:
    """What a role may take in an encounter: on the ledger all is in a legal order, all else comes as it comes."""
    inputs: list[Input] = []
    encounter: Encounter | None = None
    good, over, block, now_s = good_sayings(part, task), False, BLOCK, OPENED_AT
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=16)):
        if kind == "good" and good:
            inputs.append(good.pop(0))
        elif kind == "ledger" and not over:
            block, now_s = block + 1, now_s + draw(st.sampled_from((0, 60, WINDOW_S)))
            events = draw(st.sampled_from(transactions(encounter, task, block, now_s)))
            encounter = encounter or at(Phase.OPEN, task)
            for event in events:
                encounter = encounter if isinstance(event, Opened) else encounter.follow(event) or encounter
            inputs.append(Happened(tuple(events), encounter))
            over = isinstance(events[-1], Settled | Ended)
        elif kind == "again" and inputs:
            told = [given for given in inputs if not isinstance(given, Happened)]
            inputs += [draw(st.sampled_from(told))] if told else []
        elif kind == "time":
            inputs.append(Clock(draw(st.sampled_from(edges_s(encounter, task))), draw(st.integers(block, block + 300))))
        elif kind == "work":
            inputs.append(draw(st.sampled_from(WORK)))
        elif kind == "refused":
            inputs.append(draw(st.sampled_from(refusals(task))))
        else:
            inputs.append(Heard(draw(st.sampled_from(SENDERS[part])), draw(st.sampled_from(sayings(task)))))
    return inputs


def check_life(part: str, task: TaskParams, inputs: Sequence[Input]) -> None:
    pen = Pen(NEIGHBOR if part == "neighbor" else LEARNER)
    role, asked = MAKES[part](task, pen), list[list[Action]]()
    for count, each in enumerate(inputs, 1):
        asked.append(role.take(each))
        restored = MAKES[part](task, Pen(pen.wallet))
        assert all_taken(restored, inputs[:count]) == asked
        assert vars(restored) == vars(role)
    stated = {statement for actions in asked for statement in statements(actions, task)}
    assert set(pen.signed) <= {DOMAIN.digest(statement) for statement in stated}
    if part == "learner":  # its denial is not signed, and may be taken back
        assert len(set(pen.signed)) <= 1
    else:
        for kind in (Terms, Report, Vote):
            assert len([statement for statement in stated if isinstance(statement, kind)]) <= 1


@pytest.mark.parametrize("examples", [40, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("task", [SAFE, PAPER], ids=["safe", "paper"])
@pytest.mark.parametrize("part", list(MAKES))
def test_a_role_is_restored_by_what_it_took_and_states_nothing_twice_differently(
    part: str, task: TaskParams, examples: int
) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(lives(part, task))
    def check(inputs: list[Input]) -> None:
        check_life(part, task, inputs)

    check()
