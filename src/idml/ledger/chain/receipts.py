"""From what a node says about a transaction to what everyone else knows: receipts, logs, reasons."""

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
    """What a transaction shall do, before it has a nonce, fees and a signature.

    Attributes:
        wallet: signs and pays.
        to: address, 20 bytes; None creates a contract.
        data: calldata.
        value_wei: native currency sent along.
    """

    wallet: Wallet
    to: bytes | None
    data: bytes
    value_wei: int = 0

    def as_call(self) -> dict[str, str]:
        """The same as a call that is only simulated, encoded."""
        call = {"from": self.wallet.address_hex, "data": to_hex(self.data), "value": hex(self.value_wei)}
        return call if self.to is None else {**call, "to": to_hex(self.to)}


def estimate_gas(node: Node, order: Request) -> int:
    """The gas that a transaction would take now.

    Raises:
        ExecutionReverted: if it would revert.
        GasMoneyError: if the sender cannot even pay the value.
        NodeRefusedError: if the node has another reason.
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
    """A node's receipt of an order.

    Returns:
        The receipt; its output is the reason if the transaction reverted, the address if it created a contract, else
        empty, for nodes do not keep what a transaction returned.

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
    """What contracts wrote down from one block to another, both included.

    Returns:
        The hashes of the blocks in which they did, with the logs of each, in order.

    Raises:
        NodeRefusedError: if the node refuses so many blocks, or so many logs, at once.
    """
    query = {"fromBlock": hex(first), "toBlock": hex(last), "address": [to_hex(address) for address in addresses]}
    found: list[dict[str, Any]] = node.request("eth_getLogs", query)
    found.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
    blocks = groupby(found, key=lambda log: from_hex(log["blockHash"]))
    return [(block_hash, [_read_log(log) for log in logs]) for block_hash, logs in blocks]


def _read_log(log: dict[str, Any]) -> Log:
    """A node's log."""
    return Log(from_hex(log["address"]), tuple(map(from_hex, log["topics"])), from_hex(log["data"]))


def _reason(node: Node, order: Request, transaction: str, block: int) -> bytes:
    """Why a transaction reverted in a block; empty if that cannot be known.

    Few nodes trace, but a trace is exact. Without one it is simulated after that block, for transactions before it in
    the same block may be what it stumbled over, then before it.
    """
    try:
        trace = node.request("debug_traceTransaction", transaction, _OUTERMOST_CALL)
        return from_hex(trace["output"])
    except (LedgerError, KeyError, TypeError, ValueError):
        pass  # it does not trace, or in a form of its own
    for at in (block, block - 1):
        try:
            node.call(order.as_call(), at)
        except NodeRefusedError as error:
            return revert_data(error) or b""
    return b""
