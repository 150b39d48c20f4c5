"""Sends transactions on a real chain: signs them, watches until they are final, and pushes those that are stuck.

From the moment at which something signed is handed in, it may get into the chain, whatever the node answers. So from
then on no error is told as a failure: it names the transaction, and says how to find out.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from idml.ledger.chain.fate import find_taker
from idml.ledger.chain.fees import FeePolicy
from idml.ledger.chain.flight import Flight
from idml.ledger.chain.journal import Book, OrderEntry, OrderJournal
from idml.ledger.chain.node import Node
from idml.ledger.chain.nonces import Nonces
from idml.ledger.chain.past import look_back
from idml.ledger.chain.pushing import Pusher
from idml.ledger.chain.receipts import Mined, Request, estimate_gas, find_receipt, read_receipt
from idml.ledger.embedded.evm import GAS_CAP, Receipt
from idml.ledger.errors import (
    ExecutionReverted,
    GasMoneyError,
    JournalError,
    LedgerError,
    NodeRefusedError,
    Reverted,
    TransactionReplacedError,
    TransactionStuckError,
)
from idml.ledger.wallet import Wallet

_LOG = logging.getLogger(__name__)
_FIRST_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send transactions.

    Args:
        confirmations: how many blocks make a transaction final, counting its own.
        fees: what to offer for gas.
        stuck_after_s: how long a transaction may be in no block until it offers more, in seconds.
        give_up_after_s: how long a transaction is watched, in seconds.
        poll_s: the longest pause between two looks at the chain, in seconds.
        gas_limit: the gas limit of every transaction. None takes a quarter more than the node estimates; then a
            transaction that would revert is noticed before it costs anything.
        journal: where orders are written down before they are sent; None keeps them nowhere. With a journal, an order
            is refused while an equal one is under way.
        again: whether an order is sent although the journal has an equal one, of which it is not known, or was not
            told, what became of it.
        command: what is written down of the whole command that the orders are part of, see `ensure_new`.
    """

    confirmations: int = 1
    fees: FeePolicy = field(default_factory=FeePolicy)
    stuck_after_s: float = 30.0
    give_up_after_s: float = 600.0
    poll_s: float = 1.0
    gas_limit: int | None = None
    journal: OrderJournal | None = None
    again: bool = False
    command: str = ""

    def book(self, chain_id: int, address: bytes) -> AbstractContextManager[Book]:
        """Open what is written down of an account's orders, for a `with` block; see `OrderJournal.open`."""
        return nullcontext(Book()) if self.journal is None else self.journal.open(chain_id, address)


