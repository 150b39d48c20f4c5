"""Files and paths from outside: read within limits, or refused in one line.

Whoever reads a file that the program did not just write itself reads it here, or through a library of its format.
"""

import errno
import json
import os
import re
from pathlib import Path
from typing import Any, Final, Literal

from idml.errors import IdmlError

_MOST_BYTES: Final = 1 << 29
"""A larger file is no text that anybody wrote; some, such as /dev/zero, have no end."""
_DEEPEST: Final = 100
"""Brackets within brackets."""
_LONGEST_NAME_BYTES: Final = 255
"""Of a file, on every usual file system."""
_SHOWN: Final = 80
_ABSENT: Final = (errno.ENOENT, errno.ENOTDIR)
_BRACKETS: Final = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Brackets of JSON, and its strings, in which a bracket is none. No text makes it look at a character twice."""


class OutsideError(IdmlError):
    """A path or a file cannot be used.

    Args:
        path: which.
        why: in a few words.
        missing: whether there is no such file.
    """

    exit_code = 2

    def __init__(self, path: Path | str, why: str, *, missing: bool = False) -> None:
        super().__init__(f"{shown(path)}: {why}")
        self.why = why
        self.missing = missing


def shown(path: Path | str) -> str:
    """A path in a message: on one line, in characters that every terminal takes, and not too long."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN // 2 :]}"


def usable_path(text: str | Path) -> Path:
    """A path that somebody gave, if the system can be asked about it; there need be nothing.

    Args:
        text: the path. It must be text, as runs and reports write it down.

    Raises:
        OutsideError: if it cannot.
    """
    path = str(text)
    if not path:
        raise OutsideError("''", "an empty name: is a variable not set?")
    parts = usable_text(path).encode().split(b"/")
    if max(map(len, parts)) > _LONGEST_NAME_BYTES:  # the system tells only where the folder is there
        raise OutsideError(path, os.strerror(errno.ENAMETOOLONG))
    if why := _why_unknown(path):
        raise OutsideError(path, why)
    return Path(path)


def usable_text(text: str) -> str:
    """A text that can be written down, and that can be a name.

    Raises:
        OutsideError: if it is not UTF-8, or holds a null byte.
    """
    if "\0" in text:
        raise OutsideError(text, "no name has a null byte in it")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise OutsideError(text, "is not UTF-8: rename it") from None
    return text


def home_folder() -> Path | None:
    """The user's folder; None where neither $HOME nor the system names one."""
    home = os.path.expanduser("~")
    return Path(home) if os.path.isabs(home) else None


def why_no_file(path: Path) -> str:
    """Why a file is not found: that it is not there, or what keeps one from looking."""
    return _why_unknown(str(path)) or os.strerror(errno.ENOENT)


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        OutsideError: if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise OutsideError(path, error.strerror or str(error), missing=error.errno in _ABSENT) from None
    except ValueError as error:  # a null byte in its name
        raise OutsideError(path, str(error)) from None
    if len(content) > _MOST_BYTES:
        raise OutsideError(path, f"has more than {_MOST_BYTES >> 20} MiB")
    return content


def read_text(path: Path, encoding: Literal["utf-8-sig", "utf-8"] = "utf-8-sig") -> str:
    """The content of a text file in UTF-8.

    Args:
        path: the file.
        encoding: "utf-8" keeps the byte order mark that some editors write before the text.

    Raises:
        OutsideError: if it cannot be read, or is no text.
    """
    try:
        return read_bytes(path).decode(encoding)
    except UnicodeDecodeError as error:
        raise OutsideError(path, f"no text in UTF-8: {error.reason} at byte {error.start}") from None


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OutsideError: if it cannot be read, or is not valid.
    """
    text = read_text(path)
    try:
        return parse_json(text)
    except ValueError as error:
        raise OutsideError(path, f"not valid JSON: {error}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        OutsideError: if it cannot be read, or is not valid.
    """
    text = read_text(path)
    try:
        return parse_toml(text)
    except ValueError as error:
        raise OutsideError(path, f"not valid TOML: {error}") from None


def parse_json(text: str | bytes) -> Any:
    """What a text in JSON says. Numbers are finite.

    Raises:
        ValueError: if it is not valid JSON, or nested too deep.
    """
    if isinstance(text, bytes):
        text = text.decode()
    # Python's parser calls itself for each level, in C: py-evm raises the limit that would stop it before the stack
    # overflows.
    if text.count("[") + text.count("{") > _DEEPEST:
        depth = 0
        for found in _BRACKETS.finditer(text):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
            if depth > _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} levels deep")
    value = _DECODER.decode(text)
    if "\\ud" in text.lower():  # half of a pair of surrogates is no text, and could be written nowhere
        json.dumps(value, ensure_ascii=False).encode()
    return value


def parse_toml(text: str) -> dict[str, Any]:
    """What a text in TOML says.

    Raises:
        ValueError: if it is not valid TOML, or nested too deep.
    """
    import tomllib  # here, as most commands read none

    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"more than {_DEEPEST} levels deep") from None
    level: list[Any] = [values]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return values
    raise ValueError(f"more than {_DEEPEST} levels deep")


def parse_value(text: str) -> Any:
    """What stands after KEY= on a command line: a value of TOML, or else the text itself."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text.strip()


def _inside(value: Any) -> list[Any]:
    held = value.values() if isinstance(value, dict) else value
    return [one for one in held if isinstance(one, dict | list)]


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"{text[:_SHOWN]} is no finite number")
    return number


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _why_unknown(path: str) -> str | None:
    try:
        os.stat(path)
    except OSError as error:
        return None if error.errno in _ABSENT else error.strerror or str(error)
    except ValueError as error:
        return str(error)
    return None
