"""The roles: the nine steps in order, and every liberty that another party may take."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from idml.ledger.wallet import Wallet
from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase, Stage
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment, committee_seed
from idml.protocol.roles import (
    Accept,
    Action,
    Adopt,
    Contest,
    Contribute,
    Decline,
    Draw,
    Fetch,
    Finalize,
    Finish,
    Ignore,
    Judge,
    Learner,
    ModelSent,
    Neighbor,
    Offer,
    Open,
    Parcel,
    Reject,
    ReportSent,
    ResultSent,
    Send,
    Submit,
    SubmitReport,
    SubmitReports,
    SubmitVote,
    ValidationRequest,
    Validator,
)
from idml.protocol.task import TaskParams, preset_task

DOMAIN = Domain(1, b"D" * 20)
SAFE, PAPER = preset_task("safe"), preset_task("paper")
JUDGES = (b"A" * 20, b"B" * 20, b"C" * 20)
MODEL, RESULT, WRONG = Parcel(b"m" * 32, "model"), Parcel(b"r" * 32, "result"), Parcel(b"x" * 32, "wrong")
LEARNER_SECRET, NEIGHBOR_SECRET = b"l" * 32, b"n" * 32


LEARNER, NEIGHBOR = Wallet.from_seed(1, 0), Wallet.from_seed(1, 1)


def offer(task: TaskParams = SAFE) -> Terms:
    return Terms(
        task.id,
        LEARNER.address,
        NEIGHBOR.address,
        10,
        MODEL.digest,
        commitment(LEARNER_SECRET),
        ZERO_WORD,
        5,
        90,
        100,
        0,
    )


def learner(task: TaskParams = SAFE, *, adopt_unjudged: bool = False) -> Learner:
    return Learner(
        identity=LEARNER,
        domain=DOMAIN,
        task=task,
        offer=offer(task),
        secret=LEARNER_SECRET,
        model=MODEL,
        validators=JUDGES[:2],
        adopt_unjudged=adopt_unjudged,
    )


def neighbor(task: TaskParams = SAFE) -> Neighbor:
    return Neighbor(identity=NEIGHBOR, domain=DOMAIN, task=task, secret=NEIGHBOR_SECRET, validators=JUDGES[1:])


def terms(task: TaskParams = SAFE) -> Terms:
    return replace(offer(task), neighbor_commitment=commitment(NEIGHBOR_SECRET))


def accept(task: TaskParams = SAFE) -> Accept:
    return Accept(terms(task), NEIGHBOR.sign(DOMAIN.digest(terms(task))))


OPENED_AT = 95
CONTEST_BLOCK = 40
WINDOW_S, VOTING_S = SAFE.completion_window_s, SAFE.voting_window_s
LATE = OPENED_AT + WINDOW_S * 3 // 4


def at(phase: Phase, task: TaskParams = SAFE) -> Encounter:
    """The encounter in a phase that began when it was opened."""
    opened = Encounter.opened(DOMAIN, terms(task), task, OPENED_AT)
    stage = replace(opened.progress.where, phase=phase)
    changes: dict[str, object] = {}
    if phase in (Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED):
        changes = {"result": RESULT.digest, "neighbor_word": NEIGHBOR_SECRET}
    if phase is Phase.CONTESTED:
        stage = replace(stage, contest_block=CONTEST_BLOCK)
    if phase is Phase.VALIDATING:
        stage = Stage(phase, OPENED_AT)
        seed = committee_seed(LEARNER_SECRET, NEIGHBOR_SECRET)
        committee = JUDGES if task.committee_size else ()
        changes = {"result": RESULT.digest, "learner_word": seed, "neighbor_word": ZERO_WORD, "committee": committee}
    return replace(opened, progress=replace(opened.progress, stage=stage.pack(), **changes))


def handed_over(result: Parcel = RESULT, task: TaskParams = SAFE, **changes: object) -> ResultSent:
    """What the neighbor hands over; `changes` are made to the report before it is signed."""
    report = Report(at(Phase.OPEN, task).id, NEIGHBOR.address, result.digest, NEIGHBOR_SECRET)
    report = replace(report, **changes)
    return ResultSent(result, report, NEIGHBOR.sign(DOMAIN.digest(report)))


def agreed(result: Parcel = RESULT, task: TaskParams = SAFE, **changes: object) -> ReportSent:
    """What the learner hands over when it agrees; `changes` are made to its report before it is signed."""
    previous = DOMAIN.digest(handed_over(result, task).report)
    report = Report(at(Phase.OPEN, task).id, LEARNER.address, result.digest, LEARNER_SECRET, previous)
    report = replace(report, **changes)
    return ReportSent(report, LEARNER.sign(DOMAIN.digest(report)))


def both_of_them(task: TaskParams = SAFE) -> Submit:
    """Both reports, brought by the neighbor."""
    signatures = handed_over(task=task).signature, agreed(task=task).signature
    return Submit(SubmitReports(RESULT.digest, NEIGHBOR_SECRET, LEARNER_SECRET, *signatures))


def submissions(actions: Sequence[Action]) -> list[object]:
    return [action.submission for action in actions if isinstance(action, Submit)]


def test_the_learners_way() -> None:
    role = learner()
    assert role.start() == [Send(NEIGHBOR.address, Offer(offer()))]
    assert role.on_message(accept()) == [Submit(Open(terms(), accept().signature))]
    assert role.on_encounter(at(Phase.OPEN)) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    both = SubmitReports(RESULT.digest, NEIGHBOR_SECRET, LEARNER_SECRET, handed_over().signature)
    assert role.on_message(handed_over()) == [Submit(both), Send(NEIGHBOR.address, agreed())]
    assert role.on_message(handed_over()) == []  # once
    asked = role.on_encounter(at(Phase.VALIDATING))
    request = ValidationRequest(at(Phase.VALIDATING), MODEL, RESULT)
    assert asked == [Send(judge, request) for judge in JUDGES]
    assert role.on_encounter(at(Phase.VALIDATING)) == []  # a vote came in: nobody is asked twice
    assert role.on_settled(True) == [Adopt(RESULT), Finish("settled: accepted")]
    assert role.on_message(handed_over()) == []
    assert role.on_time(10**9, 10**9) == []


def test_a_learner_that_was_late_reports_after_the_neighbor() -> None:
    role = opened_learner()
    assert role.on_encounter(at(Phase.REPORTED)) == []  # nothing came yet
    (report,) = submissions(role.on_message(handed_over()))
    assert isinstance(report, SubmitReport)
    assert (report.report.result, report.report.secret) == (RESULT.digest, LEARNER_SECRET)
    assert report.report.previous == DOMAIN.digest(handed_over().report)


def test_a_refusal_is_voided_by_both_reports() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REFUSED))
    (both,) = submissions(role.on_message(handed_over()))
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
    assert role.on_message(message) == []
    (both,) = submissions(role.on_message(handed_over()))  # a bad one does not spoil a good one
    assert isinstance(both, SubmitReports)


def test_a_neighbor_that_reported_first_is_answered_all_the_same() -> None:
    role = opened_learner()
    assert len(submissions(role.on_message(handed_over()))) == 1  # the contract refuses: the neighbor was faster
    assert role.on_encounter(at(Phase.REPORTED)) == []  # or these are both reports, half seen
    assert role.on_time(LATE - 1, 1) == []
    (report,) = submissions(role.on_time(LATE, 1))
    assert isinstance(report, SubmitReport)
    assert (report.report.result, report.report.previous) == (RESULT.digest, DOMAIN.digest(handed_over().report))
    assert role.on_time(LATE + 1, 1) == []


def test_a_result_before_the_opening_is_kept_but_not_brought() -> None:
    role = learner()
    role.on_message(accept())
    assert role.on_message(handed_over()) == []
    role.on_encounter(at(Phase.OPEN))
    (report,) = submissions(role.on_encounter(at(Phase.REPORTED)))
    assert isinstance(report, SubmitReport)


@pytest.mark.parametrize(
    ("accepted", "adopt_unjudged", "adopted"), [(False, True, False), (None, False, False), (None, True, True)]
)
def test_only_what_was_accepted_is_adopted(accepted: bool | None, adopt_unjudged: bool, adopted: bool) -> None:
    role = learner(adopt_unjudged=adopt_unjudged)
    role.on_message(accept())
    role.on_message(handed_over())
    for phase in (Phase.OPEN, Phase.REPORTED, Phase.VALIDATING):
        role.on_encounter(at(phase))
    assert (Adopt(RESULT) in role.on_settled(accepted)) is adopted
    assert role.on_settled(accepted) == []  # once


def test_in_open_voting_the_learner_chooses_whom_to_ask() -> None:
    role = opened_learner(PAPER)
    role.on_message(handed_over(task=PAPER))
    sent = role.on_encounter(at(Phase.VALIDATING, PAPER))
    assert [action.to for action in sent if isinstance(action, Send)] == list(JUDGES[:2])


def opened_learner(task: TaskParams = SAFE) -> Learner:
    role = learner(task)
    role.on_message(accept(task))
    role.on_encounter(at(Phase.OPEN, task))
    return role


def test_a_result_that_never_came_is_neither_reported_nor_shown() -> None:
    role = opened_learner()
    assert role.on_encounter(at(Phase.REPORTED)) == []
    assert submissions(role.on_time(OPENED_AT + WINDOW_S, 1)) == []  # nothing to deny
    assert role.on_encounter(at(Phase.VALIDATING)) == []
    assert role.on_settled(True) == [Fetch(RESULT.digest), Finish("settled: accepted")]
    assert role.on_fetched(WRONG) == []
    assert role.on_fetched(RESULT) == [Adopt(RESULT)]


def test_what_is_merged_is_what_was_judged_not_what_was_handed_over() -> None:
    role = opened_learner()
    role.on_message(handed_over(WRONG))
    for phase in (Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED, Phase.VALIDATING):
        role.on_encounter(at(phase))
    assert role.on_settled(True) == [Fetch(RESULT.digest), Finish("settled: accepted")]
    assert role.on_fetched(RESULT) == [Adopt(RESULT)]


def test_what_was_rejected_is_not_asked_for() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REPORTED))
    role.on_encounter(at(Phase.VALIDATING))
    assert role.on_settled(False) == [Finish("settled: rejected")]


def test_of_an_encounter_that_it_never_opened_the_learner_makes_nothing() -> None:
    assert learner().on_settled(True) == []


def test_the_learner_reports_what_the_neighbor_reported_and_once() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REPORTED))
    forged = replace(handed_over(WRONG), signature=b"forged")
    assert role.on_message(forged) == []  # the right one may yet come
    (report,) = submissions(role.on_message(handed_over()))
    assert isinstance(report, SubmitReport)
    assert report.report.result == RESULT.digest
    assert role.on_message(handed_over(WRONG)) == []
    assert submissions(role.on_encounter(at(Phase.REPORTED))) == []


def test_what_the_neighbor_handed_over_goes_before_another_result_that_it_reports() -> None:
    role = opened_learner()
    assert role.on_encounter(at(Phase.REPORTED)) == []  # on RESULT
    (both,) = submissions(role.on_message(handed_over(WRONG)))
    assert isinstance(both, SubmitReports)
    assert (both.result, both.neighbor_signature) == (WRONG.digest, handed_over(WRONG).signature)


def test_the_right_result_is_kept_whatever_comes_after_it() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REPORTED))
    role.on_message(handed_over())
    role.on_message(handed_over(WRONG))
    asked = role.on_encounter(at(Phase.VALIDATING))
    assert {action.message.result for action in asked if isinstance(action, Send)} == {RESULT}


def test_of_results_that_are_not_the_reported_one_the_last_is_kept() -> None:
    role = learner()
    role.on_message(accept())
    role.on_message(handed_over(WRONG))
    role.on_message(handed_over())
    role.on_encounter(at(Phase.OPEN))
    assert len(submissions(role.on_encounter(at(Phase.REPORTED)))) == 1


UNSIGNED = replace(handed_over(WRONG), signature=b"forged")


def test_another_result_is_denied_only_late() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REPORTED))
    role.on_message(UNSIGNED)
    assert role.on_time(LATE - 1, 1) == []
    (report,) = submissions(role.on_time(LATE, 1))
    assert isinstance(report, SubmitReport)
    assert report.report.result == WRONG.digest
    assert role.on_time(LATE + 100, 1) == []


def test_what_the_neighbor_signed_is_not_denied_but_brought_again() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REPORTED))
    first = role.on_message(handed_over(WRONG))
    assert len(submissions(first)) == 1
    assert role.on_time(LATE - 1, 1) == []
    assert role.on_time(LATE, 1) == first
    assert role.on_time(LATE + 1, 1) == []


@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_a_learner_takes_its_denial_back_when_the_right_result_comes(task: TaskParams) -> None:
    role = opened_learner(task)
    role.on_encounter(at(Phase.REPORTED, task))
    role.on_message(UNSIGNED)
    assert len(submissions(role.on_time(LATE, 1))) == 1
    assert role.on_encounter(at(Phase.DISPUTED, task)) == []
    assert role.on_message(replace(handed_over(task=task), signature=b"forged")) == []
    both = SubmitReports(RESULT.digest, NEIGHBOR_SECRET, LEARNER_SECRET, handed_over(task=task).signature)
    assert role.on_message(handed_over(task=task)) == [Submit(both), Send(NEIGHBOR.address, agreed(task=task))]
    assert role.on_message(handed_over(task=task)) == []  # once
    asked = role.on_encounter(at(Phase.VALIDATING, task))
    assert {action.message.result for action in asked if isinstance(action, Send)} == {RESULT}


def test_a_learner_brings_both_reports_against_a_denial_that_it_did_not_send() -> None:
    """Another client with its key did: what it holds is more than that."""
    role = opened_learner()
    role.on_message(handed_over())
    (both,) = submissions(role.on_encounter(at(Phase.DISPUTED)))
    assert isinstance(both, SubmitReports)
    assert role.on_encounter(at(Phase.DISPUTED)) == []


def test_after_a_denial_the_right_result_is_kept_whatever_comes_after_it() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.DISPUTED))
    role.on_message(replace(handed_over(), signature=b"forged"))
    assert role.on_message(UNSIGNED) == []
    asked = role.on_encounter(at(Phase.VALIDATING))
    assert {action.message.result for action in asked if isinstance(action, Send)} == {RESULT}


def test_a_learner_that_can_report_in_time_no_more_does_not() -> None:
    role = opened_learner()
    role.on_encounter(at(Phase.REPORTED))
    role.on_message(UNSIGNED)
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == []


def test_the_learner_opens_only_what_it_offered_and_the_neighbor_signed() -> None:
    dearer = replace(terms(), reward=11)
    assert learner().on_message(Accept(dearer, NEIGHBOR.sign(DOMAIN.digest(dearer)))) == [
        Finish("the neighbor changed the terms")
    ]
    assert learner().on_message(Accept(terms(), b"forged")) == [Finish("the neighbor's signature is not valid")]
    assert learner().on_message(Decline("busy")) == [Finish("declined: busy")]


def test_once_the_opening_is_on_its_way_only_the_ledger_counts() -> None:
    role = learner()
    assert len(submissions(role.on_message(accept()))) == 1
    assert role.on_message(accept()) == []
    assert role.on_message(Decline("changed my mind")) == []
    assert role.on_encounter(at(Phase.OPEN)) == [Send(NEIGHBOR.address, ModelSent(MODEL))]


def test_an_opening_that_was_seen_late_is_an_opening() -> None:
    asking, asked = learner(), neighbor()
    asking.on_message(accept())
    asked.on_message(Offer(offer()))
    for role in (asking, asked):
        assert role.on_time(101, 1) == [Finish("never opened")]
    assert asking.on_encounter(at(Phase.OPEN)) == [Send(NEIGHBOR.address, ModelSent(MODEL))]
    assert asked.on_encounter(at(Phase.OPEN)) == []
    assert asked.on_message(ModelSent(MODEL)) == [Contribute(at(Phase.OPEN), MODEL)]
    assert asked.on_contribution(RESULT) == [Send(LEARNER.address, handed_over())]


def test_encounters_of_others_are_none_of_a_roles_business() -> None:
    other = replace(at(Phase.OPEN), terms=replace(terms(), nonce=7))
    for role in (learner(), opened_learner(), neighbor()):
        assert role.on_encounter(other) == []
    role = neighbor()
    role.on_message(ModelSent(MODEL))
    assert role.on_encounter(at(Phase.OPEN)) == []  # nothing was promised


@pytest.mark.parametrize("field", ["learner", "task", "learner_commitment", "neighbor_commitment", "model_before"])
def test_an_offer_that_does_not_fit_is_refused(field: str) -> None:
    wrong = b"w" * len(getattr(offer(), field))
    with pytest.raises(ValueError, match=f"the offer's {field} is 0x7777"):
        Learner(
            identity=LEARNER,
            domain=DOMAIN,
            task=SAFE,
            offer=replace(offer(), **{field: wrong}),
            secret=LEARNER_SECRET,
            model=MODEL,
        )


def test_the_neighbors_way() -> None:
    role = neighbor()
    assert role.on_message(Offer(offer())) == [Send(LEARNER.address, accept())]
    assert role.on_message(Offer(offer())) == []  # one promise an encounter
    assert role.on_message(ModelSent(MODEL)) == []  # never before the prepayment is on the ledger
    assert role.on_encounter(at(Phase.OPEN)) == [Contribute(at(Phase.OPEN), MODEL)]
    assert role.on_contribution(RESULT) == [Send(LEARNER.address, handed_over())]
    assert role.on_contribution(Parcel(b"x" * 32, "other")) == []  # never two reports
    request = ValidationRequest(at(Phase.VALIDATING), MODEL, RESULT)
    assert role.on_encounter(at(Phase.VALIDATING)) == [Send(judge, request) for judge in JUDGES]
    assert role.on_encounter(at(Phase.VALIDATING)) == []
    assert role.on_settled(False) == [Finish("settled: rejected")]
    assert role.on_message(ModelSent(MODEL)) == []
    assert role.on_time(10**9, 10**9) == []


def test_the_model_may_come_after_the_opening() -> None:
    role = neighbor()
    role.on_message(Offer(offer()))
    assert role.on_encounter(at(Phase.OPEN)) == []
    assert role.on_message(ModelSent(MODEL)) == [Contribute(at(Phase.OPEN), MODEL)]
    assert role.on_message(ModelSent(WRONG)) == []


def test_the_neighbor_waits_for_the_model_that_the_terms_name_but_not_for_ever() -> None:
    role = neighbor()
    role.on_message(Offer(offer()))
    role.on_message(ModelSent(WRONG))
    assert role.on_encounter(at(Phase.OPEN)) == []
    assert role.on_time(LATE - 1, 1) == []
    assert role.on_time(LATE, 1) == [Submit(Reject())]
    assert role.on_message(ModelSent(MODEL)) == [Contribute(at(Phase.OPEN), MODEL)]
    assert role.on_time(LATE + 100, 1) == []  # at work


def test_who_refused_does_not_refuse_again() -> None:
    role = neighbor()
    role.on_message(Offer(offer()))
    role.on_encounter(at(Phase.OPEN))
    role.on_encounter(at(Phase.REFUSED))
    assert role.on_time(LATE, 1) == []
    assert role.on_message(ModelSent(MODEL)) == []  # too late: it refused


def working_neighbor(task: TaskParams = SAFE) -> Neighbor:
    role = neighbor(task)
    role.on_message(Offer(offer(task)))
    role.on_message(ModelSent(MODEL))
    role.on_encounter(at(Phase.OPEN, task))
    return role


def done_neighbor(task: TaskParams = SAFE) -> Neighbor:
    """One that handed over its result."""
    role = working_neighbor(task)
    role.on_contribution(RESULT)
    return role


@pytest.mark.parametrize("phase", [Phase.OPEN, Phase.REFUSED])
def test_the_neighbor_reports_by_itself_only_late(phase: Phase) -> None:
    role = done_neighbor()
    role.on_encounter(at(phase))
    assert role.on_time(LATE - 1, 1) == []  # the learner may yet bring both
    for now_s in (LATE, OPENED_AT + WINDOW_S):
        assert role.on_time(now_s, 1) == [Submit(SubmitReport(handed_over().report))]
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == [Submit(Finalize())]
    assert role.on_encounter(at(Phase.REPORTED)) == [Send(LEARNER.address, handed_over())]  # it may have missed it
    assert role.on_encounter(at(Phase.REPORTED)) == []


def test_the_neighbor_contests_a_silent_learner_at_the_exact_edges() -> None:
    role = done_neighbor()
    role.on_encounter(at(Phase.REPORTED))
    last = OPENED_AT + 2 * WINDOW_S
    assert role.on_time(OPENED_AT + WINDOW_S, 1) == []  # the learner may still report
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == [Submit(Contest())]
    assert role.on_time(last, 1) == [Submit(Contest())]
    assert role.on_time(last + 1, 1) == [Submit(Finalize())]


def test_the_neighbor_contests_a_denial_at_once() -> None:
    role = done_neighbor()
    role.on_encounter(at(Phase.REPORTED))
    assert role.on_encounter(at(Phase.DISPUTED)) == [Submit(Contest())]
    assert role.on_encounter(at(Phase.DISPUTED)) == []
    assert role.on_time(OPENED_AT + WINDOW_S, 1) == [Submit(Contest())]  # the first did not go through
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == [Submit(Finalize())]


def test_where_nobody_is_drawn_nothing_is_contested() -> None:
    for phase in (Phase.REPORTED, Phase.DISPUTED):
        role = done_neighbor(PAPER)
        # The learner may have missed it, and may yet agree.
        assert role.on_encounter(at(phase, PAPER)) == [Send(LEARNER.address, handed_over(task=PAPER))]
        assert role.on_encounter(at(phase, PAPER)) == []
        assert role.on_time(OPENED_AT + WINDOW_S, 1) == []
        assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == [Submit(Finalize())]


def agreeing_neighbor(task: TaskParams = SAFE) -> Neighbor:
    """One that holds both reports."""
    role = done_neighbor(task)
    assert role.on_message(agreed(task=task)) == []
    return role


@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_a_learner_that_denies_what_it_signed_is_held_to_it(task: TaskParams) -> None:
    role = agreeing_neighbor(task)
    role.on_encounter(at(Phase.REPORTED, task))
    assert role.on_encounter(at(Phase.DISPUTED, task)) == [both_of_them(task)]
    assert role.on_encounter(at(Phase.DISPUTED, task)) == []
    assert role.on_time(LATE - 1, 1) == [both_of_them(task)]  # the first did not go through
    # A wallet that took its signature back: a committee judges, where there is one.
    again = Submit(Contest()) if task is SAFE else both_of_them(task)
    for now_s in (LATE, OPENED_AT + WINDOW_S):
        assert role.on_time(now_s, 1) == [again]
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == [Submit(Finalize())]


def test_a_learner_that_agreed_and_fell_silent_is_held_to_it() -> None:
    role = agreeing_neighbor()
    assert role.on_time(LATE, 1) == [Submit(SubmitReport(handed_over().report))]
    role.on_encounter(at(Phase.REPORTED))
    assert role.on_time(LATE - 1, 1) == []  # it may yet answer
    for now_s in (LATE, OPENED_AT + WINDOW_S):
        assert role.on_time(now_s, 1) == [both_of_them()]
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == [Submit(Contest())]


def test_an_agreement_that_comes_after_the_denial_is_brought() -> None:
    role = done_neighbor()
    role.on_encounter(at(Phase.DISPUTED))
    assert role.on_message(agreed()) == [both_of_them()]
    assert role.on_message(agreed()) == []


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
    role.on_encounter(at(Phase.DISPUTED))
    assert role.on_message(message) == []
    assert role.on_message(agreed()) == [both_of_them()]  # a bad one does not spoil a good one


def test_an_agreement_to_nothing_is_none() -> None:
    role = working_neighbor()
    assert role.on_message(agreed()) == []
    role.on_contribution(RESULT)
    assert role.on_encounter(at(Phase.DISPUTED)) == [Submit(Contest())]


def test_who_has_no_result_contests_nothing() -> None:
    role = working_neighbor()
    assert role.on_encounter(at(Phase.DISPUTED)) == []
    assert role.on_time(OPENED_AT + 1, 1) == []
    role.on_encounter(at(Phase.REPORTED))
    assert role.on_time(OPENED_AT + WINDOW_S + 1, 1) == []


def test_the_neighbor_draws_in_the_blocks_in_which_the_seed_is_known() -> None:
    role, seed_block = done_neighbor(), CONTEST_BLOCK + 2
    assert role.on_encounter(at(Phase.CONTESTED)) == []
    for block in (CONTEST_BLOCK + 1, seed_block):
        assert role.on_time(OPENED_AT + 10**6, block) == []
    for block in (seed_block + 1, seed_block + BLOCKHASH_REACH):
        assert role.on_time(OPENED_AT, block) == [Submit(Draw())]
    assert role.on_time(OPENED_AT, seed_block + BLOCKHASH_REACH + 1) == [Submit(Finalize())]
    request = ValidationRequest(at(Phase.VALIDATING), MODEL, RESULT)
    assert role.on_encounter(at(Phase.VALIDATING)) == [Send(judge, request) for judge in JUDGES]


def test_the_learner_ends_a_contested_encounter_that_nobody_drew() -> None:
    role, last = opened_learner(), CONTEST_BLOCK + 2 + BLOCKHASH_REACH
    role.on_encounter(at(Phase.CONTESTED))
    assert role.on_time(OPENED_AT + 10**6, last) == []
    assert role.on_time(OPENED_AT, last + 1) == [Submit(Finalize())]


def test_in_open_voting_the_neighbor_too_may_ask_whom_it_likes() -> None:
    role = done_neighbor(PAPER)
    sent = role.on_encounter(at(Phase.VALIDATING, PAPER))
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
def test_the_neighbor_declines_what_does_not_suit_it(changes: dict[str, object], reason: str) -> None:
    role = Neighbor(
        identity=NEIGHBOR,
        domain=DOMAIN,
        task=SAFE,
        secret=NEIGHBOR_SECRET,
        policy=lambda offered: "too cheap" if offered.reward < 10 else None,
    )
    wanted = replace(offer(), **changes)
    assert role.on_message(Offer(wanted)) == [Send(wanted.learner, Decline(reason)), Finish(reason)]
    assert role.on_message(Offer(offer())) == []


def test_work_that_nobody_asked_for_is_not_reported() -> None:
    assert neighbor().on_contribution(RESULT) == []


def test_a_validators_way() -> None:
    role = Validator(JUDGES[0], SAFE)
    encounter = at(Phase.VALIDATING)
    request = ValidationRequest(encounter, MODEL, RESULT)
    assert role.on_message(request, encounter) == [Judge(encounter, MODEL, RESULT)]
    assert role.on_message(request, encounter) == []  # from the other party
    (vote,) = submissions(role.on_verdict(True, encounter))
    assert vote == SubmitVote(encounter.vote(JUDGES[0], True))
    assert role.on_verdict(False, encounter) == []  # one vote


def test_a_verdict_that_comes_too_late_is_no_vote() -> None:
    role = Validator(JUDGES[0], SAFE)
    assert role.on_verdict(True, at(Phase.VALIDATING)) == []  # never asked
    role.on_message(ValidationRequest(at(Phase.VALIDATING), MODEL, RESULT), at(Phase.VALIDATING))
    assert role.on_verdict(True, at(Phase.DISPUTED)) == []


@pytest.mark.parametrize(
    ("who", "phase", "model", "result", "reason"),
    [
        (JUDGES[0], Phase.REPORTED, MODEL, RESULT, "the encounter is not under validation"),
        (LEARNER.address, Phase.VALIDATING, MODEL, RESULT, "a party does not judge its own encounter"),
        (NEIGHBOR.address, Phase.VALIDATING, MODEL, RESULT, "a party does not judge its own encounter"),
        (b"X" * 20, Phase.VALIDATING, MODEL, RESULT, "not in the committee"),
        (JUDGES[0], Phase.VALIDATING, RESULT, RESULT, "the model before is not the one in the terms"),
        (JUDGES[0], Phase.VALIDATING, MODEL, MODEL, "the result is not the one reported"),
    ],
)
def test_a_validator_judges_nothing_else(who: bytes, phase: Phase, model: Parcel, result: Parcel, reason: str) -> None:
    role = Validator(who, SAFE)
    encounter = at(phase)
    assert role.on_message(ValidationRequest(encounter, model, result), encounter) == [Ignore(reason)]
    good = at(Phase.VALIDATING)
    if who == JUDGES[0]:  # a bad request does not spoil a good one
        assert role.on_message(ValidationRequest(good, MODEL, RESULT), good) == [Judge(good, MODEL, RESULT)]


def test_where_nobody_was_drawn_nobody_judges() -> None:
    encounter = replace(at(Phase.VALIDATING), progress=replace(at(Phase.VALIDATING).progress, committee=()))
    request = ValidationRequest(encounter, MODEL, RESULT)
    assert Validator(JUDGES[0], SAFE).on_message(request, encounter) == [Ignore("not in the committee")]
    assert Validator(JUDGES[0], PAPER).on_message(request, encounter) == [Ignore("the encounter is of another task")]


def test_anyone_staked_may_judge_where_voting_is_open() -> None:
    encounter = at(Phase.VALIDATING, PAPER)
    assert Validator(b"X" * 20, PAPER).on_message(ValidationRequest(encounter, MODEL, RESULT), encounter) == [
        Judge(encounter, MODEL, RESULT)
    ]


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
def test_both_parties_end_what_is_due_and_nothing_earlier(phase: Phase, over_at: int) -> None:
    for role in (opened_learner(), working_neighbor()):
        role.on_encounter(at(phase))
        assert submissions(role.on_time(over_at - 1, 1)) == []
        assert submissions(role.on_time(over_at, 1)) == [Finalize()]


def test_an_offer_that_was_never_opened_is_forgotten() -> None:
    asking, asked = learner(), neighbor()
    assert asked.on_time(10**9, 10**9) == []  # nothing was promised
    asked.on_message(Offer(offer()))
    for role in (asking, asked):
        assert role.on_time(100, 1) == []
        assert role.on_time(101, 1) == [Finish("never opened")]
        assert role.on_time(102, 1) == []
    assert learner().on_ended("incomplete") == [Finish("incomplete")]
    assert neighbor().on_ended("rejected") == [Finish("rejected")]
    assert neighbor().on_settled(None) == [Finish("settled: unjudged")]
