"""What can go wrong on the way to the contract and back."""

from collections.abc import Mapping


class LedgerError(Exception):
    """Something about the ledger that the caller can act on; the message is one line."""


class EvmError(LedgerError):
    """A transaction, a clock or a dump that the embedded EVM refuses before it runs anything."""


class ExecutionReverted(LedgerError):  # noqa: N818
    """A call without transaction that the EVM rolled back.

    Args:
        data: the bytes it returned; empty if it ran out of gas or hit an invalid instruction.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(f"reverted with 0x{data.hex()}")
        self.data = data


class Reverted(LedgerError):  # noqa: N818
    """The contract refused, for a reason that its interface names.

    Args:
        name: the custom error, for instance `TooLate`; `Error` for a text, `Panic` for a code, `Unknown` otherwise.
        arguments: its arguments by their Solidity names; bytes32 and addresses as bytes.
    """

    def __init__(self, name: str, arguments: Mapping[str, object]) -> None:
        shown = ", ".join(f"{key}={_show(value)}" for key, value in arguments.items())
        super().__init__(f"reverted: {name}({shown})")
        self.name = name
        self.arguments = dict(arguments)


class NodeError(LedgerError):
    """A node that cannot be reached, or refuses what it is asked."""


class WrongChainError(LedgerError):
    """The node is on another chain than it should be, or has no contract where it should be."""


class GasMoneyError(LedgerError):
    """An account has too little native currency to send a transaction.

    Args:
        address: whose, with its checksum.
        has_wei, needs_wei: native currency.
    """

    def __init__(self, address: str, has_wei: int, needs_wei: int) -> None:
        super().__init__(
            f"{address} has {has_wei} wei of native currency and needs {needs_wei} for this transaction: fund it"
        )
        self.address = address
        self.has_wei = has_wei
        self.needs_wei = needs_wei


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
