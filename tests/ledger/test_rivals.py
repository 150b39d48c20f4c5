"""Other programs send from the same account: none of their transactions is lost, and no success is false."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.fees import GWEI
from idml.ledger.errors import LedgerError, TransactionReplacedError, TransactionStuckError

from ..conftest import until
from .test_sender import CHAIN, RICH, TARGET, balance, gift, in_background, pool, sender_for

GONE = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}'
POOL_METHODS = ("txpool_contentFrom", "eth_getTransactionBySenderAndNonce")


def signed(nonce: int, wei: int = 1_000, max_wei: int = 3 * GWEI) -> str:
    """What another program with the same key signs."""
    fields = {"type": 2, "chainId": CHAIN, "nonce": nonce, "to": TARGET, "value": wei, "data": b"", "gas": 21_000}
    raw, _ = RICH.sign_transaction({**fields, "maxFeePerGas": max_wei, "maxPriorityFeePerGas": 1})
    return "0x" + raw.hex()


def foreign(process: Any, nonce: int) -> str:
    """What another program with the same key sends; returns its hash."""
    sent: str = process.rpc("eth_sendRawTransaction", signed(nonce))
    return sent


def connection(process: Any, proxy: Callable[..., Any], tells: str) -> str:
    """A URL of the node, which tells what waits in its pool by one method, by another, or not at all."""
    if tells == "by nonce":
        return str(process.url)

    def rule(method: str, params: list[Any], ask: Callable[[], bytes]) -> bytes:
        if method == "txpool_contentFrom" and tells == "by account":  # as Geth has it
            content = process.rpc("txpool_content")
            own: dict[str, dict[str, Any]] = {
                kind: next((own for who, own in content[kind].items() if who.lower() == params[0]), {})
                for kind in ("pending", "queued")
            }
            return json.dumps({"jsonrpc": "2.0", "id": 0, "result": own}).encode()
        return GONE if method in POOL_METHODS else ask()

    between = proxy(process.url)
    between.rule = rule
    return str(between.url)


TELLS = pytest.mark.parametrize("tells", ["by account", "by nonce", "nothing"])


@TELLS
def test_what_waits_behind_anothers_transaction_says_so_and_leaves_it(
    anvil: Callable[..., Any], proxy: Callable[..., Any], tells: str
) -> None:
    process = anvil("--no-mining")
    theirs = foreign(process, 0)
    sender = sender_for(connection(process, proxy, tells), stuck_after_s=0.1, give_up_after_s=0.5)
    known = f"behind transaction {theirs} .nonce 0."
    words = "for nonce 0, and the node does not tell whether" if tells == "nothing" else known
    with pytest.raises(TransactionStuckError, match=f"^in no block after 0.5 s: it waits {words}") as caught:
        sender.send(gift(1))
    assert "\n" not in str(caught.value)
    assert pool(process)[0]["hash"] == theirs
    process.rpc("evm_mine")
    assert balance(process) == 1_001


def test_a_place_beyond_a_gap_that_another_has_taken_is_left_to_it(anvil: Callable[..., Any]) -> None:
    process = anvil("--no-mining")
    theirs = foreign(process, 1)
    sender = sender_for(process.url)
    ours = []
    for wei, nonce in ((1, 0), (2, 2)):
        ours.append(in_background(sender, gift(wei)))
        until(partial(lambda number: number in pool(process), nonce))
    assert pool(process)[1]["hash"] == theirs
    process.rpc("evm_mine")
    assert all(future.result(10).success for future in ours)
    assert balance(process) == 1_003


@TELLS
def test_who_takes_the_place_of_ones_own_transaction_keeps_it(
    anvil: Callable[..., Any], proxy: Callable[..., Any], tells: str
) -> None:
    """It is not outbid, and what became of one's own is told when it is certain."""
    process = anvil("--no-mining")
    sender = sender_for(connection(process, proxy, tells), stuck_after_s=0.1, give_up_after_s=0.8)
    outcomes = []
    for mined in (False, True):
        sending = in_background(sender, gift(1))
        until(lambda: 0 in pool(process))
        process.rpc("anvil_dropAllTransactions")
        theirs = foreign(process, 0)
        time.sleep(0.3)
        assert pool(process)[0]["hash"] == theirs
        if mined:
            process.rpc("evm_mine")
        with pytest.raises(LedgerError) as caught:
            sending.result(10)
        outcomes.append(caught.value)
        process.rpc("anvil_dropAllTransactions")
    waits, lost = outcomes
    assert isinstance(waits, TransactionStuckError)
    known = f"another transaction, {theirs}, waits with its nonce"
    assert ("another transaction waits with its nonce" if tells == "nothing" else known) in str(waits)
    assert isinstance(lost, TransactionReplacedError)
    assert f"will never be mined: transaction {theirs} took its nonce" in str(lost)
    assert lost.sent == ()
    assert balance(process) == 1_000


def test_a_place_that_a_reorg_opened_may_be_taken_too(anvil: Callable[..., Any]) -> None:
    """And only when the other transaction is final, one's own cannot be any more."""
    process = anvil()
    sending = in_background(sender_for(process.url, confirmations=3, stuck_after_s=0.1), gift(1))
    until(lambda: balance(process) == 1)
    time.sleep(0.3)
    process.rpc("anvil_reorg", 1, [[signed(0), 0]])
    for _ in range(2):
        assert balance(process) == 1_000
        time.sleep(0.5)
        assert not sending.done()
        process.rpc("evm_mine")
    with pytest.raises(TransactionReplacedError, match=r"transaction 0x\w+ took its nonce"):
        sending.result(10)
    assert balance(process) == 1_000


