"""Carries JSON-RPC requests to a node over HTTP, each once.

web3.py carries the requests. Its layer of methods is not used, for two reasons. It takes more time than the node does.
And it turns the errors of different nodes into texts, while here the exact error decides what to do next.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlsplit

from idml.ledger.chain.answers import MOST_BYTES
from idml.ledger.errors import LedgerError, NodeRefusedError, NotInstalledError
from idml.outside import parse_json


class PassingError(Exception):
    """No usable answer came, but the next one may be; the message says what is wrong."""


class Transport:
    """The connections to a node.

    Args:
        url: see `Node`.
        timeout_s: how long one answer may take, in seconds.

    Attributes:
        name: the URL without what may be secret in it.

    Raises:
        LedgerError: for another kind of URL, or if web3.py is not installed.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        try:
            import requests
            from requests.adapters import HTTPAdapter
            from web3 import HTTPProvider
        except ImportError as error:
            raise NotInstalledError(error) from error
        self.name = _name(url)

        class Bounded(HTTPProvider):
            @staticmethod
            def decode_rpc_response(raw_response: bytes) -> Any:
                return parse_json(raw_response)

        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=32))
        self._session.hooks["response"].append(_read_body)
        self._provider = Bounded(
            url, request_kwargs={"timeout": timeout_s}, session=self._session, exception_retry_configuration=None
        )

    def post(self, method: str, params: Sequence[object]) -> tuple[int, object]:
        """Send a request.

        Args:
            method: name of the JSON-RPC method.
            params: its parameters.

        Returns:
            The HTTP status, and what came with it; None if that is no JSON.

        Raises:
            PassingError: if no answer came.
            NodeRefusedError: if it is longer than any node's.
        """
        import requests
        from web3.types import RPCEndpoint

        try:
            answer: object = self._provider.make_request(RPCEndpoint(method), list(params))
            return HTTPStatus.OK, answer
        except requests.HTTPError as error:
            response = cast(requests.Response, error.response)
            return response.status_code, _parsed(response.content)
        except requests.RequestException as error:
            raise PassingError("it took too long" if isinstance(error, requests.Timeout) else "no connection") from None
        except _TooLongError:
            raise NodeRefusedError(method, 0, f"it answers with more than {MOST_BYTES} bytes", outright=False) from None
        except ValueError:
            return HTTPStatus.OK, None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


class _TooLongError(Exception):
    """An answer is longer than any node's."""


def phrase(status: int) -> str:
    """What an HTTP status is called."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(unknown)"


def _name(url: str) -> str:
    import requests

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
        requests.Request("POST", url).prepare()
    except (ValueError, requests.RequestException):
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        harmless = re.sub(r"^([^/]*//)(?:[^/]*@)?([^/?#]*).*", r"\1\2", url, flags=re.DOTALL)
        raise LedgerError(f"{harmless!r} is no node's URL: it begins with http:// or https:// and names a host")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _parsed(content: bytes) -> object:
    try:
        return parse_json(content)
    except ValueError:
        return None


def _read_body(response: Any, **_settings: object) -> None:
    """Read what came, before requests reads all of it."""
    body = bytearray()
    for part in response.iter_content(2**16):
        body += part
        if len(body) > MOST_BYTES:
            response.close()
            raise _TooLongError
    response._content = bytes(body)
