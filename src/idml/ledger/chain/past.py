"""What an account's journal says of earlier orders, before another one is sent."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from idml.ledger.chain.fate import Fate, find_fate
from idml.ledger.chain.journal import Book, OrderEntry
from idml.ledger.chain.node import Node
from idml.ledger.errors import SentBeforeError
from idml.ledger.wallet import Wallet

_LOG = logging.getLogger(__name__)
_WORDS = {
    Fate.MINED: "is in the chain, which could not be told then",
    Fate.WAITS: "still waits to be mined",
    Fate.LOST: "was not carried out, and cannot be any more",
    Fate.USED: "may be in the chain: its nonce is used, and the node does not tell by which transaction",
    Fate.UNKNOWN: "is unknown to the node, and its nonce is free: it may never have been sent",
}


def look_back(
    node: Node, wallet: Wallet, book: Book, same: Callable[[OrderEntry], bool], *, again: bool, whole: bool = False
) -> None:
    """Make sure that an order is not sent a second time by mistake, and forget those that cannot be any more.

    An order that is in the chain stays written down until the same is wanted once more. A command that is repeated
    until it succeeds would pay twice otherwise.

    Args:
        node: the node to ask what became of earlier orders.
        wallet: key of their account.
        book: the earlier orders.
        same: whether an earlier order is part of what is to be done now.
        again: whether it is to be done whatever became of that.
        whole: whether what is to be done has more parts, which may have been done. Then it is told, too, if one cannot
            be done any more.

    Raises:
        SentBeforeError: if it may have been done before.
        LedgerError: if the node does not answer.
    """
    for entry in list(book.entries.values()):
        fate = find_fate(node, wallet.address, entry.nonce, entry.hashes)
        told = (
            f"order {entry.id} of {datetime.fromtimestamp(entry.since_s, UTC):%Y-%m-%d %H:%M:%S} UTC "
            f"(transaction 0x{entry.hashes[-1].hex()}, nonce {entry.nonce} of {wallet.address_hex})"
        )
        if fate is Fate.LOST and not (whole and same(entry)):
            _LOG.info("%s %s", told, _WORDS[fate])
            book.strike(entry)
        elif same(entry) and not again:
            raise SentBeforeError(f"the same was asked for before: {told} {_WORDS[fate]}; to send another, add --again")
        elif same(entry) and fate in (Fate.MINED, Fate.LOST):
            book.strike(entry)
