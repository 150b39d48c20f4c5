"""The help of `idml run`: every key once, in a group, with what it may be, in at most 100 columns."""

import re
from typing import get_args

import pytest

from idml.cli.keys import GROUPS
from idml.cli.main import main
from idml.simulation.config import _REGISTRIES, Config


@pytest.fixture(params=[60, 100, 200])
def shown(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The help on terminals of several widths."""
    monkeypatch.setenv("COLUMNS", str(request.param))
    assert main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    return text


def test_every_key_is_shown_once_in_the_group_in_which_it_stands(shown: str) -> None:
    keys = shown.partition("configuration keys")[2]
    assert re.findall(r"^  ([a-z_]+) ", keys, re.M) == list(Config.model_fields)
    headings = [line for line in keys.splitlines()[1:] if line and not line.startswith(" ")]
    assert headings == list(GROUPS.values())


def test_what_a_key_may_be_is_listed(shown: str) -> None:
    flat = " ".join(shown.split())
    for key, field in Config.model_fields.items():
        if words := [choice for choice in get_args(field.annotation) if isinstance(choice, str)]:
            assert f"one of {', '.join(words)}" in flat, key
    for key, registry in _REGISTRIES.items():
        files = ("FILE.npz", "FOLDER/") if key == "dataset" else ()
        assert f"names: {', '.join((*registry.names(), *files, 'FILE.py:NAME'))}" in flat
