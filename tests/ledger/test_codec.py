"""The ABI codec: equal to eth_abi in both directions, for every type that the contracts use."""

import contextlib
from dataclasses import astuple, dataclass
from typing import Any

import pytest
from eth_abi import abi
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.ledger.codec import Codec, codec_of, struct_codec
from idml.ledger.errors import LedgerError

LEAVES = {
    "uint8": st.integers(0, 2**8 - 1),
    "uint96": st.integers(0, 2**96 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20),
    "bytes4": st.binary(min_size=4, max_size=4),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes": st.binary(max_size=70),
    "string": st.text(max_size=40),
}


def entry(kind: Any) -> dict[str, Any]:
    if isinstance(kind, list):
        return {"type": "tuple", "components": [entry(part) for part in kind]}
    return {"type": kind}


def value_of(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, list):
        return st.tuples(*map(value_of, kind))
    if kind.endswith("[]"):
        return st.lists(value_of(kind[:-2]), max_size=4).map(tuple)
    if kind.endswith("]"):
        item, length = kind[:-1].rsplit("[", 1)
        return st.tuples(*[value_of(item)] * int(length))
    return LEAVES[kind]


def plain(value: Any) -> Any:
    """As eth_abi gives it back: addresses in hex are the only difference."""
    if isinstance(value, str) and value.startswith("0x") and len(value) == 42:
        return bytes.fromhex(value[2:])
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


kinds = st.builds(
    "{}{}".format, st.sampled_from(list(LEAVES)), st.sampled_from(["", "", "", "[]", "[3]", "[2][]", "[][2]"])
)
structs = st.lists(st.one_of(kinds, st.lists(kinds, min_size=1, max_size=4)), min_size=1, max_size=5)


@settings(deadline=None)
@given(st.data(), structs)
def test_equal_to_eth_abi(data: st.DataObject, parts: list[Any]) -> None:
    codecs = [codec_of(entry(part), {}) for part in parts]
    names = [codec.name for codec in codecs]
    values = data.draw(st.tuples(*map(value_of, parts)))
    arguments = struct_codec(codecs)
    encoded = arguments.encode(values)
    assert encoded == abi.encode(names, values)
    assert arguments.decode(encoded, 0) == values
    assert plain(abi.decode(names, encoded)) == tuple(map(plain, values))


@settings(deadline=None)
@given(st.data(), structs)
def test_truncated_data_is_refused(data: st.DataObject, parts: list[Any]) -> None:
    arguments = struct_codec([codec_of(entry(part), {}) for part in parts])
    encoded = arguments.encode(data.draw(st.tuples(*map(value_of, parts))))
    with pytest.raises(LedgerError, match="truncated"):
        arguments.decode(encoded[: data.draw(st.integers(0, arguments.size - 1))], 0)


@settings(deadline=None)
@given(structs, st.lists(st.one_of(st.integers(0, 300), st.integers(0, 2**256 - 1)), max_size=20))
def test_junk_is_decoded_or_refused_and_never_crashes(parts: list[Any], junk: list[int]) -> None:
    with contextlib.suppress(LedgerError):
        struct_codec([codec_of(entry(part), {}) for part in parts]).decode(
            b"".join(number.to_bytes(32, "big") for number in junk), 0
        )


@dataclass(frozen=True)
class Point:
    x_wei: int
    who: bytes


def point_codec() -> Codec:
    components = [{"name": "xWei", "type": "uint96"}, {"name": "who", "type": "address"}]
    return codec_of({"type": "tuple", "internalType": "struct Point", "components": components}, {"Point": Point})


def test_structs_are_the_dataclasses_of_their_name() -> None:
    codec, point = point_codec(), Point(7, b"\x11" * 20)
    assert codec.name == "(uint96,address)"
    assert codec.encode(point) == abi.encode([codec.name], [astuple(point)])
    assert codec.decode(codec.encode(point), 0) == point


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("uint8", 256, "256 is no uint8"),
        ("uint8", -1, "-1 is no uint8"),
        ("address", b"\x01", "0x01 has 1 bytes: address has 20"),
        ("bytes32", bytes(31), "has 31 bytes: bytes32 has 32"),
    ],
)
def test_values_that_do_not_fit_are_refused(kind: str, value: object, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        codec_of({"type": kind}, {}).encode(value)


def test_a_wrong_number_of_values_is_refused() -> None:
    with pytest.raises(LedgerError, match="expected 2 values, got 1"):
        struct_codec([codec_of({"type": "bool"}, {})] * 2).encode((True,))


@pytest.mark.parametrize("kind", ["int256", "function", "int8[]", "fixed[3]"])
def test_types_that_no_contract_uses_are_refused(kind: str) -> None:
    with pytest.raises(LedgerError, match="unsupported ABI type"):
        codec_of({"type": kind}, {})


def test_an_array_longer_than_its_data_is_refused_before_it_is_built() -> None:
    codec = codec_of({"type": "uint8[]"}, {})
    with pytest.raises(LedgerError, match="truncated"):
        codec.decode((1 << 200).to_bytes(32, "big") + bytes(64), 0)
