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


class NotInstalledError(LedgerError):
    """A library that only real chains need is missing."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(f"real chains and keystores need the extra `chain`: pip install 'idml[chain]' ({error})")


class NodeUnreachableError(LedgerError):
    """A node does not answer, or does not speak JSON-RPC."""


class NodeRefusedError(LedgerError):
    """A node answered a request with an error.

    Args:
        method: of the request.
        code: JSON-RPC error code; 0 if the node gave none.
        message: the node's words.
        data: what came with them; for reverted calls the reason, in a form that differs from node to node.
    """

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"the node refuses {method}: {' '.join(message.split())} (code {code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class WrongChainError(LedgerError):
    """The node serves another chain than the one that was meant."""


class NoContractError(LedgerError):
    """There is no contract, or another one, at an address."""


class GasMoneyError(LedgerError):
    """An account cannot pay for its transaction.

    Args:
        address: of the account, with its checksum.
        has_wei: native currency that it has.
        needs_wei: what the transaction takes at most, its value included.
        gas_included: whether `needs_wei` counts gas; False where the value alone was too much.
    """

    def __init__(self, address: str, has_wei: int, needs_wei: int, *, gas_included: bool = True) -> None:
        needs = f"up to {coins(needs_wei)}" if gas_included else f"{coins(needs_wei)} and gas"
        super().__init__(
            f"too little gas money: {address} has {coins(has_wei)} of the chain's native currency and needs {needs}"
        )
        self.address = address
        self.has_wei = has_wei
        self.needs_wei = needs_wei


class TransactionStuckError(LedgerError):
    """A transaction is out but was not mined in time; it may still be."""


class TransactionReplacedError(LedgerError):
    """Another transaction of the account took the nonce: another program sends from it."""


class KeystoreError(LedgerError):
    """A keystore file that cannot be read, opened or written."""


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def coins(amount_wei: int) -> str:
    """Base units as whole ones, exact: 1500000000000000000 is 1.5. For native currency and tokens alike."""
    whole, part = divmod(amount_wei, 10**18)
    return f"{whole}.{part:018d}".rstrip("0").rstrip(".")
