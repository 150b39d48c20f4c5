"""`idml gas`: what an encounter costs, measured now, beside what the paper measured."""

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idml.ledger.gas import GasCost, GasReport

_EPILOG = """\
examples:
  idml gas
  idml gas --gas-price 0.5 --coin 3000                  your chain: 0.5 gwei, a coin is worth $3,000
  idml gas --gas-price 0.01 --blob-price 1 --coin 3000  a rollup that pays 1 gwei a byte of blob data
  idml gas --json

Gas is that of the embedded EVM under mainnet's rules, and the same on a node. One encounter with three votes, preset
safe, among accounts that are in use."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "gas",
        help="measure what an encounter costs on the chain",
        description="Play encounters on an embedded EVM and show what each way to settle them costs.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("--gas-price", type=_price, metavar="GWEI", help="of your chain; needs --coin")
    parser.add_argument(
        "--blob-price", type=_price, default=0.0, metavar="GWEI", help="a byte, on a rollup (default 0)"
    )
    parser.add_argument("--coin", type=_price, metavar="USD", help="what your chain's coin is worth; needs --gas-price")
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if (options.gas_price is None) != (options.coin is None):
        options.parser.error("--gas-price and --coin go together")
    from idml.ledger.gas import measure_gas

    report = measure_gas()
    if options.json:
        print(json.dumps(as_json(report), indent=2))
    else:
        _print(report, options)
    return 0


def as_json(report: "GasReport") -> dict[str, Any]:
    """The report for machines: gas in whole units."""
    from idml.ledger.gas import PAPER, PAPER_TOTAL

    return {
        "paper": {**PAPER, "total": PAPER_TOTAL},
        "stepwise": {name: round(cost.gas) for name, cost in report.stepwise.items()},
        "stepwise_apart": {name: round(cost.gas) for name, cost in report.apart.items()},
        "signed": round(report.signed.gas),
        "batch": {str(size): round(cost.gas) for size, cost in report.batch.items()},
        "cosigned": round(report.cosigned.gas),
        "data_bytes": {
            "stepwise": round(report.stepwise["total"].data_bytes),
            "signed": round(report.signed.data_bytes),
            "batch": {str(size): round(cost.data_bytes) for size, cost in report.batch.items()},
            "cosigned": round(report.cosigned.data_bytes),
        },
    }


def _print(report: "GasReport", options: argparse.Namespace) -> None:
    from rich.table import Table

    from idml.cli.output import console
    from idml.ledger.gas import PAPER_TOTAL, PAPER_USD_PER_GAS

    table = Table(title="One encounter with three votes", title_justify="left", box=None, pad_edge=False)
    for heading, justify in (("", "left"), ("gas", "right"), ("of paper", "right"), ("bytes", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    prices = [
        ("Ethereum", PAPER_USD_PER_GAS["ethereum"], 0.0),
        ("Polygon", PAPER_USD_PER_GAS["polygon"], 0.0),
    ]
    if options.coin is not None:
        gwei_usd = options.coin / 1e9
        prices.append(("yours", options.gas_price * gwei_usd, options.blob_price * gwei_usd))
    for heading, _, _ in prices:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, gas, data_bytes in _rows(report):
        costs = [_usd(gas * per_gas + (data_bytes or 0) * per_byte) for _, per_gas, per_byte in prices]
        share, size = f"{gas / PAPER_TOTAL:.1%}", "" if data_bytes is None else f"{data_bytes:,.0f}"
        table.add_row(name, f"{gas:,.0f}", share, size, *costs)
    printer = console()
    printer.print(table)
    printer.print(
        "Ethereum, Polygon: at the paper's prices of January 17, 2023. The co-signed batch has 50 parties.", style="dim"
    )


def _rows(report: "GasReport") -> list[tuple[str, float, float | None]]:
    from idml.ledger.gas import PAPER_TOTAL

    def row(name: str, cost: "GasCost") -> tuple[str, float, float | None]:
        return name, cost.gas, cost.data_bytes

    steps = [row(f"  {name.replace('_', ' ')}", cost) for name, cost in report.stepwise.items() if name != "total"]
    return [
        ("paper, Table II", PAPER_TOTAL, None),
        row("step by step", report.stepwise["total"]),
        *steps,
        row("  with reports apart", report.apart["total"]),
        row("signed, alone", report.signed),
        *(row(f"signed, batch of {size}", cost) for size, cost in report.batch.items()),
        row("co-signed, batch of 100", report.cosigned),
    ]


def _usd(amount: float) -> str:
    return f"${amount:.4f}" if amount < 1 else f"${amount:.2f}"


def _price(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no price: give a number that is not negative")
    return value
