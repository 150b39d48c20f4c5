"""Follows the contract's events: stops anywhere, goes on later, and notices when the chain changes its mind."""

from collections.abc import Sequence
from dataclasses import dataclass

from web3 import Web3
from web3.types import FilterParams, LogReceipt

from idml.ledger.errors import NodeError
from idml.ledger.evm import Log
from idml.ledger.interface import Event, idml_abi
from idml.ledger.rpc import RpcLedger

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far events were read; keep it to go on later.

    Args:
        blocks: number and hash of the last blocks read up to, oldest first.
    """

    blocks: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class News:
    """What happened since the last look.

    Args:
        events: in order.
        cursor: where to go on.
        undone_from: if the chain was reorganized: forget all events of this block and later ones first; else None.
    """

    events: tuple[Event, ...]
    cursor: Cursor
    undone_from: int | None


class EventFeed:
    """Reads a ledger's events.

    Args:
        ledger: where from.
        cursor: where an earlier feed stopped; by default from the contract's creation.
        blocks_at_once: how many blocks a question covers; halved while a node finds that too many.
        confirmations: blocks on top of an event's own before it is told.
    """

    def __init__(
        self, ledger: RpcLedger, cursor: Cursor | None = None, *, blocks_at_once: int = 5_000, confirmations: int = 0
    ) -> None:
        self._ledger = ledger
        self.cursor = cursor or Cursor()
        self._blocks_at_once = blocks_at_once
        self._confirmations = confirmations

    def poll(self) -> News:
        """Read on, as far as the chain is confirmed.

        Raises:
            NodeError: if the node cannot be reached; nothing is lost, ask again.
        """
        known = [block for block in self.cursor.blocks if self._hash(block[0]) == block[1]]
        undone_from = None
        start = self._ledger.deployment.block
        if self.cursor.blocks:
            if len(known) < len(self.cursor.blocks):
                undone_from = known[-1][0] + 1 if known else start
            start = known[-1][0] + 1 if known else start
        last = self._ledger.block_number - self._confirmations
        events: list[Event] = []
        while start <= last:
            end = min(last, start + self._blocks_at_once - 1)
            before = self._hash(end)
            try:
                logs = self._logs(start, end)
            except NodeError:
                if self._blocks_at_once == 1:
                    raise
                self._blocks_at_once //= 2
                continue
            if before is None or self._hash(end) != before:
                break  # the chain changed while it was asked: what was read before stands, the rest next time
            events += self._decode(logs)
            known.append((end, before))
            start = end + 1
        self.cursor = Cursor(tuple(known[-_REMEMBERED:]))
        return News(tuple(events), self.cursor, undone_from)

    def _hash(self, number: int) -> bytes | None:
        try:
            return bytes(self._ledger.node.ask(lambda web3: web3.eth.get_block(number))["hash"])
        except NodeError as error:
            if "block" in str(error).lower():
                return None  # the chain is shorter now
            raise

    def _logs(self, start: int, end: int) -> Sequence[LogReceipt]:
        query: FilterParams = {
            "address": Web3.to_checksum_address(self._ledger.contract_address),
            "fromBlock": Web3.to_hex(start),
            "toBlock": Web3.to_hex(end),
        }
        return self._ledger.node.ask(lambda web3: web3.eth.get_logs(query))

    def _decode(self, logs: Sequence[LogReceipt]) -> list[Event]:
        times: dict[int, int] = {}
        events = []
        for log in logs:
            number = log["blockNumber"]
            if number not in times:
                block = self._ledger.node.ask(lambda web3, at=number: web3.eth.get_block(at))  # type: ignore[misc]
                times[number] = block["timestamp"]
            plain = Log(bytes.fromhex(log["address"][2:]), tuple(map(bytes, log["topics"])), bytes(log["data"]))
            decoded = idml_abi().event(plain)
            if decoded is not None:
                events.append(Event(*decoded, number, times[number]))
        return events
