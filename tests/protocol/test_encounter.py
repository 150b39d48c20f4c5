"""An encounter's state follows from the contract's events, and says when who may act."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.protocol import events
from idml.protocol.encounter import BLOCKHASH_REACH, Encounter, Phase, Progress, Stage, free_lane
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
from idml.protocol.messages import Domain, Report, Terms, commitment, committee_seed
from idml.protocol.task import TaskParams, preset_task

LEARNER, NEIGHBOR = b"L" * 20, b"N" * 20
VALIDATORS = (b"A" * 20, b"B" * 20, b"C" * 20)
DOMAIN = Domain(1, b"D" * 20)
SAFE, PAPER = preset_task("safe"), preset_task("paper")
SECRET = {LEARNER: b"l" * 32, NEIGHBOR: b"n" * 32}
TERMS = Terms(
    SAFE.id, LEARNER, NEIGHBOR, 10, b"m" * 32, commitment(SECRET[LEARNER]), commitment(SECRET[NEIGHBOR]), 5, 90, 100, 0
)
RESULT = b"r" * 32
LANE = 7


def opened(start_s: int = 100) -> Encounter:
    return Encounter.opened(DOMAIN, TERMS, SAFE, start_s, LANE)


def after(*steps: EncounterEvent, start_s: int = 100) -> Encounter | None:
    """The encounter after events that come ten seconds apart."""
    encounter: Encounter | None = opened(start_s)
    for count, event in enumerate(steps, 1):
        assert encounter is not None
        encounter = encounter.follow(replace(event, timestamp_s=start_s + 10 * count))
    return encounter


def going(*steps: EncounterEvent) -> Encounter:
    encounter = after(*steps)
    assert encounter is not None
    return encounter


def progress(stage: Stage, **fields: Any) -> Progress:
    """The opened encounter's progress in another stage and with other fields."""
    return replace(opened().progress, stage=stage.pack(), **fields)


ID = DOMAIN.digest(TERMS)
REFUSED = Refused(1, 0, ID)
NEIGHBOR_REPORTS = Reported(1, 0, ID, NEIGHBOR, RESULT, SECRET[NEIGHBOR])
LEARNER_DENIES = Reported(1, 0, ID, LEARNER, b"x" * 32, SECRET[LEARNER])
DISPUTED = Disputed(1, 0, ID)
SEED = committee_seed(SECRET[LEARNER], SECRET[NEIGHBOR])
STARTED = ValidationStarted(1, 0, ID, SECRET[LEARNER], VALIDATORS)
CONTESTED = Contested(1, 0, ID, 77)
BLOCK_HASH = b"h" * 32
DRAWN = ValidationStarted(1, 0, ID, BLOCK_HASH, VALIDATORS)
SETTLED = Settled(1, 0, ID, 2, 3, 0)
ENDED = Ended(1, 0, ID, Ending.INCOMPLETE, 0)


def voted(validator: bytes, accept: bool) -> Voted:
    return Voted(1, 0, ID, validator, accept)


def test_an_opened_encounter_carries_all_that_is_needed_to_go_on() -> None:
    encounter = opened()
    assert encounter.id == DOMAIN.digest(TERMS)
    assert encounter.progress == Progress(
        encounter=encounter.id,
        learner=LEARNER,
        neighbor=NEIGHBOR,
        reward=10,
        rules=SAFE.pack(),
        stage=Stage(Phase.OPEN, 100, LANE, 0, TERMS.seats, TERMS.as_of).pack(),
        learner_word=TERMS.learner_commitment,
        neighbor_word=TERMS.neighbor_commitment,
        result=ZERO_WORD,
        committee=(),
    )


