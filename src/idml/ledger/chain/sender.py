"""Sends transactions on a real chain: signs them, watches until they are final, and pushes those that are stuck."""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from idml.ledger.chain.fees import FeePolicy, Fees
from idml.ledger.chain.node import Node
from idml.ledger.chain.nonces import Nonces
from idml.ledger.chain.receipts import Request, estimate_gas, read_receipt
from idml.ledger.embedded.evm import GAS_CAP, Receipt
from idml.ledger.errors import (
    ExecutionReverted,
    GasMoneyError,
    LedgerError,
    NodeRefusedError,
    NodeUnreachableError,
    TransactionReplacedError,
    TransactionStuckError,
)
from idml.ledger.wallet import Wallet

_LOG = logging.getLogger(__name__)
_FIRST_POLL_S = 0.01
_NONCE_ATTEMPTS = 5
_NOTHING_GAS = 21_000


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
    """

    confirmations: int = 1
    fees: FeePolicy = field(default_factory=FeePolicy)
    stuck_after_s: float = 30.0
    give_up_after_s: float = 600.0
    poll_s: float = 1.0
    gas_limit: int | None = None


@dataclass(slots=True)
class _Flight:
    """A transaction under way. It may have several versions, with the same nonce and rising fees.

    Attributes:
        order: what it is to do.
        gas_limit, nonce: those of all versions.
        fees: what the latest version offers.
        raw: the latest version, signed.
        hashes: hashes of all versions.
        seen: whether one of them was in the chain when it was last looked for.
        overtaken: whether the node's count said before that the nonce is used, though no receipt was found.
    """

    order: Request
    gas_limit: int
    nonce: int
    fees: Fees
    raw: bytes = b""
    hashes: list[bytes] = field(default_factory=list)
    seen: bool = False
    overtaken: bool = False


class Sender:
    """Sends transactions from any number of accounts and threads at once.

    Args:
        node: the node that they are sent to.
        chain_id: EIP-155 chain id of its chain.
        sending: how to send.
    """

    def __init__(self, node: Node, chain_id: int, sending: Sending) -> None:
        self._node = node
        self._chain_id = chain_id
        self._sending = sending
        self._nonces = Nonces(lambda address: node.transaction_count(address, "pending"))
        self._given_up: dict[tuple[bytes, int], Fees] = {}

    def send(self, order: Request) -> Receipt:
        """Send a transaction and wait until it is final.

        Returns:
            What became of it, see `read_receipt`. A transaction that would revert is not sent; its receipt says that it
            used no gas.

        Raises:
            GasMoneyError: if the account cannot pay for it.
            NodeRefusedError: if the node refuses it.
            NodeUnreachableError: if the node does not answer.
            TransactionStuckError: if it was not mined in time.
            TransactionReplacedError: if another program sent another transaction with its nonce.
        """
        gas_limit = self._sending.gas_limit
        if gas_limit is None:
            try:
                gas_limit = min(estimate_gas(self._node, order) * 5 // 4, GAS_CAP)
            except ExecutionReverted as error:
                head = self._node.head()
                return Receipt(False, 0, (), error.data, head.number, head.timestamp_s)
        flight = self._launch(order, gas_limit)
        address = order.wallet.address
        try:
            return read_receipt(self._node, order, self._watch(flight))
        except LedgerError as error:
            self._given_up[address, flight.nonce] = flight.fees
            if isinstance(error, NodeUnreachableError):
                raise NodeUnreachableError(f"{error}; {_describe(flight)} was sent before") from None
            raise
        finally:
            self._nonces.release(address, flight.nonce)

    def _launch(self, order: Request, gas_limit: int) -> _Flight:
        """Send a transaction with the account's next nonce."""
        wallet, fees = order.wallet, self._sending.fees.suggest(self._node)
        for _ in range(_NONCE_ATTEMPTS):
            try:
                with self._nonces.take(wallet.address) as nonce:
                    flight = _Flight(order, gas_limit, nonce, fees)
                    self._hand_in(flight)
                    return flight
            except _NonceUsedError:
                _LOG.info("nonce %d of %s was used meanwhile: taking the next", nonce, wallet.address_hex)
        raise TransactionReplacedError(
            f"the nonces of {wallet.address_hex} are used up by another program that sends from it"
        )

    def _hand_in(self, flight: _Flight) -> None:
        """Sign and send the first version.

        A request may be sent twice if the first answer was lost, and then the second copy is refused. So a refusal only
        counts if the node does not know the transaction. Nodes word refusals differently, so their words decide
        nothing.
        """
        self._sign(flight)
        try:
            self._node.broadcast(flight.raw)
        except NodeRefusedError:
            if self._node.has_transaction(flight.hashes[-1]):
                return
            wallet = flight.order.wallet
            if self._node.transaction_count(wallet.address, "latest") > flight.nonce:
                raise _NonceUsedError from None
            needs_wei = flight.gas_limit * flight.fees.max_wei + flight.order.value_wei
            has_wei = self._node.balance_wei(wallet.address)
            if has_wei < needs_wei:
                raise GasMoneyError(wallet.address_hex, has_wei, needs_wei) from None
            raise

    def _watch(self, flight: _Flight) -> dict[str, Any]:
        """Wait until one version of a transaction is final.

        Returns:
            Its receipt, as the node gives it.
        """
        sending = self._sending
        begun = handed_in = time.monotonic()
        pause_s = _FIRST_POLL_S
        while True:
            head = self._node.block_number()
            receipt = self._receipt(flight)
            now = time.monotonic()
            if receipt is not None:
                flight.seen = True
                confirmations = head - int(receipt["blockNumber"], 16) + 1
                if confirmations >= sending.confirmations:
                    return receipt
                if now - begun > sending.give_up_after_s:
                    raise TransactionStuckError(
                        f"{_describe(flight)} has {confirmations} of {sending.confirmations} confirmations after "
                        f"{sending.give_up_after_s:g} s: does the chain stand still?"
                    )
            elif flight.seen:
                _LOG.warning("%s fell out of the chain: sending it again", _describe(flight))
                flight.seen = False
                self._rebroadcast(flight)
                handed_in = now
            elif now - begun > sending.give_up_after_s:
                raise TransactionStuckError(
                    f"{_describe(flight)} was in no block after {sending.give_up_after_s:g} s at up to "
                    f"{flight.fees.max_wei} wei a gas (cap {sending.fees.cap_wei}); it may still be mined"
                )
            elif now - handed_in > sending.stuck_after_s:
                self._push(flight)
                handed_in = now
            time.sleep(pause_s)
            pause_s = min(1.5 * pause_s, sending.poll_s)

    def _receipt(self, flight: _Flight) -> dict[str, Any] | None:
        """The receipt of the version that is in the chain; None if none is."""
        for version in reversed(flight.hashes):
            receipt = self._node.receipt(version)
            if receipt is not None:
                return receipt
        return None

    def _push(self, flight: _Flight) -> None:
        """Find out why a transaction is stuck, and do what can be done about it."""
        address = flight.order.wallet.address
        mined = self._node.transaction_count(address, "latest")
        if mined > flight.nonce:
            # Several nodes may be behind one URL, and the one that answers may not know the receipt yet: wait once
            # more.
            if flight.overtaken and self._receipt(flight) is None:
                raise TransactionReplacedError(
                    f"{_describe(flight)} will never be mined: another transaction took its nonce; "
                    f"does another program send from {flight.order.wallet.address_hex}?"
                )
            flight.overtaken = True
            return
        for missing in range(mined, flight.nonce):
            if not self._nonces.attended(address, missing):
                self._fill(flight.order.wallet, missing)
        fees = self._sending.fees.bump(flight.fees, self._sending.fees.suggest(self._node))
        if mined == flight.nonce and fees is not None:
            _LOG.info("%s is stuck: offering %d wei a gas, tip %d", _describe(flight), fees.max_wei, fees.tip_wei)
            flight.fees = fees
            self._sign(flight)
        self._rebroadcast(flight)

    def _fill(self, wallet: Wallet, nonce: int) -> None:
        """Close the gap before later transactions that one leaves which was given up or forgotten.

        The account sends a transaction with this nonce to itself, with no value and no data.
        """
        policy = self._sending.fees
        fees = policy.suggest(self._node)
        if (before := self._given_up.get((wallet.address, nonce))) is not None:
            fees = policy.bump(before, fees) or fees
        self._given_up[wallet.address, nonce] = fees
        _LOG.warning("nonce %d of %s is missing: filling it with an empty transaction", nonce, wallet.address_hex)
        flight = _Flight(Request(wallet, wallet.address, b""), _NOTHING_GAS, nonce, fees)
        self._sign(flight)
        self._rebroadcast(flight)

    def _sign(self, flight: _Flight) -> None:
        """Sign a new version of a transaction, with its present fees."""
        order = flight.order
        fields = {
            "type": 2,
            "chainId": self._chain_id,
            "to": order.to,
            "data": order.data,
            "value": order.value_wei,
            "gas": flight.gas_limit,
            "nonce": flight.nonce,
            "maxFeePerGas": flight.fees.max_wei,
            "maxPriorityFeePerGas": flight.fees.tip_wei,
        }
        flight.raw, version = order.wallet.sign_transaction(fields)
        flight.hashes.append(version)

    def _rebroadcast(self, flight: _Flight) -> None:
        """Send the latest version again. The node may know it already, so a refusal decides nothing."""
        try:
            self._node.broadcast(flight.raw)
        except NodeRefusedError as error:
            _LOG.debug("%s: %s", _describe(flight), error)


class _NonceUsedError(LedgerError):
    """Another transaction with this nonce was mined."""


def _describe(flight: _Flight) -> str:
    return f"transaction 0x{flight.hashes[-1].hex()} (nonce {flight.nonce} of {flight.order.wallet.address_hex})"
