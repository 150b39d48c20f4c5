"""Reads what a node says about transactions: receipts, logs, and why one reverted."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from idml.ledger.chain.node import Node, from_hex, revert_data, to_hex
from idml.ledger.embedded.evm import Log, Receipt
from idml.ledger.errors import ExecutionReverted, GasMoneyError, LedgerError, NodeRefusedError
from idml.ledger.wallet import Wallet

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

    def as_call(self) -> dict[str, str]:
        """The same as a call that is only simulated, encoded as in JSON-RPC."""
        call = {"from": self.wallet.address_hex, "data": to_hex(self.data), "value": hex(self.value_wei)}
        return call if self.to is None else {**call, "to": to_hex(self.to)}


def estimate_gas(node: Node, order: Request) -> int:
    """Ask the node how much gas a transaction would take now.

    Raises:
        ExecutionReverted: if it would revert.
        GasMoneyError: if the sender cannot even pay the value that is sent along.
        NodeRefusedError: if the node refuses for another reason.
    """
    try:
        return int(node.request("eth_estimateGas", order.as_call(), "latest"), 16)
    except NodeRefusedError as error:
        if (reason := revert_data(error)) is not None:
            raise ExecutionReverted(reason) from error
        has_wei = node.balance_wei(order.wallet.address)
        if has_wei <= order.value_wei:
            raise GasMoneyError(order.wallet.address_hex, has_wei, order.value_wei, gas_included=False) from None
        raise


def read_receipt(node: Node, order: Request, receipt: dict[str, Any]) -> Receipt:
    """Read the node's receipt of a transaction.

    Args:
        node: the node.
        order: what the transaction was to do.
        receipt: the receipt as the node gives it.

    Returns:
        The receipt. Its output is the reason if the transaction reverted, and the address if it created a contract.
        Otherwise it is empty, because nodes do not keep what a transaction returned.

    Raises:
        LedgerError: if the node has lost the block.
    """
    block = node.block(from_hex(receipt["blockHash"]))
    if block is None:
        raise LedgerError(f"{node.name} has a receipt but not its block {receipt['blockHash']}: is it in sync?")
    success = int(receipt["status"], 16) == 1
    if not success:
        output = _reason(node, order, receipt["transactionHash"], block.number)
    else:
        output = from_hex(receipt["contractAddress"]) if order.to is None else b""
    logs = tuple(map(_read_log, receipt["logs"]))
    return Receipt(success, int(receipt["gasUsed"], 16), logs, output, block.number, block.timestamp_s)


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
    found: list[dict[str, Any]] = node.request("eth_getLogs", query)
    found.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
    blocks = groupby(found, key=lambda log: from_hex(log["blockHash"]))
    return [(block_hash, [_read_log(log) for log in logs]) for block_hash, logs in blocks]


def _read_log(log: dict[str, Any]) -> Log:
    """Read one log as the node gives it."""
    return Log(from_hex(log["address"]), tuple(map(from_hex, log["topics"])), from_hex(log["data"]))


def _reason(node: Node, order: Request, transaction: str, block: int) -> bytes:
    """Find out why a transaction reverted in its block: the bytes that it returned; empty if that cannot be known.

    A trace is exact, but few nodes can trace. Without one, the transaction is simulated on the state after its block,
    because other transactions of the same block may be why it reverted; and then on the state before its block.
    """
    try:
        trace = node.request("debug_traceTransaction", transaction, _OUTERMOST_CALL)
        return from_hex(trace["output"])
    except (LedgerError, KeyError, TypeError, ValueError):
        pass  # it cannot trace, or answers in a form of its own
    for at in (block, block - 1):
        try:
            node.call(order.as_call(), at)
        except NodeRefusedError as error:
            return revert_data(error) or b""
    return b""
