"""Solidity's ABI encoding, with plain functions made once for each type.

The simulator encodes and decodes all the time; a general codec would cost as much as the transactions themselves.

In Python, `uintN` is int, `bool` is bool, `address` is 20 bytes, `bytesN` and `bytes` are bytes, `string` is str, and
an array is a tuple. A struct is whatever its `build` makes of the fields, by default a tuple. The format is that of
Solidity's contract ABI specification.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from idml.ledger.errors import LedgerError

_UINT = re.compile(r"uint(\d+)")
_FIXED_ARRAY = re.compile(r"(.+)\[(\d+)\]")
_BYTES = re.compile(r"bytes(\d+)")


@dataclass(frozen=True, slots=True)
class Codec:
    """How values of one ABI type are written and read.

    Attributes:
        name: the canonical name of the type, as function signatures have it.
        size: number of bytes that a value takes in a list of arguments: all of its bytes if the type is static; 32, for
            its offset, if it is dynamic.
        dynamic: whether a list of arguments holds only the offset of a value.
        encode: makes bytes of a value.
        decode: makes a value of bytes and the position at which the value starts.
    """

    name: str
    size: int
    dynamic: bool
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int], Any]


def codec_of(entry: Mapping[str, Any], structs: Mapping[str, type]) -> Codec:
    """The codec of one entry of an ABI's `inputs` or `outputs`.

    Args:
        entry: the entry, with `type`, and for structs also `components` and `internalType`.
        structs: the dataclass for each struct, by the struct's Solidity name, with the same fields in the same order.

    Raises:
        LedgerError: for a type that no contract here uses.
    """
    kind = entry["type"]
    if kind.endswith("[]"):
        return _array(codec_of({**entry, "type": kind[:-2]}, structs))
    if match := _FIXED_ARRAY.fullmatch(kind):
        item, length = codec_of({**entry, "type": match[1]}, structs), int(match[2])
        return replace(struct_codec([item] * length), name=kind)
    if kind == "tuple":
        name = entry.get("internalType", "").removeprefix("struct ").removesuffix("[]")
        return struct_codec([codec_of(part, structs) for part in entry["components"]], structs.get(name))
    return _elementary(kind)


def struct_codec(parts: Sequence[Codec], build: type | None = None) -> Codec:
    """The codec of several values one after another: a list of arguments, a tuple, or a struct.

    Args:
        parts: codecs of the values.
        build: the dataclass that decoded values are put into; by default they are a tuple.
    """
    size = sum(part.size for part in parts)
    dynamic = any(part.dynamic for part in parts)
    plan = tuple((part.dynamic, part.encode) for part in parts)
    starts, at = [], 0
    for part in parts:
        starts.append((part.dynamic, part.decode, at))
        at += part.size
    unpack: Callable[[Any], Sequence[Any]] = tuple
    if build is not None:
        unpack = operator.attrgetter(*(field.name for field in fields(build)))

    def encode(value: Any) -> bytes:
        values = unpack(value)
        if len(values) != len(plan):
            raise LedgerError(f"expected {len(plan)} values, got {len(values)}")
        head: list[bytes] = []
        tail: list[bytes] = []
        offset = size
        for (is_dynamic, encode_part), item in zip(plan, values, strict=True):
            encoded = encode_part(item)
            if is_dynamic:
                head.append(offset.to_bytes(32, "big"))
                tail.append(encoded)
                offset += len(encoded)
            else:
                head.append(encoded)
        return b"".join(head + tail)

    def decode(data: bytes, at: int) -> Any:
        values = tuple(
            decode_part(data, at + _number(data, at + start) if is_dynamic else at + start)
            for is_dynamic, decode_part, start in starts
        )
        return values if build is None else build(*values)

    name = f"({','.join(part.name for part in parts)})"
    return Codec(name, 32 if dynamic else size, dynamic, encode, decode)


def _array(item: Codec) -> Codec:
    def encode(values: Sequence[Any]) -> bytes:
        parts = [item.encode(value) for value in values]
        heads: list[bytes] = []
        if item.dynamic:
            offset = 32 * len(parts)
            for part in parts:
                heads.append(offset.to_bytes(32, "big"))
                offset += len(part)
        return len(values).to_bytes(32, "big") + b"".join(heads + parts)

    def decode(data: bytes, at: int) -> tuple[Any, ...]:
        length, start = _number(data, at), at + 32
        if start + length * item.size > len(data):
            raise LedgerError(f"array of {length} in {len(data)} bytes: truncated")
        places = (start + i * item.size for i in range(length))
        if item.dynamic:
            places = (start + _number(data, place) for place in places)
        return tuple(item.decode(data, place) for place in places)

    return Codec(f"{item.name}[]", 32, True, encode, decode)


def _elementary(kind: str) -> Codec:
    if match := _UINT.fullmatch(kind):
        limit = 1 << int(match[1])

        def encode_uint(value: int) -> bytes:
            if not 0 <= value < limit:
                raise LedgerError(f"{value} is no {kind}")
            return int(value).to_bytes(32, "big")

        return Codec(kind, 32, False, encode_uint, _number)
    if match := _BYTES.fullmatch(kind):
        return _fixed(kind, int(match[1]), left=True)
    if kind == "address":
        return _fixed(kind, 20, left=False)
    if kind == "bool":
        return Codec(kind, 32, False, lambda value: bool(value).to_bytes(32, "big"), lambda d, at: _number(d, at) != 0)
    if kind == "bytes":
        return Codec(kind, 32, True, _encode_bytes, _decode_bytes)
    if kind == "string":
        return Codec(
            kind,
            32,
            True,
            lambda v: _encode_bytes(v.encode()),
            lambda d, at: _decode_bytes(d, at).decode(errors="replace"),
        )
    raise LedgerError(f"unsupported ABI type {kind}")


def _fixed(kind: str, length: int, *, left: bool) -> Codec:
    padding = bytes(32 - length)
    skip = 0 if left else 32 - length

    def encode(value: bytes) -> bytes:
        if len(value) != length:
            raise LedgerError(f"0x{value.hex()} has {len(value)} bytes: {kind} has {length}")
        return value + padding if left else padding + value

    def decode(data: bytes, at: int) -> bytes:
        return _slice(data, at, 32)[skip : skip + length]

    return Codec(kind, 32, False, encode, decode)


def _encode_bytes(value: bytes) -> bytes:
    return len(value).to_bytes(32, "big") + value + bytes(-len(value) % 32)


def _decode_bytes(data: bytes, at: int) -> bytes:
    return _slice(data, at + 32, _number(data, at))


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(_slice(data, at, 32), "big")


def _slice(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise LedgerError(f"expected {length} bytes at {at}, got {len(data)} in all: truncated")
    return data[at : at + length]
