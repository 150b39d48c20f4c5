"""Whatever becomes of an answer, a payment is made once, and what may have been paid is never told as a failure."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.journal import OrderJournal
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import pay
from idml.ledger.chain.sender import Sending
from idml.ledger.errors import LedgerError, SentBeforeError
from idml.ledger.wallet import Wallet

RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))  # Anvil's account 0
METHODS = {
    "eth_blockNumber",
    "eth_chainId",
    "eth_estimateGas",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getTransactionBySenderAndNonce",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
    "txpool_contentFrom",
}
AFTER = {"eth_blockNumber", "eth_getBlockByHash", "eth_getTransactionReceipt", "eth_sendRawTransaction"}
"""What is asked when something may have been sent."""


def result(value: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "result": value}).encode()


def refusal(code: int) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": "no"}}).encode()


SPOILED: dict[str, bytes | int | None] = {
    "null": result(None),
    "empty": result(""),
    "number": result(5),
    "words": result("zz"),
    "no end": result("0x" + "f" * 5_000),
    "-32005": refusal(-32005),
    "-32000": refusal(-32000),
    "HTML": b"<html>hello</html>",
    "cut short": b'{"jsonrpc":"2.0","id":0,"result":"0x',
    "403": 403,
    "dropped": None,
    "deep": b"[" * 200_000,
}


class Payments:
    """Payments of 1 wei, each to a new address, over a connection that spoils the answers to one method."""

    def __init__(self, process: Any, between: Any, journal: Path) -> None:
        self.process, self.between = process, between
        self.sending = Sending(poll_s=0.02, stuck_after_s=0.1, give_up_after_s=0.4, journal=OrderJournal(journal))
        self.count = 0x1000  # the first addresses are not like others

    def spoil(self, method: str, kind: str, times: float, *, arrives: bool) -> None:
        """Spoil so many answers; `arrives` says whether the node gets to see the requests."""
        left = times

        def rule(asked: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes | int | None:
            nonlocal left
            if asked != method or left <= 0:
                return ask()
            left -= 1
            if arrives:
                ask()
            return SPOILED[kind]

        self.between.rule = rule

    def paid(self, to: bytes) -> int:
        return int(self.process.rpc("eth_getBalance", "0x" + to.hex(), "latest"), 16)

    def nonce(self) -> int:
        return int(self.process.rpc("eth_getTransactionCount", RICH.address_hex, "pending"), 16)

    def check(self, method: str, kind: str, times: float, *, arrives: bool) -> bool:
        """Pay, and pay again whatever was said to be not paid; returns whether the first try succeeded."""
        self.count += 1
        to, before = self.count.to_bytes(20, "big"), self.nonce()
        node = Node(self.between.url, patience_s=0.3 if times > 1 else 5)
        self.spoil(method, "null", 0, arrives=True)
        node.chain_id()
        self.spoil(method, kind, times, arrives=arrives)
        case = (method, kind, times, arrives)
        try:
            assert pay(node, RICH, to, 1, self.sending).success, case
            assert self.paid(to) == 1, case
            return True
        except LedgerError as error:
            told, sent = str(error), error.sent
            assert "\n" not in told, case
        if sent:
            assert f"transaction 0x{sent[-1].hex()}" in told, case
            assert "may have been sent: the same command says what became of it" in told, case
        else:
            assert told.endswith("; nothing was sent"), case
            assert (self.paid(to), self.nonce()) == (0, before), case
        self.spoil(method, kind, 0, arrives=True)
        again = Node(self.between.url)
        if sent:
            with pytest.raises(SentBeforeError):
                pay(again, RICH, to, 1, self.sending)
        else:
            pay(again, RICH, to, 1, self.sending)
        assert self.paid(to) <= 1, case
        return False


@pytest.fixture
def payments(
    anvil: Callable[..., Any], proxy: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Payments:
    monkeypatch.setattr("idml.ledger.chain.node._FIRST_DELAY_S", 0.005)
    process = anvil()
    return Payments(process, proxy(process.url), tmp_path / "journal")


def test_a_payment_asks_for_these(payments: Payments) -> None:
    assert payments.check("", "null", 0, arrives=True)
    assert set(payments.between.calls) == METHODS


@pytest.mark.parametrize(
    "method", [*sorted(AFTER), *(pytest.param(method, marks=pytest.mark.slow) for method in sorted(METHODS - AFTER))]
)
def test_one_spoiled_answer_changes_nothing(payments: Payments, method: str) -> None:
    for kind in SPOILED:
        for arrives in (True, False) if method == "eth_sendRawTransaction" else (True,):
            done = payments.check(method, kind, 1, arrives=arrives)
            assert done or (kind == "-32000" and (method == "eth_estimateGas" or not arrives)), (kind, arrives)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS))
def test_answers_that_stay_spoiled_are_told(payments: Payments, method: str) -> None:
    for kind in SPOILED:
        for arrives in (True, False) if method == "eth_sendRawTransaction" else (True,):
            payments.check(method, kind, 1_000, arrives=arrives)