@pytest.mark.parametrize("mining", [[], ["--no-mining"]])
def test_a_node_that_refuses_what_it_took_is_not_believed(
    anvil: Callable[..., Any], proxy: Callable[..., Any], mining: list[str]
) -> None:
    """Not even if it does not find the transaction by its hash: it has it in the place of its nonce."""
    process = anvil(*mining)
    between = proxy(process.url)

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
        answer = ask()
        if method == "eth_sendRawTransaction":
            return b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"out of memory"}}'
        return b'{"jsonrpc":"2.0","id":0,"result":null}' if method == "eth_getTransactionByHash" else answer

    between.rule = rule
    sending = in_background(sender_for(between.url), gift())
    until(lambda: pool(process) or balance(process))
    time.sleep(0.2)
    process.rpc("evm_mine")
    assert sending.result(10).success
    assert balance(process) == 1


def test_another_transactions_receipt_is_no_receipt(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    process = anvil()
    foreign(process, 0)
    between = proxy(process.url)
    mixed_up = [True]

    def rule(method: str, params: list[Any], ask: Callable[[], bytes]) -> bytes:
        if method == "eth_getTransactionReceipt" and mixed_up:
            mixed_up.clear()
            return ask().replace(params[0].encode(), b"0x" + b"17" * 32)
        return ask()

    between.rule = rule
    assert sender_for(between.url).send(gift()).success
    assert not mixed_up
    assert between.calls.count("eth_getTransactionReceipt") == 2


def test_a_nonce_that_nobody_can_tell_of_stays_open(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    """A node that keeps neither old counts nor the receipt: the transaction may be in the chain, and it is."""
    process = anvil()
    between = proxy(process.url)
    hidden = ("eth_getTransactionReceipt", "eth_getTransactionByHash")

    def rule(method: str, params: list[Any], ask: Callable[[], bytes]) -> bytes:
        if method == "eth_getTransactionCount" and params[1].startswith("0x"):
            return GONE
        return b'{"jsonrpc":"2.0","id":0,"result":null}' if method in hidden else ask()

    between.rule = rule
    with pytest.raises(TransactionStuckError, match="its nonce is used, and the node does not tell by") as caught:
        sender_for(between.url, stuck_after_s=0.1, give_up_after_s=0.5).send(gift())
    assert caught.value.sent
    assert balance(process) == 1


MINING = pytest.mark.parametrize("mining", [[], pytest.param(["--block-time", "1"], marks=pytest.mark.slow)])


@MINING
def test_equal_orders_of_many_senders_are_paid_as_often_as_they_succeed(
    anvil: Callable[..., Any], mining: list[str]
) -> None:
    """Anvil lets one that waits be replaced by one that offers a single wei more: that is told, and is no success."""
    process = anvil(*mining)

    def work(_index: int) -> int:
        sender, paid = sender_for(process.url, stuck_after_s=1), 0
        for _ in range(2):
            with suppress(TransactionReplacedError):
                paid += sender.send(gift()).success
        return paid

    with ThreadPoolExecutor(6) as threads:
        paid = sum(threads.map(work, range(6)))
    assert paid == balance(process)
    assert paid >= 6


SCRIPT = """
import sys
from pathlib import Path
from idml.ledger.chain.journal import OrderJournal
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import pay
from idml.ledger.chain.sender import Sending
from idml.ledger.errors import TransactionReplacedError
from idml.ledger.wallet import Wallet

url, key, folder = sys.argv[1:]
sending = Sending(poll_s=0.05, journal=OrderJournal(Path(folder)) if folder else None, again=True)
node = Node(url)
node.chain_id()
print("ready", flush=True)
sys.stdin.readline()
paid = 0
for _ in range(5):
    try:
        paid += pay(node, Wallet(bytes.fromhex(key)), b"\\x77" * 20, 1, sending).success
    except TransactionReplacedError:
        pass
print(paid)
"""


@pytest.mark.slow
@pytest.mark.parametrize("written", [True, False])
@MINING
def test_equal_orders_of_two_processes_too(
    anvil: Callable[..., Any], mining: list[str], written: bool, tmp_path: Path
) -> None:
    process = anvil(*mining)
    command = [sys.executable, "-c", SCRIPT, process.url, RICH._key.secret.hex(), str(tmp_path) if written else ""]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    told = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert sum(told) == balance(process)
    assert told == [5, 5] or not written, "who writes orders down takes turns"


def test_no_two_orders_are_the_same_transaction(anvil: Callable[..., Any]) -> None:
    """Also where two programs sign the same order with the same nonce and the same offer."""
    process = anvil("--no-mining")
    seen = []
    for _ in range(6):
        with pytest.raises(TransactionStuckError) as caught:
            sender_for(process.url, give_up_after_s=0.05).send(gift())
        seen.append(caught.value.sent[-1])
        process.rpc("anvil_dropAllTransactions")
    assert len(set(seen)) == len(seen)
