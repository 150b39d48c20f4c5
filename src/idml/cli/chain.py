"""`idml chain`: put the contract on a chain, look at it, and keep accounts there."""

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idml.ledger.rpc import RpcLedger
    from idml.ledger.wallet import Wallet

_EPILOG = """\
examples:
  idml chain accounts --new                                   make a key, encrypted with a password
  idml chain accounts --import                                take over a key, asked for or from standard input
  idml chain deploy --rpc URL --account 0xAB..                create the contracts, write idml-deployment.json
  idml chain info --rpc URL --account 0xAB..                  what the contract says, and about one account
  idml chain fund --rpc URL --account 0xAB.. --tokens 500 --stake 200
  idml chain fund --rpc URL --account 0xAB.. --to 0xCD.. --coins 0.5

The password is asked for, or taken from --password-file or the variable IDML_PASSWORD. A private key is never an
argument, and never printed."""

_TOKEN_WEI = 10**18


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "chain",
        help="deploy the contract to a chain, fund and stake accounts",
        description="Put the contract on a chain, look at it, and keep accounts there.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    deploy = _action(actions, "deploy", _deploy, "create both contracts")
    deploy.add_argument("--rate", type=int, default=10_000, help="tokens for one coin (default 10000)")
    deploy.add_argument("--threshold", type=_amount, default=100 * _TOKEN_WEI, metavar="TOKENS", help="stake (100)")
    deploy.add_argument("--unbonding-days", type=float, default=7.0, metavar="DAYS", help="default 7, more than 6")

    _action(actions, "info", _info, "show the contract, and an account")

    fund = _action(actions, "fund", _fund, "send coins; buy, deposit and stake tokens")
    fund.add_argument("--to", type=_address, metavar="ADDRESS", help="who gets the coins")
    fund.add_argument("--coins", type=_amount, metavar="COINS", help="native currency to send")
    fund.add_argument("--tokens", type=_amount, metavar="TOKENS", help="to buy and deposit for the account")
    fund.add_argument("--stake", type=_amount, metavar="TOKENS", help="to stake from its balance")

    accounts = _action(actions, "accounts", _accounts, "list, make or take over keys", chain=False)
    which = accounts.add_mutually_exclusive_group()
    which.add_argument("--new", action="store_true", help="make a key")
    which.add_argument("--import", action="store_true", dest="take", help="take over a private key in hexadecimal")


