"""`idml chain fund`, `unstake`, `withdraw`, `redeem`: money into the contracts, and out of them again."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from idml.cli.chain_keys import Keys
from idml.cli.chain_options import Commands, action, add_record, add_sending, amount, connect, print_json, sending

if TYPE_CHECKING:
    from idml.ledger.interface import Ledger, TxResult
    from idml.ledger.wallet import Wallet

_Steps: TypeAlias = "Callable[[Ledger, Wallet], Iterable[TxResult]]"


def fund(options: argparse.Namespace) -> int:
    """Give accounts native currency, tokens and a stake."""
    from idml.ledger.chain.describe import describe_account, equip
    from idml.ledger.chain.node import Node
    from idml.ledger.chain.rpc import pay
    from idml.ledger.chain.sender import ensure_new
    from idml.ledger.errors import coins
    from idml.ledger.wallet import checksum_address

    equipped = options.tokens or options.stake
    if not (options.send or equipped):
        options.fail("nothing to do: say how much to --send, or how many --tokens and --stake")
    if options.send and not options.payer:
        options.fail("--send needs --from ACCOUNT: who pays")
    keys = Keys(options)
    how = sending(options)
    ledger = connect(options, how) if equipped else None  # to send native currency, no contracts are needed
    node = ledger.node if ledger else Node(options.rpc)
    node.chain_id()  # a dead node is told before a password is asked for
    addresses = [keys.address(account) for account in options.accounts]
    # All passwords before any money moves.
    payer = keys.open(options.payer) if options.send else None
    own = [keys.open(account) for account in options.accounts] if equipped else []
    ensure_new(node, own if payer is None else [payer, *own], how)
    with _recorded(options) as record:
        if payer is not None:
            for address in addresses:
                receipt = pay(node, payer, address, options.send, how)
                shown = checksum_address(address)
                words = f"sent {coins(options.send)} in block {receipt.block_number}, {receipt.gas_used:,} gas"
                record.add(shown, "send", receipt.block_number, receipt.gas_used, words)
        if ledger is None:
            balances = [(checksum_address(address), node.balance_wei(address)) for address in addresses]
            record.close([{"address": address, "native_wei": native_wei} for address, native_wei in balances])
            return 0
        for wallet in own:
            for result in equip(ledger, wallet, tokens_wei=options.tokens, stake_wei=options.stake):
                record.add_result(wallet, result)
        record.close([describe_account(ledger, address) for address in addresses])
    return 0


def unstake(options: argparse.Namespace) -> int:
    """Begin to take stake out, or finish that."""
    from idml.ledger import payout

    if options.finish:
        return _take_out(options, payout.finish)
    wanted = _wanted(options)
    return _take_out(options, lambda ledger, wallet: payout.unstake(ledger, wallet, wanted, restart=options.restart))


def withdraw(options: argparse.Namespace) -> int:
    """Move tokens from the contract to the wallet."""
    from idml.ledger import payout

    wanted = _wanted(options)
    return _take_out(options, lambda ledger, wallet: payout.withdraw(ledger, wallet, wanted))


def redeem(options: argparse.Namespace) -> int:
    """Give tokens back for native currency."""
    from idml.ledger import payout

    wanted = _wanted(options)
    return _take_out(options, lambda ledger, wallet: payout.redeem(ledger, wallet, wanted))


def add_money(actions: Commands) -> None:
    """Declare the commands."""
    _add_fund(actions)
    for execute, name, words, description in (
        (
            unstake,
            "unstake",
            "take stake out of an account, which takes a while",
            "Begin to take stake out. It is free after the unbonding delay; withdraw moves it on then.",
        ),
        (
            withdraw,
            "withdraw",
            "move tokens from an account in the contract to its wallet",
            "Move tokens to the wallet of an account, those too that left the stake and have waited long enough.",
        ),
        (
            redeem,
            "redeem",
            "give tokens back for native currency",
            "Give tokens of an account's wallet back for native currency, at the rate at which they were bought.",
        ),
    ):
        examples = f"idml chain {name} 0x51aD... --tokens 150.5\n  idml chain {name} 0x51aD... 0x77b2... --all"
        parser = action(actions, execute, name, words, examples, description)
        add_sending(parser)
        add_record(parser)
        parser.add_argument("accounts", nargs="+", metavar="ACCOUNT", help="whose; the keys must be here")
        how_much = parser.add_mutually_exclusive_group(required=True)
        how_much.add_argument("--tokens", type=amount, metavar="TOKENS", help="so many for each account")
        how_much.add_argument("--all", action="store_true", help="as many as can be now")
        if execute is unstake:
            how_much.add_argument("--finish", action="store_true", help="move what has waited to the balance")
            parser.add_argument("--restart", action="store_true", help="even if others that wait must wait anew")


def _take_out(options: argparse.Namespace, steps: _Steps) -> int:
    """Do the same for all accounts, one after the other, and tell what was done and what is left."""
    from idml.ledger.chain.describe import describe_account
    from idml.ledger.chain.sender import ensure_new

    keys, how = Keys(options), sending(options)
    ledger = connect(options, how)
    wallets = [keys.open(account) for account in options.accounts]
    ensure_new(ledger.node, wallets, how)
    with _recorded(options) as record:
        for wallet in wallets:
            for result in steps(ledger, wallet):
                record.add_result(wallet, result)
        facts = [describe_account(ledger, wallet.address) for wallet in wallets]
        if not options.json:
            print("\n".join(f"{entry['address']}  left: {_left(entry)}" for entry in facts))
        record.close(facts)
    return 0


def _wanted(options: argparse.Namespace) -> int | None:
    """How much to take out, in base units of the token; None for all."""
    wanted: int | None = options.tokens
    if wanted == 0:
        options.fail("nothing to do: say more than 0 --tokens, or --all")
    return wanted


class _MoneyRecord:
    """What a command has done with money, told as it happens, and at the end as JSON if that is wanted."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.done: list[dict[str, Any]] = []
        self._json: bool = options.json

    @property
    def gas(self) -> int:
        return sum(entry["gas"] for entry in self.done)

    def add(self, address: str, step: str, block: int, gas: int, words: str) -> None:
        self.done.append({"address": address, "step": step, "block": block, "gas": gas})
        if not self._json:
            print(f"{address}  {words}", flush=True)

    def add_result(self, wallet: "Wallet", result: "TxResult") -> None:
        words = f"{result.step} in block {result.block}, {result.gas_used:,} gas"
        told = ", ".join(_happened(result))
        self.add(wallet.address_hex, result.step, result.block, result.gas_used, f"{words}: {told}" if told else words)

    def close(self, accounts: Sequence[dict[str, Any]]) -> None:
        if self._json:
            print_json({"gas": self.gas, "done": self.done, "accounts": accounts})
        else:
            print(f"{self.gas:,} gas in all")


