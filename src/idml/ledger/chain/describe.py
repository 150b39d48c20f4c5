"""What people ask of a chain from outside a run: what is there, and money for accounts."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from idml.ledger.chain.rpc import RpcLedger
from idml.ledger.interface import TxResult
from idml.ledger.wallet import Wallet, checksum_address


def describe(ledger: RpcLedger, accounts: Iterable[bytes] = ()) -> dict[str, Any]:
    """A chain, the contracts on it, and some accounts.

    Args:
        ledger: the contracts.
        accounts: addresses, 20 bytes each.

    Returns:
        Plain values for JSON. Amounts `*_wei` are base units; those of `native_wei` and `base_fee_wei` are native
        currency, all others tokens. Times `*_s` are seconds.
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
    """One account: its money on the chain, in the token and in the contract, and its record."""
    return {
        "address": checksum_address(address),
        "native_wei": ledger.balance_wei(address),
        "wallet_wei": ledger.token_balance_wei(address),
        "account": asdict(ledger.account(address)),
        "history": asdict(ledger.history(address)),
    }


def equip(ledger: RpcLedger, wallet: Wallet, *, tokens_wei: int = 0, stake_wei: int = 0) -> list[TxResult]:
    """Buy and deposit tokens for an account, and stake some.

    Args:
        ledger: the contracts.
        wallet: buys with its own native currency.
        tokens_wei: to buy and deposit, in base units of the token.
        stake_wei: to stake from what is deposited, then or earlier.

    Returns:
        The transactions.

    Raises:
        LedgerError: of any kind that sending raises.
    """
    sent = []
    if tokens_wei:
        sent.append(ledger.buy(wallet, -(-tokens_wei // ledger.rate())))
        sent.append(ledger.deposit(wallet, tokens_wei))
    if stake_wei:
        sent.append(ledger.stake(wallet, stake_wei))
    return sent
