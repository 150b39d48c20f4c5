"""How money leaves the contract again: from the stake to the balance, to the wallet, and to native currency.

What the contract would refuse is refused here before anything is sent, in one line that says when and how it can be.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from idml.ledger.errors import LedgerError, Reverted, coins
from idml.ledger.interface import Ledger, TxResult
from idml.ledger.wallet import Wallet
from idml.protocol.task import MAX_LIFE_S


def unstake(
    ledger: Ledger, wallet: Wallet, amount_wei: int | None = None, *, restart: bool = False
) -> Iterator[TxResult]:
    """Begin to take stake out. What has finished unbonding moves to the balance first, so it need not wait again.

    Args:
        ledger: the contracts.
        wallet: key of the account.
        amount_wei: how much, in base units of the token; None for all that no open encounter locks.
        restart: whether what is still unbonding may wait anew. The contract keeps one waiting time for all of it.

    Returns:
        The transactions, each one when it has succeeded.

    Raises:
        LedgerError: if so much cannot leave the stake, or a transaction does not get through.
    """
    account = ledger.account(wallet.address)
    amount_wei = account.free_stake if amount_wei is None else amount_wei
    if not 0 < amount_wei <= account.free_stake:
        raise _refusal(ledger, wallet, "unstake", account.free_stake, amount_wei)
    if account.unbonding:
        done = _complete(ledger.complete_unstake, wallet)
        if not done and not restart:
            raise LedgerError(
                f"{wallet.address_hex}: {coins(account.unbonding)} tokens are unbonding until "
                f"{moment(account.release_at)}, and unstaking more makes them wait anew: unstake it after that, or "
                "add --restart"
            )
        yield from done
    yield ledger.request_unstake(wallet, amount_wei)


def finish(ledger: Ledger, wallet: Wallet) -> Iterator[TxResult]:
    """Carry out requests that have waited long enough: what was unbonding moves to the balance, a budget gets lower.

    Args:
        ledger: the contracts.
        wallet: key of the account.

    Returns:
        The transactions, each one when it has succeeded.

    Raises:
        LedgerError: if no request has waited long enough, or a transaction does not get through.
    """
    nothing = True
    for result in _due(ledger, wallet):
        nothing = False
        yield result
    if nothing:
        raise _refusal(ledger, wallet, "finish", 0, 0)


def withdraw(ledger: Ledger, wallet: Wallet, amount_wei: int | None = None) -> Iterator[TxResult]:
    """Move tokens from the balance to the wallet, and do before what `finish` does if they do not suffice without it.

    Args:
        ledger: the contracts.
        wallet: key of the account.
        amount_wei: how much, in base units of the token; None for all that no budget keeps.

    Returns:
        The transactions, each one when it has succeeded.

    Raises:
        LedgerError: if so much cannot leave the balance, or a transaction does not get through.
    """
    account = ledger.account(wallet.address)
    most_wei = account.balance + account.unbonding
    if amount_wei is None or account.free_balance < amount_wei <= most_wei:
        yield from _due(ledger, wallet)
        account = ledger.account(wallet.address)
    amount_wei = account.free_balance if amount_wei is None else amount_wei
    if not 0 < amount_wei <= account.free_balance:
        raise _refusal(ledger, wallet, "withdraw", account.free_balance, amount_wei)
    yield ledger.withdraw(wallet, amount_wei)


def redeem(ledger: Ledger, wallet: Wallet, amount_wei: int | None = None) -> Iterator[TxResult]:
    """Give tokens of the wallet back for native currency.

    Args:
        ledger: the contracts.
        wallet: key of the account.
        amount_wei: how much, in base units of the token, a multiple of the rate; None for all, without what is left
            over of the rate.

    Returns:
        The transaction.

    Raises:
        LedgerError: if there is not so much in the wallet, if something would be lost by rounding, or if the
            transaction does not get through.
    """
    rate, held_wei = ledger.rate(), ledger.token_balance_wei(wallet.address)
    most_wei = held_wei // rate * rate
    amount_wei = most_wei if amount_wei is None else amount_wei
    if not 0 < amount_wei <= held_wei:
        raise _refusal(ledger, wallet, "redeem", most_wei, amount_wei)
    if amount_wei % rate:
        raise LedgerError(
            f"{coins(amount_wei)} tokens are no whole number of wei, and the rest would be lost: redeem "
            f"{coins(amount_wei - amount_wei % rate)}, or any other multiple of {coins(rate)}"
        )
    yield ledger.redeem(wallet, amount_wei)


def moment(time_s: int) -> str:
    """Write a time of a chain, in seconds, as a date and a time of day in UTC."""
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _due(ledger: Ledger, wallet: Wallet) -> Iterator[TxResult]:
    """Carry out all requests that have waited long enough."""
    if ledger.account(wallet.address).unbonding:
        yield from _complete(ledger.complete_unstake, wallet)
    if ledger.pending_release(wallet.address).release_at:
        yield from _complete(ledger.complete_release, wallet)


def _complete(request: Callable[[Wallet], TxResult], wallet: Wallet) -> list[TxResult]:
    """Carry out a request, if it has waited long enough. Whether it has, only the contract knows."""
    try:
        return [request(wallet)]
    except Reverted:
        return []


def _refusal(ledger: Ledger, wallet: Wallet, verb: str, most_wei: int, amount_wei: int) -> LedgerError:
    """Why an account cannot take out so much: where the rest of its tokens is, and how it gets out there."""
    account, release_at = ledger.account(wallet.address), ledger.pending_release(wallet.address).release_at
    budget = f"possible from {moment(release_at)} on" if release_at else "see Ledger.request_release"
    places = {
        "redeem": (ledger.token_balance_wei(wallet.address), "in the wallet: idml chain redeem"),
        "withdraw": (account.free_balance, "in the balance: idml chain withdraw"),
        "release": (account.cover, f"kept by the budget: {budget}"),
        "wait": (account.unbonding, f"unbonding: idml chain withdraw from {moment(account.release_at)} on"),
        "unstake": (account.free_stake, "staked: idml chain unstake"),
        "end": (account.locked, f"locked by open encounters, each for at most {MAX_LIFE_S // 86_400} days"),
    }
    said = f"has nothing to {verb}" if not most_wei else f"can {verb} {coins(most_wei)} tokens, not {coins(amount_wei)}"
    others = [f"{coins(wei)} {words}" for place, (wei, words) in places.items() if wei and place != verb]
    return LedgerError(f"{wallet.address_hex} {said}" + (": " + "; ".join(others) if others else ""))