@contextmanager
def _recorded(options: argparse.Namespace) -> Iterator[_MoneyRecord]:
    """A record that is printed as JSON, without accounts, if the command fails after some of it was done."""
    record = _MoneyRecord(options)
    try:
        yield record
    except BaseException:
        if options.json and record.done:
            print_json({"gas": record.gas, "done": record.done})
        raise


def _happened(result: "TxResult") -> list[str]:
    """What a transaction did to money and seats, in words."""
    from idml.ledger.errors import coins
    from idml.ledger.payout import moment
    from idml.protocol import events

    told = []
    for event in result.events:
        match event:
            case events.UnstakeRequested():
                told.append(f"{coins(event.amount)} tokens are unbonding until {moment(event.release_at)}")
            case events.SeatLeft():
                told.append(f"seat {event.seat} is given up")
            case events.Unstaked():
                told.append(f"{coins(event.amount)} tokens have left the stake")
            case events.Withdrawn():
                told.append(f"{coins(event.amount)} tokens are in the wallet")
            case events.Redeemed():
                told.append(f"{coins(event.burnt)} tokens became {coins(event.paid)} of the native currency")
    return told


def _left(entry: dict[str, Any]) -> str:
    """What an account has, in one line."""
    from idml.ledger.errors import coins

    account = entry["account"]
    places = (
        (account["stake"], "staked"),
        (account["unbonding"], "unbonding"),
        (account["balance"], "in the balance"),
        (entry["wallet_wei"], "in the wallet"),
    )
    tokens = ", ".join(f"{coins(wei)} {where}" for wei, where in places)
    return f"{tokens}; {coins(entry['native_wei'])} of the native currency"


def _add_fund(actions: Commands) -> None:
    parser = action(
        actions,
        fund,
        "fund",
        "give accounts native currency, tokens, a stake",
        "idml chain fund 0x51aD... 0x77b2... --from 0x8f3C... --send 0.1\n"
        "  idml chain fund 0x51aD... --tokens 300 --stake 200",
        "Send native currency to accounts; let accounts whose keys are here buy and deposit tokens and stake them.",
    )
    add_sending(parser)
    add_record(parser)
    parser.add_argument("accounts", nargs="+", metavar="ACCOUNT", help="who gets it")
    parser.add_argument("--from", dest="payer", metavar="ACCOUNT", help="who pays what is sent")
    parser.add_argument("--send", type=amount, default=0, metavar="COINS", help="native currency for each")
    parser.add_argument("--tokens", type=amount, default=0, metavar="TOKENS", help="each buys and deposits so many")
    parser.add_argument("--stake", type=amount, default=0, metavar="TOKENS", help="each stakes so many")
