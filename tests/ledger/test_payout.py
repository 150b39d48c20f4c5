"""Money gets out of the contract again, and whoever cannot have it yet is told when and how."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.interface import TxResult
from idml.ledger.payout import finish, moment, redeem, unstake, withdraw
from idml.ledger.wallet import Wallet
from idml.protocol.task import TOKEN_WEI

DELAY_S = 7 * 24 * 3600
RATE = 10_000
ALICE = Wallet.from_seed(23, 0)


def steps(sent: Iterator[TxResult]) -> list[str]:
    return [result.step for result in sent]


@pytest.fixture
def ledger() -> EmbeddedLedger:
    """Alice has a stake of 200 tokens, 100 in the balance, and 50 in the wallet."""
    ledger = EmbeddedLedger()
    ledger.fund(ALICE.address, TOKEN_WEI)
    ledger.buy(ALICE, 350 * TOKEN_WEI // RATE)
    ledger.deposit(ALICE, 300 * TOKEN_WEI)
    ledger.stake(ALICE, 200 * TOKEN_WEI)
    return ledger


def refused(sent: Callable[[], Iterator[TxResult]]) -> str:
    """What is told. Nothing was sent."""
    with pytest.raises(LedgerError) as caught:
        list(sent())
    assert not isinstance(caught.value, Reverted)
    return str(caught.value).removeprefix(ALICE.address_hex)


def test_all_of_it_comes_out(ledger: EmbeddedLedger) -> None:
    had_wei = ledger.balance_wei(ALICE.address)
    assert steps(unstake(ledger, ALICE)) == ["request_unstake"]
    ledger.warp(ledger.now_s + DELAY_S)
    assert steps(withdraw(ledger, ALICE)) == ["complete_unstake", "withdraw"]
    assert ledger.token_balance_wei(ALICE.address) == 350 * TOKEN_WEI
    assert steps(redeem(ledger, ALICE)) == ["redeem"]
    assert ledger.balance_wei(ALICE.address) - had_wei == 350 * TOKEN_WEI // RATE
    assert ledger.token_supply_wei() == 0
    for again in (unstake, withdraw, redeem, finish):
        assert refused(partial(again, ledger, ALICE)) == f" has nothing to {again.__name__}"


def test_exact_amounts_come_out(ledger: EmbeddedLedger) -> None:
    assert steps(unstake(ledger, ALICE, 1)) == ["request_unstake"]
    assert ledger.account(ALICE.address).unbonding == 1
    assert steps(withdraw(ledger, ALICE, 100 * TOKEN_WEI)) == ["withdraw"], "what is unbonding is not needed"
    assert steps(redeem(ledger, ALICE, RATE)) == ["redeem"]
    assert ledger.token_balance_wei(ALICE.address) == 150 * TOKEN_WEI - RATE


def test_each_refusal_says_where_the_rest_is(ledger: EmbeddedLedger) -> None:
    staked, wallet = "200 staked: idml chain unstake", "50 in the wallet: idml chain redeem"
    balance = "100 in the balance: idml chain withdraw"
    more = 300 * TOKEN_WEI
    assert refused(lambda: unstake(ledger, ALICE, more)) == f" can unstake 200 tokens, not 300: {wallet}; {balance}"
    assert refused(lambda: withdraw(ledger, ALICE, more)) == f" can withdraw 100 tokens, not 300: {wallet}; {staked}"
    assert refused(lambda: redeem(ledger, ALICE, more)) == f" can redeem 50 tokens, not 300: {balance}; {staked}"
    assert refused(lambda: finish(ledger, ALICE)) == f" has nothing to finish: {wallet}; {balance}; {staked}"


def test_what_waits_is_told_with_its_time_and_does_not_wait_anew_unasked(ledger: EmbeddedLedger) -> None:
    (begun,) = unstake(ledger, ALICE, 50 * TOKEN_WEI)
    free_at = begun.timestamp_s + DELAY_S
    ledger.warp(free_at - 1)
    unbonding = f"50 unbonding: idml chain withdraw from {moment(free_at)} on"
    assert unbonding in refused(lambda: withdraw(ledger, ALICE, 150 * TOKEN_WEI))
    assert unbonding in refused(lambda: finish(ledger, ALICE))
    anew = refused(lambda: unstake(ledger, ALICE))
    assert anew.startswith(f": 50 tokens are unbonding until {moment(free_at)}, and unstaking more makes them wait")
    assert ledger.account(ALICE.address).release_at == free_at
    assert steps(unstake(ledger, ALICE, TOKEN_WEI, restart=True)) == ["request_unstake"]
    free_at = ledger.account(ALICE.address).release_at
    ledger.warp(free_at)
    assert steps(unstake(ledger, ALICE)) == ["complete_unstake", "request_unstake"], "what has waited is moved before"
    account = ledger.account(ALICE.address)
    assert (account.balance, account.unbonding) == (151 * TOKEN_WEI, 149 * TOKEN_WEI)
    ledger.warp(ledger.now_s + DELAY_S)
    assert steps(finish(ledger, ALICE)) == ["complete_unstake"]


def test_a_budget_is_kept_until_it_is_released(ledger: EmbeddedLedger) -> None:
    ledger.set_budget(ALICE, 10 * TOKEN_WEI, 3)
    account = ledger.account(ALICE.address)
    assert account.free_balance == account.balance - account.cover < 70 * TOKEN_WEI
    kept = " can withdraw 69.99"
    told = refused(lambda: withdraw(ledger, ALICE, 100 * TOKEN_WEI))
    assert told.startswith(kept)
    assert "kept by the budget: see Ledger.request_release" in told
    assert steps(withdraw(ledger, ALICE)) == ["withdraw"]
    release = ledger.request_release(ALICE, 0, 0)
    told = refused(lambda: withdraw(ledger, ALICE))
    assert told.startswith(" has nothing to withdraw: ")
    assert f"kept by the budget: possible from {moment(release.timestamp_s + DELAY_S)} on" in told
    ledger.warp(release.timestamp_s + DELAY_S)
    assert steps(withdraw(ledger, ALICE)) == ["complete_release", "withdraw"]
    assert ledger.account(ALICE.address).balance == 0


def test_what_open_encounters_lock_is_told(driver: Any) -> None:
    """The neighbor of an open encounter may take out what is not locked."""
    learner, neighbor = driver.actors[:2]
    driver.open(learner, neighbor)
    account = driver.ledger.account(neighbor.address)
    assert account.locked > 0
    with pytest.raises(LedgerError, match="locked by open encounters, each for at most 6 days"):
        list(unstake(driver.ledger, neighbor, account.stake))
    list(unstake(driver.ledger, neighbor))
    assert driver.ledger.account(neighbor.address).stake == account.locked


def test_nothing_is_lost_by_rounding(ledger: EmbeddedLedger) -> None:
    told = refused(lambda: redeem(ledger, ALICE, TOKEN_WEI + 1))
    assert told == (
        "1.000000000000000001 tokens are no whole number of wei, and the rest would be lost: "
        "redeem 1, or any other multiple of 0.00000000000001"
    )
    list(withdraw(ledger, ALICE, 1))
    list(redeem(ledger, ALICE))
    assert ledger.token_balance_wei(ALICE.address) == 1
    assert refused(lambda: redeem(ledger, ALICE)).startswith(" has nothing to redeem: 99.999999999999999999 in the")


AMOUNTS = st.none() | st.sampled_from([0, 1, RATE, 49 * TOKEN_WEI, 50 * TOKEN_WEI, 101 * TOKEN_WEI, 1 << 96])
MOVES = st.tuples(st.sampled_from([unstake, withdraw, redeem, "wait", "budget", "release", "stake"]), AMOUNTS)


@settings(max_examples=25)
@given(st.lists(MOVES, max_size=8))
def test_the_contract_never_has_to_refuse(moves: list[tuple[Any, int | None]]) -> None:
    """Whatever happened before: it works, or it is told why not; and no token is lost."""
    ledger = EmbeddedLedger()
    ledger.fund(ALICE.address, TOKEN_WEI)
    ledger.buy(ALICE, 350 * TOKEN_WEI // RATE)
    ledger.deposit(ALICE, 300 * TOKEN_WEI)
    ledger.stake(ALICE, 200 * TOKEN_WEI)
    for move, amount_wei in moves:
        if move == "wait":
            ledger.warp(ledger.now_s + (DELAY_S if amount_wei is None else DELAY_S // 2))
        elif move == "budget":
            if ledger.account(ALICE.address).free_balance >= 3 * TOKEN_WEI:
                ledger.set_budget(ALICE, TOKEN_WEI // 2, 2)
        elif move == "release":
            ledger.request_release(ALICE, 0, 0)
        elif move == "stake":
            if ledger.account(ALICE.address).free_balance >= TOKEN_WEI:
                ledger.stake(ALICE, TOKEN_WEI)
        else:
            try:
                list(move(ledger, ALICE, amount_wei))
            except Reverted:
                raise
            except LedgerError:
                continue
        account = ledger.account(ALICE.address)
        held_wei = account.balance + account.stake + account.unbonding + ledger.token_balance_wei(ALICE.address)
        assert held_wei == ledger.token_supply_wei()
        assert held_wei <= ledger.balance_wei(ledger.token_address) * RATE
