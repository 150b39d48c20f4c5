"""The connection to a node: what it survives, and what it says where it cannot."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from idml.ledger.chain.answers import MOST_BYTES
from idml.ledger.chain.node import Node, revert_data
from idml.ledger.errors import LedgerError, NodeRefusedError, NodeUnreachableError
from idml.outside import parse_json


@pytest.mark.slow
def test_a_dead_url_is_one_line_and_soon(free_url: str) -> None:
    node = Node(free_url.replace("//", "//user:secret@") + "/key")
    begun = time.monotonic()
    with pytest.raises(NodeUnreachableError, match=rf"^no answer from {free_url}: no connection; check the URL"):
        node.chain_id()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8545",
        "ftp://somewhere",
        "http://",
        "/tmp/geth.ipc",
        "http://[::1",
        "http://[::1/secret",
        "http://user:secret@[::1",
        "http://host:99999/secret",
        "http://host:x",
        "http://*",
        "http://.host",
        f"http://{'a' * 64}.org",
        "http://a b",
        "http://\udce4",
    ],
)
def test_other_urls_are_refused_and_secrets_in_them_are_not_repeated(url: str) -> None:
    with pytest.raises(LedgerError, match="is no node's URL") as caught:
        Node(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_web3_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "web3", None)
    with pytest.raises(LedgerError, match=r"pip install -c constraints\.txt -e '\.\[chain\]'"):
        Node("http://127.0.0.1:1")


def refusal(code: int, message: str = "not now") -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": message}}).encode()


def result(value: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "result": value}).encode()


PASSING: dict[str, bytes | int | None] = {
    "dropped": None,
    "503": 503,
    "429": 429,
    "403": 403,
    "busy": refusal(429),
    "limit": refusal(-32005),
    "server error": refusal(-32000),
    "HTML": b"<html>hello</html>",
    "cut short": b'{"jsonrpc":"2.0","id":0,"res',
    "null": result(None),
    "empty": result(""),
    "number": result(5),
    "words": result("zz"),
    "list": result([]),
    "no end": result("0x" + "f" * 5_000),
    "no digits": result("0x"),
    "negative": result("-0x5"),
    "no object": b"[]",
    "no error": b'{"jsonrpc":"2.0","id":0,"error":"no"}',
    "no result": b'{"jsonrpc":"2.0","id":0,"error":null}',
    "nothing": b'{"jsonrpc":"2.0","id":0}',
    "deep": b"[" * 200_000,
    "deep result": b'{"jsonrpc":"2.0","id":0,"result":' + b'{"":[' * 100_000,
    "no text": b"\xff\xfe",
}


class Spoiled:
    """A node of which some answers are spoiled, each of a kind."""

    def __init__(self, url: str, proxy: Callable[..., Any]) -> None:
        self.between = proxy(url)
        self.url: str = self.between.url

    def begin(self, method: str, kind: str, times: float) -> None:
        left = times

        def rule(asked: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes | int | None:
            nonlocal left
            answer = ask()
            if asked != method or left <= 0:
                return answer
            left -= 1
            return PASSING[kind]

        self.between.rule = rule


@pytest.mark.slow
def test_what_passes_is_waited_for_whatever_it_is(
    anvil: Callable[..., Any], proxy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what does not pass is one clear error in the end."""
    monkeypatch.setattr("idml.ledger.chain.node._FIRST_DELAY_S", 0.001)
    spoiled = Spoiled(anvil().url, proxy)
    questions: dict[str, Callable[[Node], object]] = {
        "eth_chainId": Node.chain_id,
        "eth_blockNumber": Node.block_number,
        "eth_getBlockByNumber": Node.head,
        "eth_getBalance": lambda node: node.balance_wei(bytes(20)),
        "eth_getTransactionCount": lambda node: node.transaction_count(bytes(20), "latest"),
        "eth_call": lambda node: node.call({"to": "0x" + "00" * 20}),
        "eth_getCode": lambda node: node.code(bytes(20)),
    }
    fine = {("eth_call", "no end"), ("eth_call", "no digits"), ("eth_getCode", "no end"), ("eth_getCode", "no digits")}
    known = {("eth_call", "server error")}  # that is why it failed
    for method, question in questions.items():
        for kind in PASSING:
            if (method, kind) in fine | known:
                continue
            spoiled.begin(method, kind, 0)
            node = Node(spoiled.url, patience_s=5)
            expected = question(node)
            spoiled.begin(method, kind, 1)
            assert question(node) == expected, (method, kind)
            spoiled.begin(method, kind, 99)
            impatient = Node(spoiled.url, patience_s=0.0)
            impatient._greeted = True
            with pytest.raises((NodeUnreachableError, NodeRefusedError)) as caught:
                question(impatient)
            assert "\n" not in str(caught.value), (method, kind)
            assert len(str(caught.value)) < 250, (method, kind)


