"""Reads what a node says about transactions: receipts, logs, and why one reverted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from idml.ledger.chain.answers import MISREAD, from_hex, to_hash, to_hex, to_int
from idml.ledger.chain.node import Node, revert_data
from idml.ledger.embedded.evm import Log, Receipt
from idml.ledger.errors import ExecutionReverted, GasMoneyError, LedgerError, NodeRefusedError
from idml.ledger.wallet import Wallet
from idml.protocol.hashing import keccak256

_OUTERMOST_CALL = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}}


@dataclass(frozen=True, slots=True)
class Request:
    """What a transaction is to do, before it has a nonce, fees and a signature.

    Attributes:
        wallet: key of the account that signs and pays.
        to: address, 20 bytes; None to create a contract.
        data: calldata.
        value_wei: native currency that is sent along.
    """

    wallet: Wallet
    to: bytes | None
    data: bytes
    value_wei: int = 0

    @property
    def digest(self) -> bytes:
        """The same for all that do the same, 32 bytes."""
        return keccak256(repr((self.wallet.address, self.to, self.value_wei, self.data)).encode())

    def as_call(self) -> dict[str, str]:
        """The same as a call that is only simulated, encoded as in JSON-RPC."""
        call = {"from": self.wallet.address_hex, "data": to_hex(self.data), "value": hex(self.value_wei)}
        return call if self.to is None else {**call, "to": to_hex(self.to)}


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction's receipt, as far as a node gives it.

    Attributes:
        version: the transaction's hash, 32 bytes.
        block_hash, block_number: the block that holds it.
        success: whether it did what it was to do.
        gas_used: gas that it used.
        logs: what it wrote to the log.
        created: address of the contract that it created; empty if it was to create none.
    """

    version: bytes
    block_hash: bytes
    block_number: int
    success: bool
    gas_used: int
    logs: tuple[Log, ...]
    created: bytes


def estimate_gas(node: Node, order: Request) -> int:
    """Ask the node how much gas a transaction would take now.

    Raises:
        ExecutionReverted: if it would revert.
        GasMoneyError: if the sender cannot even pay the value that is sent along.
        NodeRefusedError: if the node refuses for another reason.
    """
    try:
        return node.request("eth_estimateGas", order.as_call(), "latest", read=to_int)
    except NodeRefusedError as error:
        if (reason := revert_data(error)) is not None:
            raise ExecutionReverted(reason) from error
        has_wei = node.balance_wei(order.wallet.address)
        if has_wei <= order.value_wei:
            raise GasMoneyError(order.wallet.address_hex, has_wei, order.value_wei, gas_included=False) from None
        raise


def find_receipt(node: Node, order: Request, version: bytes) -> Mined | None:
    """Ask the node for the receipt of a transaction.

    Args:
        node: the node.
        order: what the transaction is to do.
        version: its hash, 32 bytes.

    Returns:
        The receipt; None while the transaction is in no block.
    """
    return node.request("eth_getTransactionReceipt", to_hex(version), read=_receipt_reader(order, version))


def read_receipt(node: Node, order: Request, mined: Mined) -> Receipt | None:
    """Complete a transaction's receipt.

    Args:
        node: the node.
        order: what the transaction was to do.
        mined: its receipt as the node gives it.

    Returns:
        The receipt. Its output is the reason if the transaction reverted, and the address if it created a contract.
        Otherwise it is empty, because nodes do not keep what a transaction returned. None if the node does not know the
        block.
    """
    block = node.block(mined.block_hash)
    if block is None:
        return None
    output = mined.created if mined.success else _reason(node, order, mined)
    return Receipt(mined.success, mined.gas_used, mined.logs, output, block.number, block.timestamp_s)


def read_logs(node: Node, first: int, last: int, addresses: Iterable[bytes]) -> list[tuple[bytes, list[Log]]]:
    """Read the logs of contracts in a range of blocks.

    Args:
        node: the node.
        first, last: numbers of the first and the last block of the range.
        addresses: addresses of the contracts, 20 bytes each.

    Returns:
        The hash of each block that holds logs, with its logs, in order.

    Raises:
        NodeRefusedError: if the node refuses so many blocks, or so many logs, at once.
    """
    query = {"fromBlock": hex(first), "toBlock": hex(last), "address": [to_hex(address) for address in addresses]}
    return node.request("eth_getLogs", query, read=_by_block)


def _by_block(answer: Any) -> list[tuple[bytes, list[Log]]]:
    found = sorted(answer, key=lambda log: (to_int(log["blockNumber"]), to_int(log["logIndex"])))
    blocks = groupby(found, key=lambda log: to_hash(log["blockHash"]))
    return [(block_hash, [_read_log(log) for log in logs]) for block_hash, logs in blocks]


def _receipt_reader(order: Request, version: bytes) -> Callable[[Any], Mined | None]:
    """Reads the receipt of an order, of which a hash is known."""

    def read(answer: Any) -> Mined | None:
        if answer is None or answer["blockHash"] is None:
            return None
        if to_hash(answer["transactionHash"]) != version:
            raise ValueError("another transaction's")
        success = to_int(answer["status"]) == 1
        return Mined(
            version,
            to_hash(answer["blockHash"]),
            to_int(answer["blockNumber"]),
            success,
            to_int(answer["gasUsed"]),
            tuple(map(_read_log, answer["logs"])),
            from_hex(answer["contractAddress"]) if success and order.to is None else b"",
        )

    return read


def _read_log(log: dict[str, Any]) -> Log:
    """Read one log as the node gives it."""
    return Log(from_hex(log["address"]), tuple(map(from_hex, log["topics"])), from_hex(log["data"]))


def _reason(node: Node, order: Request, mined: Mined) -> bytes:
    """Find out why a transaction reverted in its block: the bytes that it returned; empty if that cannot be known.

    A trace is exact, but few nodes can trace. Without one, the transaction is simulated on the state after its block,
    because other transactions of the same block may be why it reverted; and then on the state before its block.
    """
    try:
        trace: Any = node.request("debug_traceTransaction", to_hex(mined.version), _OUTERMOST_CALL)
        return from_hex(trace["output"])
    except (LedgerError, *MISREAD):
        pass  # it cannot trace, or answers in a form of its own
    for at in (mined.block_number, mined.block_number - 1):
        try:
            node.call(order.as_call(), at)
        except NodeRefusedError as error:
            return revert_data(error) or b""
        except LedgerError:  # that it reverted is known, whatever the node does not say
            break
    return b""
