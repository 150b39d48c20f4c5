"""Reads what a node answers, which may be anything: within bounds, and by the type that is expected."""

import re
from typing import TypeVar

Answer = TypeVar("Answer")

MOST_BYTES = 64 * 2**20

MISREAD = (ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What a function that reads an answer raises if the answer is of another type."""


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
