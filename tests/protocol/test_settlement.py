"""Settlement: nothing is minted, nothing is lost, and each case pays whom the mechanism names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.protocol.settlement import settle, validator_lock
from idml.protocol.task import FULL_BPS, MAX_VOTES, TaskParams, preset_task

bps = st.integers(0, FULL_BPS)
counts = st.integers(0, MAX_VOTES)
rewards = st.integers(0, (1 << 96) - 1)


@st.composite
def tasks(draw: st.DrawFn) -> TaskParams:
    votes = draw(st.integers(1, MAX_VOTES))
    return TaskParams(
        neighbor_share_bps=draw(bps),
        good_faith_bps=draw(bps),
        no_vote_bps=draw(bps),
        reject_pot_bps=draw(bps),
        votes=votes,
        committee_size=draw(st.sampled_from([0, votes, MAX_VOTES])),
        quorum=draw(st.integers(1, votes)),
        tie_accepts=draw(st.booleans()),
        completion_window_s=3_600,
        voting_window_s=50_000,
        tolerance_bps=500,
        metric=0,
        validation_images=200,
        max_model_bytes=1 << 20,
    )


@given(rewards, counts, counts, tasks())
def test_every_unit_is_accounted_for(reward: int, votes_for: int, votes_against: int, task: TaskParams) -> None:
    outcome = settle(reward, votes_for, votes_against, task)
    winners, losers = (votes_for, votes_against) if outcome.accepted else (votes_against, votes_for)
    paid_in = reward + outcome.neighbor_penalty + losers * outcome.loser_penalty
    paid_out = outcome.neighbor_gain + winners * outcome.winner_share + outcome.learner_refund + outcome.burnt
    assert paid_in == paid_out
    assert (
        min(
            outcome.neighbor_gain,
            outcome.neighbor_penalty,
            outcome.winner_share,
            outcome.loser_penalty,
            outcome.learner_refund,
            outcome.burnt,
        )
        >= 0
    )


@given(rewards, counts, counts, tasks())
def test_nobody_loses_more_than_was_locked(reward: int, votes_for: int, votes_against: int, task: TaskParams) -> None:
    outcome = settle(reward, votes_for, votes_against, task)
    assert outcome.neighbor_penalty <= reward
    assert outcome.loser_penalty <= validator_lock(reward, task)


@given(rewards, counts, counts, tasks())
def test_the_case_follows_from_the_votes(reward: int, votes_for: int, votes_against: int, task: TaskParams) -> None:
    outcome = settle(reward, votes_for, votes_against, task)
    if votes_for + votes_against < task.quorum:
        assert (outcome.case, outcome.accepted) == (1, None)
    elif votes_against == 0:
        assert (outcome.case, outcome.accepted) == (2, True)
    elif votes_for == 0:
        assert (outcome.case, outcome.accepted) == (3, False)
    elif votes_for > votes_against or (votes_for == votes_against and task.tie_accepts):
        assert (outcome.case, outcome.accepted) == (4, True)
    else:
        assert (outcome.case, outcome.accepted) == (5, False)


@given(rewards, rewards, st.lists(rewards, min_size=MAX_VOTES, max_size=MAX_VOTES), counts, counts, tasks())
def test_losers_that_are_short_make_the_pot_smaller_and_nothing_else(
    reward: int, at_risk: int, purses: list[int], votes_for: int, votes_against: int, task: TaskParams
) -> None:
    """Each of the losers pays what it has, and every unit is accounted for."""
    at_risk = min(at_risk, reward)
    asked: list[tuple[int, bool]] = []
    collected = 0

    def collect(penalty: int, accepted: bool) -> int:
        nonlocal collected
        asked.append((penalty, accepted))
        losers = votes_against if accepted else votes_for
        collected = sum(min(penalty, purse) for purse in purses[:losers])
        return collected

    outcome = settle(reward, votes_for, votes_against, task, at_risk=at_risk, collect=collect)
    whole = settle(reward, votes_for, votes_against, task)
    winners = votes_for if outcome.accepted else votes_against
    assert asked == ([(outcome.loser_penalty, outcome.accepted)] if outcome.case in (4, 5) else [])
    paid_in = reward + outcome.neighbor_penalty + collected
    paid_out = outcome.neighbor_gain + winners * outcome.winner_share + outcome.learner_refund + outcome.burnt
    assert paid_in == paid_out
    assert (outcome.case, outcome.accepted, outcome.neighbor_gain) == (whole.case, whole.accepted, whole.neighbor_gain)
    assert outcome.neighbor_penalty in (0, at_risk)
    assert outcome.winner_share <= whole.winner_share
    assert 0 <= outcome.learner_refund - (reward if outcome.accepted is False else 0) <= max(winners - 1, 0)


# Worked by hand from the paper's Eqs. 1 to 5 as corrected, r = 10, p_n = 80 %.
@pytest.mark.parametrize(
    ("preset", "votes", "expected"),
    [
        ("paper", (0, 0), (1, 10_000, 0, 0, 0, 0, 0)),
        ("paper", (3, 0), (2, 8_000, 0, 666, 0, 2, 0)),
        ("paper", (0, 3), (3, 0, 10_000, 3_333, 0, 10_001, 0)),
        ("paper", (2, 1), (4, 8_000, 0, 1_333, 666, 0, 0)),
        ("paper", (1, 1), (4, 8_000, 0, 3_000, 1_000, 0, 0)),
        ("paper", (1, 2), (5, 0, 10_000, 6_666, 3_333, 10_001, 0)),
        ("safe", (1, 0), (1, 8_000, 0, 0, 0, 0, 2_000)),
        ("safe", (0, 3), (3, 0, 10_000, 1_333, 0, 10_001, 6_000)),
        ("safe", (1, 2), (5, 0, 10_000, 2_666, 1_333, 10_001, 6_000)),
    ],
)
def test_worked_examples(preset: str, votes: tuple[int, int], expected: tuple[int, ...]) -> None:
    outcome = settle(10_000, *votes, preset_task(preset))
    assert (
        outcome.case,
        outcome.neighbor_gain,
        outcome.neighbor_penalty,
        outcome.winner_share,
        outcome.loser_penalty,
        outcome.learner_refund,
        outcome.burnt,
    ) == expected


@pytest.mark.parametrize("arguments", [(-1, 0, 0), (1, -1, 0), (1, 0, -1)])
def test_negative_arguments_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        settle(*arguments, preset_task("safe"))
