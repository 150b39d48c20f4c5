"""Gets transactions going that are stuck, and never at the cost of another's."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from idml.ledger.chain.fate import find_taker
from idml.ledger.chain.fees import FeePolicy
from idml.ledger.chain.flight import Flight
from idml.ledger.chain.journal import Book, OrderEntry
from idml.ledger.chain.node import Node
from idml.ledger.chain.nonces import Nonces
from idml.ledger.chain.receipts import Request
from idml.ledger.errors import JournalError, NodeRefusedError, TransactionReplacedError

_LOG = logging.getLogger(__name__)
_NOTHING_GAS = 21_000


class Pusher:
    """Looks after transactions that stay in no block.

    Args:
        node: the node that they were sent to.
        chain_id: EIP-155 chain id of its chain.
        fees: what to offer for gas.
        confirmations: how many blocks make a transaction final, counting its own.
        nonces: says which nonces somebody looks after.
        book: opens what is written down of an account's orders.
    """

    def __init__(
        self,
        node: Node,
        chain_id: int,
        fees: FeePolicy,
        confirmations: int,
        nonces: Nonces,
        book: Callable[[bytes], AbstractContextManager[Book]],
    ) -> None:
        self._node = node
        self._chain_id = chain_id
        self._fees = fees
        self._confirmations = confirmations
        self._nonces = nonces
        self._book = book

    def push(self, flight: Flight, entry: OrderEntry) -> OrderEntry:
        """Find out why a transaction is stuck, and do what can be done about it.

        Returns:
            What is written down about it.
        """
        wallet = flight.order.wallet
        count = self._node.transaction_count(wallet.address, "latest")
        if count > flight.nonce:
            # Several nodes may be behind one URL, and the one that answers may not know the receipt yet.
            taker = find_taker(self._node, wallet.address, flight.nonce, self._confirmations)
            if taker is not None and taker not in flight.hashes:
                raise TransactionReplacedError(
                    f"{flight} will never be mined: transaction 0x{taker.hex()} took its nonce; does another program "
                    f"send from {wallet.address_hex}?"
                )
            flight.obstacle = "its nonce is used, and the node does not tell by which transaction"
            return entry
        flight.obstacle = self._rival(flight)
        if flight.obstacle:
            return entry
        for missing in range(count, flight.nonce):
            if not self._nonces.attended(wallet.address, missing):
                in_the_way = self._heal(flight, missing)
                flight.obstacle = flight.obstacle or in_the_way
        if count == flight.nonce:
            entry = self._raise_fees(flight, entry)
        self.rebroadcast(flight)
        return entry

    def _rival(self, flight: Flight) -> str:
        """What waits in the pool with a transaction's nonce and is another's, in words; empty if nothing does."""
        address, nonce = flight.order.wallet.address, flight.nonce
        waiting = self._node.waiting(address, nonce)
        if waiting is None:
            ours = self._node.transaction_count(address, "pending") <= nonce or any(
                map(self._node.has_transaction, reversed(flight.hashes))
            )
            return "" if ours else "another transaction waits with its nonce"
        if not waiting or waiting in flight.hashes:
            return ""
        return f"another transaction, 0x{waiting.hex()}, waits with its nonce"

    def _heal(self, flight: Flight, missing: int) -> str:
        """Close the gap before a transaction that one leaves which was given up or forgotten.

        If nothing else is known of it, the account sends a transaction to itself, with no value and no data. What waits
        in the pool is left alone, for it may be another program's.

        Returns:
            What is in the way, in words; empty if nothing is any more.
        """
        wallet, policy = flight.order.wallet, self._fees
        waiting = self._node.waiting(wallet.address, missing, beside=flight.nonce)
        if waiting:
            return (
                f"it waits behind transaction 0x{waiting.hex()} (nonce {missing}), which offers too little or waits too"
            )
        if waiting is None:
            return f"it waits for nonce {missing}, and the node does not tell whether a transaction waits with it"
        with self._book(wallet.address) as book:
            if known := book.at(missing):
                _LOG.warning("nonce %d of %s is missing: sending its order again", missing, wallet.address_hex)
                self._offer(known[-1].versions[-1])
                return ""
        _LOG.warning("nonce %d of %s is missing: filling it with an empty transaction", missing, wallet.address_hex)
        fees = policy.suggest(self._node)
        filler = Flight(Request(wallet, wallet.address, b""), _NOTHING_GAS, missing, fees)
        filler.sign(self._chain_id, policy.mark(fees))
        self._offer(filler.raw)
        return ""

    def _raise_fees(self, flight: Flight, entry: OrderEntry) -> OrderEntry:
        """Sign a version that offers more, if the cap allows it.

        Returns:
            What is written down about the transaction.
        """
        policy, before = self._fees, flight.fees
        fees = policy.bump(before, policy.suggest(self._node))
        if fees is None:
            return entry
        flight.sign(self._chain_id, policy.mark(fees))
        longer = replace(entry, versions=(*entry.versions, flight.raw))
        try:
            with self._book(flight.order.wallet.address) as book:
                book.write(longer)
        except JournalError as error:  # what is not written down is not sent
            _LOG.warning("%s does not offer more: %s", flight, error)
            flight.hashes.pop()
            flight.raw, flight.fees = entry.versions[-1], before
            return entry
        _LOG.info("%s was stuck: offering %d wei a gas, tip %d", flight, flight.fees.max_wei, flight.fees.tip_wei)
        return longer

    def rebroadcast(self, flight: Flight) -> None:
        """Send the latest version again, unless another transaction waits in its place."""
        if not self._rival(flight):
            self._offer(flight.raw)

    def _offer(self, raw: bytes) -> None:
        """Send what the node may know already, so that a refusal decides nothing."""
        try:
            self._node.broadcast(raw)
        except NodeRefusedError as error:
            _LOG.debug("%s", error)
