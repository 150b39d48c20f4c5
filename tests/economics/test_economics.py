"""Economics: what voting, helping and colluding pay, against hand-made values and counts of every outcome."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product
from math import inf, sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from idml.economics import (
    SEALED,
    Criteria,
    NeighborWork,
    Pledge,
    Ring,
    Strategy,
    Verdicts,
    accepted,
    advise,
    best_vote,
    best_work,
    gains,
    honesty_threshold,
    junk_threshold,
    losses,
    mean_rounds,
    neighbor_value,
    ring_votes,
    rob_learner,
    rob_neighbor,
    round_moves,
    vote_lead,
    vote_value,
)
from idml.protocol.settlement import settle
from idml.protocol.task import TaskParams, preset_task

PAPER, SAFE = preset_task("paper"), preset_task("safe")
HONEST, YES, NO, INVERTED, COPY = Strategy
DOC = Path(__file__).parents[2] / "docs" / "economics.md"
REWARD = 10_000 * 60**2  # divided by up to six votes, then by as many winners, it leaves no dust
shares = st.fractions(0, 1, max_denominator=1_000)
few_shares = st.fractions(0, 1, max_denominator=12)
verdicts_ = st.builds(Verdicts, few_shares, few_shares, few_shares, few_shares)
tasks = st.builds(
    lambda preset, votes, share, pot, tie: replace(
        preset_task(preset, votes=votes, neighbor_share_bps=share * 1_000), reject_pot_bps=pot * 1_000, tie_accepts=tie
    ),
    st.sampled_from(["paper", "safe"]),
    st.integers(1, 5),
    st.integers(0, 10),
    st.integers(0, 10),
    st.booleans(),
)


def of_accuracy(accuracy: Fraction) -> Verdicts:
    return Verdicts.of_accuracy(accuracy)


def ballots(count: int, verdicts: Verdicts, work: NeighborWork) -> Iterator[tuple[tuple[bool, ...], Fraction]]:
    """Every outcome of honest verdicts, with its probability."""
    yes, together = verdicts.yes(work), verdicts.together
    for votes in product((True, False), repeat=count):
        apart = Fraction(1)
        for vote in votes:
            apart *= yes if vote else 1 - yes
        alike = (yes if votes[0] else 1 - yes) if count and len(set(votes)) == 1 else Fraction(not count)
        yield votes, (1 - together) * apart + together * alike


def cast(strategy: Strategy, verdict: bool) -> bool:
    return {HONEST: verdict, INVERTED: not verdict, YES: True, NO: False}[strategy]


def gain(task: TaskParams, vote: bool, votes: list[bool]) -> Fraction:
    """What one who cast `vote` gains, counted in tokens."""
    split = settle(REWARD, sum(votes), len(votes) - sum(votes), task)
    return Fraction(split.winner_share if split.accepted is vote else -split.loser_penalty, REWARD)


@settings(max_examples=60, deadline=None)
@given(tasks, verdicts_, few_shares, few_shares, st.sampled_from(Strategy), st.sampled_from(SEALED))
def test_a_vote_is_worth_what_counting_every_outcome_says(
    task: TaskParams, verdicts: Verdicts, junk: Fraction, cost: Fraction, own: Strategy, others: Strategy
) -> None:
    expected = -cost if own in (HONEST, INVERTED) else Fraction(0)
    for share, work in ((1 - junk, NeighborWork.HONEST), (junk, NeighborWork.ATTACK)):
        for (mine, *theirs), probability in ballots(task.votes, verdicts, work):
            votes = [cast(others, verdict) for verdict in theirs]
            vote = 2 * sum(votes) >= len(votes) if own is COPY else cast(own, mine)
            expected += share * probability * gain(task, vote, [vote, *votes])
    assert vote_value(task, own, others, verdicts, junk=junk, cost=cost) == expected


@settings(max_examples=40, deadline=None)
@given(tasks, verdicts_, few_shares, st.sampled_from(NeighborWork), st.sampled_from(SEALED))
def test_a_neighbor_is_worth_what_counting_every_outcome_says(
    task: TaskParams, verdicts: Verdicts, cost: Fraction, work: NeighborWork, voters: Strategy
) -> None:
    expected, passes = Fraction(0), Fraction(0)
    for found, probability in ballots(task.votes, verdicts, work):
        votes_for = sum(cast(voters, verdict) for verdict in found)
        split = settle(REWARD, votes_for, task.votes - votes_for, task)
        passes += probability * bool(split.accepted)
        expected += probability * Fraction(split.neighbor_gain - split.neighbor_penalty, REWARD)
    assert accepted(task, work, voters, verdicts) == passes
    value = neighbor_value(task, work, voters, verdicts, cost=cost)
    assert value == expected - (cost if work is NeighborWork.HONEST else 0)


def test_who_copies_is_with_the_majority_and_no_two_can() -> None:
    for verdicts in (of_accuracy(Fraction(6, 10)), of_accuracy(Fraction(9, 10))):
        for junk in (Fraction(0), Fraction(1)):
            copied = vote_value(PAPER, COPY, HONEST, verdicts, junk=junk)
            assert copied > 0
            assert vote_value(PAPER, COPY, YES, verdicts, junk=junk) == Fraction(1, 15)
    with pytest.raises(ValueError, match="only one validator can copy"):
        vote_value(PAPER, HONEST, COPY, of_accuracy(Fraction(1)))


@pytest.mark.parametrize("name", ["false_rejection", "miss", "free_pass", "together"])
def test_a_probability_is_one(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is 1.1: must be between 0 and 1"):
        replace(of_accuracy(Fraction(1)), **{name: Fraction(11, 10)})


def by_hand(kappa: Fraction, q: Fraction) -> tuple[Fraction, Fraction]:
    """What a yes and a no gain on honest work among two others of accuracy q: V = 3, the validators' share a fifth."""
    both, one, none = q**2, 2 * q * (1 - q), (1 - q) ** 2
    fifth = Fraction(1, 5)
    # 3:0 pays a third of the pot, 2:1 half of the pot and the loser's third, 1:2 costs a third.
    yes = both * fifth / 3 + one * (fifth + fifth / 3) / 2 - none * kappa / 3
    no = -both * fifth / 3 + one * (kappa + kappa / 3) / 2 + none * kappa / 3
    return yes, no