def test_the_good_path() -> None:
    encounter = going(NEIGHBOR_REPORTS)
    assert encounter.progress.phase is Phase.REPORTED
    assert encounter.progress.since == 110
    assert (encounter.progress.neighbor_word, encounter.progress.result) == (SECRET[NEIGHBOR], RESULT)
    report = Report(encounter.id, NEIGHBOR, RESULT, SECRET[NEIGHBOR])
    assert encounter.report(NEIGHBOR, RESULT, SECRET[NEIGHBOR], DOMAIN) == report
    learners = encounter.report(LEARNER, RESULT, SECRET[LEARNER], DOMAIN)
    assert learners == Report(encounter.id, LEARNER, RESULT, SECRET[LEARNER], DOMAIN.digest(report))

    encounter = going(NEIGHBOR_REPORTS, STARTED)
    assert encounter.progress == progress(
        Stage(Phase.VALIDATING, 120, LANE),
        learner_word=SEED,
        neighbor_word=ZERO_WORD,
        result=RESULT,
        committee=VALIDATORS,
    )
    assert encounter.progress.seed == SEED
    assert encounter.progress.lane == LANE

    encounter = going(NEIGHBOR_REPORTS, STARTED, voted(VALIDATORS[2], True), voted(VALIDATORS[0], False))
    assert encounter.progress.votes == ((VALIDATORS[0], False), (VALIDATORS[2], True))
    assert encounter.progress.voters == (VALIDATORS[0], VALIDATORS[2])
    assert (encounter.progress.votes_for, encounter.progress.votes_against) == (1, 1)
    assert encounter.progress.since == 120  # a vote begins no new phase
    vote = encounter.vote(VALIDATORS[1], True)
    assert (vote.encounter, vote.seed, vote.result) == (encounter.id, SEED, RESULT)


def test_other_paths() -> None:
    assert going(REFUSED).progress == progress(Stage(Phase.REFUSED, 110, LANE, 0, TERMS.seats, TERMS.as_of))
    assert going(REFUSED, NEIGHBOR_REPORTS).progress.phase is Phase.REPORTED
    disputed = going(NEIGHBOR_REPORTS, LEARNER_DENIES, DISPUTED)
    assert (disputed.progress.phase, disputed.progress.since) == (Phase.DISPUTED, 130)
    assert disputed.progress.result == RESULT
    assert after(ENDED) is None
    assert after(NEIGHBOR_REPORTS, LEARNER_DENIES, DISPUTED, ENDED) is None
    assert after(NEIGHBOR_REPORTS, STARTED, SETTLED) is None
    assert after(NEIGHBOR_REPORTS, STARTED, ENDED) is None  # a committee below the quorum


def test_a_contested_committee_is_drawn_from_the_neighbors_secret_and_a_block_hash() -> None:
    for before in ((NEIGHBOR_REPORTS,), (NEIGHBOR_REPORTS, LEARNER_DENIES, DISPUTED)):
        contested = going(*before, CONTESTED)
        where = contested.progress.where
        assert (where.phase, where.contest_block, where.seats) == (Phase.CONTESTED, 77, TERMS.seats)
        assert contested.progress.seed_block == 79
        drawn = going(*before, CONTESTED, DRAWN)
        assert drawn.progress.seed == committee_seed(SECRET[NEIGHBOR], BLOCK_HASH)
        assert drawn.progress.where.contest_block == 77  # still known: then too few votes return everything
        assert (drawn.progress.committee, drawn.progress.result) == (VALIDATORS, RESULT)


def test_in_open_voting_whoever_votes_joins() -> None:
    started = replace(STARTED, committee=())
    encounter = going(NEIGHBOR_REPORTS, started, voted(VALIDATORS[1], True), voted(VALIDATORS[0], False))
    assert encounter.progress.committee == (VALIDATORS[1], VALIDATORS[0])
    assert encounter.progress.votes == ((VALIDATORS[1], True), (VALIDATORS[0], False))


def test_nobody_votes_twice() -> None:
    for started in (STARTED, replace(STARTED, committee=())):
        encounter = going(NEIGHBOR_REPORTS, started, voted(VALIDATORS[0], True))
        with pytest.raises(ValueError, match=r"0x\w+ has voted already"):
            encounter.follow(replace(voted(VALIDATORS[0], False), encounter=encounter.id))


stages = st.builds(
    Stage,
    phase=st.sampled_from(Phase),
    since=st.integers(0, (1 << 40) - 1),
    lane=st.integers(0, 63),
    contest_block=st.integers(0, (1 << 40) - 1),
    seats=st.integers(0, (1 << 32) - 1),
    as_of=st.integers(0, (1 << 40) - 1),
    voted=st.integers(0, (1 << 24) - 1),
    accepts=st.integers(0, (1 << 24) - 1),
)


