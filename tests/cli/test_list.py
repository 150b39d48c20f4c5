"""`idml list`: all that a configuration can name, a line each."""

import json

import pytest

from idml.cli.list import REGISTRIES
from idml.cli.main import main
from idml.learning.data.registry import DATASETS
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.config import Config


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["list", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out.splitlines()


def test_all_kinds_are_listed_under_the_keys_that_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    lines = listed(capsys)
    heads = [line.removesuffix(":") for line in lines if not line.startswith(" ")]
    assert heads == list(REGISTRIES)
    assert len(heads) == 8
    assert set(heads) <= set(Config.model_fields)


@pytest.mark.parametrize("kind", REGISTRIES)
def test_each_thing_has_a_line_that_says_what_it_is(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    things = json.loads("\n".join(listed(capsys, kind, "--json")))[kind]
    lines = listed(capsys, kind)
    assert len(lines) == len(things) > 0
    for line, thing in zip(lines, things, strict=True):
        name, summary = line.split(maxsplit=1)
        assert name == thing["name"]
        assert summary.startswith(thing["summary"])
        assert thing["summary"].endswith(".")
        assert thing["origin"] == "idml"


def test_data_sets_name_their_licences(capsys: pytest.CaptureFixture[str]) -> None:
    for line, name in zip(listed(capsys, "dataset"), DATASETS.built_in, strict=True):
        assert line.endswith(f" Licence: {DATASETS.find(name).licence}")


def test_adversaries_are_listed_in_the_order_of_their_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert [line.split()[0] for line in listed(capsys, "adversaries")] == list(ADVERSARIES.built_in)


def test_a_kind_that_is_none_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "rules"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("idml: KIND is 'rules': choose algorithm, dataset, ")
    assert printed.err.count("\n") == 1