@given(shares, shares)
def test_a_vote_is_worth_what_the_cases_say(q: Fraction, junk: Fraction) -> None:
    for task, kappa in ((PAPER, Fraction(1)), (SAFE, Fraction(2, 5))):
        yes, no = by_hand(kappa, q)
        junk_yes, junk_no = by_hand(kappa, 1 - q)
        values = {own: vote_value(task, own, HONEST, of_accuracy(q), junk=junk) for own in SEALED}
        assert values[YES] == (1 - junk) * yes + junk * junk_yes
        assert values[NO] == (1 - junk) * no + junk * junk_no
        honest = (1 - junk) * (q * yes + (1 - q) * no) + junk * (q * junk_no + (1 - q) * junk_yes)
        assert values[HONEST] == honest
        assert values[INVERTED] == values[YES] + values[NO] - honest


@pytest.mark.parametrize(("task", "no_share"), [(PAPER, Fraction(1, 3)), (SAFE, Fraction(2, 15))])
def test_herds_are_equilibria(task: TaskParams, no_share: Fraction) -> None:
    q = of_accuracy(Fraction(9, 10))
    for junk in (Fraction(0), Fraction(1)):
        assert vote_value(task, NO, NO, q, junk=junk) == no_share
        assert vote_value(task, YES, NO, q, junk=junk) == -no_share
        assert vote_value(task, YES, YES, q, junk=junk) == Fraction(1, 15)
        assert vote_value(task, NO, YES, q, junk=junk) == -Fraction(1, 15)


