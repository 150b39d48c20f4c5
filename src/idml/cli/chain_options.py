"""What the commands of `idml chain` have in common on the command line: options, amounts, how they print."""

import argparse
import json
import os
from collections.abc import Callable
from decimal import Context, Decimal, DecimalException, Inexact
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from idml.outside import usable_path

if TYPE_CHECKING:
    from idml.ledger.chain.rpc import RpcLedger
    from idml.ledger.chain.sender import Sending

_HOW = {
    *("again", "confirmations", "execute", "fail", "journal", "json", "keystore", "max_fee_gwei", "out", "overwrite"),
    *("password_file", "rpc"),
}

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def action(
    actions: Commands,
    execute: Callable[[argparse.Namespace], int],
    name: str,
    words: str,
    examples: str,
    description: str | None = None,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=words,
        description=description or words[0].upper() + words[1:] + ".",
        epilog=f"examples:\n  {examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.set_defaults(execute=execute, fail=parser.error)
    return parser


def add_node(parser: argparse.ArgumentParser) -> None:
    default = os.environ.get("IDML_RPC", "http://127.0.0.1:8545")
    parser.add_argument(
        "--rpc", default=default, metavar="URL", help="the node ($IDML_RPC, else http://127.0.0.1:8545)"
    )
    add_keystore(parser, password=False)


def add_sending(parser: argparse.ArgumentParser) -> None:
    add_node(parser)
    parser.add_argument("--confirmations", type=whole, default=1, metavar="N", help="blocks to wait for (%(default)s)")
    parser.add_argument(
        "--max-fee-gwei", type=positive, default=500.0, metavar="GWEI", help="never offer more a gas (%(default)g)"
    )
    parser.add_argument(
        "--again", action="store_true", help="send it even if an equal order of before may have been carried out"
    )
    parser.add_argument(
        "--journal",
        type=usable_path,
        metavar="DIR",
        help="where orders are written down before they are sent ($IDML_JOURNAL, else ~/.local/state/idml/chain)",
    )
    add_password(parser)


def add_keystore(parser: argparse.ArgumentParser, *, password: bool) -> None:
    parser.add_argument(
        "--keystore", type=usable_path, metavar="DIR", help="keys ($IDML_KEYSTORE, else ~/.idml/keystore)"
    )
    if password:
        add_password(parser)


def add_password(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-file", type=usable_path, metavar="FILE", help="its first line; else $IDML_PASSWORD, a prompt"
    )


def add_record(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--deployment", type=usable_path, default=Path("deployment.json"), metavar="FILE", help="record (%(default)s)"
    )


def connect(options: argparse.Namespace, how: "Sending | None" = None) -> "RpcLedger":
    """The contracts that a command line names, and how to send to them."""
    from idml.ledger.chain.rpc import RpcLedger

    return RpcLedger.connect(options.rpc, options.deployment, how)


def sending(options: argparse.Namespace) -> "Sending":
    """How a command line wants transactions sent."""
    from idml.ledger.chain.fees import GWEI, FeePolicy
    from idml.ledger.chain.journal import OrderJournal
    from idml.ledger.chain.sender import Sending

    return Sending(
        confirmations=options.confirmations,
        fees=FeePolicy(cap_wei=round(options.max_fee_gwei * GWEI)),
        journal=OrderJournal(options.journal) if options.journal else OrderJournal.of_user(),
        again=options.again,
        command=_command(options),
    )


def _command(options: argparse.Namespace) -> str:
    """What a command line is to do, without how it does it."""
    given = {key: str(value) for key, value in sorted(vars(options).items()) if key not in _HOW}
    return json.dumps({"command": options.execute.__name__, **given})


def amount(text: str) -> int:
    """Whole units to base units, exact."""
    try:
        # More digits than any amount has: what must be rounded nevertheless is none.
        amount = Context(prec=64, traps=[Inexact]).multiply(Decimal(text), Decimal(10**18))
    except DecimalException:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount < 2**96 or amount != int(amount):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount: a number with at most 18 decimals")
    return int(amount)


def whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number
