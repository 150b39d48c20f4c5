"""What an account's journal says of earlier orders, before another one is sent."""

import logging
from datetime import UTC, datetime

from idml.ledger.chain.fate import Fate, find_fate
from idml.ledger.chain.journal import Book
from idml.ledger.chain.node import Node
from idml.ledger.chain.receipts import Request
from idml.ledger.errors import SentBeforeError

_LOG = logging.getLogger(__name__)
_WORDS = {
    Fate.MINED: "is in the chain, which could not be told then",
    Fate.WAITS: "still waits to be mined",
    Fate.USED: "may be in the chain: its nonce is used, and the node does not tell by which transaction",
    Fate.UNKNOWN: "is unknown to the node, and its nonce is free: it may never have been sent",
}


def look_back(node: Node, order: Request, book: Book, *, again: bool) -> None:
    """Make sure that an order is not sent a second time by mistake, and forget those that cannot be any more.

    An equal order that is in the chain stays written down until another one is asked for. A command that is repeated
    until it succeeds would pay twice otherwise.

    Args:
        node: the node to ask what became of earlier orders.
        order: the order that is to be sent.
        book: the earlier orders of its account.
        again: whether it is to be sent whatever became of equal ones.

    Raises:
        SentBeforeError: if there was an equal order that may have been sent.
        LedgerError: if the node does not answer.
    """
    wallet = order.wallet
    for entry in list(book.entries.values()):
        equal = entry.order == order.digest
        fate = find_fate(node, wallet.address, entry.nonce, entry.hashes)
        told = (
            f"order {entry.id} of {datetime.fromtimestamp(entry.since_s, UTC):%Y-%m-%d %H:%M:%S} UTC "
            f"(transaction 0x{entry.hashes[-1].hex()}, nonce {entry.nonce} of {wallet.address_hex})"
        )
        if fate is Fate.LOST:
            _LOG.info("%s was not carried out, and cannot be any more", told)
            book.strike(entry)
        elif equal and not again:
            raise SentBeforeError(f"the equal {told} {_WORDS[fate]}; to send another, add --again")
        elif equal and fate is Fate.MINED:
            book.strike(entry)