def test_below_these_accuracies_always_no_beats_honest_voting() -> None:
    # The roots of 4 q^2 + 2 q = 5 and of q^2 + 2 q = 2.
    paper, safe = float(honesty_threshold(PAPER)), float(honesty_threshold(SAFE))
    assert paper == pytest.approx((sqrt(21) - 1) / 4, abs=1e-8)
    assert safe == pytest.approx(sqrt(3) - 1, abs=1e-8)


@settings(max_examples=20)
@given(st.fractions(Fraction(1, 2), 1, max_denominator=200), st.fractions(0, Fraction(9, 10), max_denominator=50))
def test_the_threshold_separates(q: Fraction, junk: Fraction) -> None:
    for task in (PAPER, SAFE):
        honest, no = (vote_value(task, own, HONEST, of_accuracy(q), junk=junk) for own in (HONEST, NO))
        threshold = honesty_threshold(task, junk=junk, bits=12)
        if abs(q - threshold) > Fraction(1, 1_000):
            assert (q > threshold) is (honest > no)


def test_a_coin_is_enough_where_rejecting_pays_less_than_accepting() -> None:
    assert honesty_threshold(replace(SAFE, reject_pot_bps=1_000)) == Fraction(1, 2)


def test_where_nobody_is_paid_no_accuracy_is_enough() -> None:
    assert honesty_threshold(preset_task("safe", neighbor_share_bps=10_000)) == 1


def test_the_best_answer_to_honest_voters() -> None:
    assert best_vote(PAPER, of_accuracy(Fraction(8, 10)), junk=Fraction(0)) is NO
    assert best_vote(SAFE, of_accuracy(Fraction(8, 10)), junk=Fraction(0)) is YES
    assert best_vote(SAFE, of_accuracy(Fraction(8, 10)), junk=Fraction(1, 10)) is HONEST
    assert best_vote(SAFE, of_accuracy(Fraction(1)), junk=Fraction(0)) is HONEST  # A tie with always yes.


@given(shares)
def test_a_neighbor_lives_on_being_accepted(q: Fraction) -> None:
    accepted = q**3 + 3 * q**2 * (1 - q)
    for task in (PAPER, SAFE):
        assert neighbor_value(task, NeighborWork.HONEST, HONEST, of_accuracy(q)) == accepted * Fraction(9, 5) - 1
        assert neighbor_value(task, NeighborWork.ATTACK, HONEST, of_accuracy(q)) == (1 - accepted) * Fraction(9, 5) - 1
        assert neighbor_value(task, NeighborWork.HONEST, NO, of_accuracy(q)) == -1


def test_a_single_judge_always_wins() -> None:
    lonely = preset_task("safe", votes=1)
    assert vote_value(lonely, YES, NO, of_accuracy(Fraction(1))) == Fraction(1, 5)
    assert vote_value(lonely, NO, YES, of_accuracy(Fraction(1))) == Fraction(2, 5)


def test_a_free_ride_that_passes_beats_honest_work() -> None:
    verdicts = Verdicts(Fraction(1, 20), Fraction(1, 20))
    assert best_work(SAFE, verdicts) is NeighborWork.FREE_RIDE
    assert best_work(SAFE, replace(verdicts, free_pass=Fraction(1, 2))) is NeighborWork.HONEST
    assert best_work(SAFE, replace(verdicts, free_pass=Fraction(0)), cost=Fraction(1)) is None
    assert (
        best_work(SAFE, replace(verdicts, miss=Fraction(1)), among=(NeighborWork.HONEST, NeighborWork.ATTACK))
        is NeighborWork.ATTACK
    )


@settings(max_examples=40)
@given(verdicts_, few_shares)
def test_the_lead_is_what_honest_voting_loses_by_its_best_rival(verdicts: Verdicts, junk: Fraction) -> None:
    lead = vote_lead(SAFE, verdicts, junk=junk)
    best = best_vote(SAFE, verdicts, junk=junk)
    assert (best is HONEST) is (lead >= 0)
    if lead < 0:
        rival = vote_value(SAFE, best, HONEST, verdicts, junk=junk)
        assert vote_value(SAFE, HONEST, HONEST, verdicts, junk=junk) - rival == lead


