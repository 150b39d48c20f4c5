"""One node, reached by JSON-RPC. Requests survive all that passes, and answers are Python values."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from idml.ledger.chain.answers import (
    MISREAD,
    Answer,
    as_is,
    from_hex,
    shown,
    to_hash,
    to_hex,
    to_int,
    to_wei,
)
from idml.ledger.chain.transport import PassingError, Transport, phrase
from idml.ledger.embedded.evm import Block
from idml.ledger.errors import LedgerError, NodeRefusedError, NodeUnreachableError

_LOG = logging.getLogger(__name__)
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 5.0
_GREETING_S = 3.0
_LONGEST_MESSAGE = 500
_METHOD_NOT_FOUND, _WRONG_PARAMETERS = -32601, -32602
_TOO_MANY_REQUESTS, _LIMIT_EXCEEDED = 429, -32005
# Whoever asks for the logs of many blocks is told by the same code to ask for fewer.
_LIMITED = "eth_getLogs"
# Questions that a node has no reason to refuse: an error says that it cannot tell just now.
_PLAIN = {
    "eth_blockNumber",
    "eth_chainId",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
}


class Node:
    """A JSON-RPC node.

    Args:
        url: begins with http:// or https://. Credentials and paths in it are never shown.
        timeout_s: how long one answer may take, in seconds.
        patience_s: how long to go on trying while no usable answer comes, in seconds, with growing pauses. A node that
            has never answered yet gets at most three seconds.

    Raises:
        LedgerError: for another kind of URL, or if web3.py is not installed.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, patience_s: float = 60.0) -> None:
        self._transport = Transport(url, timeout_s)
        self.name = self._transport.name
        self._patience_s = patience_s
        self._greeted = False
        self._unknown: set[str] = set()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def request(
        self,
        method: str,
        *params: object,
        read: Callable[[Any], Answer] = as_is,
        patience_s: float | None = None,
    ) -> Answer:
        """Send a request, and send it again while the connection fails, the node is busy or its answer is unusable.

        Use it only for methods that may be called twice, because the answer to the first call may have been lost.

        Args:
            method: name of the JSON-RPC method.
            params: its parameters.
            read: makes a value of the answer, and raises one of `MISREAD` if it is of a wrong type.
            patience_s: how long to go on trying, in seconds; None for as long as the node is always given.

        Raises:
            NodeUnreachableError: if no usable answer came in time.
            NodeRefusedError: if the answer is an error.
        """
        patience_s = self._patience_s if patience_s is None else min(patience_s, self._patience_s)
        patience_s = patience_s if self._greeted else min(patience_s, _GREETING_S)
        give_up_at, delay_s, tries = time.monotonic() + patience_s, _FIRST_DELAY_S, 0
        while True:
            tries += 1
            try:
                return self._try(method, params, read)
            except (PassingError, NodeRefusedError) as error:
                problem = error
            if isinstance(problem, NodeRefusedError):
                problem.outright = problem.outright and tries == 1
                if not _passes(problem):
                    raise problem
            if time.monotonic() + delay_s > give_up_at:
                if isinstance(problem, NodeRefusedError):
                    raise problem
                raise NodeUnreachableError(
                    f"no answer from {self.name}: {problem}; check the URL and that the node runs"
                )
            # A node that was never there is told soon, in one line.
            level = logging.INFO if self._greeted else logging.DEBUG
            _LOG.log(level, "%s from %s on %s: trying again in %.1f s", problem, self.name, method, delay_s)
            time.sleep(delay_s * random.uniform(0.5, 1))
            delay_s = min(2 * delay_s, _LONGEST_DELAY_S)

    def knows(self, method: str, *params: object) -> bool:
        """Whether the node has a method. It is called to find out."""
        try:
            self.request(method, *params)
        except NodeRefusedError as error:
            # Ganache gives no error code, only a text.
            return error.code != _METHOD_NOT_FOUND and "does not exist" not in error.message
        return True

    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return self.request("eth_chainId", read=to_int)

    def block_number(self) -> int:
        """Number of the latest block."""
        return self.request("eth_blockNumber", read=to_int)

    def block(self, which: int | bytes | str) -> Block | None:
        """A block by its number, its hash or its name (`latest`); None if there is no such block."""
        if isinstance(which, bytes):
            return self.request("eth_getBlockByHash", to_hex(which), False, read=_block_or_none)
        number = hex(which) if isinstance(which, int) else which
        return self.request("eth_getBlockByNumber", number, False, read=_block_or_none)

    def head(self) -> Block:
        """The latest block."""
        return self.request("eth_getBlockByNumber", "latest", False, read=_block)

    def balance_wei(self, address: bytes) -> int:
        """Native currency of an account, in wei."""
        return self.request("eth_getBalance", to_hex(address), "latest", read=to_wei)

    def transaction_count(self, address: bytes, at: str) -> int:
        """The next nonce of an account, after the `latest` block or after all that is `pending`."""
        return self.request("eth_getTransactionCount", to_hex(address), at, read=to_int)

    def code(self, address: bytes) -> bytes:
        """The code at an address; empty if there is none."""
        return self.request("eth_getCode", to_hex(address), "latest", read=from_hex)

    def call(self, fields: Mapping[str, str], at: int | str = "latest") -> bytes:
        """Call a contract without changing anything, on the state after a block.

        Args:
            fields: `to`, `data` and so on, encoded as in JSON-RPC.
            at: the block, by its number or its name.
        """
        return self.request("eth_call", dict(fields), hex(at) if isinstance(at, int) else at, read=from_hex)

    def broadcast(self, raw: bytes) -> None:
        """Send a signed transaction to the node."""
        self.request("eth_sendRawTransaction", to_hex(raw))

    def has_transaction(self, transaction: bytes) -> bool:
        """Whether the node knows a transaction, by its hash, mined or not."""
        return self.request("eth_getTransactionByHash", to_hex(transaction), read=_is_there)

    def waiting(self, address: bytes, nonce: int, beside: int | None = None) -> bytes | None:
        """Which transaction of an account waits in the node's pool with a nonce. Not all nodes tell.

        Args:
            address: address of the account, 20 bytes.
            nonce: the nonce.
            beside: a nonce of the account that is known to wait in the pool. Some nodes only tell of transactions in
                blocks by their nonce: a node that does not find this one is such a node.

        Returns:
            The transaction's hash; no bytes if there is none; None if the node does not tell.
        """
        found = self._optional("txpool_contentFrom", to_hex(address), read=_pool)
        if found is not None:
            return found.get(nonce, b"")

        def look(number: int) -> bytes | None:
            return self._optional(
                "eth_getTransactionBySenderAndNonce", to_hex(address), hex(number), read=_hash_or_nothing
            )

        return look(nonce) or (b"" if beside is not None and look(beside) else None)

    def _optional(self, method: str, *params: object, read: Callable[[Any], Answer]) -> Answer | None:
        """Send a request that many nodes do not know; None if this node does not, and then it is asked no more."""
        if method in self._unknown:
            return None
        try:
            return self.request(method, *params, read=read, patience_s=_GREETING_S)
        except LedgerError as error:
            _LOG.debug("%s is not asked for %s again: %s", self.name, method, error)
            self._unknown.add(method)
            return None

    def _try(self, method: str, params: tuple[object, ...], read: Callable[[Any], Answer]) -> Answer:
        """Send a request once."""
        status, answer = self._transport.post(method, params)
        busy = status == _TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        refusal = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(refusal, dict) and not busy:
            given = refusal.get("code")
            code = given if isinstance(given, int) else 0
            message = str(refusal.get("message", refusal))[:_LONGEST_MESSAGE]
            raise NodeRefusedError(method, code, message, refusal.get("data"))
        if status != HTTPStatus.OK:
            problem = f"HTTP {status} {phrase(status)}"
            if busy or self._greeted:  # whoever has answered before has the right URL and key
                raise PassingError(problem)
            raise NodeUnreachableError(f"{self.name} answers {problem}: check the URL and the key in it")
        if refusal is not None or not isinstance(answer, dict) or "result" not in answer:
            raise PassingError("what it answers is no JSON-RPC")
        self._greeted = True
        try:
            return read(answer["result"])
        except MISREAD:
            raise PassingError(f"{method} is answered with {shown(answer['result'])}") from None


