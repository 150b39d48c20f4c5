"""Events tell everything: a mirror fed with them alone shows what the contract stores, whatever happens."""

import copy
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from idml.ledger.errors import LedgerError
from idml.ledger.mirror import NOBODY, AccountsMirror, Changes
from idml.ledger.records import AccountState, History
from idml.protocol.encounter import Phase, Stage
from idml.protocol.events import (
    Bought,
    Ended,
    Ending,
    Equivocated,
    Refused,
    SeatLeft,
    Settled,
    Transfer,
    Voted,
)
from idml.protocol.task import TOKEN_WEI

from .machine import DELAY_S, OTHER_RESULT, PAPER, LedgerMachine


def play(new_driver: Callable[[], Any], max_examples: int, steps: int) -> None:
    machine = type("Machine", (LedgerMachine,), {"new_driver": staticmethod(new_driver)})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max_examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks
        ),
    )


def wander(new_driver: Callable[[], Any], seed: int, steps: int) -> None:
    machine = type("Machine", (LedgerMachine,), {"new_driver": staticmethod(new_driver)})()
    machine.wander(Random(seed), steps)
    machine.teardown()


@pytest.mark.slow
def test_mirror_follows_whatever_happens(new_driver: Callable[[], Any]) -> None:
    play(new_driver, 8, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_mirror_follows_a_crowd(new_driver: Callable[[], Any], seed: int) -> None:
    wander(new_driver, seed, 100)


@pytest.mark.slow
def test_mirror_follows_whatever_happens_for_long(new_driver: Callable[[], Any]) -> None:
    play(new_driver, 60, 60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 112))
def test_mirror_follows_a_crowd_for_long(new_driver: Callable[[], Any], seed: int) -> None:
    wander(new_driver, seed, 300)


@pytest.mark.parametrize(
    ("task", "verdicts", "case"),
    [
        (0, [], 1),
        (0, [True], 1),
        (PAPER, [], 1),
        (0, [True, True, True], 2),
        (PAPER, [True], 2),
        (0, [False, False, False], 3),
        (PAPER, [False, False], 3),
        (0, [True, False, True], 4),
        (PAPER, [True, False], 4),
        (0, [False, False, True], 5),
        (2, [True, False], 5),  # a tie that rejects
        (3, [False], 3),
        (4, [True, True, False], 4),
    ],
)
def test_each_case_of_the_settlement(driver: Any, task: int, verdicts: list[bool], case: int) -> None:
    encounter = driver.validating(driver.tasks[task])
    driver.check()
    results = driver.vote(encounter, *verdicts)
    driver.check()
    if encounter in driver.mirror.encounters:
        driver.warp(501)
        results.append(driver.finalize(encounter))
    settled = results[-1].events[-1]
    assert isinstance(settled, Settled)
    assert settled.case_number == case
    assert (settled.votes_for, settled.votes_against) == (sum(verdicts), len(verdicts) - sum(verdicts))
    assert driver.mirror.encounters == {}
    driver.check()


def test_burnt_tokens_leave_the_supply_when_flushed(driver: Any) -> None:
    driver.vote(driver.validating(driver.tasks[0]), False, False, False)
    burnt, supply = driver.mirror.account(NOBODY).balance, driver.ledger.token_supply_wei()
    assert burnt == 6 * TOKEN_WEI  # 1 - kappa = 60 % of the penalty
    driver.must("flush", driver.actors[6])
    assert driver.ledger.token_supply_wei() == supply - burnt
    driver.check()


@pytest.mark.parametrize("task", [0, PAPER])
def test_neighbor_silent(driver: Any, task: int) -> None:
    encounter = driver.open(*driver.actors[:2], driver.tasks[task])
    driver.warp(101)
    result = driver.finalize(encounter)
    assert result.events[-1] == Ended(result.block, result.timestamp_s, encounter, Ending.INCOMPLETE, 0)
    assert driver.mirror.history(driver.actors[1].address).incomplete_as_neighbor == 1
    driver.check()


