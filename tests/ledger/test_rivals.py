"""Other programs send from the same account: none of their transactions is lost, and no success is false."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def foreign(process: Any, nonce: int, wei: int = 1_000, max_wei: int = 3 * GWEI) -> str:
    """What another program with the same key sends; returns its hash."""
    fields = {"type": 2, "chainId": CHAIN, "nonce": nonce, "to": TARGET, "value": wei, "data": b"", "gas": 21_000}
    raw, _ = RICH.sign_transaction({**fields, "maxFeePerGas": max_wei, "maxPriorityFeePerGas": 1})
    sent: str = process.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    return sent


def connection(process: Any, proxy: Callable[..., Any], tells: bool) -> str:
    """A URL of the node, which tells what waits in its pool or does not."""
    if tells:
        return str(process.url)
    between = proxy(process.url)
    between.rule = lambda method, _params, ask: GONE if method in POOL_METHODS else ask()
    return str(between.url)


@pytest.mark.parametrize("tells", [True, False])
def test_what_waits_behind_anothers_transaction_says_so_and_leaves_it(
    anvil: Callable[..., Any], proxy: Callable[..., Any], tells: bool
) -> None:
    process = anvil("--no-mining")
    theirs = foreign(process, 0)
    sender = sender_for(connection(process, proxy, tells), stuck_after_s=0.1, give_up_after_s=1)
    words = f"behind transaction {theirs} .nonce 0." if tells else "for nonce 0, and the node does not tell whether"
    with pytest.raises(TransactionStuckError, match=f"^in no block after 1 s: it waits {words}") as caught:
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


@pytest.mark.parametrize("tells", [True, False])
def test_who_takes_the_place_of_ones_own_transaction_keeps_it(
    anvil: Callable[..., Any], proxy: Callable[..., Any], tells: bool
) -> None:
    """It is not outbid, and what became of one's own is told when it is certain."""
    process = anvil("--no-mining")
    sender = sender_for(connection(process, proxy, tells), stuck_after_s=0.1, give_up_after_s=1.5)
    outcomes = []
    for mined in (False, True):
        sending = in_background(sender, gift(1))
        until(lambda: 0 in pool(process))
        process.rpc("anvil_dropAllTransactions")
        theirs = foreign(process, 0)
        time.sleep(0.5)
        assert pool(process)[0]["hash"] == theirs
        if mined:
            process.rpc("evm_mine")
        with pytest.raises(LedgerError) as caught:
            sending.result(10)
        outcomes.append(caught.value)
        process.rpc("anvil_dropAllTransactions")
    waits, lost = outcomes
    assert isinstance(waits, TransactionStuckError)
    words = f"another transaction, {theirs}, waits" if tells else "another transaction waits with its nonce"
    assert words in str(waits)
    assert isinstance(lost, TransactionReplacedError)
    assert f"will never be mined: transaction {theirs} took its nonce" in str(lost)
    assert lost.sent == ()
    assert balance(process) == 1_000


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


MINING = pytest.mark.parametrize("mining", [[], ["--block-time", "1"]])


@MINING
def test_equal_orders_of_many_senders_are_paid_as_often_as_they_succeed(
    anvil: Callable[..., Any], mining: list[str]
) -> None:
    process = anvil(*mining)

    def work(_index: int) -> int:
        sender = sender_for(process.url, stuck_after_s=10)
        return sum(sender.send(gift()).success for _ in range(2))

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(work, range(6))) == balance(process) == 12


SCRIPT = """
import sys
from pathlib import Path
from idml.ledger.chain.journal import Journal
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import pay
from idml.ledger.chain.sender import Sending
from idml.ledger.wallet import Wallet

url, key, folder = sys.argv[1:]
sending = Sending(poll_s=0.05, journal=Journal(Path(folder)) if folder else None, again=True)
node = Node(url)
node.chain_id()
print("ready", flush=True)
sys.stdin.readline()
done = [pay(node, Wallet(bytes.fromhex(key)), b"\\x77" * 20, 1, sending).success for _ in range(5)]
print(sum(done))
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
    assert told == [5, 5]
    assert balance(process) == 10


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