@settings(max_examples=40)
@given(verdicts_)
def test_at_the_threshold_of_attacks_two_strategies_pay_alike(verdicts: Verdicts) -> None:
    junk = junk_threshold(SAFE, verdicts)
    assume(junk is not None and 0 <= junk <= 1)
    assert junk is not None
    values = [vote_value(SAFE, own, HONEST, verdicts, junk=junk) for own in (HONEST, YES)]
    assert values[0] == values[1]


def test_where_attacks_look_like_honest_work_no_share_of_them_decides() -> None:
    assert junk_threshold(SAFE, Verdicts(Fraction(1, 10), Fraction(9, 10))) is None


@st.composite
def raids(draw: st.DrawFn) -> tuple[TaskParams, Ring]:
    task = draw(tasks)
    devices = draw(st.integers(task.votes + 2, 8))
    size = draw(st.one_of(st.just(0), st.integers(task.votes, 7)))
    return replace(task, committee_size=size), Ring(devices, draw(st.integers(1, devices - 1)))


@settings(max_examples=40, deadline=None)
@given(raids(), verdicts_)
def test_a_raid_comes_to_what_counting_every_committee_says(raid: tuple[TaskParams, Ring], verdicts: Verdicts) -> None:
    task, ring = raid
    pool = [True] * (ring.members - 1) + [False] * (ring.devices - ring.members - 1)
    size = min(task.committee_size, len(pool))
    drawn = [sum(seats) for seats in combinations(pool, size)] if size else [ring.members - 1]
    for work, says, rob in ((NeighborWork.HONEST, False, rob_neighbor), (NeighborWork.ATTACK, True, rob_learner)):
        success = alone = gains_ = victim = others = burnt = Fraction(0)
        for members in drawn:
            own = min(members, task.votes)
            outcomes = set()
            for found, chance in ballots(task.votes - own, verdicts, work):
                votes = [says] * own + list(found)
                split = settle(REWARD, sum(votes), len(votes) - sum(votes), task)
                outcomes.add(split.accepted)
                probability = chance / len(drawn)
                success += probability * (split.accepted is says)
                learner = Fraction(split.learner_refund - REWARD, REWARD)
                neighbor = Fraction(split.neighbor_gain - split.neighbor_penalty, REWARD)
                gains_ += probability * (neighbor if says else learner)
                victim += probability * (learner if says else neighbor)
                gains_ += probability * sum(gain(task, vote, votes) for vote in votes[:own])
                others += probability * sum(gain(task, vote, votes) for vote in votes[own:])
                burnt += probability * Fraction(split.burnt, REWARD)
            alone += Fraction(outcomes == {says}, len(drawn))
        result = rob(task, ring, verdicts)
        assert result.success == success
        assert result.outvotes == alone
        assert (result.ring, result.victim, result.bystanders) == (gains_, victim, others)
        assert result.ring + result.victim + result.bystanders + burnt == 0
    assert sum(ring_votes(task, ring)) == 1


def test_a_ring_of_three_owns_open_voting_and_hardly_ever_a_committee() -> None:
    verdicts = Verdicts(Fraction(1, 20), Fraction(1, 20))
    robbed = rob_neighbor(PAPER, Ring(50, 3), verdicts)
    assert (robbed.outvotes, robbed.victim) == (Fraction(1), Fraction(-1))
    assert rob_neighbor(SAFE, Ring(50, 3), verdicts).outvotes < Fraction(1, 100)


def test_a_ring_is_part_of_the_devices_and_leaves_enough_to_vote() -> None:
    for members in (0, 5):
        with pytest.raises(ValueError, match=rf"the ring has {members} members: must be from 1 to 4, below devices"):
            Ring(5, members)
    with pytest.raises(ValueError, match="there are 4 devices: 3 votes need 5"):
        ring_votes(SAFE, Ring(4, 2))


def pledge(stake: int, target: int = 0) -> Pledge:
    return Pledge(Fraction(stake), Fraction(10), Fraction(target))


