"""The configuration keys as `idml run --help` shows them: in groups, with defaults, and with what each may be."""

import shutil
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Final, get_args

from idml.cli.list import REGISTRIES

if TYPE_CHECKING:  # it loads pydantic
    from pydantic.fields import FieldInfo

GROUPS: Final = {
    "seed": "learning: data, models, training",
    "devices": "contacts: who meets whom, and for how long",
    "adversaries": "adversaries, and what learners do against them",
    "incentive": "money: rewards, stakes, votes",
    "evm": "execution: where and how a run is computed",
}
"""Headings, by the key of `Config` with which a group begins."""

WIDEST: Final = 100
"""Columns of the help, at most."""

_KEY, _DEFAULT = 21, 10


def help_width() -> int:
    """Columns that the help takes on this terminal."""
    return min(WIDEST, shutil.get_terminal_size().columns - 2)


def keys_help() -> str:
    """Every key with its default and what it is for."""
    from idml.simulation.config import Config

    lines: list[str] = []
    for key, field in Config.model_fields.items():
        if key in GROUPS:
            lines += ["", f"{GROUPS[key]}"]
        lines += _entry(key, field)
    return "\n".join(lines).lstrip("\n") + "\n"


def _entry(key: str, field: "FieldInfo") -> Iterator[str]:
    """One key: name, default, and a description that may go on in further lines."""
    default = "{}" if field.default_factory else "auto" if field.default is None else field.default
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    text = "; ".join(filter(None, [field.description, _choices(key, field.annotation)]))
    margin = " " * (2 + _KEY + 1 + _DEFAULT + 1)
    first, *more = textwrap.wrap(text, max(help_width() - len(margin), 30), break_on_hyphens=False)
    yield f"  {key:<{_KEY}} {shown:<{_DEFAULT}} {first}"
    yield from (margin + line for line in more)


def _choices(key: str, annotation: object) -> str | None:
    """What a key may be, where that can be listed."""
    if key in REGISTRIES:
        module, _, name = REGISTRIES[key].partition(":")
        names = getattr(import_module(module), name).names()
        files = ("FILE.npz", "FOLDER/") if key == "dataset" else ()
        return f"names: {', '.join((*names, *files, 'FILE.py:NAME'))}"
    words = [choice for choice in get_args(annotation) if isinstance(choice, str)]
    return f"one of {', '.join(words)}" if words else None
