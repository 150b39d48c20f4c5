"""Finds out what became of a transaction that was sent, from evidence alone: what a node does not tell stays open."""

from bisect import bisect_right
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from idml.ledger.chain.answers import from_hex, to_hash, to_hex, to_int
from idml.ledger.chain.node import Node
from idml.ledger.errors import LedgerError

_PATIENCE_S = 3.0


class Fate(Enum):
    """What became of a transaction, in all its versions.

    Attributes:
        MINED: one version is in a block.
        WAITS: one version waits in the node's pool.
        LOST: another transaction with its nonce is in a block, so it cannot be any more.
        USED: its nonce is used, and the node does not tell by which transaction.
        UNKNOWN: the node does not know it, and its nonce is free.
    """

    MINED = auto()
    WAITS = auto()
    LOST = auto()
    USED = auto()
    UNKNOWN = auto()


def find_fate(node: Node, address: bytes, nonce: int, hashes: Sequence[bytes]) -> Fate:
    """Find out what became of a transaction.

    Args:
        node: the node to ask.
        address: address of its account, 20 bytes.
        nonce: its nonce.
        hashes: the hashes of all its versions, 32 bytes each.
    """
    for version in hashes:
        known = node.request("eth_getTransactionByHash", to_hex(version), read=_whether_mined)
        if known is not None:
            return Fate.MINED if known else Fate.WAITS
    if node.transaction_count(address, "latest") <= nonce:
        return Fate.UNKNOWN
    taker = find_taker(node, address, nonce)
    if taker is None:
        return Fate.USED
    return Fate.MINED if taker in hashes else Fate.LOST


def find_taker(node: Node, address: bytes, nonce: int, confirmations: int = 1) -> bytes | None:
    """Find the transaction in a block that used a nonce.

    Counts of transactions after earlier blocks lead to the block. Nodes keep such counts for the last 128 blocks at
    least.

    Args:
        node: the node to ask.
        address: address of the account, 20 bytes.
        nonce: the nonce.
        confirmations: how many blocks there must be from its block on.

    Returns:
        Its hash; None if there is none, or the node does not tell.
    """

    def count(block: int) -> int:
        fields = to_hex(address), hex(block)
        return node.request("eth_getTransactionCount", *fields, read=to_int, patience_s=_PATIENCE_S)

    try:
        last = low = node.block_number() - confirmations + 1
        if low < 1 or count(low) <= nonce:
            return None
        step = 1
        while low and count(low) > nonce:
            last, low, step = low, max(0, low - step), 2 * step
        blocks = range(low + 1, last + 1)
        block = blocks[bisect_right(blocks[:-1], nonce, key=count)]
        sent = node.request("eth_getBlockByNumber", hex(block), True, read=_transactions, patience_s=_PATIENCE_S)
    except LedgerError:
        return None
    return sent.get((address, nonce))


def _whether_mined(answer: Any) -> bool | None:
    return None if answer is None else answer["blockHash"] is not None


def _transactions(answer: Any) -> dict[tuple[bytes, int], bytes]:
    """The hashes of a block's transactions, by account and nonce."""
    return {
        (from_hex(entry["from"]), to_int(entry["nonce"])): to_hash(entry["hash"]) for entry in answer["transactions"]
    }