def test_a_stake_that_only_shrinks_lasts_as_long_as_its_rejections() -> None:
    for stake in (10, 13, 20):
        assert pledge(stake).rejections_survived == stake - 10
        for p in (Fraction(1), Fraction(1, 7)):
            moves = [(p, Fraction(-1)), (1 - p, Fraction(1))]
            assert mean_rounds(pledge(stake), moves) == pytest.approx(float((stake - 9) / p))


@settings(max_examples=30, deadline=None)
@given(st.fractions(Fraction(1, 4), Fraction(3, 4), max_denominator=50), st.integers(0, 6), st.integers(0, 6))
def test_a_stake_that_is_refilled_lasts_as_a_reflected_walk_does(q: Fraction, start: int, spare: int) -> None:
    # From the top down: d(k) is how long it takes to get from level k to the one below.
    p, top = 1 - q, start + spare
    step = [Fraction(0)] * (top + 1)
    step[top] = 1 / q
    for level in range(top - 1, -1, -1):
        step[level] = (1 + p * step[level + 1]) / q
    walk = pledge(10 + start, 10 + top)
    assert mean_rounds(walk, [(q, Fraction(-1)), (p, Fraction(1))]) == pytest.approx(float(sum(step[: start + 1])))


def test_a_target_between_two_levels_and_one_below_the_stake_are_kept() -> None:
    # Half the losses come back as long as the stake is below the target of 10.5, that is one step above the threshold.
    moves = [(Fraction(1, 2), Fraction(-1)), (Fraction(1, 2), Fraction(1))]
    target = Fraction(21, 2)
    lives = [mean_rounds(Pledge(Fraction(stake), Fraction(10), target), moves) for stake in (10, 11, 12)]
    # From 10: out, or up to 10.5; from there out, or stays. From 11 and 12: down by one, or stays.
    assert lives == [pytest.approx(rounds) for rounds in (2.0, 4.0, 6.0)]


def test_a_grid_that_is_too_fine_keeps_the_mean() -> None:
    # Steps of thousandths from 20 to 10: as long as the mean drift says, but for the last step.
    moves = [(Fraction(1), Fraction(-7, 1_000))]
    assert mean_rounds(pledge(20), moves) == pytest.approx(10 / 0.007, rel=0.005)


def test_without_losses_a_stake_lasts_for_ever_and_nearly_so_with_hardly_any() -> None:
    assert mean_rounds(pledge(20), [(Fraction(1), Fraction(1))]) == inf
    assert mean_rounds(pledge(20, 20), [(Fraction(1, 10**6), Fraction(-1)), (Fraction(1), Fraction(1))]) == inf
    rare = [(Fraction(1, 10**30), Fraction(-1)), (Fraction(1), Fraction(1))]
    assert mean_rounds(pledge(20, 20), rare) == mean_rounds(pledge(10, 10), rare) == inf


def test_a_stake_below_the_threshold_is_none() -> None:
    with pytest.raises(ValueError, match="the stake is 9 rewards: must be at least the threshold, 10"):
        pledge(9)


