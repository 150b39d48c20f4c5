"""The connection to a node: what it survives, and what it says where it cannot."""

import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from idml.ledger.chain.node import Node, revert_data
from idml.ledger.errors import LedgerError, NodeRefusedError, NodeUnreachableError


@pytest.mark.slow
def test_a_dead_url_is_one_line_and_soon(free_url: str) -> None:
    begun = time.monotonic()
    with pytest.raises(NodeUnreachableError, match=rf"^no answer from {free_url}: no connection; check the URL"):
        Node(free_url.replace("//", "//user:secret@") + "/key").chain_id()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("url", ["localhost:8545", "ftp://somewhere", "http://", "/tmp/geth.ipc"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(LedgerError, match="is no node's URL"):
        Node(url)


def test_without_web3_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "web3", None)
    with pytest.raises(LedgerError, match=r"pip install -c constraints\.txt -e '\.\[chain\]'"):
        Node("http://127.0.0.1:1")


def test_busy_nodes_and_lost_connections_are_asked_again(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    between = proxy(anvil().url)
    busy = b'{"jsonrpc":"2.0","id":0,"error":{"code":429,"message":"slow down"}}'
    answers = itertools.chain([None, 503, 429, busy], itertools.repeat(b""))

    def rule(_method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes | int | None:
        answer = next(answers)
        return ask() if answer == b"" else answer

    between.rule = rule
    assert Node(between.url).chain_id() == 31_337
    assert len(between.calls) == 5


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
        (b"<html>hello</html>", "does not speak JSON-RPC"),
        (b"[]", "does not speak JSON-RPC"),
        (b'{"jsonrpc":"2.0","id":0,"error":"no"}', "does not speak JSON-RPC"),
        (b'{"jsonrpc":"2.0","id":0,"error":null}', "does not speak JSON-RPC"),
        (b'{"jsonrpc":"2.0","id":0}', "does not speak JSON-RPC"),
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


@pytest.mark.parametrize("given", ["", ',"code":null', ',"code":"BUSY"'])
def test_a_refusal_without_a_number_has_code_0(
    anvil: Callable[..., Any], proxy: Callable[..., Any], given: str
) -> None:
    between = proxy(anvil().url)
    between.rule = lambda _method, _params, _ask: (
        f'{{"jsonrpc":"2.0","id":0,"error":{{"message":"no"{given}}}}}'.encode()
    )
    with pytest.raises(NodeRefusedError, match=r"the node refuses eth_chainId: no \(code 0\)"):
        Node(between.url).chain_id()


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
