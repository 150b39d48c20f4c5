"""What the contracts announced, read in order, resumed where a reader stopped, taken back when the chain is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from idml.ledger.errors import LedgerError, NodeRefusedError
from idml.ledger.interface import Event, idml_abi, token_abi
from idml.ledger.node import Block, from_hex, to_hex
from idml.ledger.receipts import read_log
from idml.ledger.rpc import RpcLedger

_TRAIL = 512
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader is: all events up to this block, number and hash (32 bytes). A few words to keep on disk."""

    block: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """What a reader has to do next.

    Attributes:
        cursor: where it stands afterwards.
        events: follow these, in order; none if `rolled_back`.
        rolled_back: forget all events of blocks above `cursor.block`: they are no longer part of the chain.
    """

    cursor: Cursor
    events: tuple[Event, ...] = ()
    rolled_back: bool = False


class EventSync:
    """Reads a ledger's events by ranges of blocks.

    It remembers the blocks in which it saw events, and the ends of its ranges. Where one of them is gone, it goes back
    to the youngest one that is still there: between that and the common ancestor there was nothing to read.

    Args:
        ledger: whose events.
        resume: cursors of earlier updates that the reader still can return to, in any order; none: read from the
            start. If the chain holds none of them any more, the first update rolls back to the start.
        confirmations: read a block only when it has so many, its own included.
        blocks_at_once: the longest range to ask for; ranges that a node refuses are halved.
    """

    def __init__(
        self, ledger: RpcLedger, *, resume: Iterable[Cursor] = (), confirmations: int = 1, blocks_at_once: int = 2_000
    ) -> None:
        self._node = ledger.node
        self._addresses = {ledger.token_address: token_abi(), ledger.contract_address: idml_abi()}
        self._start = ledger.deployment.block
        self._confirmations = confirmations
        self._at_once = self._most_at_once = blocks_at_once
        self._trail = sorted(set(resume), key=lambda cursor: cursor.block)

    def poll(self) -> Iterator[Update]:
        """All that is new up to now; an update changes where the reader stands only once it is taken.

        Raises:
            NodeUnreachableError: if the node went away; go on with the same object when it is back.
            NodeRefusedError: if the node refuses even a single block.
            LedgerError: if the chain does not hold still.
        """
        restless = 0
        while True:
            if (ancestor := self._ancestor()) is not None:
                yield Update(ancestor, rolled_back=True)
            first = self._trail[-1].block + 1 if self._trail else self._start
            last = self._node.block_number() - self._confirmations + 1
            if first > last:
                return
            update = self._read(first, min(last, first + self._at_once - 1))
            if update is not None:
                restless = 0
                yield update
            elif (restless := restless + 1) == _ATTEMPTS:
                raise LedgerError(f"the chain of {self._node.name} changes faster than it can be read")

    def _ancestor(self) -> Cursor | None:
        """Forget what is no longer part of the chain; the cursor to go back to if there was any."""
        keep = len(self._trail)
        while keep and not self._stands(self._trail[keep - 1]):
            keep -= 1
        if keep == len(self._trail):
            return None
        self._trail = self._trail[:keep]
        return self._trail[-1] if keep else Cursor(self._start - 1, bytes(32))

    def _stands(self, cursor: Cursor) -> bool:
        block = self._node.block(cursor.block)
        return block is not None and block.hash == cursor.hash

    def _read(self, first: int, last: int) -> Update | None:
        """One range of blocks; None if the node refused it as too long, or if the chain changed meanwhile."""
        end = self._node.block(last)
        if end is None:
            return None
        try:
            logs = self._logs(first, last)
        except NodeRefusedError:
            if first == last:
                raise
            self._at_once = max(1, (last - first + 1) // 2)
            return None
        blocks = self._blocks(logs, end)
        if blocks is None or not self._stands(Cursor(last, end.hash)):
            return None
        if self._trail and not self._stands(self._trail[-1]):
            return None
        self._at_once = min(self._most_at_once, 2 * self._at_once)
        events = tuple(
            Event(*named, number, blocks[number].timestamp_s)
            for number, log in ((int(log["blockNumber"], 16), read_log(log)) for log in logs)
            if (named := self._addresses[log.address].event(log)) is not None
        )
        seen = {Cursor(block.number, block.hash) for block in (*blocks.values(), end)}
        self._trail = [*self._trail, *sorted(seen, key=lambda cursor: cursor.block)][-_TRAIL:]
        return Update(self._trail[-1], events)

    def _logs(self, first: int, last: int) -> list[dict[str, Any]]:
        addresses = [to_hex(address) for address in self._addresses]
        query = {"fromBlock": hex(first), "toBlock": hex(last), "address": addresses}
        logs: list[dict[str, Any]] = self._node.request("eth_getLogs", query)
        return sorted(logs, key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))

    def _blocks(self, logs: Iterable[dict[str, Any]], end: Block) -> dict[int, Block] | None:
        """The blocks of these logs by number; None if one of them is gone."""
        blocks = {end.number: end} if any(int(log["blockNumber"], 16) == end.number for log in logs) else {}
        for log in logs:
            number = int(log["blockNumber"], 16)
            block = blocks.get(number) or self._node.block(from_hex(log["blockHash"]))
            if block is None:
                return None
            blocks[number] = block
        return blocks