@given(stages)
def test_a_stage_is_one_word(stage: Stage) -> None:
    assert 0 <= stage.pack() < 1 << 216
    assert Stage.unpack(stage.pack()) == stage


@given(stages, stages)
def test_other_stages_are_other_words(left: Stage, right: Stage) -> None:
    assert (left == right) is (left.pack() == right.pack())


WINDOW_S = SAFE.completion_window_s
LATE_S = 1_000 + WINDOW_S * 3 // 4  # from then on a party waits for the other no more


@pytest.mark.parametrize(
    ("phase", "task", "due_s", "finalizable_after_s"),
    [
        (Phase.OPEN, SAFE, 4_600, 4_600),
        (Phase.REFUSED, SAFE, 4_600, 4_600),
        (Phase.REPORTED, SAFE, 4_600, 8_200),  # the neighbor may still contest
        (Phase.REPORTED, PAPER, 4_600, 4_600),
        (Phase.DISPUTED, SAFE, 4_600, 4_600),
        (Phase.DISPUTED, PAPER, 4_600, 4_600),  # both signed Reports may still be brought
        (Phase.VALIDATING, SAFE, 51_000, 51_000),
        (Phase.VALIDATING, PAPER, 51_000, 51_000),
    ],
)
def test_windows(phase: Phase, task: TaskParams, due_s: int, finalizable_after_s: int) -> None:
    now = progress(Stage(phase, 1_000, contest_block=3))
    assert now.due_s(task) == due_s
    assert not now.finalizable(task, finalizable_after_s, 10**6)
    assert now.finalizable(task, finalizable_after_s + 1, 0)


@pytest.mark.parametrize(
    ("phase", "task", "window"),
    [
        (Phase.OPEN, SAFE, None),
        (Phase.REPORTED, SAFE, (1_000 + WINDOW_S + 1, 1_000 + 2 * WINDOW_S)),
        (Phase.DISPUTED, SAFE, (1_000, 1_000 + WINDOW_S)),
        (Phase.REPORTED, PAPER, None),
        (Phase.DISPUTED, PAPER, None),
        (Phase.VALIDATING, SAFE, None),
    ],
)
def test_when_the_neighbor_may_contest(phase: Phase, task: TaskParams, window: tuple[int, int] | None) -> None:
    assert progress(Stage(phase, 1_000)).contestable_s(task) == window


def test_blocks_decide_about_a_contested_encounter() -> None:
    now = progress(Stage(Phase.CONTESTED, 1_000, contest_block=50))
    assert now.seed_block == 52
    assert not now.finalizable(SAFE, 10**9, 52 + BLOCKHASH_REACH)
    assert now.finalizable(SAFE, 1_000, 52 + BLOCKHASH_REACH + 1)
    assert now.wake_s(SAFE, 1_000) is None


@pytest.mark.parametrize(
    ("phase", "task", "wakes"),
    [
        (Phase.OPEN, SAFE, [LATE_S, 1_001 + WINDOW_S]),
        (Phase.REFUSED, SAFE, [LATE_S, 1_001 + WINDOW_S]),
        (Phase.REPORTED, SAFE, [LATE_S, 1_001 + WINDOW_S, 1_001 + 2 * WINDOW_S]),
        (Phase.REPORTED, PAPER, [LATE_S, 1_001 + WINDOW_S]),
        (Phase.DISPUTED, SAFE, [LATE_S, 1_001 + WINDOW_S]),
        (Phase.DISPUTED, PAPER, [LATE_S, 1_001 + WINDOW_S]),
        (Phase.VALIDATING, SAFE, [1_001 + SAFE.voting_window_s]),
    ],
)
def test_who_wakes_when_told_misses_nothing_that_time_allows(phase: Phase, task: TaskParams, wakes: list[int]) -> None:
    now, seen, now_s = progress(Stage(phase, 1_000)), [], 1_000
    while (wake_s := now.wake_s(task, now_s)) is not None:
        assert wake_s > now_s
        seen.append(wake_s)
        now_s = wake_s
    assert seen == wakes
    assert now.finalizable(task, now_s, 0)
    assert not now.finalizable(task, now_s - 1, 0)


