"""The same simulation on the embedded EVM, Anvil and Ganache gives the same settlement, to the last unit of gas."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.dev import DevLedger
from idml.ledger.embedded.evm import START_S
from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.gas import measure_gas

pytestmark = pytest.mark.slow
SMALL = ["dataset=digits", "devices=6", "encounters=18", "images_per_device=60", "adversaries.random_weights=1"]


def run(directory: Path, *options: str) -> dict[str, object]:
    settings = [part for setting in SMALL for part in ("--set", setting)]
    command = [sys.executable, "-m", "idml.cli.main", "run", *settings, "--out", str(directory), "--json", "--quiet"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    summary: dict[str, object] = json.loads(done.stdout)
    summary.pop("wall_s")
    summary.pop("made_by")
    config = summary["config"]
    assert isinstance(config, dict)
    config.pop("rpc", None)
    return summary


def rows(directory: Path, *without: str) -> dict[str, list[dict[str, object]]]:
    found = {}
    with sqlite3.connect(directory / "run.sqlite") as database:
        for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
            cursor = database.execute(f"select * from {table}")
            names = [column[0] for column in cursor.description]
            lines = (dict(zip(names, row, strict=True)) for row in cursor)
            found[table] = [{key: value for key, value in line.items() if key not in without} for line in lines]
    found.pop("meta", None)
    return found


def test_three_chains_agree(anvil: Callable[..., Any], ganache: Callable[..., Any], tmp_path: Path) -> None:
    genesis = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START_S - 10))
    embedded = run(tmp_path / "embedded")
    assert run(tmp_path / "anvil", "--rpc", anvil("--timestamp", str(START_S)).url) == embedded
    assert run(tmp_path / "ganache", "--rpc", ganache("--chain.time", genesis).url) == embedded
    # Every encounter, transaction and event: ids, committees, votes, gas, times; and the numbers of the blocks, except
    # that Ganache makes a block of its own for each gift of native currency.
    assert rows(tmp_path / "anvil") == rows(tmp_path / "embedded")
    assert rows(tmp_path / "ganache", "block") == rows(tmp_path / "embedded", "block")


def test_gas_is_the_same_on_a_node(anvil: Callable[..., Any]) -> None:
    assert measure_gas(DevLedger(anvil("--timestamp", str(START_S - 10)).url)) == measure_gas(EmbeddedLedger())
