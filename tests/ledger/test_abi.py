"""Contracts by name: calls, events and errors, built-in ones included."""

import json
import re
from dataclasses import fields
from importlib import resources
from typing import Any

import pytest

from idml.ledger.abi import Abi, decode_error
from idml.ledger.embedded.evm import Log
from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.interface import idml_abi, token_abi
from idml.protocol.events import EVENTS
from idml.protocol.hashing import keccak256

ENTRIES: list[dict[str, Any]] = [
    {"type": "constructor", "inputs": [{"name": "start", "type": "uint256"}]},
    {"type": "fallback", "stateMutability": "payable"},
    {"type": "function", "name": "none", "inputs": [], "outputs": []},
    {
        "type": "function",
        "name": "two",
        "inputs": [{"name": "a", "type": "uint8"}],
        "outputs": [{"name": "", "type": "uint8"}, {"name": "", "type": "bool"}],
    },
    {
        "type": "event",
        "name": "Mixed",
        "inputs": [
            {"name": "plain", "type": "uint8", "indexed": False},
            {"name": "who", "type": "address", "indexed": True},
            {"name": "text", "type": "string", "indexed": False},
        ],
    },
    {
        "type": "error",
        "name": "TooLate",
        "inputs": [{"name": "encounter", "type": "bytes4"}, {"name": "due", "type": "uint40"}],
    },
]
ABI = Abi("Sample", ENTRIES, b"\xfe")


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_selectors_are_those_of_the_standard() -> None:
    assert token_abi().encode("transfer", b"\x11" * 20, 5).hex() == "a9059cbb" + "00" * 12 + "11" * 20 + f"{5:064x}"
    assert token_abi().encode("totalSupply").hex() == "18160ddd"


def test_answers_are_none_one_or_several() -> None:
    assert ABI.decode("none", b"") == ()
    assert ABI.decode("two", word(7) + word(1)) == (7, True)
    assert token_abi().decode("totalSupply", word(9)) == 9


def test_creation_code_carries_the_arguments() -> None:
    assert ABI.creation(3) == b"\xfe" + word(3)


def test_events_keep_the_order_of_their_arguments() -> None:
    topic = keccak256(b"Mixed(uint8,address,string)")
    data = word(4) + word(64) + word(2) + b"hi".ljust(32, b"\x00")
    event = ABI.event(Log(bytes(20), (topic, bytes(12) + b"\x22" * 20), data))
    assert event == ("Mixed", (4, b"\x22" * 20, "hi"))


def test_each_event_has_its_class_with_the_same_arguments_in_the_same_order() -> None:
    """The interface is what the contracts were compiled to."""
    inputs = {}
    for name in ("IDML", "IDMLToken"):
        artifact = json.loads((resources.files("idml.ledger") / "artifacts" / f"{name}.json").read_text())
        for entry in artifact["abi"]:
            if entry["type"] == "event":
                arguments = [re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", p["name"]) for p in entry["inputs"]]
                inputs[entry["name"]] = ["from_" if name == "from" else name for name in arguments]
    common = ["block", "timestamp_s"]
    assert {name: [field.name for field in fields(kind)] for name, kind in EVENTS.items()} == {
        name: common + arguments for name, arguments in inputs.items()
    }


def test_events_of_others_are_none() -> None:
    assert ABI.event(Log(bytes(20), (bytes(32),), b"")) is None
    assert ABI.event(Log(bytes(20), (), b"")) is None


def test_errors_read_as_one_line() -> None:
    data = keccak256(b"TooLate(bytes4,uint40)")[:4] + b"\x12\x34\x56\x78".ljust(32, b"\x00") + word(1700)
    error = decode_error(data, token_abi(), ABI)
    assert str(error) == "reverted: TooLate(encounter=0x12345678, due=1700)"
    assert (error.name, error.arguments) == ("TooLate", {"encounter": b"\x12\x34\x56\x78", "due": 1700})


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (bytes.fromhex("08c379a0") + word(32) + word(4) + b"oops".ljust(32, b"\x00"), "reverted: Error(reason=oops)"),
        (bytes.fromhex("4e487b71") + word(0x11), "reverted: Panic(code=17)"),
        (b"\xde\xad\xbe\xef\x01", "reverted: Unknown(data=0xdeadbeef01)"),
        (b"", "reverted: Unknown(data=0x)"),
    ],
)
def test_errors_without_a_name_of_their_own(data: bytes, shown: str) -> None:
    error = decode_error(data, ABI)
    assert isinstance(error, Reverted)
    assert str(error) == shown


def test_unknown_names_are_refused() -> None:
    with pytest.raises(LedgerError, match="IDML has no function fly"):
        idml_abi().encode("fly")
    with pytest.raises(LedgerError, match=r"no artifact Nothing\.json"):
        Abi.load("Nothing")
