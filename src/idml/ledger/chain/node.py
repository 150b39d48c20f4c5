"""One node, reached by JSON-RPC over HTTP. Requests survive dropped connections, and answers are Python values.

web3.py carries the requests. Its layer of methods is not used, for two reasons. It takes more time than the node does.
And it turns the errors of different nodes into texts, while here the exact error decides what to do next.
"""

import logging
import random
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from idml.ledger.embedded.evm import Block
from idml.ledger.errors import LedgerError, NodeRefusedError, NodeUnreachableError, NotInstalledError

_LOG = logging.getLogger(__name__)
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 5.0
_GREETING_S = 3.0
_TOO_MANY_REQUESTS = 429
_METHOD_NOT_FOUND = -32601


class Node:
    """A JSON-RPC node.

    Args:
        url: begins with http:// or https://. Credentials and paths in it are never shown.
        timeout_s: how long one answer may take, in seconds.
        patience_s: how long to go on trying while the connection fails, in seconds, with growing pauses. A node that
            has never answered yet gets at most three seconds.

    Raises:
        LedgerError: for another kind of URL, or if web3.py is not installed.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, patience_s: float = 60.0) -> None:
        try:
            import requests
            from web3 import HTTPProvider
        except ImportError as error:
            raise NotInstalledError(error) from error
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LedgerError(f"{url!r} is no node's URL: it begins with http:// or https://")
        self.name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=32)
        self._session.mount(f"{parts.scheme}://", adapter)
        self._provider = HTTPProvider(
            url, request_kwargs={"timeout": timeout_s}, session=self._session, exception_retry_configuration=None
        )
        self._patience_s = patience_s
        self._greeted = False

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def request(self, method: str, *params: object) -> Any:
        """Send a request, and send it again while the connection fails or the node is busy.

        Use it only for methods that may be called twice, because the answer to the first call may have been lost.

        Args:
            method: name of the JSON-RPC method.
            params: its parameters.

        Raises:
            NodeUnreachableError: if no answer came in time.
            NodeRefusedError: if the answer is an error.
        """
        patience_s = self._patience_s if self._greeted else min(self._patience_s, _GREETING_S)
        give_up_at, delay_s = time.monotonic() + patience_s, _FIRST_DELAY_S
        while True:
            answer, problem = self._try(method, params)
            if not problem:
                self._greeted = True
                return answer
            if time.monotonic() + delay_s > give_up_at:
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
        return _int(self.request("eth_chainId"))

    def block_number(self) -> int:
        """Number of the latest block."""
        return _int(self.request("eth_blockNumber"))

    def block(self, which: int | bytes | str) -> Block | None:
        """A block by its number, its hash or its name (`latest`); None if there is no such block."""
        if isinstance(which, bytes):
            answer = self.request("eth_getBlockByHash", to_hex(which), False)
        else:
            answer = self.request("eth_getBlockByNumber", hex(which) if isinstance(which, int) else which, False)
        if answer is None:
            return None
        base_fee = answer.get("baseFeePerGas")
        return Block(
            _int(answer["number"]),
            from_hex(answer["hash"]),
            _int(answer["timestamp"]),
            None if base_fee is None else _int(base_fee),
        )

    def head(self) -> Block:
        """The latest block."""
        return cast(Block, self.block("latest"))

    def balance_wei(self, address: bytes) -> int:
        """Native currency of an account, in wei."""
        return _int(self.request("eth_getBalance", to_hex(address), "latest"))

    def transaction_count(self, address: bytes, at: str) -> int:
        """The next nonce of an account, after the `latest` block or after all that is `pending`."""
        return _int(self.request("eth_getTransactionCount", to_hex(address), at))

    def code(self, address: bytes) -> bytes:
        """The code at an address; empty if there is none."""
        return from_hex(self.request("eth_getCode", to_hex(address), "latest"))

    def call(self, fields: Mapping[str, str], at: int | str = "latest") -> bytes:
        """Call a contract without changing anything, on the state after a block.

        Args:
            fields: `to`, `data` and so on, encoded as in JSON-RPC.
            at: the block, by its number or its name.
        """
        return from_hex(self.request("eth_call", dict(fields), hex(at) if isinstance(at, int) else at))

    def broadcast(self, raw: bytes) -> None:
        """Send a signed transaction to the node."""
        self.request("eth_sendRawTransaction", to_hex(raw))

    def receipt(self, transaction: bytes) -> dict[str, Any] | None:
        """The receipt of a transaction (by hash, 32 bytes), as the node gives it; None while it is in no block."""
        return cast("dict[str, Any] | None", self.request("eth_getTransactionReceipt", to_hex(transaction)))

    def has_transaction(self, transaction: bytes) -> bool:
        """Whether the node knows a transaction, by its hash, mined or not."""
        return self.request("eth_getTransactionByHash", to_hex(transaction)) is not None

    def _try(self, method: str, params: tuple[object, ...]) -> tuple[Any, str]:
        """Send a request once.

        Returns:
            The answer, and a text that says what is wrong with the connection; empty if nothing is.
        """
        import requests
        from web3.types import RPCEndpoint

        try:
            answer: Any = self._provider.make_request(RPCEndpoint(method), list(params))
        except requests.HTTPError as error:
            status = cast(requests.Response, error.response).status_code
            problem = f"HTTP {status} {_phrase(status)}"
            if status == _TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return None, problem
            raise NodeUnreachableError(f"{self.name} answers {problem}: check the URL and the key in it") from None
        except requests.RequestException as error:
            return None, "it took too long" if isinstance(error, requests.Timeout) else "no connection"
        except ValueError:
            answer = None
        refusal = answer.get("error") if isinstance(answer, dict) else None
        if refusal is None and isinstance(answer, dict) and "result" in answer:
            return answer["result"], ""
        if not isinstance(refusal, dict):
            raise NodeUnreachableError(f"{self.name} does not speak JSON-RPC: check the URL")
        given = refusal.get("code")
        code = given if isinstance(given, int) else 0
        if code == _TOO_MANY_REQUESTS:
            return None, "too many requests"
        raise NodeRefusedError(method, code, str(refusal.get("message", refusal)), refusal.get("data"))


def revert_data(error: NodeRefusedError) -> bytes | None:
    """The bytes that a call returned when it reverted; None if the node refused it for another reason."""
    data = error.data
    if isinstance(data, dict):  # Ganache
        data = data.get("result")
    if isinstance(data, str):
        text = data.removeprefix("Reverted ")  # Nethermind
        if text.startswith("0x") and len(text) % 2 == 0:
            return from_hex(text)
    return b"" if "revert" in error.message.lower() else None


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(unknown)"


def _int(text: str) -> int:
    return int(text, 16)


def to_hex(value: bytes) -> str:
    """Write bytes as JSON-RPC does, in hexadecimal digits after 0x."""
    return "0x" + value.hex()


def from_hex(text: str) -> bytes:
    """Read bytes that JSON-RPC wrote."""
    return bytes.fromhex(text.removeprefix("0x"))