class Sender:
    """Sends transactions from any number of accounts and threads at once, while other programs may send too.

    Args:
        node: the node that they are sent to.
        chain_id: EIP-155 chain id of its chain.
        sending: how to send.
    """

    def __init__(self, node: Node, chain_id: int, sending: Sending) -> None:
        self._node = node
        self._chain_id = chain_id
        self._sending = sending
        self._nonces = Nonces(
            lambda address: node.transaction_count(address, "pending"),
            lambda address, nonce: bool(node.waiting(address, nonce)),
        )
        self._pusher = Pusher(node, chain_id, sending.fees, sending.confirmations, self._nonces, self._book)

    def send(self, order: Request) -> Receipt:
        """Send a transaction and wait until it is final.

        Returns:
            What became of it, see `read_receipt`. A transaction that would revert is not sent; its receipt says that it
            used no gas.

        Raises:
            GasMoneyError: if the account cannot pay for it.
            SentBeforeError: if the journal has an equal order.
            JournalError: if the order cannot be written down.
            NodeRefusedError: if the node refuses it.
            NodeUnreachableError: if the node does not answer.
            TransactionStuckError: if it was not mined in time.
            TransactionReplacedError: if another program sent another transaction with its nonce.
            LedgerError: each of them says that nothing was sent, or has the transaction's hashes in `sent`, or is a
                TransactionReplacedError: it was sent, and cannot be mined any more.
        """
        address = order.wallet.address
        with before_sending(), self._book(address) as book:
            digest = order.digest
            look_back(self._node, order.wallet, book, lambda old: old.order == digest, again=self._sending.again)
            gas_limit = self._sending.gas_limit
            if gas_limit is None:
                try:
                    gas_limit = min(estimate_gas(self._node, order) * 5 // 4, GAS_CAP)
                except ExecutionReverted as error:
                    head = self._node.head()
                    return Receipt(False, 0, (), error.data, head.number, head.timestamp_s)
            flight, entry = self._launch(order, gas_limit, book)
        try:
            with self._sent(flight):
                receipt = self._watch(flight, entry)
        except TransactionReplacedError:
            self._strike(address, entry)
            raise
        finally:
            self._nonces.release(address, flight.nonce)
        self._strike(address, entry)
        return receipt

    def _launch(self, order: Request, gas_limit: int, book: Book) -> tuple[Flight, OrderEntry]:
        """Send a transaction with the account's next nonce that nobody else uses."""
        wallet, policy = order.wallet, self._sending.fees
        fees, floor = policy.suggest(self._node), 0
        give_up_at = time.monotonic() + self._sending.give_up_after_s
        while time.monotonic() < give_up_at:
            try:
                with self._nonces.take(wallet.address, floor) as nonce:
                    flight = Flight(order, gas_limit, nonce, fees)
                    flight.sign(self._chain_id, policy.mark(fees))
                    entry = OrderEntry.begin(order.digest, nonce, flight.raw, self._sending.command)
                    book.write(entry)
                    try:
                        self._hand_in(flight)
                    except (_NonceUsedError, LedgerError) as error:
                        if not getattr(error, "sent", ()):
                            book.strike(entry)
                        raise
                    return flight, entry
            except _NonceUsedError:
                _LOG.info("nonce %d of %s was used meanwhile: taking the next", nonce, wallet.address_hex)
                floor = nonce + 1
        raise TransactionReplacedError(
            f"the nonces of {wallet.address_hex} are used up by another program that sends from it"
        )

    def _hand_in(self, flight: Flight) -> None:
        """Send the first version.

        A refusal only counts if the node got no copy before it, and does not know the transaction. Nodes word refusals
        differently, so their words decide nothing.

        Raises:
            _NonceUsedError: if another transaction has the nonce, so this one cannot be any more.
        """
        wallet = flight.order.wallet
        with self._sent(flight):
            try:
                self._node.broadcast(flight.raw)
                return
            except NodeRefusedError as error:
                refusal = error
            if not refusal.outright or self._is_known(flight):
                return
        needs_wei = flight.gas_limit * flight.fees.max_wei + flight.order.value_wei
        has_wei = self._node.balance_wei(wallet.address)
        if has_wei < needs_wei:
            raise GasMoneyError(wallet.address_hex, has_wei, needs_wei)
        raise refusal

    def _is_known(self, flight: Flight) -> bool:
        """Whether the node may have a transaction that it refused, by its hash or in the place of its nonce.

        Raises:
            _NonceUsedError: if it has another transaction in this place.
        """
        address, nonce, node = flight.order.wallet.address, flight.nonce, self._node
        if node.has_transaction(flight.hashes[-1]):
            return True
        if node.transaction_count(address, "latest") > nonce:
            taker = find_taker(node, address, nonce)
        else:
            taker = node.waiting(address, nonce)
            if not taker and node.transaction_count(address, "pending") <= nonce:
                return False
            taker = taker or b""  # it waits in the pool, where a look at our own hash has not found it
        if taker is None or taker in flight.hashes:
            return True
        raise _NonceUsedError

    def _watch(self, flight: Flight, entry: OrderEntry) -> Receipt:
        """Wait until one version of a transaction is final."""
        sending = self._sending
        begun = handed_in = time.monotonic()
        pause_s = _FIRST_POLL_S
        while True:
            head = self._node.block_number()
            mined = self._find(flight)
            now = time.monotonic()
            overdue = now - begun > sending.give_up_after_s
            if mined is not None:
                flight.seen, flight.obstacle = True, ""
                confirmations = head - mined.block_number + 1
                if confirmations >= sending.confirmations:
                    receipt = read_receipt(self._node, flight.order, mined)
                    if receipt is not None:
                        return receipt
                if overdue:
                    raise TransactionStuckError(self._unfinished(mined, confirmations))
            elif flight.seen:
                _LOG.warning("%s fell out of the chain: sending it again", flight)
                flight.seen = False
                self._pusher.rebroadcast(flight)
                handed_in = now
            elif overdue:
                why = flight.obstacle or f"it offers up to {flight.fees.max_wei} wei a gas (cap {sending.fees.cap_wei})"
                raise TransactionStuckError(f"in no block after {sending.give_up_after_s:g} s: {why}")
            elif now - handed_in > sending.stuck_after_s:
                before = flight.obstacle
                entry = self._pusher.push(flight, entry)
                if flight.obstacle != before:
                    _LOG.info("%s is in no block: %s", flight, flight.obstacle or "nothing is in its way any more")
                handed_in = now
            time.sleep(pause_s)
            pause_s = min(1.5 * pause_s, sending.poll_s)

    def _unfinished(self, mined: Mined, confirmations: int) -> str:
        sending = self._sending
        if confirmations >= sending.confirmations:
            return f"{self._node.name} has a receipt but not its block 0x{mined.block_hash.hex()}: is it in sync?"
        return (
            f"{confirmations} of {sending.confirmations} confirmations after {sending.give_up_after_s:g} s: "
            "does the chain stand still?"
        )

    def _find(self, flight: Flight) -> Mined | None:
        """The receipt of the version that is in the chain; None if none is."""
        for version in reversed(flight.hashes):
            mined = find_receipt(self._node, flight.order, version)
            if mined is not None:
                return mined
        return None

    def _book(self, address: bytes) -> AbstractContextManager[Book]:
        """What is written down of an account's orders, under the lock of its file."""
        return self._sending.book(self._chain_id, address)

    def _strike(self, address: bytes, entry: OrderEntry) -> None:
        """Forget an order that is decided. If that fails, it is decided nevertheless."""
        try:
            with self._book(address) as book:
                book.strike(entry)
        except JournalError as error:
            _LOG.warning("an order that is done stays written down: %s", error)

    @contextmanager
    def _sent(self, flight: Flight) -> Iterator[None]:
        """Let whatever stops a `with` block say that the transaction may have been sent."""
        how = (
            "look for it in the chain before you send it again"
            if self._sending.journal is None
            else "the same command says what became of it, and does not send it twice"
        )
        try:
            yield
        except (_NonceUsedError, TransactionReplacedError):
            raise
        except LedgerError as error:
            error.sent = tuple(flight.hashes)
            error.add(f"{flight} may have been sent: {how}")
            raise
        except BaseException:
            _LOG.warning("%s may have been sent: %s", flight, how)
            raise


class _NonceUsedError(Exception):
    """Another transaction has the nonce."""


@contextmanager
def before_sending() -> Iterator[None]:
    """Let errors of a `with` block say that nothing was sent, unless something was."""
    try:
        yield
    except LedgerError as error:
        if not error.sent and not isinstance(error, Reverted):
            error.add("nothing was sent")
        raise


def ensure_new(node: Node, wallets: Iterable[Wallet], sending: Sending) -> None:
    """Make sure that a command of several orders is not begun anew while it is open what became of one of them.

    Args:
        node: a node of the chain.
        wallets: keys of all accounts from which it will send.
        sending: how it sends, with a journal and a command.

    Raises:
        SentBeforeError: if the journal has an order of an equal command.
        LedgerError: if the journal cannot be read, or the node does not answer.
    """
    with before_sending():
        chain_id = node.chain_id()
        for wallet in wallets:
            with sending.book(chain_id, wallet.address) as book:
                look_back(
                    node, wallet, book, lambda old: old.command == sending.command, again=sending.again, whole=True
                )
