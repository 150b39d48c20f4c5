"""Says what is wrong with a configuration, in the terms of the person who wrote it."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic.fields import FieldInfo


def explain(problem: Mapping[str, Any], fields: Mapping[str, FieldInfo]) -> str:
    """Explain one problem in one line: the key, the value and the valid range.

    Args:
        problem: the problem, as pydantic lists it.
        fields: the fields of the configuration, by key.
    """
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "inconsistent":
        return str(problem["ctx"]["line"])
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"keys are {', '.join(fields)}"
        return f"{key} is {problem['input']!r}: unknown key; {hint}"
    if len(problem["loc"]) > 1:
        return f"{key} is {problem['input']!r}: must be a whole number at least 0"
    field = fields.get(str(problem["loc"][0]) if problem["loc"] else "")
    valid = _valid_range(field.annotation, field.metadata) if field else problem["msg"]
    return f"{key} is {problem['input']!r}: {valid}"


def _valid_range(annotation: Any, metadata: Sequence[Any]) -> str:
    """Say in words which values a field accepts."""
    choices = [choice for choice in get_args(annotation) if isinstance(choice, str)]
    if choices:
        return f"choose {', '.join(choices[:-1])} or {choices[-1]}"
    kinds = [kind for kind in (annotation, *get_args(annotation)) if kind is not type(None)]
    for part in get_args(annotation):  # an Annotated type inside a union keeps its own metadata
        metadata = [*metadata, *getattr(part, "__metadata__", ())]
    bounds = [bound for item in metadata for bound in getattr(item, "metadata", [item])]

    def bound(words: str, attribute: str) -> str | None:
        values = [getattr(item, attribute) for item in bounds if getattr(item, attribute, None) is not None]
        return f"{words} {values[0]}" if values else None

    limits = [
        bound("at least", "ge") or bound("more than", "gt"),
        bound("at most", "le") or bound("less than", "lt"),
    ]
    what = "true or false" if bool in kinds else "a whole number" if int in kinds else "a number"
    if str in kinds:
        what = "a text"
    if any(getattr(kind, "__origin__", None) is dict for kind in kinds):
        what = "a table, kind = count"
    return " ".join(["must be", what, " and ".join(limit for limit in limits if limit)]).strip()
