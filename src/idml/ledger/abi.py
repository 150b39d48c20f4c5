"""A contract's interface in Python: it encodes calls and decodes answers, events and errors, all by name."""

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
    """An event, with its indexed arguments apart from the others.

    Attributes:
        name: the event's name.
        places: for each argument in order, whether it is indexed, and its place among the indexed or the other ones.
        data: codec of the arguments that are not indexed.
        indexed: codecs of the indexed arguments.
    """

    name: str
    places: tuple[tuple[bool, int], ...]
    data: Codec
    indexed: tuple[Codec, ...]


class Abi:
    """The interface of one contract: encodes what is sent to it, and decodes what comes back.

    Args:
        name: the contract's name.
        entries: the contract's JSON ABI.
        bytecode: the contract's creation code.
        structs: the dataclass for each Solidity struct, by the struct's name, with the same fields in the same order.
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
            LedgerError: if no contract of this name ships.
        """
        path = resources.files("idml.ledger") / "artifacts" / f"{name}.json"
        try:
            artifact = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise LedgerError(f"no artifact {name}.json: build the contracts or reinstall the package") from error
        return cls(name, artifact["abi"], bytes.fromhex(artifact["bytecode"].removeprefix("0x")), structs)

    def creation(self, *arguments: object) -> bytes:
        """The creation code with these constructor arguments appended."""
        return self._bytecode + self._constructor.encode(arguments)

    def encode(self, function: str, *arguments: object) -> bytes:
        """The calldata of a call.

        Raises:
            LedgerError: for an unknown function, or arguments that do not fit it.
        """
        known = self._function(function)
        return known.selector + known.inputs.encode(arguments)

    def decode(self, function: str, output: bytes) -> Any:
        """Decode what a call returned: one value as it is, several as a tuple, none as an empty tuple.

        Raises:
            LedgerError: for an unknown function or truncated data.
        """
        known = self._function(function)
        values = known.outputs.decode(output, 0)
        return values[0] if known.output_count == 1 else values

    def event(self, log: Log) -> tuple[str, tuple[Any, ...]] | None:
        """Decode a log: the event's name and its arguments in their order. None if this contract has no such event.

        Indexed arguments must be of static types, because of others a log holds only the hash.
        """
        known = self._events.get(log.topics[0]) if log.topics else None
        if known is None:
            return None
        plain = known.data.decode(log.data, 0)
        indexed = [codec.decode(topic, 0) for codec, topic in zip(known.indexed, log.topics[1:], strict=True)]
        return known.name, tuple([(indexed if among else plain)[place] for among, place in known.places])

    def error(self, data: bytes) -> Reverted | None:
        """Decode what a reverted call returned, as a named error. None if this contract has no such error."""
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
    """Decode what a reverted call returned, by the errors of several contracts.

    If none of them has the error, its name is `Unknown` and its argument is the data.
    """
    for contract in contracts:
        if (found := contract.error(data)) is not None:
            return found
    return Reverted("Unknown", {"data": data})
