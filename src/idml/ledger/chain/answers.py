"""Reads what a node answers, which may be anything: within bounds, and by the type that is expected."""

import json
import re
from itertools import accumulate
from typing import TypeVar

Answer = TypeVar("Answer")

MOST_BYTES = 64 * 2**20
_DEEPEST = 100
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

MISREAD = (ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What a function that reads an answer raises if the answer is of another type."""


def parse_json(content: bytes) -> object:
    """Parse JSON that is not nested deeper than any node nests its answers.

    Python's own limit does not do: some packages raise it so far that the process would overflow its stack and end.

    Raises:
        ValueError: if it is no JSON, or is nested deeper.
    """
    brackets = _STRING.sub(b"", content).translate(None, _NO_BRACKETS)
    if max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0) > _DEEPEST:
        raise ValueError("nested too deeply")
    value: object = json.loads(content)
    return value


def shown(answer: object) -> str:
    """An answer in a few characters, for a message."""
    text = ascii(answer)
    return text if len(text) <= 40 else text[:40] + "..."


def as_is(answer: Answer) -> Answer:
    """Take an answer of any type."""
    return answer


def to_wei(answer: object) -> int:
    """Read an amount, in hexadecimal digits after 0x: at most 256 bits."""
    return _number(answer, 64)


def to_int(answer: object) -> int:
    """Read a number that counts something, in hexadecimal digits after 0x: at most 64 bits."""
    return _number(answer, 16)


def to_hex(value: bytes) -> str:
    """Write bytes as JSON-RPC does, in hexadecimal digits after 0x."""
    return "0x" + value.hex()


def from_hex(answer: object) -> bytes:
    """Read bytes that JSON-RPC wrote."""
    return bytes.fromhex(_digits(answer))


def to_hash(answer: object) -> bytes:
    """Read a hash: 32 bytes."""
    value = from_hex(answer)
    if len(value) != 32:
        raise ValueError("no hash")
    return value


def _number(answer: object, most_digits: int) -> int:
    digits = _digits(answer)
    if len(digits.lstrip("0")) > most_digits:
        raise ValueError("too large")
    return int(digits, 16)


def _digits(answer: object) -> str:
    """The digits after 0x."""
    if not isinstance(answer, str) or not re.fullmatch("0x[0-9a-fA-F]*", answer):
        raise ValueError("no hexadecimal digits")
    return answer[2:]