@pytest.mark.parametrize(
    ("task", "good_faith", "wait"), [(0, 0, 201), (PAPER, TOKEN_WEI, 101), (2, TOKEN_WEI // 2, 201)]
)
@pytest.mark.parametrize("denied", [False, True])
def test_learner_silent_or_denying(driver: Any, task: int, good_faith: int, wait: int, denied: bool) -> None:
    learner, neighbor = driver.actors[:2]
    encounter = driver.open(learner, neighbor, driver.tasks[task])
    driver.report(encounter, neighbor)
    driver.check()
    if denied:
        driver.report(encounter, learner, OTHER_RESULT)
        driver.check()
    driver.warp(wait)
    assert driver.finalize(encounter).events[-1].good_faith_paid == good_faith
    driver.check()


def test_refusal_stands_or_is_voided_by_a_report(driver: Any) -> None:
    learner, neighbor, *_ = driver.actors
    for voided in (False, True):
        encounter = driver.open(learner, neighbor)
        driver.must("reject", neighbor, driver.at(encounter).progress)
        driver.check()
        if voided:
            driver.report(encounter, neighbor)
            driver.report(encounter, learner)
            assert isinstance(driver.vote(encounter, True, True, True)[-1].events[-1], Settled)
        else:
            driver.warp(101)
            assert driver.finalize(encounter).events[-1].ending is Ending.REJECTED
        driver.check()


def test_a_seat_is_lost_cools_down_and_is_reused(driver: Any) -> None:
    leaver, newcomer = driver.actors[2], driver.actors[6]
    driver.must("request_unstake", leaver, 101 * TOKEN_WEI)
    driver.check()
    assert driver.fails("SeatCooling", "take_seat", leaver).arguments["until"] == driver.ledger.now_s + DELAY_S
    driver.fails("StillUnbonding", "complete_unstake", leaver)
    driver.warp(DELAY_S)
    assert driver.fails("InsufficientStake", "take_seat", leaver).arguments["available"] == 99 * TOKEN_WEI
    driver.must("complete_unstake", leaver)
    driver.must("stake", newcomer, 100 * TOKEN_WEI)
    assert driver.mirror.account(newcomer.address).seat == 3, "the seat that was left first"
    driver.must("stake", leaver, 1 * TOKEN_WEI)
    assert driver.mirror.account(leaver.address).seat == 7, "a new one"
    driver.fails("AlreadySeated", "take_seat", leaver)
    driver.must("withdraw", leaver, 50 * TOKEN_WEI)
    driver.check()


def contested(driver: Any, task: int = 0) -> bytes:
    """An encounter whose learner is silent and whose neighbor appealed; its committee is drawn."""
    learner, neighbor = driver.actors[:2]
    encounter: bytes = driver.open(learner, neighbor, driver.tasks[task])
    driver.report(encounter, neighbor)
    at = driver.at(encounter)
    driver.fails("TooEarly", "contest", neighbor, at.progress)
    driver.warp(101)
    driver.fails("NotAParty", "contest", learner, at.progress)
    driver.must("contest", neighbor, at.progress)
    driver.check()
    contest = driver.at(encounter).progress
    driver.fails("SeedUnknown", "draw", driver.actors[6], contest)
    driver.fails("SeedUnknown", "draw", driver.actors[6], contest)
    driver.must("draw", driver.actors[6], contest)
    driver.check()
    return encounter


def test_a_contested_encounter_is_judged_as_any_other(driver: Any) -> None:
    encounter = contested(driver)
    assert driver.vote(encounter, False, True, True)[-1].events[-1].case_number == 4
    driver.check()


def test_a_contested_encounter_below_the_quorum_returns_everything(driver: Any) -> None:
    before = [driver.ledger.account(actor.address) for actor in driver.actors]
    encounter = contested(driver)
    driver.vote(encounter, True)
    driver.warp(501)
    ended = driver.finalize(encounter).events[-1]
    assert isinstance(ended, Ended)
    assert (ended.ending, ended.good_faith_paid) == (Ending.INCOMPLETE, 0)
    for actor, account in zip(driver.actors, before, strict=True):
        after = driver.ledger.account(actor.address)
        assert (after.balance, after.stake, after.locked) == (account.balance, account.stake, 0)
    driver.check()


@pytest.mark.parametrize("blocks", [255, 256])
def test_a_contested_encounter_that_nobody_draws_ends_incomplete(driver: Any, blocks: int) -> None:
    """The seed is known in 256 blocks, the first of which is the one after it; thereafter anyone may end it."""
    learner, neighbor = driver.actors[:2]
    encounter = driver.open(learner, neighbor)
    driver.report(encounter, neighbor)
    driver.warp(101)
    driver.must("contest", neighbor, driver.at(encounter).progress)
    driver.mine(driver.at(encounter).progress.seed_block - driver.ledger.block_number + blocks)
    if blocks == 256:
        assert driver.finalize(encounter).events[-1].ending is Ending.INCOMPLETE
    else:
        driver.fails("TooEarly", "finalize", learner, driver.at(encounter).progress)
        driver.fails("SeedUnknown", "draw", learner, driver.at(encounter).progress)  # one block later
    driver.check()


def test_earnings_pay_where_the_balance_does_not(driver: Any) -> None:
    """What a neighbor earned above its target lies with its stake until it is needed."""
    earner, other = driver.actors[1], driver.actors[0]
    driver.must("withdraw", earner, driver.ledger.account(earner.address).balance)
    driver.vote(driver.validating(driver.tasks[0]), True, True, True)
    earned = driver.ledger.account(earner.address).balance
    assert earned == 8 * TOKEN_WEI
    driver.open(earner, other, reward=earned)
    assert driver.ledger.account(earner.address).balance == 0
    driver.check()


def test_a_neighbor_judged_below_the_threshold_loses_its_seat(driver: Any) -> None:
    neighbor = driver.actors[1]
    driver.must("request_unstake", neighbor, 95 * TOKEN_WEI)
    results = driver.vote(driver.validating(driver.tasks[0]), False, False, False)
    assert [type(event) for event in results[-1].events] == [Voted, SeatLeft, Settled]
    assert driver.mirror.account(neighbor.address).seat == 0
    driver.check()


def test_nonces_may_be_used_in_any_order(driver: Any) -> None:
    learner, neighbor, *_ = driver.actors
    uses = [(2, 0, 0b100), (0, 1, 0b10), (63, 1, 1 << 62 | 0b10), (1, 3, 1 << 60)]
    for lane, (nonce, base, window) in enumerate(uses):
        terms = driver.terms(learner, neighbor, reward=TOKEN_WEI, nonce=nonce)
        signature = neighbor.sign(driver.ledger.domain.digest(terms))
        driver.must("open", learner, terms, b"", signature, lane=lane)
        account = driver.mirror.account(learner.address)
        assert (account.nonce_base, account.nonce_window) == (base, window)
    driver.check()


@pytest.mark.slow
def test_more_than_64_encounters_may_be_open(driver: Any) -> None:
    """Each nonce in reach has a lane of its own beyond them; the one of 64 nonces before may keep it busy."""
    learner, neighbor, *_ = driver.actors
    opened = [driver.open(learner, neighbor, reward=0) for _ in range(128)]
    assert [driver.at(encounter).progress.where.lane for encounter in opened] == list(range(128))
    driver.check()

    terms = driver.terms(learner, neighbor, reward=0)
    lane = driver.mirror.lane(learner.address, terms.nonce)
    assert (terms.nonce, lane) == (128, 64)
    signature = neighbor.sign(driver.ledger.domain.digest(terms))
    driver.fails("LaneBusy", "open", learner, terms, b"", signature, lane=lane)

    driver.warp(101)
    driver.finalize(opened[100])
    driver.finalize(opened[64])
    assert driver.at(driver.open(learner, neighbor, reward=0)).progress.where.lane == 64
    driver.finalize(opened[3])
    assert driver.at(driver.open(learner, neighbor, reward=0)).progress.where.lane == 3
    driver.check()


def test_events_of_nobody_known_are_skipped_and_gaps_are_noticed(driver: Any) -> None:
    mirror = AccountsMirror(driver.ledger.domain, DELAY_S)
    of_the_token = [Bought(1, 1, driver.actors[0].address, paid=1, minted=2), Transfer(1, 1, NOBODY, NOBODY, 1)]
    assert mirror.apply(of_the_token) == Changes({}, ())
    assert mirror.total_wei() == 0
    stranger = driver.actors[0].address
    assert (mirror.stake_wei(stranger), mirror.account(stranger), mirror.history(stranger)) == (
        0,
        AccountState(),
        History(),
    )
    with pytest.raises(LedgerError, match=r"Refused in block 1 does not follow on .* missing: no such encounter"):
        mirror.apply([Refused(1, 1, bytes(32))])
    with pytest.raises(LedgerError, match="SeatLeft in block 1 does not follow"):
        mirror.apply([SeatLeft(1, 1, 3, NOBODY, 1)])


def test_a_vote_that_was_not_seen_is_noticed_at_the_settlement(driver: Any) -> None:
    learner, neighbor = driver.actors[:2]
    encounter = driver.open(learner, neighbor)
    mirror = copy.deepcopy(driver.mirror)
    opened = mirror.encounters[encounter]
    assert opened.progress.phase is Phase.OPEN
    progress = replace(opened.progress, stage=Stage(Phase.VALIDATING, 1).pack())
    mirror.encounters[encounter] = replace(opened, progress=progress)
    with pytest.raises(LedgerError, match=r"case, yes and no are \(2, 3, 0\), by the votes seen they are not"):
        mirror.apply([Settled(1, 1, encounter, case_number=2, votes_for=3, votes_against=0)])


def test_a_deposit_that_was_not_seen_is_noticed_at_the_punishment(driver: Any) -> None:
    mirror = copy.deepcopy(driver.mirror)
    with pytest.raises(LedgerError, match="5 burnt, by the account it is 0"):
        mirror.apply([Equivocated(1, 1, driver.actors[0].address, nonce=0, burnt=5)])
