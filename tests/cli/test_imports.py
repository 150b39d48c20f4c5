"""What it costs to start: which heavy libraries each command and each room may import before it has anything to do.

Modules are held here and not seconds, which differ from machine to machine. Measured on an AMD EPYC, a wrong key took
0.21 s of CPU, `idml run --help` 0.23 s and any other `--help` 0.10 s.
"""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from idml.cli.main import make_parser

HEAVY = (
    "torch",
    "sklearn",
    "scipy",
    "numpy",
    "altair",
    "pandas",
    "pyarrow",
    "eth",
    "web3",
    "eth_account",
    "jinja2",
    "rich",
    "ray",
    "pydantic",
)
"""Each takes from a twentieth of a second to two seconds to import."""


def imported(program: str) -> set[str]:
    """Which of the heavy libraries a program imports."""
    program += f"\nimport sys\nprint('imported', *(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def command(*arguments: str) -> str:
    """A program that runs a command and survives its end."""
    return f"from idml.cli.main import main\ntry:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass"


def commands() -> Iterator[tuple[str, ...]]:
    """All commands and subcommands."""

    def walk(parser: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for action in getattr(parser, "_actions", ()):
            if isinstance(choices := getattr(action, "choices", None), dict):
                for name, child in choices.items():
                    yield from walk(child, (*path, name))

    yield from walk(make_parser(), ())


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_needs_next_to_nothing(path: tuple[str, ...]) -> None:
    # All keys of a configuration stand in the help of run.
    assert imported(command(*path, "--help")) <= ({"pydantic"} if path == ("run",) else set())


@pytest.mark.parametrize(
    "setting",
    ["seed=x", "learnin_rate=1", "dataset=nope", "model=nope", "partition=nope", "rule=nope", "defence=nope",
     "adversaries.nope=1", "devices=1"],
)  # fmt: skip
def test_a_wrong_key_is_refused_before_anything_heavy_is_imported(setting: str) -> None:
    assert imported(command("run", "--set", setting)) <= {"pydantic"}


@pytest.mark.parametrize("arguments", [["seed=2..1"], ["sede=1,2"], ["devices=1,2"]])
def test_a_sweep_of_wrong_keys_is_refused_as_early(arguments: list[str]) -> None:
    assert imported(command("sweep", "--out", "nowhere", "--vary", *arguments)) <= {"pydantic"}


@pytest.mark.parametrize(
    ("modules", "allowed"),
    [
        ("idml", set()),
        ("idml.protocol.roles, idml.protocol.wire, idml.registry", set()),
        ("idml.simulation.config", {"pydantic"}),
        ("idml.ledger.mirror, idml.ledger.submit, idml.ledger.events", set()),
        ("idml.ledger.embedded.ledger", set()),
        ("idml.ledger.chain.rpc, idml.ledger.chain.keystore", set()),
        ("idml.economics", {"numpy"}),
        ("idml.store.run_store", set()),
        ("idml.adapters.means", {"numpy"}),
        ("idml.simulation.runs", {"numpy", "pydantic"}),
        ("idml.reporting.report", {"altair", "jinja2", "rich"}),
    ],
)
def test_a_room_imports_no_more_than_it_needs(modules: str, allowed: set[str]) -> None:
    assert imported(f"import {modules}") <= allowed
