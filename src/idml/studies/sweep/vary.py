"""What a sweep varies: keys of a configuration with their values, and a cell for each way to combine these."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any, Final

from idml.errors import IdmlError
from idml.outside import parse_value
from idml.simulation.config import Config, ConfigError, make_config

MOST_CELLS: Final = 10_000
_NUMBER: Final = r"-?\d+(?:\.\d+)?"
_RANGE: Final = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::({_NUMBER}))?")
_LONGEST_VALUE, _LONGEST_NAME = 60, 200

Varied = Mapping[str, Sequence[Any]]
"""Values by key. A key with a dot is one of a table, for example `adversaries.label_flip`."""


@dataclass(frozen=True, slots=True)
class CellPlan:
    """A cell before it is played.

    Args:
        values: what is varied, by key, as the configuration takes it.
        settings: all keys of its configuration that are set.
        config: its configuration; None if it cannot be.
        problem: why it cannot be, in a line; empty if it can.
    """

    values: Mapping[str, Any]
    settings: Mapping[str, Any]
    config: Config | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Its name, which is that of its folder too."""
        name = ",".join(f"{_safe(key)}={_safe(value_text(value))}" for key, value in self.values.items())
        return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 9]}-{_hash(name)}"


def value_text(value: Any) -> str:
    """Write a value as on the command line: `10` for 10.0, `true` for True."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def key_label(key: str) -> str:
    """Name a key for readers; of one of a table its own name alone."""
    return key.partition(".")[2] or key


def setting_text(values: Mapping[str, Any]) -> str:
    """Say keys with their values, for example `reward 10, label_flip 5`."""
    return ", ".join(f"{key_label(key)} {value_text(value)}" for key, value in values.items())


def read_vary(options: Sequence[str]) -> dict[str, list[Any]]:
    """Read what is varied as it is written on the command line: `KEY=VALUE,VALUE,...`.

    A value may be a range: `1..10` are whole numbers, and `0.1..0.5:0.1` are numbers with a step.

    Args:
        options: one for each key, for instance "seed=1..10" or "model=small,linear".

    Raises:
        ConfigError: if one cannot be read.
    """
    varied: dict[str, list[Any]] = {}
    for option in options:
        key, _, text = (part.strip() for part in option.partition("="))
        if not key or not text:
            raise ConfigError(f"--vary {option!r}: write it as KEY=VALUE,VALUE,... or KEY=FIRST..LAST")
        if key in varied:
            raise ConfigError(f"--vary {option!r}: {key} is varied already; give all its values at once")
        varied[key] = read_list(key, text)
    return varied


def read_list(key: str, text: str) -> list[Any]:
    """Read the values of a key, see `read_vary`."""
    return [value for part in text.split(",") for value in _read(key, part.strip())]


def _read(key: str, text: str) -> list[Any]:
    if not text:
        raise ConfigError(f"--vary {key}: a value is missing between two commas, or at an end")
    if found := _RANGE.fullmatch(text):
        return _range(key, text, *found.groups())
    return [parse_value(text)]


def _range(key: str, text: str, first: str, last: str, step: str | None) -> list[Any]:
    begin, end, by = Decimal(first), Decimal(last), Decimal(step or 1)
    whole = all(number == number.to_integral_value() for number in (begin, end, by))
    if step is None and not whole:
        raise ConfigError(f"--vary {key}={text}: say the step, for instance {text}:0.1")
    if by <= 0 or end < begin:
        raise ConfigError(f"--vary {key}={text}: a range goes from the least to the greatest, by a step above 0")
    count = int((end - begin) / by) + 1
    if count > MOST_CELLS:
        raise ConfigError(f"--vary {key}={text}: are {count:,} values; a sweep has at most {MOST_CELLS:,} runs")
    values = [begin + number * by for number in range(count)]
    return [int(value) if whole else float(value) for value in values]


def make_plans(base: Mapping[str, Any], vary: Mapping[str, Iterable[Any] | str]) -> list[CellPlan]:
    """Make a cell for each way to combine the values of what is varied, the last key's values changing fastest.

    Args:
        base: the other keys, as `make_config` takes them; a key that is varied goes before.
        vary: values by key, or a text as on the command line.

    Raises:
        ConfigError: if nothing is varied, a value can be in no cell, or there are more than `MOST_CELLS`.
    """
    varied = {
        key: read_list(key, values) if isinstance(values, str) else [_plain(value) for value in values]
        for key, values in vary.items()
    }
    if not varied:
        raise ConfigError("nothing is varied: give --vary KEY=VALUE,VALUE,...")
    for key, values in varied.items():
        if not values:
            raise ConfigError(f"{key} has no values to be varied over")
    if (count := prod(map(len, varied.values()))) > MOST_CELLS:
        raise ConfigError(f"{count:,} runs are too many: a sweep has at most {MOST_CELLS:,}")
    combined = [dict(zip(varied, values, strict=True)) for values in product(*varied.values())]
    plans = [_plan(base, values) for values in combined]
    for key, values in varied.items():
        for value in values:
            with_it = [plan for plan, typed in zip(plans, combined, strict=True) if typed[key] == value]
            if all(plan.problem for plan in with_it):
                raise ConfigError(with_it[0].problem)
    return list({plan.name: plan for plan in plans}.values())


def _plain(value: Any) -> Any:
    """A number of NumPy's as one of Python's."""
    return value.item() if hasattr(value, "item") else value


def _plan(base: Mapping[str, Any], values: Mapping[str, Any]) -> CellPlan:
    settings = deepcopy(dict(base))
    try:
        for key, value in values.items():
            _set(settings, key, value)
        config = make_config(settings)
    except IdmlError as error:
        return CellPlan(values, settings, None, "; ".join(str(error).splitlines()))
    return CellPlan({key: setting_of(config, key) for key in values}, settings, config)


def _set(settings: dict[str, Any], key: str, value: Any) -> None:
    table, dot, name = key.partition(".")  # what comes after a table's name may be a file's
    if not dot:
        settings[key] = value
        return
    inner = settings.setdefault(table, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{key} is {value!r}: {table} is no table")
    inner[name] = value


def setting_of(config: Config, key: str) -> Any:
    """The value of a key; of one that a table lacks, 0."""
    table, dot, name = key.partition(".")
    value = getattr(config, table)
    return value.get(name, 0) if dot else value


def _safe(text: str) -> str:
    """As part of a file's name: equal only for equal texts."""
    safe = re.sub(r"[^\w.+-]", "-", text)
    return safe if safe == text and len(text) <= _LONGEST_VALUE else f"{safe[-_LONGEST_VALUE:]}-{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
