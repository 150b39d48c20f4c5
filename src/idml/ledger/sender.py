"""Gets transactions into a chain: nonces, fees, replacement, confirmations, reorganizations."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import BlockIdentifier, TxParams, TxReceipt

from idml.ledger.errors import GasMoneyError, LedgerError, NodeError
from idml.ledger.evm import Log, Receipt
from idml.ledger.node import Node, revert_data
from idml.ledger.wallet import Wallet

_BARE_TRACE = {"disableStorage": True, "disableStack": True, "disableMemory": True, "enableReturnData": True}
_KNOWN = ("already known", "known transaction", "already imported", "nonce too low", "already exists")


@dataclass(frozen=True, slots=True)
class Patience:
    """How a sender waits.

    Args:
        confirmations: blocks on top of the transaction's own before it counts, at least 0.
        poll_s: between two looks.
        stuck_s: without a receipt before a transaction is replaced by one that pays more.
        give_up_s: in all, before the caller is told.
        fee_cap_wei: the most to pay for a unit of gas, in wei of native currency.
    """

    confirmations: int = 0
    poll_s: float = 0.1
    stuck_s: float = 30.0
    give_up_s: float = 600.0
    fee_cap_wei: int = 500 * 10**9


@dataclass(slots=True)
class _Flight:
    """A transaction on its way, and those that replaced it; whichever is mined counts."""

    wallet: Wallet
    fields: dict[str, Any]
    raw: dict[bytes, bytes]


class Sender:
    """Sends from any number of accounts and threads.

    Args:
        node: where to.
        chain_id: what signatures are bound to.
        patience: how long to wait for what.
        gas_limit: of every transaction; by default the node estimates it, and what would revert is not sent.
        launched: called after each transaction is sent, by a development node that mines when told.
    """

    def __init__(
        self,
        node: Node,
        chain_id: int,
        patience: Patience,
        *,
        gas_limit: int | None = None,
        launched: Callable[[], None] = lambda: None,
    ) -> None:
        self._node = node
        self._chain_id = chain_id
        self._patience = patience
        self._gas_limit = gas_limit
        self._launched = launched
        self._locks: dict[bytes, threading.Lock] = defaultdict(threading.Lock)
        self._in_flight: dict[bytes, set[int]] = defaultdict(set)

    def send(self, wallet: Wallet, to: bytes | None, data: bytes, value_wei: int) -> Receipt:
        """Send a transaction and wait until it is confirmed.

        One that would revert is not sent: the receipt says what it would return and costs nothing.

        Raises:
            GasMoneyError: if the account cannot pay for it.
            NodeError: if the node cannot be reached, refuses, or never takes the transaction up.
        """
        call: TxParams = {"from": Web3.to_checksum_address(wallet.address), "data": Web3.to_hex(data)}
        call["value"] = cast(Any, value_wei)
        if to is not None:
            call["to"] = Web3.to_checksum_address(to)
        gas = self._gas_limit or self._estimate(call)
        if isinstance(gas, bytes):
            head = self._node.ask(lambda web3: web3.eth.get_block("latest"))
            return Receipt(False, 0, (), gas, head["number"], head["timestamp"])
        fields = {
            "value": value_wei,
            "data": data,
            "gas": self._gas_limit or gas + gas // 5,
            "chainId": self._chain_id,
            "type": 2,
        }
        if to is not None:
            fields["to"] = Web3.to_checksum_address(to)
        fields |= self._fees()
        with self._nonce(wallet.address) as nonce:
            self._require_money(wallet, fields)
            flight = _Flight(wallet, {**fields, "nonce": nonce}, {})
            self._launch(flight)
        self._launched()
        try:
            return self._await(flight, call)
        finally:
            self._in_flight[wallet.address].discard(nonce)

    # Before it is sent

    def _estimate(self, call: TxParams) -> int | bytes:
        """Gas, or what a revert returns."""

        def question(web3: Web3) -> int | bytes:
            try:
                return web3.eth.estimate_gas(call)
            except ContractLogicError as error:
                return _data_of(error)
            except Web3RPCError as error:
                data = revert_data(error)
                if data is None:
                    raise
                return data

        try:
            return self._node.ask(question)
        except NodeError as error:
            if "insufficient funds" in str(error).lower():
                has = self._node.ask(lambda web3: web3.eth.get_balance(call["from"]))  # type: ignore[arg-type]
                raise GasMoneyError(str(call["from"]), has, max(has + 1, int(call["value"]))) from error
            raise

    def _fees(self) -> dict[str, int]:
        """EIP-1559: twice the present base fee leaves room for six full blocks."""
        head = self._node.ask(lambda web3: web3.eth.get_block("latest"))
        tip = self._node.ask(lambda web3: web3.eth.max_priority_fee)
        cap = self._patience.fee_cap_wei
        most = min(2 * head.get("baseFeePerGas", 0) + tip, cap)
        return {"maxFeePerGas": most, "maxPriorityFeePerGas": min(tip, most)}

    def _require_money(self, wallet: Wallet, fields: dict[str, Any]) -> None:
        has = self._node.ask(lambda web3: web3.eth.get_balance(Web3.to_checksum_address(wallet.address)))
        needs = fields["gas"] * fields["maxFeePerGas"] + fields["value"]
        if has < needs:
            raise GasMoneyError(wallet.address_hex, has, needs)

    @contextmanager
    def _nonce(self, address: bytes) -> Iterator[int]:
        """The account's next nonce, for one thread at a time; given back if the transaction was not taken."""
        with self._locks[address]:
            who = Web3.to_checksum_address(address)
            pending = self._node.ask(lambda web3: web3.eth.get_transaction_count(who, "pending"))
            # The node may not know yet what is on its way. With nothing on its way it is right, whatever was sent
            # before: a chain that was reorganized may have lost it.
            nonce = max(pending, *(taken + 1 for taken in self._in_flight[address]), 0)
            yield nonce
            self._in_flight[address].add(nonce)

    # On its way

    def _launch(self, flight: _Flight) -> None:
        raw = flight.wallet.sign_transaction(flight.fields)
        flight.raw[bytes(Web3.keccak(raw))] = raw
        self._broadcast(raw)

    def _broadcast(self, raw: bytes) -> None:
        try:
            self._node.ask(lambda web3: web3.eth.send_raw_transaction(raw))
        except NodeError as error:
            if not any(known in str(error).lower() for known in _KNOWN):
                raise

    def _await(self, flight: _Flight, call: TxParams) -> Receipt:
        """Until one of a flight's transactions has its confirmations, whatever falls out of the chain meanwhile."""
        patience = self._patience
        begun = launched = time.monotonic()
        seen: bytes | None = None
        while True:
            receipt = self._look(flight)
            now = time.monotonic()
            if receipt is not None:
                launched, seen = now, bytes(receipt["blockHash"])
                if self._is_confirmed(receipt):
                    return self._receipt(receipt, call)
            elif seen is not None:
                seen = None  # its block is no longer part of the chain
                for raw in flight.raw.values():
                    self._broadcast(raw)
            elif now - launched > patience.stuck_s:
                launched = now
                self._bump(flight)
            if now - begun > patience.give_up_s:
                hashes = ", ".join(f"0x{key.hex()}" for key in flight.raw)
                raise NodeError(f"no block took transaction {hashes} within {patience.give_up_s:g} s")
            time.sleep(patience.poll_s)

    def _look(self, flight: _Flight) -> TxReceipt | None:
        for key in reversed(list(flight.raw)):
            try:
                return self._receipt_of(key)
            except NodeError as error:
                if not isinstance(error.__cause__, TransactionNotFound):
                    raise
        return None

    def _receipt_of(self, key: bytes) -> TxReceipt:
        return self._node.ask(lambda web3: web3.eth.get_transaction_receipt(cast(Any, key)))

    def _is_confirmed(self, receipt: TxReceipt) -> bool:
        head = self._node.ask(lambda web3: web3.eth.block_number)
        if head < receipt["blockNumber"] + self._patience.confirmations:
            return False
        block = self._block(receipt["blockNumber"])
        return block is not None and bytes(block["hash"]) == bytes(receipt["blockHash"])

    def _block(self, number: BlockIdentifier) -> Any:
        try:
            return self._node.ask(lambda web3: web3.eth.get_block(number))
        except NodeError:
            return None

    def _bump(self, flight: _Flight) -> None:
        """Replace a transaction that no block takes: nodes want at least 10 % more of both fees."""
        fields, cap, fresh = flight.fields, self._patience.fee_cap_wei, self._fees()
        for name in ("maxFeePerGas", "maxPriorityFeePerGas"):
            fields[name] = max(fields[name] * 9 // 8 + 1, fresh[name])
        if fields["maxFeePerGas"] > cap:
            return  # it stays as it is: the block may yet come
        self._launch(flight)

    def _receipt(self, receipt: TxReceipt, call: TxParams) -> Receipt:
        number = receipt["blockNumber"]
        block = self._node.ask(lambda web3: web3.eth.get_block(number))
        success = receipt["status"] == 1
        logs = tuple(
            Log(bytes.fromhex(log["address"][2:]), tuple(map(bytes, log["topics"])), bytes(log["data"]))
            for log in receipt["logs"]
        )
        output = b"" if success else self._reason(receipt, call, number)
        return Receipt(success, receipt["gasUsed"], logs, output, number, block["timestamp"])

    def _reason(self, receipt: TxReceipt, call: TxParams, number: int) -> bytes:
        """Why a mined transaction reverted: from its trace, else asked again on the state before its block."""
        try:
            trace = self._node.request("debug_traceTransaction", Web3.to_hex(receipt["transactionHash"]), _BARE_TRACE)
            if returned := bytes.fromhex(trace["returnValue"].removeprefix("0x")):
                return returned
        except (LedgerError, KeyError, TypeError, ValueError):
            pass  # few public nodes trace

        def question(web3: Web3) -> bytes:
            try:
                return bytes(web3.eth.call(call, cast(BlockIdentifier, number - 1)))
            except ContractLogicError as error:
                return _data_of(error)
            except Web3RPCError as error:
                return revert_data(error) or b""

        try:
            return self._node.ask(question)
        except LedgerError:
            return b""


def _data_of(error: ContractLogicError) -> bytes:
    data = error.data
    if isinstance(data, dict):
        data = data.get("result") or data.get("data")
    return bytes.fromhex(data[2:]) if isinstance(data, str) and data.startswith("0x") else b""
