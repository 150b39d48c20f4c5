"""An encounter's state follows from the contract's events, and says when who may act."""

import pytest

from idml.protocol.encounter import Encounter, Phase, Progress
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment, committee_seed
from idml.protocol.task import preset_task

LEARNER, NEIGHBOR = b"L" * 20, b"N" * 20
VALIDATORS = (b"A" * 20, b"B" * 20, b"C" * 20)
DOMAIN = Domain(1, b"D" * 20)
SAFE, PAPER = preset_task("safe"), preset_task("paper")
SECRET = {LEARNER: b"l" * 32, NEIGHBOR: b"n" * 32}
TERMS = Terms(
    SAFE.id, LEARNER, NEIGHBOR, 10, b"m" * 32, commitment(SECRET[LEARNER]), commitment(SECRET[NEIGHBOR]), 5, 90, 100, 0
)
RESULT = b"r" * 32


def after(*events: tuple[str, dict[str, object]], start_s: int = 100) -> Encounter | None:
    encounter: Encounter | None = Encounter.opened(DOMAIN, TERMS, start_s)
    for count, (name, arguments) in enumerate(events, 1):
        assert encounter is not None
        encounter = encounter.follow(name, arguments, start_s + 10 * count, DOMAIN)
    return encounter


NEIGHBOR_REPORTS = ("Reported", {"reporter": NEIGHBOR, "result": RESULT, "secret": SECRET[NEIGHBOR]})
LEARNER_REPORTS = ("Reported", {"reporter": LEARNER, "result": RESULT, "secret": SECRET[LEARNER]})
SEED = committee_seed(SECRET[LEARNER], SECRET[NEIGHBOR])
STARTED = ("ValidationStarted", {"seed": SEED, "committee": VALIDATORS})


def test_the_good_path() -> None:
    encounter = after(NEIGHBOR_REPORTS)
    assert encounter is not None
    assert encounter.progress.phase is Phase.REPORTED
    assert encounter.progress.since == 110
    report = Report(encounter.id, NEIGHBOR, RESULT, SECRET[NEIGHBOR])
    assert encounter.progress.neighbor_report == DOMAIN.digest(report)
    assert encounter.report(LEARNER, RESULT, SECRET[LEARNER]).previous == DOMAIN.digest(report)

    encounter = after(NEIGHBOR_REPORTS, LEARNER_REPORTS, STARTED)
    assert encounter is not None
    assert encounter.progress == Progress(Phase.VALIDATING, 130, RESULT, seed=SEED, committee=VALIDATORS)

    votes = [
        ("Voted", {"validator": VALIDATORS[0], "accept": False}),
        ("Voted", {"validator": VALIDATORS[2], "accept": True}),
    ]
    encounter = after(NEIGHBOR_REPORTS, LEARNER_REPORTS, STARTED, *votes)
    assert encounter is not None
    assert encounter.progress.votes == ((VALIDATORS[0], False), (VALIDATORS[2], True))
    assert (encounter.progress.votes_for, encounter.progress.votes_against) == (1, 1)
    vote = encounter.vote(VALIDATORS[1], True)
    assert (vote.encounter, vote.seed, vote.result) == (encounter.id, SEED, RESULT)


def test_other_paths() -> None:
    refused = after(("Refused", {}))
    assert refused is not None
    assert refused.progress == Progress(Phase.REFUSED, 110)
    revived = after(("Refused", {}), NEIGHBOR_REPORTS)
    assert revived is not None
    assert revived.progress.phase is Phase.REPORTED
    disputed = after(NEIGHBOR_REPORTS, LEARNER_REPORTS, ("Disputed", {}))
    assert disputed is not None
    assert (disputed.progress.phase, disputed.progress.since) == (Phase.DISPUTED, 130)
    assert disputed.progress.result == RESULT
    assert after(("Ended", {})) is None
    assert after(NEIGHBOR_REPORTS, LEARNER_REPORTS, ("Disputed", {}), ("Ended", {})) is None
    assert after(NEIGHBOR_REPORTS, LEARNER_REPORTS, STARTED, ("Settled", {})) is None


@pytest.mark.parametrize(
    ("phase", "task", "due_s", "finalizable_after_s"),
    [
        (Phase.OPEN, SAFE, 4_600, 4_600),
        (Phase.REFUSED, SAFE, 4_600, 4_600),
        (Phase.REPORTED, SAFE, 4_600, 8_200),  # the neighbor may still contest
        (Phase.REPORTED, PAPER, 4_600, 4_600),
        (Phase.DISPUTED, SAFE, 4_600, 4_600),
        (Phase.DISPUTED, PAPER, 4_600, 999),  # at once
        (Phase.VALIDATING, SAFE, 51_000, 51_000),
    ],
)
def test_windows(phase: Phase, task: object, due_s: int, finalizable_after_s: int) -> None:
    progress = Progress(phase, 1_000)
    assert task in (SAFE, PAPER)
    chosen = SAFE if task == SAFE else PAPER
    assert progress.due_s(chosen) == due_s
    assert progress.finalizable_after_s(chosen) == finalizable_after_s


def test_the_state_hash_tells_states_apart() -> None:
    base = Progress(Phase.VALIDATING, 1, RESULT, seed=SEED, committee=VALIDATORS, voters=VALIDATORS[:1], ballots=1)
    others = [
        Progress(Phase.VALIDATING, 1, RESULT, seed=SEED, committee=VALIDATORS, voters=VALIDATORS[:1], ballots=0),
        Progress(Phase.VALIDATING, 1, RESULT, seed=SEED, committee=VALIDATORS[:1], voters=VALIDATORS, ballots=1),
        Progress(Phase.VALIDATING, 2, RESULT, seed=SEED, committee=VALIDATORS, voters=VALIDATORS[:1], ballots=1),
        Progress(Phase.VALIDATING, 1, ZERO_WORD, seed=SEED, committee=VALIDATORS, voters=VALIDATORS[:1], ballots=1),
    ]
    assert base.state_hash() not in {other.state_hash() for other in others}


VOTED = ("Voted", {"validator": VALIDATORS[0], "accept": True})
EVENTS: dict[str, tuple[str, dict[str, object]]] = {
    "refused": ("Refused", {}),
    "neighbor": NEIGHBOR_REPORTS,
    "learner": LEARNER_REPORTS,
    "disputed": ("Disputed", {}),
    "started": STARTED,
    "voted": VOTED,
    "settled": ("Settled", {}),
    "ended": ("Ended", {}),
    "other": ("Deposited", {}),
}
POSSIBLE = {
    Phase.OPEN: {"refused", "neighbor", "ended"},
    Phase.REFUSED: {"neighbor", "ended"},
    Phase.REPORTED: {"learner", "disputed", "started", "ended"},
    Phase.DISPUTED: {"ended"},
    Phase.VALIDATING: {"voted", "settled"},
}


@pytest.mark.parametrize("phase", list(POSSIBLE))
@pytest.mark.parametrize("event", list(EVENTS))
def test_only_what_the_contract_allows_can_follow(phase: Phase, event: str) -> None:
    encounter = Encounter(b"i" * 32, TERMS, Progress(phase, 1))
    if event in POSSIBLE[phase]:
        encounter.follow(*EVENTS[event], 2, DOMAIN)
    else:
        with pytest.raises(ValueError, match=f"cannot follow on phase {phase.name}"):
            encounter.follow(*EVENTS[event], 2, DOMAIN)
