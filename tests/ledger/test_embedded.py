"""The embedded ledger: every verb and view against the real contracts."""

from typing import Any

import pytest

from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.errors import EvmError, LedgerError, Reverted
from idml.ledger.records import AccountState, History
from idml.ledger.wallet import Wallet
from idml.protocol.committee import draw_committee
from idml.protocol.events import Approval, Deposited, Redeemed, Transfer
from idml.protocol.hashing import keccak256
from idml.protocol.messages import committee_seed
from idml.protocol.task import TOKEN_WEI

DELAY_S = 7 * 24 * 3600
ALICE, BOB = Wallet.from_seed(3, 0), Wallet.from_seed(3, 1)


@pytest.fixture
def ledger() -> EmbeddedLedger:
    ledger = EmbeddedLedger()
    for wallet in (ALICE, BOB):
        ledger.fund(wallet.address, TOKEN_WEI)
        ledger.buy(wallet, TOKEN_WEI // 10)
    return ledger


def test_what_was_asked_for_is_what_is_deployed() -> None:
    ledger = EmbeddedLedger(
        "pyevm", chain_id=77, rate=3, stake_threshold_wei=5, unbonding_delay_s=600_000, timestamp_s=1_800_000_000
    )
    assert (ledger.chain_id, ledger.now_s, ledger.block_number) == (77, 1_800_000_000, 2)
    assert (ledger.stake_threshold_wei(), ledger.unbonding_delay_s()) == (5, 600_000)
    assert ledger.domain.chain_id == 77
    assert ledger.domain.contract == ledger.contract_address
    assert set(ledger.deployment_gas) == {"IDMLToken", "IDML"}
    assert all(gas > 500_000 for gas in ledger.deployment_gas.values())
    ledger.fund(ALICE.address, 10)
    ledger.buy(ALICE, 10)
    assert ledger.rate() == 3
    assert ledger.token_balance_wei(ALICE.address) == 30


def test_numbers_that_the_contracts_refuse_are_named() -> None:
    with pytest.raises(Reverted, match=r"InvalidUnbondingDelay\(delay=1, "):
        EmbeddedLedger(unbonding_delay_s=1)
    with pytest.raises(Reverted, match="ZeroRate"):
        EmbeddedLedger(rate=0)


def test_tokens_are_bought_and_redeemed_at_the_rate(ledger: EmbeddedLedger) -> None:
    assert ledger.token_supply_wei() == 2 * 1_000 * TOKEN_WEI
    result = ledger.redeem(ALICE, 10_000 * 7 + 9_999)
    assert result.step == "redeem"
    assert result.events[-1] == Redeemed(result.block, result.timestamp_s, ALICE.address, burnt=79_999, paid=7)
    assert ledger.balance_wei(ALICE.address) == TOKEN_WEI - TOKEN_WEI // 10 + 7


def test_deposits_approve_once(ledger: EmbeddedLedger) -> None:
    first, second = ledger.deposit(ALICE, 10), ledger.deposit(ALICE, 10)
    assert [type(event) for event in first.events] == [Approval, Deposited, Transfer]
    assert [type(event) for event in second.events] == [Deposited, Transfer]
    assert first.gas_used > second.gas_used + 21_000
    assert (first.step, second.step) == ("deposit", "deposit")
    assert second.block == first.block + 1 == ledger.block_number
    assert ledger.account(ALICE.address) == AccountState(balance=20)


def test_an_allowance_that_suffices_is_left_alone(ledger: EmbeddedLedger) -> None:
    assert ledger.approve(ALICE, 10).step == "approve"
    assert Approval not in [type(event) for event in ledger.deposit(ALICE, 10).events]


def test_a_permit_needs_no_approval_of_its_own(ledger: EmbeddedLedger) -> None:
    result = ledger.deposit_with_permit(ALICE, 10, ledger.now_s + 60)
    assert result.step == "deposit_with_permit"
    assert ledger.deposit_with_permit(ALICE, 5, ledger.now_s).step == "deposit_with_permit"
    assert ledger.account(ALICE.address).balance == 15
    ledger.warp(ledger.now_s + 1)
    with pytest.raises(Reverted, match="ERC20InsufficientAllowance"):
        ledger.deposit_with_permit(ALICE, 5, ledger.now_s - 1)


def test_money_goes_in_and_comes_out_whole(ledger: EmbeddedLedger) -> None:
    ledger.deposit(ALICE, 300 * TOKEN_WEI)
    ledger.stake(ALICE, 200 * TOKEN_WEI)
    ledger.set_target(ALICE, 5)
    assert ledger.seat_count() == 1
    assert ledger.seat(0).member == ALICE.address
    ledger.request_unstake(ALICE, 200 * TOKEN_WEI)
    state = ledger.account(ALICE.address)
    assert (state.stake, state.unbonding, state.release_at) == (0, 200 * TOKEN_WEI, ledger.now_s + DELAY_S)
    ledger.warp(state.release_at)
    assert ledger.complete_unstake(ALICE).step == "complete_unstake"
    assert ledger.withdraw(ALICE, 300 * TOKEN_WEI).step == "withdraw"
    assert ledger.token_balance_wei(ALICE.address) == 1_000 * TOKEN_WEI
    assert ledger.history(ALICE.address) == History()


def test_an_encounter_step_by_step(driver: Any) -> None:
    learner, neighbor = driver.actors[:2]
    terms = driver.terms(learner, neighbor)
    ledger = driver.ledger
    encounter = ledger.domain.digest(terms)
    steps = [driver.must("open", learner, terms, b"", neighbor.sign(encounter))]
    assert steps[0].events[0].terms == terms
    assert steps[0].events[0].encounter == encounter, "the id is the EIP-712 hash"
    steps += [driver.report(encounter, neighbor), driver.report(encounter, learner)]
    seed = committee_seed(*driver.secrets(learner.address, neighbor.address, 0))
    drawn = draw_committee(terms, seed, 3, driver.mirror.seats)
    assert ledger.committee_of(terms, seed) == drawn == driver.at(encounter).progress.committee
    assert ledger.state_hash(learner.address) == driver.at(encounter).progress.state_hash()
    steps += driver.vote(encounter, True, True, False)
    assert [step.step for step in steps] == ["open", "report_neighbor", "report_learner", "vote", "vote", "vote"]
    assert steps[-1].events[-1].case_number == 4
    assert int.from_bytes(ledger.state_hash(learner.address), "big") == 1, "used and free"
    assert ledger.history(learner.address).completed_as_learner == 1
    assert all(21_000 < step.gas_used < 200_000 for step in steps)


def test_signed_statements_may_be_brought_by_anyone(driver: Any) -> None:
    learner, neighbor, bringer = driver.actors[0], driver.actors[1], driver.actors[6]
    domain, terms = driver.ledger.domain, driver.terms(driver.actors[0], driver.actors[1])
    encounter = domain.digest(terms)
    driver.must("open", bringer, terms, learner.sign(encounter), neighbor.sign(encounter))
    for reporter in (neighbor, learner):
        at, secret = driver.at(encounter), driver.secret(encounter, reporter.address)
        signature = reporter.sign(domain.digest(at.report(reporter.address, driver.result, secret, domain)))
        arguments = (at.progress, reporter.address, driver.result, secret)
        driver.fails("InvalidSignature", "report", bringer, *arguments, bringer.sign(bytes(32)))
        driver.must("report", bringer, *arguments, signature)
    for voter in driver.voters(encounter):
        at = driver.at(encounter)
        signature = voter.sign(domain.digest(at.vote(voter.address, True)))
        driver.must("vote", bringer, at.progress, voter.address, True, signature)
    assert driver.mirror.encounters == {}
    driver.check()


def test_refusals_carry_their_reason(driver: Any) -> None:
    encounter = driver.open(*driver.actors[:2])
    at = driver.at(encounter)
    due = at.progress.since + 100
    early = driver.fails("TooEarly", "finalize", driver.actors[6], at.progress)
    assert early.arguments == {"encounter": encounter, "due": due}
    driver.warp(101)
    late = driver.fails("TooLate", "reject", driver.actors[1], at.progress)
    assert str(late) == f"reverted: TooLate(encounter=0x{encounter.hex()}, due={due})"


def test_tasks_are_found_by_their_id(driver: Any) -> None:
    for task in driver.tasks:
        assert driver.ledger.task(task.id) == task
    with pytest.raises(LedgerError, match=r"unknown task 0x00.*: register it with create_task"):
        driver.ledger.task(bytes(32))


def test_snapshots_return_to_the_same_state(ledger: EmbeddedLedger) -> None:
    snapshot, dump = ledger.snapshot(), ledger.dump()
    first = ledger.deposit(ALICE, 10)
    ledger.warp(ledger.now_s + 5)
    ledger.restore(snapshot)
    assert ledger.dump() == dump
    assert ledger.deposit(ALICE, 10) == first


def test_a_dump_goes_on_in_another_ledger(ledger: EmbeddedLedger) -> None:
    ledger.deposit(ALICE, 10)
    other = EmbeddedLedger("pyevm", chain_id=5, stake_threshold_wei=1, unbonding_delay_s=DELAY_S + 1)
    other.load(ledger.dump())
    assert (other.chain_id, other.domain) == (ledger.chain_id, ledger.domain)
    assert other.stake_threshold_wei() == 100 * TOKEN_WEI
    assert other.deposit(ALICE, 7) == ledger.deposit(ALICE, 7)
    assert keccak256(other.dump()) == keccak256(ledger.dump())
    with pytest.raises(EvmError, match="not a dump"):
        other.load(b"nonsense")
