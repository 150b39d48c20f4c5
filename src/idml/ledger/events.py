"""Reads the events of a ledger in order, goes on where a reader stopped, and says when the chain took some back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from idml.ledger.errors import LedgerError, NodeRefusedError
from idml.ledger.interface import Ledger
from idml.protocol.events import Event

_TRAIL = 512
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has come: it has all events up to this block. It is small, to be kept on disk.

    Attributes:
        block: number of the block.
        hash: hash of the block, 32 bytes.
    """

    block: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """One step for a reader: either new events, or a number of blocks to forget.

    Attributes:
        cursor: how far the reader has come after this step.
        events: new events to follow, in order; none if `rolled_back`.
        rolled_back: whether the reader must forget all events of blocks above `cursor.block`, as these blocks are no
            longer part of the chain.
    """

    cursor: Cursor
    events: tuple[Event, ...] = ()
    rolled_back: bool = False


class EventSync:
    """Reads a ledger's events, range after range of blocks.

    It remembers the blocks in which it saw events, and the last block of each range. If one of them is no longer part
    of the chain, it goes back to the youngest one that still is. Nothing is missed by that: between that block and the
    one at which the chains part there were no events.

    Args:
        ledger: the ledger to read. An embedded one must keep its blocks.
        resume: cursors of earlier updates that the reader can still return to, in any order, those of rollbacks
            included. With none, it reads from the start. If none of them is part of the chain any more, the first
            update rolls back to the start.
        confirmations: read a block only when it has this many confirmations, counting itself.
        blocks_at_once: the longest range of blocks to ask for. If a node refuses a range, it is halved.

    Raises:
        LedgerError: if the ledger keeps nothing to read.
    """

    def __init__(
        self, ledger: Ledger, *, resume: Iterable[Cursor] = (), confirmations: int = 1, blocks_at_once: int = 2_000
    ) -> None:
        self._ledger = ledger
        self._start = ledger.first_block
        self._confirmations = confirmations
        self._at_once = self._most_at_once = blocks_at_once
        self._trail = sorted(set(resume), key=lambda cursor: cursor.block)

    def poll(self) -> Iterator[Update]:
        """Read all that is new up to now.

        Returns:
            One update after another. The reader moves on only with those that are taken from the iterator.

        Raises:
            NodeUnreachableError: if the node does not answer. Go on with the same object when it does again.
            NodeRefusedError: if the node refuses even a single block.
            LedgerError: if the chain changes again and again while it is read.
        """
        restless = 0
        while True:
            if (ancestor := self._ancestor()) is not None:
                yield Update(ancestor, rolled_back=True)
            first = self._trail[-1].block + 1 if self._trail else self._start
            last = self._ledger.block_number - self._confirmations + 1
            if first > last:
                return
            update = self._read(first, last)
            if update is not None:
                restless = 0
                yield update
            elif (restless := restless + 1) == _ATTEMPTS:
                raise LedgerError(f"chain {self._ledger.chain_id} changes faster than it can be read")

    def _ancestor(self) -> Cursor | None:
        """Forget blocks that are no longer part of the chain.

        Returns:
            The cursor to go back to; None if there were no such blocks.
        """
        keep = len(self._trail)
        while keep and not self._stands(self._trail[keep - 1]):
            keep -= 1
        if keep == len(self._trail):
            return None
        self._trail = self._trail[:keep]
        return self._trail[-1] if keep else Cursor(self._start - 1, bytes(32))

    def _stands(self, cursor: Cursor) -> bool:
        block = self._ledger.block(cursor.block)
        return block is not None and block.hash == cursor.hash

    def _read(self, first: int, head: int) -> Update | None:
        """Read one range of blocks, as long as allowed; None if the chain changed meanwhile."""
        last = min(head, first + self._at_once - 1)
        end = self._ledger.block(last)
        if end is None:
            return None
        try:
            found = self._ledger.events(first, last)
        except NodeRefusedError:
            if first == last:
                raise
            self._at_once = (last - first + 1) // 2
            return self._read(first, head)
        if found is None or not self._stands(Cursor(last, end.hash)):
            return None
        if self._trail and not self._stands(self._trail[-1]):
            return None
        self._at_once = min(self._most_at_once, 2 * self._at_once)
        seen = {Cursor(block.number, block.hash) for block in (*(block for block, _ in found), end)}
        self._trail = [*self._trail, *sorted(seen, key=lambda cursor: cursor.block)][-_TRAIL:]
        return Update(self._trail[-1], tuple(event for _, events in found for event in events))
