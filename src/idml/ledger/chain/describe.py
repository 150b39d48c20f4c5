"""What people want from a chain outside of a run: to look at contracts and accounts, and to give accounts money."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from idml.ledger.chain.rpc import RpcLedger
from idml.ledger.interface import TxResult
from idml.ledger.wallet import Wallet, checksum_address


def describe(ledger: RpcLedger, accounts: Iterable[bytes] = ()) -> dict[str, Any]:
    """Describe a chain, the contracts on it, and some accounts.

    Args:
        ledger: the contracts.
        accounts: addresses, 20 bytes each.

    Returns:
        Plain values for JSON. `native_wei` and `base_fee_wei` are in wei of native currency; all other `*_wei` are in
        base units of the token. Times `*_s` are in seconds.
    """
    head, seats = ledger.node.head(), [ledger.seat(index) for index in range(ledger.seat_count())]
    return {
        "node": ledger.node.name,
        "client": ledger.node.request("web3_clientVersion"),
        "chain_id": ledger.chain_id,
        "block": head.number,
        "time_s": head.timestamp_s,
        "base_fee_wei": head.base_fee_wei,
        "contract": checksum_address(ledger.contract_address),
        "token": checksum_address(ledger.token_address),
        "deployed_in_block": ledger.deployment.block,
        "rate": ledger.rate(),
        "stake_threshold_wei": ledger.stake_threshold_wei(),
        "unbonding_delay_s": ledger.unbonding_delay_s(),
        "seats": len(seats),
        "seats_active": sum(seat.active(head.timestamp_s + 1) for seat in seats),
        "supply_wei": ledger.token_supply_wei(),
        "in_contract_wei": ledger.token_balance_wei(ledger.contract_address),
        "accounts": [describe_account(ledger, address) for address in accounts],
    }


def describe_account(ledger: RpcLedger, address: bytes) -> dict[str, Any]:
    """Describe one account: its native currency, its tokens, its account in the contract, and its record."""
    account = ledger.account(address)
    return {
        "address": checksum_address(address),
        "native_wei": ledger.balance_wei(address),
        "wallet_wei": ledger.token_balance_wei(address),
        "cover_wei": account.cover,
        "account": asdict(account),
        "history": asdict(ledger.history(address)),
    }


def equip(ledger: RpcLedger, wallet: Wallet, *, tokens_wei: int = 0, stake_wei: int = 0) -> Iterator[TxResult]:
    """Buy and deposit tokens for an account, and stake some.

    Args:
        ledger: the contracts.
        wallet: key of the account, which pays with its own native currency.
        tokens_wei: how much to buy and deposit, in base units of the token.
        stake_wei: how much to stake of what is deposited now or was before, in base units of the token.

    Returns:
        The transactions, each one when it has succeeded.

    Raises:
        LedgerError: if a transaction does not get through; see `Sender.send`.
    """
    if tokens_wei:
        yield ledger.buy(wallet, -(-tokens_wei // ledger.rate()))
        yield ledger.deposit(wallet, tokens_wei)
    if stake_wei:
        yield ledger.stake(wallet, stake_wei)