def test_a_question_that_is_refused_for_good_is_told_in_the_nodes_words(
    anvil: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    between = proxy(anvil().url)
    between.rule = lambda _method, _params, _ask: refusal(-32000, "the index is being built " + "x" * 10_000)
    with pytest.raises(NodeRefusedError, match="the node refuses eth_blockNumber: the index is being built") as caught:
        Node(between.url, patience_s=0.2).block_number()
    assert len(between.calls) > 1, "it might have passed"
    assert not caught.value.outright
    assert len(str(caught.value)) < 600


def test_an_answer_without_end_is_not_read_to_its_end(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    between = proxy(anvil().url)
    node = Node(between.url)
    node.chain_id()
    between.rule = lambda _method, _params, _ask: b'"' + bytes(MOST_BYTES) + b'"'
    with pytest.raises(NodeRefusedError, match="it answers with more than 67108864 bytes") as caught:
        node.request("eth_getLogs")
    assert not caught.value.outright


def test_only_brackets_outside_of_texts_are_deep() -> None:
    assert parse_json(b'{"a": "' + b"[" * 200 + rb"\"[" + b'"}') == {"a": "[" * 200 + '"['}
    assert parse_json(b"[" * 100 + b"]" * 100)
    for text in (b"[" * 101 + b"]" * 101, b"", b"{", b'"'):
        with pytest.raises(ValueError):  # noqa: PT011
            parse_json(text)


def test_too_many_logs_at_once_are_told_at_once(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    """Whoever asks makes the range shorter; to wait would not help. A refusal is found behind any HTTP status."""
    between = proxy(anvil().url)
    between.rule = lambda _method, _params, _ask: refusal(-32005, "query returned more than 10000 results")
    with pytest.raises(NodeRefusedError, match="more than 10000"):
        Node(between.url).request("eth_getLogs")
    assert between.calls == ["eth_getLogs"]


def test_slow_nodes_are_unreachable(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    between = proxy(anvil().url)

    def late(*_request: object) -> bytes:
        time.sleep(1.0)
        return b"{}"

    between.rule = late
    with pytest.raises(NodeUnreachableError, match="it took too long"):
        Node(between.url, timeout_s=0.1, patience_s=0.5).chain_id()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (401, "answers HTTP 401 Unauthorized: check the URL and the key in it"),
        (499, r"answers HTTP 499 \(unknown\)"),
    ],
)
def test_what_is_no_node_is_said_at_once(
    anvil: Callable[..., Any], proxy: Callable[..., Any], answer: bytes | int, words: str
) -> None:
    between = proxy(anvil().url)
    between.rule = lambda _method, _params, _ask: answer
    with pytest.raises(NodeUnreachableError, match=words):
        Node(between.url).chain_id()
    assert between.calls == ["eth_chainId"]


def test_a_refusal_is_found_behind_whatever_http_status(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    """But a status that says that the node is busy comes first."""
    between = proxy(anvil().url)
    node = Node(between.url, patience_s=0.1)
    for status in (400, 403, 404):
        between.rule = lambda _method, _params, _ask, status=status: (status, refusal(-32602, "wrong range"))
        with pytest.raises(NodeRefusedError, match="wrong range"):
            node.request("eth_getLogs")
    for status in (429, 500, 503):
        between.rule = lambda _method, _params, _ask, status=status: (status, refusal(-32602, "wrong range"))
        with pytest.raises(NodeUnreachableError, match=f"HTTP {status}"):
            node.request("eth_getLogs")
    between.rule = lambda _method, _params, _ask: (404, b"<html>not found</html>")
    with pytest.raises(NodeUnreachableError, match="answers HTTP 404 Not Found: check the URL and the key"):
        node.request("eth_getLogs")


def test_a_nodes_refusal_is_kept_word_for_word(anvil: Callable[..., Any]) -> None:
    node = Node(anvil().url)
    with pytest.raises(
        NodeRefusedError, match=r"the node refuses nope_nope: Method not found \(code -32601\)"
    ) as caught:
        node.request("nope_nope")
    assert (caught.value.code, caught.value.data) == (-32_601, None)
    assert not node.knows("nope_nope")
    assert node.knows("eth_blockNumber")
    assert node.knows("evm_revert"), "known, even if it refuses these parameters"
    node.close()


def test_what_speaks_no_json_rpc_is_said_soon(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    between = proxy(anvil().url)
    between.rule = lambda _method, _params, _ask: b"<html>hello</html>"
    with pytest.raises(NodeUnreachableError, match=r"^no answer from .+: what it answers is no JSON-RPC; check"):
        Node(between.url, patience_s=0.2).chain_id()


@pytest.mark.parametrize("given", ["", ',"code":null', ',"code":"BUSY"'])
def test_a_refusal_without_a_number_has_code_0(
    anvil: Callable[..., Any], proxy: Callable[..., Any], given: str
) -> None:
    between = proxy(anvil().url)
    between.rule = lambda _method, _params, _ask: (
        f'{{"jsonrpc":"2.0","id":0,"error":{{"message":"no"{given}}}}}'.encode()
    )
    with pytest.raises(NodeRefusedError, match=r"the node refuses web3_clientVersion: no \(code 0\)"):
        Node(between.url).request("web3_clientVersion")


def test_blocks_are_found_by_number_and_hash_and_may_be_missing(anvil: Callable[..., Any]) -> None:
    node = Node(anvil().url)
    head = node.head()
    assert head == node.block(0) == node.block(head.hash)
    assert node.block(7) is None
    assert node.block(bytes(32)) is None


@pytest.mark.parametrize(
    ("message", "data", "reason"),
    [
        ("execution reverted", "0xabcd", b"\xab\xcd"),  # geth, Anvil
        ("VM execution error.", "Reverted 0xabcd", b"\xab\xcd"),  # Nethermind
        ("VM Exception", {"result": "0xabcd", "hash": None}, b"\xab\xcd"),  # Ganache
        ("execution reverted", None, b""),
        ("execution reverted", "0xabc", b""),
        ("insufficient funds", None, None),
        ("insufficient funds", {"code": 3}, None),
    ],
)
def test_the_reason_of_a_revert_is_found_wherever_a_node_puts_it(
    message: str, data: object, reason: bytes | None
) -> None:
    assert revert_data(NodeRefusedError("eth_call", 3, message, data)) == reason