def revert_data(error: NodeRefusedError) -> bytes | None:
    """The bytes that a call returned when it reverted; None if the node refused it for another reason."""
    data = error.data
    if isinstance(data, dict):  # Ganache
        data = data.get("result")
    if isinstance(data, str):
        text = data.removeprefix("Reverted ")  # Nethermind
        with suppress(*MISREAD):
            return from_hex(text)
    return b"" if "revert" in error.message.lower() else None


def _passes(error: NodeRefusedError) -> bool:
    """Whether a node that refused a request may answer it later."""
    if error.method in _PLAIN:
        return error.code not in (_METHOD_NOT_FOUND, _WRONG_PARAMETERS)
    return error.code == _TOO_MANY_REQUESTS or (error.code == _LIMIT_EXCEEDED and error.method != _LIMITED)


def _block(answer: Any) -> Block:
    base_fee = answer.get("baseFeePerGas")
    return Block(
        to_int(answer["number"]),
        to_hash(answer["hash"]),
        to_int(answer["timestamp"]),
        None if base_fee is None else to_wei(base_fee),
    )


def _block_or_none(answer: Any) -> Block | None:
    return None if answer is None else _block(answer)


def _is_there(answer: Any) -> bool:
    return answer is not None and bool(to_hash(answer["hash"]))


def _pool(answer: Any) -> dict[int, bytes]:
    """The hashes of what waits, by nonce."""
    waiting = [*answer["pending"].items(), *answer["queued"].items()]
    return {int(nonce): to_hash(entry["hash"]) for nonce, entry in waiting}


def _hash_or_nothing(answer: Any) -> bytes:
    if answer is None:
        return b""
    return to_hash(answer["hash"] if isinstance(answer, dict) else answer)
