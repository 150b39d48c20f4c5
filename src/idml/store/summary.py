"""What `summary.json` must hold, so that whoever reads it can rely on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

_LARGEST: Final = 1e30

Shape = Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _amount(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _LONGEST


def _numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_number, value))


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _or_none(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


def _each(shape: Shape) -> Shape:
    return lambda value: isinstance(value, dict) and all(map(shape, value.values()))


def _with(**shapes: Shape) -> Shape:
    return lambda value: (
        isinstance(value, dict) and all(name in value and shape(value[name]) for name, shape in shapes.items())
    )


_LONGEST: Final = 100
"""Digits of an amount."""
_EARNINGS: Final = _with(learner=_number, neighbor=_number, validator=_number)
_KIND: Final = _with(devices=_number, expelled=_number, accepted=_number, rejected=_number, earnings=_EARNINGS)
_SHAPES: Final[Mapping[str, Shape]] = {
    "encounters": _number,
    "skipped": _number,
    "cases": _each(_number),
    "accuracy": _with(mean=_number, min=_number, max=_number),
    "baseline": _with(accuracy=_number),
    "expelled": _with(attackers=_numbers, honest=_numbers),
    "earnings": _each(_EARNINGS),
    "kinds": _each(_KIND),
    "attack_success": _each(_or_none(_number)),
    "tokens": _with(supply=_amount, accounts=_amount),
    "gas": _with(per_encounter=_number),
    "wall_s": _number,
    "train_images": _number,
    "eval_images": _number,
    "trained_on": _text,
    "definition": _text,
    "config": lambda value: isinstance(value, dict) and _each(_number)(value.get("adversaries", {})),
}
"""By key; others may hold anything."""
_MAY_BE_NONE: Final = ("baseline", "wall_s", "train_images", "eval_images", "trained_on", "definition")


def check_summary(value: Any, *, complete: bool = False) -> dict[str, Any]:
    """A summary, if its keys hold what they must.

    Args:
        value: what the file holds.
        complete: whether no key may be missing.

    Raises:
        ValueError: if a key does not; it says which.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, not an object")
    for key, shape in _SHAPES.items():
        if value.get(key) is None:
            if complete and key not in _MAY_BE_NONE:
                raise ValueError(f"it lacks {key}")
        elif not shape(value[key]):
            raise ValueError(f"{key} is not what a run writes there")
    if complete and not value["earnings"].keys() >= {"honest", "attackers"}:
        raise ValueError("it lacks the earnings of honest devices and attackers")
    return value
