"""`idml list`: what there is to choose from, a line each."""

import argparse
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from idml.registry import PluginError, Registry

REGISTRIES: Final = {
    "algorithm": "idml.adapters.registry:ALGORITHMS",
    "dataset": "idml.learning.data.registry:DATASETS",
    "partition": "idml.learning.data.registry:PARTITIONS",
    "model": "idml.learning.registry:MODELS",
    "rule": "idml.learning.judging.registry:RULES",
    "defence": "idml.learning.judging.registry:DEFENCES",
    "adversaries": "idml.simulation.adversaries.registry:ADVERSARIES",
    "contacts": "idml.simulation.contacts.registry:CONTACTS",
}
"""By the configuration key that names such a thing."""

_EPILOG = """\
examples:
  idml list                  all that can be chosen, and the keys that choose it
  idml list adversaries      what `idml run --set adversaries.NAME=COUNT` takes
  idml list dataset --json   for programs

beside these names, every key takes one of your own: FILE.py:NAME or PACKAGE.MODULE:NAME, see docs/plugins.md;
dataset takes FILE.npz and FOLDER/ as well, see docs/data.md, and contacts the FILE of a trace"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "list",
        help="show what there is to choose from: data sets, rules, adversaries ...",
        description="Show what a configuration can name: what ships, and what installed packages bring.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("kind", nargs="?", metavar="KIND", help=f"a configuration key: {', '.join(REGISTRIES)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    if options.kind is not None and options.kind not in REGISTRIES:
        raise PluginError(f"KIND is {options.kind!r}: choose {', '.join(REGISTRIES)}")
    listed = {kind: list(_things(kind)) for kind in (REGISTRIES if options.kind is None else [options.kind])}
    if options.json:
        print(json.dumps(listed, indent=2))
        return 0
    for kind, things in listed.items():
        if options.kind is None:
            print(f"{kind}:")
        width = max(len(thing["name"]) for thing in things)
        for thing in things:
            print(f"  {thing['name']:<{width}}  {_described(thing)}")
    return 0


def _things(kind: str) -> Iterator[dict[str, str]]:
    """Name, summary, origin and perhaps licence of each thing of a kind."""
    module, _, name = REGISTRIES[kind].partition(":")
    registry: Registry[Any] = getattr(import_module(module), name)
    for entry in registry.entries():
        thing = {"name": entry.name, "summary": entry.summary, "origin": entry.origin}
        try:
            licence = getattr(registry.find(entry.name), "licence", None)
        except Exception:  # its check says so where it is used
            licence = None
        yield {**thing, "licence": " ".join(licence.split())} if isinstance(licence, str) and licence else thing


def _described(thing: dict[str, str]) -> str:
    """All but the name, in a line."""
    licence = f" Licence: {thing['licence']}" if "licence" in thing else ""
    origin = f" [{thing['origin']}]" if thing["origin"] != "idml" else ""
    return f"{thing['summary']}{licence}{origin}"
