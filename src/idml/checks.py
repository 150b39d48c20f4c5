"""What the checks of all kinds of plug-ins ask alike."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from idml.errors import IdmlError
from idml.registry import PluginError

_BRIEF: Final = 80
"""Characters."""


def call(thing: object, method: str, *arguments: object, given: Sequence[npt.NDArray[Any]] = ()) -> Any:
    """Call a method of a plug-in and return its answer.

    Args:
        thing: the plug-in.
        method: its name.
        arguments: for it.
        given: arrays among or inside the arguments, which the method must leave as they are.

    Raises:
        PluginError: the method raised something, or changed an array.
    """
    copies = [array.copy() for array in given]
    try:
        answer = getattr(thing, method)(*arguments)
    except IdmlError as error:  # it says itself what is wrong
        raise PluginError(str(error)) from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{method}() raised {brief(error)}") from error
    for array, copy in zip(given, copies, strict=True):
        if array.tobytes() != copy.tobytes():
            raise PluginError(f"{method}() changed one of its arguments: work on a copy")
    return answer


@contextmanager
def keeps_nothing(thing: object, *, travels: bool = True) -> Iterator[None]:
    """Check that a plug-in can be sent to other processes, and that its attributes stay as they are meanwhile.

    Args:
        thing: the plug-in.
        travels: whether it must be fit to be sent; if not, attributes that cannot be pickled are not compared.

    Raises:
        PluginError: it cannot be pickled, or an attribute changed.
    """
    pack = _packed if travels else _packed_attributes
    before = pack(thing)
    yield
    if pack(thing) != before:
        raise PluginError(
            f"{type(thing).__name__} keeps something from one call to the next: answer by the arguments alone, "
            "as other processes do not know what was asked before"
        )


def require_name(what: str, name: object) -> None:
    """Raise PluginError unless a name is short text in lower case, as reports show it."""
    if not isinstance(name, str) or not name or name != name.lower() or len(name) > 40 or not name.isprintable():
        raise PluginError(f"{what} is {name!r}: set a class attribute {what} to a short lower-case string")


def brief(value: object) -> str:
    """A value in a few words of one line, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}..."


def is_number(value: object) -> bool:
    """Whether this is a number, of Python or NumPy; NaN and infinity are, True and False are not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _packed_attributes(thing: object) -> bytes | None:
    try:
        return pickle.dumps(vars(thing))
    except Exception:
        return None


def _packed(thing: object) -> bytes:
    try:
        packed = pickle.dumps(thing)
        pickle.loads(packed)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{type(thing).__name__} cannot be sent to other processes: {error}") from error
    return packed