def _action(actions: Any, name: str, execute: Any, text: str, *, chain: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text.capitalize() + ".")
    if chain:
        parser.add_argument("--rpc", default=os.environ.get("IDML_RPC"), metavar="URL", help="a node; or $IDML_RPC")
        parser.add_argument(
            "--deployment",
            type=Path,
            default=Path("idml-deployment.json"),
            metavar="FILE",
            help="where the contracts are",
        )
        parser.add_argument("--account", type=_address, metavar="ADDRESS", help="who pays, or is looked at")
    parser.add_argument(
        "--keystore",
        type=Path,
        default=Path.home() / ".idml" / "keystore",
        metavar="DIR",
        help="default ~/.idml/keystore",
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password")
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.set_defaults(execute=partial(_run, execute), parser=parser)
    return parser


def _run(execute: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    from idml.ledger.errors import LedgerError

    if find_spec("web3") is None:
        raise LedgerError("idml chain needs the extra `chain`: pip install 'idml[chain]'")
    return execute(options)


def _deploy(options: argparse.Namespace) -> int:
    from idml.ledger.errors import LedgerError
    from idml.ledger.rpc import RpcLedger

    _require(options, "rpc", "account")
    if options.deployment.exists():
        raise LedgerError(f"{options.deployment} is a record of another deployment: name another file, or remove it")
    deployment = RpcLedger.deploy(
        options.rpc,
        _wallet(options),
        rate=options.rate,
        stake_threshold_wei=options.threshold,
        unbonding_delay_s=round(options.unbonding_days * 24 * 3600),
    )
    deployment.save(options.deployment)
    shown = json.loads(options.deployment.read_text(encoding="utf-8"))
    _show(options, {**shown, "record": str(options.deployment)})
    return 0


def _info(options: argparse.Namespace) -> int:
    _require(options, "rpc")
    ledger = _connect(options)
    known: dict[str, Any] = {
        "chain_id": ledger.chain_id,
        "block": ledger.block_number,
        "contract": _checksum(ledger.contract_address),
        "token": _checksum(ledger.token_address),
        "stake_threshold": _tokens(ledger.stake_threshold_wei()),
        "unbonding_days": ledger.unbonding_delay_s() / 86_400,
        "seats": ledger.seat_count(),
        "token_supply": _tokens(ledger.token_supply_wei()),
    }
    if options.account is not None:
        account, history = ledger.account(options.account), ledger.history(options.account)
        known["account"] = {
            "address": _checksum(options.account),
            "coins": _tokens(ledger.balance_wei(options.account)),
            "wallet": _tokens(ledger.token_balance_wei(options.account)),
            **{name: _tokens(getattr(account, name)) for name in ("balance", "stake", "locked", "target", "unbonding")},
            "seat": account.seat - 1 if account.seat else None,
            "next_nonce": account.nonce_base,
            "accepted": history.accepted,
            "rejected": history.rejected,
            "votes_with_majority": history.votes_with,
            "votes_against_majority": history.votes_against,
        }
    _show(options, known)
    return 0


def _fund(options: argparse.Namespace) -> int:
    _require(options, "rpc", "account")
    if (options.to is None) != (options.coins is None):
        options.parser.error("--to and --coins go together")
    if options.coins is None and options.tokens is None and options.stake is None:
        options.parser.error("nothing to do: give --coins with --to, --tokens or --stake")
    ledger, wallet = _connect(options), _wallet(options)
    gas = 0
    if options.coins is not None:
        gas += ledger.pay(wallet, options.to, options.coins).gas_used
    if options.tokens is not None:
        rate = ledger.rate()
        gas += ledger.buy(wallet, -(-options.tokens // rate)).gas_used
        gas += ledger.deposit(wallet, options.tokens).gas_used
    if options.stake is not None:
        gas += ledger.stake(wallet, options.stake).gas_used
    account = ledger.account(wallet.address)
    shown = {
        "account": wallet.address_hex,
        "coins": _tokens(ledger.balance_wei(wallet.address)),
        "balance": _tokens(account.balance),
        "stake": _tokens(account.stake),
        "gas": gas,
    }
    _show(options, shown)
    return 0


def _accounts(options: argparse.Namespace) -> int:
    from idml.ledger.keystore import list_keys, save_key
    from idml.ledger.wallet import Wallet

    if options.new or options.take:
        wallet = Wallet.create() if options.new else _taken_over()
        path = save_key(wallet, options.keystore, _password(options, new=True))
        _show(options, {"account": wallet.address_hex, "file": str(path)})
        return 0
    keys = {_checksum(address): str(path) for address, path in list_keys(options.keystore).items()}
    if options.json:
        print(json.dumps(keys, indent=2))
    elif not keys:
        print(f"no keys in {options.keystore}: make one with idml chain accounts --new", file=sys.stderr)
    else:
        print("\n".join(keys))
    return 0


def _taken_over() -> "Wallet":
    from idml.ledger.errors import LedgerError
    from idml.ledger.wallet import Wallet

    text = getpass.getpass("private key: ") if sys.stdin.isatty() else sys.stdin.readline()
    try:
        return Wallet(bytes.fromhex(text.strip().removeprefix("0x")))
    except ValueError:
        raise LedgerError("a private key is 64 hexadecimal digits") from None


def _wallet(options: argparse.Namespace) -> "Wallet":
    from idml.ledger.errors import LedgerError
    from idml.ledger.keystore import find_key, load_key

    path = find_key(options.keystore, options.account)
    if path is None:
        raise LedgerError(
            f"no key for {_checksum(options.account)} in {options.keystore}: see idml chain accounts, or --keystore"
        )
    return load_key(path, _password(options))


def _password(options: argparse.Namespace, *, new: bool = False) -> str:
    from idml.ledger.errors import LedgerError

    if options.password_file is not None:
        try:
            return str(options.password_file.read_text(encoding="utf-8").splitlines()[0])
        except (OSError, IndexError) as error:
            raise LedgerError(f"no password in {options.password_file}") from error
    if "IDML_PASSWORD" in os.environ:
        return os.environ["IDML_PASSWORD"]
    if not sys.stdin.isatty():
        raise LedgerError("no password: set IDML_PASSWORD or give --password-file")
    password = getpass.getpass("password: ")
    if new and getpass.getpass("again: ") != password:
        raise LedgerError("the two passwords differ")
    return password


def _connect(options: argparse.Namespace) -> "RpcLedger":
    from idml.ledger.rpc import Deployment, RpcLedger

    return RpcLedger(options.rpc, Deployment.load(options.deployment))


def _require(options: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(options, name) is None:
            options.parser.error(f"--{name} is needed")


def _show(options: argparse.Namespace, values: dict[str, Any]) -> None:
    if options.json:
        print(json.dumps(values, indent=2))
        return
    flat = [(key, value) for key, value in values.items() if not isinstance(value, dict)]
    for part in values.values():
        flat += part.items() if isinstance(part, dict) else []
    width = max(len(key) for key, _ in flat)
    for key, value in flat:
        print(f"{key.replace('_', ' '):<{width}}  {'none' if value is None else value}")


def _checksum(address: bytes) -> str:
    from web3 import Web3

    return str(Web3.to_checksum_address(address))


def _tokens(amount_wei: int) -> str:
    whole, rest = divmod(amount_wei, _TOKEN_WEI)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")


def _amount(text: str) -> int:
    from decimal import Decimal, InvalidOperation

    try:
        amount = Decimal(text) * _TOKEN_WEI
    except InvalidOperation:
        amount = Decimal(-1)
    if amount <= 0 or amount != amount.to_integral_value():
        raise argparse.ArgumentTypeError(f"{text!r} is no amount: give a positive number with at most 18 decimals")
    return int(amount)


def _address(text: str) -> bytes:
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != 20:
        raise argparse.ArgumentTypeError(f"{text!r} is no address: it has 40 hexadecimal digits")
    return address
