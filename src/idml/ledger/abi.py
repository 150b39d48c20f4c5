"""A contract's interface as Python sees it: calls, answers, events and errors by name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from idml.ledger.codec import Codec, codec_of, struct_codec
from idml.ledger.embedded.evm import Log
from idml.ledger.errors import LedgerError, Reverted
from idml.protocol.hashing import keccak256

_BUILT_IN_ERRORS = [
    {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
]


@dataclass(frozen=True, slots=True)
class _Function:
    selector: bytes
    inputs: Codec
    outputs: Codec
    output_count: int


@dataclass(frozen=True, slots=True)
class _Error:
    name: str
    names: tuple[str, ...]
    data: Codec


@dataclass(frozen=True, slots=True)
class _Event:
    """An event, its indexed arguments apart from the others.

    Attributes:
        places: of its arguments in their order: whether it is indexed, and its place among the indexed or the others.
    """

    name: str
    places: tuple[tuple[bool, int], ...]
    data: Codec
    indexed: tuple[Codec, ...]


class Abi:
    """Encodes and decodes for one contract.

    Args:
        name: the contract's name.
        entries: its JSON ABI.
        bytecode: its creation code.
        structs: dataclasses for Solidity structs by name, with the same fields in the same order.
    """

    def __init__(
        self, name: str, entries: list[dict[str, Any]], bytecode: bytes, structs: Mapping[str, type] | None = None
    ) -> None:
        self.name = name
        self._bytecode = bytecode
        self._constructor = struct_codec([])
        self._functions: dict[str, _Function] = {}
        self._events: dict[bytes, _Event] = {}
        self._errors: dict[bytes, _Error] = {}
        for entry in [*entries, *_BUILT_IN_ERRORS]:
            self._add(entry, structs or {})

    @classmethod
    def load(cls, name: str, structs: Mapping[str, type] | None = None) -> "Abi":
        """Read a compiled contract that ships with the package.

        Args:
            name: `IDML` or `IDMLToken`.
            structs: see the class.

        Raises:
            LedgerError: if there is none of this name.
        """
        path = resources.files("idml.ledger") / "artifacts" / f"{name}.json"
        try:
            artifact = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise LedgerError(f"no artifact {name}.json: build the contracts or reinstall the package") from error
        return cls(name, artifact["abi"], bytes.fromhex(artifact["bytecode"].removeprefix("0x")), structs)

    def creation(self, *arguments: object) -> bytes:
        """Creation code for these constructor arguments."""
        return self._bytecode + self._constructor.encode(arguments)

    def encode(self, function: str, *arguments: object) -> bytes:
        """Calldata of a call.

        Raises:
            LedgerError: for an unknown function, or arguments that do not fit it.
        """
        known = self._function(function)
        return known.selector + known.inputs.encode(arguments)

    def decode(self, function: str, output: bytes) -> Any:
        """What a call returned: one value as such, several as a tuple, none as an empty tuple.

        Raises:
            LedgerError: for an unknown function or truncated data.
        """
        known = self._function(function)
        values = known.outputs.decode(output, 0)
        return values[0] if known.output_count == 1 else values

    def event(self, log: Log) -> tuple[str, tuple[Any, ...]] | None:
        """An event's name and its arguments in their order; None if this contract has no such event.

        Only for arguments of which the log holds the value: indexed ones must be static.
        """
        known = self._events.get(log.topics[0]) if log.topics else None
        if known is None:
            return None
        plain = known.data.decode(log.data, 0)
        indexed = [codec.decode(topic, 0) for codec, topic in zip(known.indexed, log.topics[1:], strict=True)]
        return known.name, tuple([(indexed if among else plain)[place] for among, place in known.places])

    def error(self, data: bytes) -> Reverted | None:
        """The named error in what a reverted call returned; None if this contract has no such error."""
        known = self._errors.get(data[:4])
        if known is None:
            return None
        return Reverted(known.name, dict(zip(known.names, known.data.decode(data, 4), strict=True)))

    def _function(self, name: str) -> _Function:
        try:
            return self._functions[name]
        except KeyError:
            raise LedgerError(f"{self.name} has no function {name}") from None

    def _add(self, entry: dict[str, Any], structs: Mapping[str, type]) -> None:
        kind, name = entry["type"], entry.get("name", "")
        if kind not in ("constructor", "function", "event", "error"):
            return
        codecs = [codec_of(part, structs) for part in entry["inputs"]]
        names = tuple(part["name"] for part in entry["inputs"])
        inputs = struct_codec(codecs)
        signature = keccak256((name + inputs.name).encode())
        if kind == "constructor":
            self._constructor = inputs
        elif kind == "function":
            outputs = struct_codec([codec_of(part, structs) for part in entry["outputs"]])
            self._functions[name] = _Function(signature[:4], inputs, outputs, len(entry["outputs"]))
        elif kind == "error":
            self._errors[signature[:4]] = _Error(name, names, inputs)
        else:
            flags = [part["indexed"] for part in entry["inputs"]]
            self._events[signature] = _Event(
                name,
                tuple((flag, flags[:place].count(flag)) for place, flag in enumerate(flags)),
                struct_codec([codec for codec, flag in zip(codecs, flags, strict=True) if not flag]),
                tuple(codec for codec, flag in zip(codecs, flags, strict=True) if flag),
            )


def decode_error(data: bytes, *contracts: Abi) -> Reverted:
    """The reason of a reverted call, looked up in several contracts; `Unknown` with its data if none knows it."""
    for contract in contracts:
        if (found := contract.error(data)) is not None:
            return found
    return Reverted("Unknown", {"data": data})