def test_the_state_hash_tells_states_apart() -> None:
    stage = Stage(Phase.VALIDATING, 1, LANE, voted=1, accepts=1)
    base = progress(stage, result=RESULT, learner_word=SEED, committee=VALIDATORS)
    changes: list[dict[str, Any]] = [{"accepts": 0}, {"voted": 3}, {"since": 2}, {"lane": 8}, {"contest_block": 1}]
    words: list[dict[str, Any]] = [
        {name: ZERO_WORD} for name in ("encounter", "learner_word", "neighbor_word", "result")
    ]
    others = [
        *(replace(base, stage=replace(stage, **change).pack()) for change in changes),
        replace(base, committee=VALIDATORS[:1]),
        replace(base, committee=VALIDATORS[::-1]),
        *(replace(base, **word) for word in words),
        replace(base, learner=NEIGHBOR),
        replace(base, neighbor=LEARNER),
        replace(base, reward=11),
        replace(base, rules=PAPER.pack()),
    ]
    assert len({state.state_hash() for state in (base, *others)}) == 1 + len(others)


EVENTS: dict[str, EncounterEvent] = {
    "opened": Opened(1, 0, ID, LEARNER, NEIGHBOR, LANE, TERMS),
    "refused": REFUSED,
    "neighbor": NEIGHBOR_REPORTS,
    "learner": LEARNER_DENIES,
    "disputed": DISPUTED,
    "contested": CONTESTED,
    "started": STARTED,
    "voted": voted(VALIDATORS[0], True),
    "settled": SETTLED,
    "ended": ENDED,
}
POSSIBLE = {
    Phase.OPEN: {"refused", "neighbor", "ended"},
    Phase.REFUSED: {"neighbor", "ended"},
    Phase.REPORTED: {"neighbor", "learner", "disputed", "contested", "started", "ended"},
    Phase.DISPUTED: {"neighbor", "contested", "ended"},
    Phase.CONTESTED: {"started", "ended"},
    Phase.VALIDATING: {"voted", "settled", "ended"},
}


@pytest.mark.parametrize("phase", list(POSSIBLE))
@pytest.mark.parametrize("event", list(EVENTS))
def test_only_what_the_contract_allows_can_follow(phase: Phase, event: str) -> None:
    encounter = replace(opened(), progress=progress(Stage(phase, 1)))
    if event in POSSIBLE[phase]:
        encounter.follow(EVENTS[event])
    else:
        with pytest.raises(ValueError, match=f"cannot follow on phase {phase.name}"):
            encounter.follow(EVENTS[event])


def test_every_event_about_an_encounter_is_one_that_it_knows() -> None:
    about_one = {kind for kind in events.EVENTS.values() if issubclass(kind, EncounterEvent)}
    assert {type(event) for event in EVENTS.values()} == about_one


@pytest.mark.parametrize("phase", list(POSSIBLE))
@pytest.mark.parametrize("event", list(EVENTS))
def test_what_happened_to_another_encounter_never_follows(phase: Phase, event: str) -> None:
    encounter = replace(opened(), progress=progress(Stage(phase, 1)))
    other = replace(EVENTS[event], encounter=b"e" * 32)
    with pytest.raises(ValueError, match=f"{type(other).__name__} is about 0x6565.*, not 0x{ID.hex()}"):
        encounter.follow(other)


@given(st.sets(st.integers(0, 63)), st.integers(0, (1 << 32) - 1))
def test_a_free_lane_is_the_lowest_or_the_one_kept_for_the_nonce(busy: set[int], nonce: int) -> None:
    lane = free_lane(busy, nonce)
    assert lane not in busy
    assert set(range(min(lane, 64))) <= busy
    assert lane == 64 + nonce % 64 if len(busy) == 64 else lane < 64
    assert free_lane(range(64), nonce) == 64 + nonce % 64
