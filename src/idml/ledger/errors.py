"""Errors of the ledger: what can go wrong on the way to the contract and back."""

from collections.abc import Mapping

from idml.errors import IdmlError
from idml.extras import how_to_install


class LedgerError(IdmlError):
    """Something about the ledger that the caller can act on; the message is one line.

    Attributes:
        sent: the hashes, 32 bytes each, of a transaction that may have been sent before the error, in all its versions.
            Not more than one of them can get into the chain.
    """

    sent: tuple[bytes, ...] = ()

    def add(self, words: str) -> None:
        """Let the message say more."""
        self.args = (f"{self}; {words}",)


class EvmError(LedgerError):
    """The embedded EVM refused a transaction, a time or a dump, before it ran anything."""


class ExecutionReverted(LedgerError):  # noqa: N818
    """A call that was no transaction reverted.

    Args:
        data: the bytes that it returned; empty if it ran out of gas or met an invalid instruction.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(f"reverted with 0x{data.hex()}")
        self.data = data


class Reverted(LedgerError):  # noqa: N818
    """The contract refused a transaction or a call, for a reason that its interface names.

    Args:
        name: name of the custom error, for instance `TooLate`; `Error` if the reason is a text, `Panic` if it is a
            code, `Unknown` otherwise.
        arguments: the error's arguments by their Solidity names; bytes32 and addresses are bytes.
    """

    def __init__(self, name: str, arguments: Mapping[str, object]) -> None:
        shown = ", ".join(f"{key}={_show(value)}" for key, value in arguments.items())
        super().__init__(f"reverted: {name}({shown})")
        self.name = name
        self.arguments = dict(arguments)


class NotInstalledError(LedgerError):
    """A library that only real chains need is missing."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(f"real chains and keystores need more packages: {how_to_install('chain')} ({error})")


class NodeUnreachableError(LedgerError):
    """A node does not answer, or does not speak JSON-RPC."""


class NodeRefusedError(LedgerError):
    """A node answered a request with an error.

    Args:
        method: the JSON-RPC method that was asked for.
        code: JSON-RPC error code; 0 if the node gave none.
        message: what the node said.
        data: what came with the message. For a reverted call it holds the reason, in a form that differs from node to
            node.
        outright: whether the node refused the first copy of the request. If not, it may have carried out an earlier
            one whose answer was lost.
    """

    def __init__(self, method: str, code: int, message: str, data: object = None, *, outright: bool = True) -> None:
        super().__init__(f"the node refuses {method}: {' '.join(message.split())} (code {code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data
        self.outright = outright


class WrongChainError(LedgerError):
    """The node serves another chain than the one that was asked for."""


class NoContractError(LedgerError):
    """There is no contract, or another one, at an address."""


class GasMoneyError(LedgerError):
    """An account cannot pay for its transaction.

    Args:
        address: address of the account in hexadecimal digits, with its checksum.
        has_wei: native currency that the account has.
        needs_wei: the most that the transaction can cost, its value included.
        gas_included: whether `needs_wei` includes gas. It does not if the value alone was too much.
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
    """A transaction was sent but not mined in time. It may still be mined later."""


class TransactionReplacedError(LedgerError):
    """Another transaction of the account took the nonce, so another program must be sending from this account."""


class JournalError(LedgerError):
    """Orders cannot be written down, or what is written down cannot be read."""


class SentBeforeError(LedgerError):
    """An equal order was given before, and whoever gave it could not be told what became of it."""


class KeystoreError(LedgerError):
    """A keystore file cannot be read, opened or written."""


def _show(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def coins(amount_wei: int) -> str:
    """Write an amount of base units in whole coins, exactly: 1500000000000000000 becomes 1.5.

    It serves for native currency and for tokens, as both have 18 decimals.
    """
    whole, part = divmod(amount_wei, 10**18)
    return f"{whole}.{part:018d}".rstrip("0").rstrip(".")
