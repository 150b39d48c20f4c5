"""`idml economics`: what honesty pays under a task's parameters, and what to choose."""

import argparse
import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idml.outside import usable_path

if TYPE_CHECKING:
    from idml.studies.economics import Question

_RATES = ("false_rejection", "miss")
_USUAL = Fraction(1, 10)
_EPILOG = """\
examples:
  idml economics                                             the defaults: verdicts are wrong one time in ten
  idml economics --set preset=paper --picture paper.svg      the paper's rules, drawn
  idml economics --false-rejection 0.05 --miss 0.2 --cost-evaluate 0.01
  idml economics my.toml --rates results/rules.csv           error rates as idml evaluate rules measured them
  idml economics --set devices=200 --ring 30 --json

Payoffs are exact: the contract's settlement, weighted by how probable every outcome of the votes is. What they
leave out is told in docs/economics.md."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "economics",
        help="what honesty pays under a task's parameters, and what to choose",
        description="Work out what each strategy pays on average, where honesty is the best response, where the "
        "paper's parameters fail, and which stake, shares, votes and committee to choose.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("config", nargs="?", type=usable_path, metavar="CONFIG.toml", help="a configuration file")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help="set one key; repeatable"
    )
    parser.add_argument(
        "--false-rejection", metavar="A", help="how probable it is that a validator rejects honest work (default 0.1)"
    )
    parser.add_argument(
        "--miss", metavar="B", help="how probable it is that a validator accepts an attack (default 0.1)"
    )
    parser.add_argument("--together", metavar="S", help="share of the time that all verdicts fall alike (default 0)")
    parser.add_argument(
        "--rates",
        type=usable_path,
        metavar="CSV",
        help="take these from a rules.csv of idml evaluate (all encounters) instead",
    )
    parser.add_argument(
        "--junk", default="0.05", metavar="J", help="share of the work that is an attack (default 0.05)"
    )
    parser.add_argument(
        "--cost-evaluate", default="0", metavar="C", help="of judging two models, as a share of the reward (default 0)"
    )
    parser.add_argument(
        "--cost-work", default="0", metavar="W", help="of honest work, as a share of the reward (default 0)"
    )
    parser.add_argument("--ring", type=int, metavar="N", help="devices that collude (default: a fifth of all)")
    parser.add_argument(
        "--wrong", default="0.05", metavar="X", help="wrong verdicts that advice may allow (default 0.05)"
    )
    parser.add_argument(
        "--lead",
        default="0.01",
        metavar="X",
        help="by which honest voting is to pay best, of the reward (default 0.01)",
    )
    parser.add_argument(
        "--life", type=int, default=1_000, metavar="N", help="rounds that an honest stake is to last (default 1000)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON; payoffs as shares of the reward")
    parser.add_argument(
        "--picture", type=usable_path, metavar="FILE", help="draw the regions: a .png, .svg or .pdf file"
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    from idml.simulation.config import ConfigError
    from idml.studies.economics import answer, region

    picture: Path | None = options.picture
    suffix = picture.suffix[1:] if picture else ""
    if picture and suffix not in ("png", "svg", "pdf"):
        raise ConfigError(f"--picture is {str(picture)!r}: name a .png, .svg or .pdf file")
    question = _question(options)
    facts = answer(question)
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        from idml.cli.output import console
        from idml.reporting.economics_text import economics_summary

        console().print(economics_summary(facts))
    if picture:
        from idml.reporting.economics_figure import economics_figure
        from idml.reporting.style import render

        rates = facts["rates"]
        at = (rates["false_rejection"], rates["miss"])
        chart = economics_figure(f"Preset {facts['task']['preset']}", region(question), at, rates["junk"])
        content = render(chart, suffix)  # type: ignore[arg-type]
        try:
            picture.write_bytes(content)
        except OSError as error:
            raise ConfigError(f"{picture}: {error.strerror or error}") from None
        if not options.json:
            print(f"picture: {picture}")
    return 0


def _question(options: argparse.Namespace) -> "Question":
    from idml.economics import Criteria, Verdicts
    from idml.simulation.config import ConfigError, load_config
    from idml.studies.economics import Question
    from idml.studies.measured import measured

    config = load_config(options.config, options.settings)
    misses: dict[str, Fraction] = {}
    if options.rates:
        for name in (*_RATES, "together"):
            if getattr(options, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} and --rates: give one of the two")
        verdicts, misses = measured(options.rates, config)
    else:
        rates = {name: _share(options, name, _USUAL) for name in _RATES}
        verdicts = Verdicts(**rates, together=_share(options, "together", Fraction(0)))
    try:
        criteria = Criteria(_share(options, "wrong"), _share(options, "lead"), options.life)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    values: dict[str, Any] = {name: _share(options, name) for name in ("junk", "cost_evaluate", "cost_work")}
    ring = options.ring if options.ring is not None else max(2, config.devices // 5)
    return Question(config, verdicts, misses, ring=ring, criteria=criteria, **values)


def _share(options: argparse.Namespace, name: str, default: Fraction | None = None) -> Fraction:
    """An option from 0 to 1, exactly as it is written."""
    from idml.simulation.config import ConfigError

    text = getattr(options, name)
    if text is None and default is not None:
        return default
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    if not 0 <= value <= 1:
        raise ConfigError(f"--{name.replace('_', '-')} is {text!r}: must be a number from 0 to 1")
    return value
