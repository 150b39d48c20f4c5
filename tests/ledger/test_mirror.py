"""Events tell everything: a mirror fed with them alone shows what the contract stores, whatever happens."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from idml.ledger.errors import LedgerError
from idml.ledger.interface import Event, TxResult
from idml.ledger.mirror import NOBODY, AccountsMirror
from idml.protocol.encounter import Phase, Progress
from idml.protocol.task import TOKEN_WEI

DELAY_S = 7 * 24 * 3600
OTHER_RESULT = b"\x06" * 32
PAPER = 1

WITH_AMOUNT = ["deposit", "withdraw", "stake", "request_unstake", "set_target", "redeem"]
WITHOUT_AMOUNT = ["complete_unstake", "take_seat", "flush"]

actors = st.integers(0, 6)
amounts = st.sampled_from(
    [0, 1, 7 * TOKEN_WEI + 3, 50 * TOKEN_WEI, 100 * TOKEN_WEI, 200 * TOKEN_WEI, 5_000 * TOKEN_WEI]
)
mostly = st.sampled_from([True, True, True, True, True, True, True, False])
rewards = st.sampled_from([0, 1, 7, TOKEN_WEI + 1, 10 * TOKEN_WEI, 90 * TOKEN_WEI, 150 * TOKEN_WEI])
picks = st.integers(0, 1 << 16)


class LedgerMachine(RuleBasedStateMachine):
    """Random actors do random things, right and wrong ones; after each the mirror must equal the chain."""

    new_driver: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self.driver = self.new_driver()

    def pick(self, number: int) -> Any:
        encounters = sorted(self.driver.mirror.encounters)
        return self.driver.at(encounters[number % len(encounters)])

    def some_open(self) -> bool:
        return bool(self.driver.mirror.encounters)

    @rule(seconds=st.sampled_from([0, 1, 1, 2, 9, 49, 100, 101, 201, 501, DELAY_S]))
    def time_passes(self, seconds: int) -> None:
        self.driver.warp(seconds)

    @rule(verb=st.sampled_from([*WITH_AMOUNT, *WITHOUT_AMOUNT]), who=actors, amount=amounts)
    def money_moves(self, verb: str, who: int, amount: int) -> None:
        self.driver.do(verb, self.driver.actors[who], *([amount] if verb in WITH_AMOUNT else []))

    @rule(
        who=actors,
        apart=st.sampled_from([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 0]),
        task=st.integers(0, 4),
        reward=rewards,
        ahead=st.sampled_from([0, 0, 0, 0, 0, 1, 5, 63, 64]),
        seats=st.sampled_from([0, 0, 0, 0, 0, 0, 0, -1, 1]),
        signed=mostly,
        steps=st.integers(0, 4),
    )
    def open(
        self, who: int, apart: int, task: int, reward: int, ahead: int, seats: int, signed: bool, steps: int
    ) -> None:
        driver = self.driver
        learner, neighbor = driver.actors[who], driver.actors[(who + apart) % 7]
        nonce = driver.mirror.account(learner.address).nonce_base + ahead
        count = len(driver.mirror.seats) + seats
        terms = driver.terms(learner, neighbor, driver.tasks[task], reward, nonce, count)
        signer = neighbor if signed else learner
        encounter = driver.ledger.domain.digest(terms)
        if isinstance(driver.do("open", learner, terms, b"", signer.sign(encounter)), TxResult):
            for _ in range(steps):
                driver.advance(encounter, True)

    @precondition(some_open)
    @rule(which=picks, verdicts=st.lists(st.booleans(), min_size=1, max_size=5))
    def advance(self, which: int, verdicts: list[bool]) -> None:
        encounter = self.pick(which).id
        for verdict in verdicts:
            self.driver.advance(encounter, verdict)

    @precondition(some_open)
    @rule(which=picks, by_neighbor=st.booleans(), same=mostly, right=mostly)
    def report(self, which: int, by_neighbor: bool, same: bool, right: bool) -> None:
        driver, at = self.driver, self.pick(which)
        reporter = at.terms.neighbor if by_neighbor else at.terms.learner
        sender = next(actor for actor in driver.actors if actor.address == reporter)
        result = b"\x05" * 32 if same else OTHER_RESULT
        secret = driver.neighbor_secret if by_neighbor == right else driver.learner_secret
        driver.do("report", sender, at.terms, at.progress, reporter, result, secret)

    @precondition(some_open)
    @rule(which=picks, voter=actors, drawn=mostly, accept=st.booleans())
    def vote(self, which: int, voter: int, drawn: bool, accept: bool) -> None:
        driver, at = self.driver, self.pick(which)
        wallet = driver.actors[voter]
        waiting = [member for member in at.progress.committee if member not in at.progress.voters]
        if drawn and waiting:
            wallet = next(actor for actor in driver.actors if actor.address == waiting[voter % len(waiting)])
        driver.do("vote", wallet, at.terms, at.progress, wallet.address, accept)

    @precondition(some_open)
    @rule(which=picks, who=actors, right=mostly)
    def reject(self, which: int, who: int, right: bool) -> None:
        at = self.pick(which)
        neighbor = next(actor for actor in self.driver.actors if actor.address == at.terms.neighbor)
        self.driver.do("reject", neighbor if right else self.driver.actors[who], at.terms, at.progress)

    @precondition(some_open)
    @rule(which=picks, who=actors, patient=mostly)
    def finalize(self, which: int, who: int, patient: bool) -> None:
        at = self.pick(which)
        after_s = at.progress.finalizable_after_s(self.driver.mirror.tasks[at.terms.task]) if patient else 0
        self.driver.warp(max(0, after_s + 1 - self.driver.ledger.now_s))
        outcome = self.driver.do("finalize", self.driver.actors[who], at.terms, at.progress)
        assert isinstance(outcome, TxResult) or not patient, "finalize reverted although the encounter was due"

    @precondition(some_open)
    @rule(which=picks, verb=st.sampled_from(["finalize", "reject"]))
    def bring_a_stale_state(self, which: int, verb: str) -> None:
        at = self.pick(which)
        neighbor = next(actor for actor in self.driver.actors if actor.address == at.terms.neighbor)
        other = type(at.progress)(at.progress.phase, at.progress.since + 1)
        self.driver.fails("StateMismatch", verb, neighbor, at.terms, other)

    @invariant()
    def mirror_equals_chain(self) -> None:
        self.driver.check()

    def teardown(self) -> None:
        assert len({ledger.dump() for ledger in self.driver.ledgers}) == 1


def test_mirror_follows_whatever_happens(new_driver: Callable[[], Any]) -> None:
    machine = type("Machine", (LedgerMachine,), {"new_driver": staticmethod(new_driver)})
    budget = settings(
        max_examples=15,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(machine, settings=budget)


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
    assert (settled.name, settled.arguments["caseNumber"]) == ("Settled", case)
    assert (settled.arguments["votesFor"], settled.arguments["votesAgainst"]) == (
        sum(verdicts),
        len(verdicts) - sum(verdicts),
    )
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
    assert driver.finalize(encounter).events[-1].arguments == {
        "encounter": encounter,
        "outcome": 1,
        "goodFaithPaid": 0,
    }
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
    assert driver.finalize(encounter).events[-1].arguments["goodFaithPaid"] == good_faith
    driver.check()


def test_refusal_stands_or_is_voided_by_a_report(driver: Any) -> None:
    learner, neighbor, *_ = driver.actors
    for voided in (False, True):
        encounter = driver.open(learner, neighbor)
        driver.must("reject", neighbor, driver.at(encounter).terms, driver.at(encounter).progress)
        driver.check()
        if voided:
            driver.report(encounter, neighbor)
            driver.report(encounter, learner)
            assert driver.vote(encounter, True, True, True)[-1].events[-1].name == "Settled"
        else:
            driver.warp(101)
            assert driver.finalize(encounter).events[-1].arguments["outcome"] == 0
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


def test_a_neighbor_judged_below_the_threshold_loses_its_seat(driver: Any) -> None:
    neighbor = driver.actors[1]
    driver.must("request_unstake", neighbor, 95 * TOKEN_WEI)
    results = driver.vote(driver.validating(driver.tasks[0]), False, False, False)
    assert [event.name for event in results[-1].events] == ["Voted", "SeatLeft", "Settled"]
    assert driver.mirror.account(neighbor.address).seat == 0
    driver.check()


def test_nonces_may_be_used_in_any_order(driver: Any) -> None:
    learner, neighbor, *_ = driver.actors
    for nonce, base, window in [(2, 0, 0b100), (0, 1, 0b10), (63, 1, 1 << 62 | 0b10), (1, 3, 1 << 60)]:
        terms = driver.terms(learner, neighbor, reward=TOKEN_WEI, nonce=nonce)
        signature = neighbor.sign(driver.ledger.domain.digest(terms))
        driver.must("open", learner, terms, b"", signature)
        account = driver.mirror.account(learner.address)
        assert (account.nonce_base, account.nonce_window) == (base, window)
    driver.check()


def test_events_of_nobody_known_are_skipped_and_gaps_are_noticed(driver: Any) -> None:
    mirror = AccountsMirror(driver.ledger.domain, DELAY_S)
    mirror.apply([Event("Bought", {"account": driver.actors[0].address, "paid": 1, "minted": 2}, 1, 1)])
    mirror.apply([Event("Transfer", {"from": NOBODY, "to": NOBODY, "value": 1}, 1, 1)])
    assert mirror.total_wei() == 0
    with pytest.raises(LedgerError, match=r"Refused in block 1 does not follow on .* missing: no such encounter"):
        mirror.apply([Event("Refused", {"encounter": bytes(32)}, 1, 1)])
    with pytest.raises(LedgerError, match="SeatLeft in block 1 does not follow"):
        mirror.apply([Event("SeatLeft", {"account": NOBODY, "seat": 3, "inactiveFrom": 1}, 1, 1)])


def test_a_vote_that_was_not_seen_is_noticed_at_the_settlement(driver: Any) -> None:
    learner, neighbor = driver.actors[:2]
    encounter = driver.open(learner, neighbor)
    mirror = copy.deepcopy(driver.mirror)
    assert mirror.encounters[encounter].progress.phase is Phase.OPEN
    seen = replace(mirror.encounters[encounter], progress=Progress(Phase.VALIDATING, 1))
    mirror.encounters[encounter] = seen
    settled = {"encounter": encounter, "caseNumber": 2, "votesFor": 3, "votesAgainst": 0}
    with pytest.raises(LedgerError, match=r"case, yes and no are \(2, 3, 0\), by the votes seen they are not"):
        mirror.apply([Event("Settled", settled, 1, 1)])
