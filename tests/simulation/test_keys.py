"""All keys: what the help prints can be typed, and what a message says is true."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

from idml.adapters.registry import ALGORITHMS
from idml.cli.keys import keys_help
from idml.errors import IdmlError
from idml.simulation.config import Config, ConfigError, Tokens, load_config, make_config

KEYS = Config.model_fields
BAD = ("[1]", "x y", "-1", "1e300", "99999999999999999999", "0.123456789", "{}", "1979-05-27", "''")
SMALL = {"devices": 9}
AMOUNTS = [
    key for key, field in KEYS.items() if str(get_args(Tokens)[-1]) in str(field.metadata) + str(field.annotation)
]


def printed() -> dict[str, str]:
    """Of each key, the default that the help prints."""
    return dict(re.findall(r"^  (\w+) +(\S+) ", keys_help(), re.MULTILINE))


def test_the_help_has_all_keys() -> None:
    assert list(printed()) == list(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_default_that_is_printed_can_be_typed(key: str) -> None:
    typed = load_config(None, [f"{key}={printed()[key]}"])
    assert typed == make_config({})
    assert typed.to_toml() == make_config({}).to_toml()


@pytest.mark.parametrize("key", [key for key, field in KEYS.items() if field.default is None])
def test_the_help_says_what_no_value_means(key: str) -> None:
    assert "by default" in str(KEYS[key].description)


@pytest.mark.parametrize("key", [key for key, field in KEYS.items() if field.default is not None])
def test_auto_is_no_value_where_nothing_is_chosen(key: str) -> None:
    if "auto" in printed()[key]:
        return
    with pytest.raises(IdmlError, match="auto"):
        ALGORITHMS.find(load_config(None, [f"{key}=auto"]).algorithm)


def complaint(values: dict[str, Any]) -> str:
    try:
        make_config(values)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("key", KEYS)
def test_a_message_names_the_key_and_a_value_that_works(key: str, text: str) -> None:
    try:
        load_config(None, [f"{key}={text}"])
    except IdmlError as error:
        said = str(error)
    else:
        return
    lines = said.splitlines()
    assert len(lines) == 1, said
    if key in ("contacts", "data_dir"):  # the error of a file
        return
    # A few keys are names of one thing each: adversaries of an adversary.
    assert key.rstrip("s") in said or "adversar" in said, said
    for value in ways(said, KEYS[key]):
        better = complaint({key: value})
        # Another key may be at odds with it then, but not the one that was mended.
        assert not better.startswith(f"{key} is {value!r}: {said.partition(': ')[2]}"), f"{said}\n{better}"


def ways(said: str, field: FieldInfo) -> list[Any]:
    """The values that a message names."""
    number = float if "float" in str(field.annotation) else int
    found: list[Any] = [number(float(text)) for text in re.findall(r"(?:at least|at most) \(?([\d.e+]*\d)", said)]
    if "choose " in said:
        words = re.split(r", | or ", said.partition("choose ")[2].partition(";")[0])
        found += [word for word in words if word.isidentifier()]
    if "true or false" in said:
        found += [True, False]
    return found


@pytest.mark.parametrize(
    ("values", "mended"),
    [
        ({"devices": 2}, {"incentive": False}),
        ({"devices": 2}, {"devices": 3, "validators": 1}),
        ({"devices": 4}, {"validators": 2}),
        ({"stake": 50}, {"stake": 100}),
        ({"stake": 50}, {"stake_threshold": 50}),
        ({"reward": 201}, {"reward": 200}),
        ({"committee": 2}, {"committee": 0}),
        ({"committee": 2}, {"committee": 3}),
        ({"quorum": 4}, {"quorum": 3}),
        ({"incentive": False, "rpc": "http://127.0.0.1:1"}, {"rpc": None}),
        ({"backend": "native", "executor": "cuda"}, {"backend": "auto"}),
        ({"alpha": 0.3}, {"partition": "dirichlet"}),
    ],
)
def test_dead_ends_have_a_way_out(values: dict[str, Any], mended: dict[str, Any]) -> None:
    said = complaint(values)
    assert said
    assert not complaint({**values, **mended})
    # The way is in the message: the key that is changed, or its own with the value.
    assert any(key in said for key in mended), said


@pytest.mark.parametrize("key", AMOUNTS)
@pytest.mark.parametrize("amount", [1e-19, 1e-7, 0.1234567, 100.0000001])
def test_an_amount_that_would_be_rounded_is_refused(key: str, amount: float) -> None:
    assert complaint({key: amount}) == f"{key} is {amount!r}: must be a multiple of 0.000001 tokens"


def test_amounts_are_those_that_are_paid() -> None:
    assert {"reward", "tokens", "stake", "stake_target", "stake_threshold"} == set(AMOUNTS)
    for text in ("0.1", "0.000001", "19.999999", "123456789.123456", "1e-6", "33.3"):
        values = {"reward": 0.1, "tokens": 1e9, "stake": 5e8, "stake_threshold": 0.1}
        assert not complaint({**values, "stake_target": float(text)})
