"""A JSON-RPC node, asked through web3.py: dropped connections are tried again, refusals are one line."""

from collections.abc import Callable
from typing import Any, TypeVar

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception, Web3RPCError
from web3.providers.rpc.utils import ExceptionRetryConfiguration

from idml.ledger.errors import NodeError

_Answer = TypeVar("_Answer")
_UNREACHABLE = (requests.ConnectionError, requests.Timeout, requests.HTTPError)
# Sending a signed transaction twice does no harm: it has one hash and one nonce.
_TRIED_AGAIN = (
    "eth_blockNumber",
    "eth_call",
    "eth_chainId",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getLogs",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
)


class Node:
    """One node behind a URL.

    Args:
        url: http or https.
        timeout_s: for one answer.
        retries: how often a question is asked again when the connection drops, each time after twice the pause.

    Raises:
        NodeError: if it is no URL of a node.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, retries: int = 5) -> None:
        if not url.startswith(("http://", "https://")):
            raise NodeError(f"{url!r} is no URL of a node: it starts with http:// or https://")
        self.url = url
        retry = ExceptionRetryConfiguration(
            errors=_UNREACHABLE, retries=retries, backoff_factor=0.125, method_allowlist=_TRIED_AGAIN
        )
        provider = HTTPProvider(url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=retry)
        self.web3 = Web3(provider)

    def ask(self, question: Callable[[Web3], _Answer]) -> _Answer:
        """Ask through web3.py.

        Raises:
            NodeError: if the node cannot be reached or refuses.
        """
        try:
            return question(self.web3)
        except _UNREACHABLE as error:
            raise NodeError(f"no answer from {self.url}: is a node running there? ({type(error).__name__})") from error
        except Web3RPCError as error:
            raise NodeError(f"{self.url} refuses: {_message(error)}") from error
        except (Web3Exception, ValueError) as error:
            raise NodeError(f"{self.url} gives no answer that makes sense: {_short(error)}") from error

    def request(self, method: str, *parameters: Any) -> Any:
        """Call a method that web3.py does not know, such as a development node's.

        Raises:
            NodeError: if the node cannot be reached or refuses.
        """
        try:
            answer = self.web3.provider.make_request(method, list(parameters))  # type: ignore[arg-type]
        except _UNREACHABLE as error:
            raise NodeError(f"no answer from {self.url}: is a node running there? ({type(error).__name__})") from error
        if "error" in answer:
            raise NodeError(f"{self.url} refuses {method}: {answer['error'].get('message', answer['error'])}")
        return answer.get("result")


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _message(error: Web3RPCError) -> str:
    answer = error.rpc_response or {}
    return str(answer.get("error", {}).get("message", error)).splitlines()[0][:300]


def revert_data(error: Web3RPCError) -> bytes | None:
    """What a reverted call returned, from a node's complaint; None if it complains of something else.

    Nodes put it in different places: in `error.data`, as text or inside an object (Ganache).
    """
    complaint = (error.rpc_response or {}).get("error", {})
    data = complaint.get("data")
    if isinstance(data, dict):
        data = data.get("result") or data.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    return b"" if "revert" in str(complaint.get("message", "")).lower() else None
