"""`idml gas` as a user meets it."""

import json
import os

import pytest

from .command import idml


def test_json_has_every_way_to_settle() -> None:
    done = idml("gas", "--json")
    assert done.returncode == 0, done.stderr
    costs = json.loads(done.stdout)
    assert costs["paper"]["total"] == 614_963
    assert costs["stepwise"]["total"] <= 275_000
    assert set(costs) >= {"paper", "stepwise", "signed", "batch", "cosigned"}
    assert costs["cosigned"] < costs["batch"]["100"] < costs["batch"]["10"] < costs["signed"]


def test_the_table_sets_prices_beside_the_papers() -> None:
    done = idml("gas", "--gas-price", "1", "--coin", "1000", variables={**os.environ, "COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    lines = {line[:24].strip(): line.split() for line in done.stdout.splitlines()}
    assert lines["paper, Table II"][-4:] == ["100.0%", "$13.47", "$0.0351", "$0.6150"]
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--coin", "3"], "--gas-price and --coin go together"),
        (["--gas-price", "x", "--coin", "3"], "'x' is no price: give a number that is not negative"),
        (["--gas-price", "-1", "--coin", "3"], "'-1' is no price"),
    ],
)
def test_prices_that_are_none(arguments: list[str], complaint: str) -> None:
    done = idml("gas", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