@settings(max_examples=30, deadline=None)
@given(tasks, verdicts_, few_shares, st.sampled_from(NeighborWork), st.sampled_from(SEALED))
def test_what_a_round_moves_is_one_help_and_its_votes(
    task: TaskParams, verdicts: Verdicts, junk: Fraction, work: NeighborWork, vote: Strategy
) -> None:
    moves = round_moves(task, work, vote, verdicts, junk=junk)
    votes = task.votes * vote_value(task, vote, HONEST, verdicts, junk=junk)
    assert gains(moves) - losses(moves) == neighbor_value(task, work, HONEST, verdicts) + votes


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    st.fractions(Fraction(1, 50), Fraction(1, 5), max_denominator=50),
    st.fractions(Fraction(1, 50), Fraction(1, 3), max_denominator=50),
    st.integers(2, 12),
)
def test_advice_meets_its_criteria_and_nothing_less_does(alpha: Fraction, beta: Fraction, members: int) -> None:
    verdicts, ring, junk, criteria = Verdicts(alpha, beta), Ring(30, members), Fraction(1, 10), Criteria()
    found = advise(SAFE, ring, verdicts, Fraction(10), criteria, junk=junk)

    def wrong(votes: int) -> Fraction:
        task = preset_task("safe", votes=votes)
        return max(
            1 - accepted(task, NeighborWork.HONEST, HONEST, verdicts),
            accepted(task, NeighborWork.ATTACK, HONEST, verdicts),
            rob_neighbor(task, ring, verdicts).outvotes,
            rob_learner(task, ring, verdicts).outvotes,
        )

    assert found.wrong == wrong(found.votes)
    if found.wrong <= criteria.wrong:
        assert all(wrong(votes) > criteria.wrong for votes in range(1, found.votes, 2))
    else:
        assert found.wrong == min(wrong(votes) for votes in range(1, 17, 2))
    task = preset_task("safe", votes=found.votes)
    if found.shares is not None:
        task = replace(task, neighbor_share_bps=found.shares[0], reject_pot_bps=found.shares[1])
        assert best_vote(task, verdicts, junk=junk) is HONEST
        assert vote_lead(task, verdicts, junk=junk) >= found.lead >= criteria.lead
        assert neighbor_value(task, NeighborWork.HONEST, HONEST, verdicts) > 0
    moves = round_moves(task, NeighborWork.HONEST, HONEST, verdicts, junk=junk)
    assert found.stake is not None
    assert mean_rounds(Pledge(found.stake, Fraction(10), found.stake), moves) == found.life_rounds >= 1_000
    less = found.stake - 1
    if less > 10:
        assert mean_rounds(Pledge(less, Fraction(10), less), moves) < 1_000


def test_advice_for_usual_error_rates_is_what_the_document_says() -> None:
    found = advise(SAFE, Ring(50, 10), of_accuracy(Fraction(9, 10)), Fraction(10), Criteria(), junk=Fraction(1, 20))
    assert found.shares is not None
    assert (found.votes, found.shares[0], found.stake) == (5, 8_500, Fraction(12))
    # A longer life takes more, and an attacker then survives more.
    longer = replace(Criteria(), life_rounds=10**7)
    lasting = advise(SAFE, Ring(50, 10), of_accuracy(Fraction(9, 10)), Fraction(10), longer, junk=Fraction(1, 20))
    assert lasting.stake is not None
    assert lasting.stake > 12
    assert lasting.attacker_rounds > found.attacker_rounds
    # Where hardly any honest work is rejected, one reward above the threshold will do.
    assert advise(SAFE, Ring(50, 3), of_accuracy(Fraction(99, 100)), Fraction(10), Criteria()).stake == 11


def test_advice_says_where_nothing_helps() -> None:
    hopeless, ring = Verdicts(Fraction(9, 10), Fraction(9, 10)), Ring(5, 4)
    found = advise(SAFE, ring, hopeless, Fraction(10), Criteria(), cost_work=Fraction(1, 2))
    assert found.wrong > Criteria().wrong
    assert found.shares is None
    assert found.stake is None
    assert found.life_rounds < 1_000
    # Where honest verdicts are no better than a constant vote, no shares mend it, however well honest work pays.
    blind = Verdicts(Fraction(1, 10), Fraction(9, 10))
    assert advise(SAFE, ring, blind, Fraction(10), Criteria()).shares is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"wrong": Fraction(0)}, "the share of wrong verdicts is 0: must lie between 0 and 1"),
        ({"lead": Fraction(2)}, "the lead of honest voting is 2: must be between 0 and 1"),
        ({"life_rounds": 0}, "the life of an honest stake is 0 rounds: must be at least 1"),
    ],
)
def test_criteria_that_cannot_be_met_are_refused(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        replace(Criteria(), **changes)


def test_the_document_shows_what_the_module_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "idml.economics"], check=True, capture_output=True, text=True
    ).stdout
    assert len(printed) > 1_000
    assert printed in DOC.read_text()
