"""Transactions through bad weather: crowds, stuck pools, reorgs, killed nodes, lost answers, rivals."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.fees import GWEI, FeePolicy, Fees
from idml.ledger.chain.node import Node
from idml.ledger.chain.receipts import Request
from idml.ledger.chain.rpc import RpcLedger, deploy
from idml.ledger.chain.sender import Sender, Sending
from idml.ledger.embedded.evm import Receipt
from idml.ledger.errors import LedgerError, NodeUnreachableError, TransactionReplacedError, TransactionStuckError
from idml.ledger.events import EventSync
from idml.ledger.wallet import Wallet

from ..conftest import until
from .reader import Reader

RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))  # Anvil's account 0
TARGET = b"\x77" * 20
CHAIN = 31_337


def sender_for(url: str, **changes: Any) -> Sender:
    settings = {"poll_s": 0.05, "gas_limit": 30_000, "stuck_after_s": 0.3, "give_up_after_s": 20, **changes}
    return Sender(Node(url, patience_s=20), CHAIN, Sending(**settings))


def gift(wei: int = 1, wallet: Wallet = RICH) -> Request:
    return Request(wallet, TARGET, b"", wei)


def pool(process: Any, wallet: Wallet = RICH) -> dict[int, dict[str, Any]]:
    """What waits in Anvil's pool for an account, by nonce."""
    content = process.rpc("txpool_content")
    found: dict[int, dict[str, Any]] = {}
    for kind in ("pending", "queued"):
        for address, entries in content[kind].items():
            if address.lower() == "0x" + wallet.address.hex():
                found |= {int(nonce): entry for nonce, entry in entries.items()}
    return found


def in_background(sender: Sender, order: Request) -> "Future[Receipt]":
    future: Future[Receipt] = Future()

    def work() -> None:
        try:
            future.set_result(sender.send(order))
        except LedgerError as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def balance(process: Any, address: bytes = TARGET) -> int:
    return int(process.rpc("eth_getBalance", "0x" + address.hex(), "latest"), 16)


def test_fees_cover_twice_the_base_fee_and_stay_below_the_cap(anvil: Callable[..., Any]) -> None:
    node = Node(anvil("--base-fee", str(50 * GWEI)).url)
    assert FeePolicy(tip_wei=3 * GWEI).suggest(node) == Fees(103 * GWEI, 3 * GWEI)
    assert FeePolicy(cap_wei=60 * GWEI, tip_wei=3 * GWEI).suggest(node) == Fees(60 * GWEI, 3 * GWEI)
    assert FeePolicy(cap_wei=GWEI, tip_wei=3 * GWEI).suggest(node) == Fees(GWEI, GWEI)


@pytest.mark.parametrize("offered", [Fees(1, 0), Fees(7, 7), Fees(100 * GWEI + 1, GWEI)])
def test_replacements_offer_an_eighth_more_of_both_and_never_more_than_the_cap(offered: Fees) -> None:
    bumped = FeePolicy().bump(offered, Fees(0, 0))
    assert bumped is not None
    assert 8 * bumped.max_wei >= 9 * offered.max_wei
    assert 8 * bumped.tip_wei >= 9 * offered.tip_wei
    assert bumped.tip_wei <= bumped.max_wei
    assert FeePolicy().bump(offered, Fees(400 * GWEI, 2 * GWEI)) == Fees(400 * GWEI, max(2 * GWEI, bumped.tip_wei))
    assert FeePolicy(cap_wei=bumped.max_wei).bump(offered, Fees(400 * GWEI, 0)) == Fees(bumped.max_wei, bumped.tip_wei)
    assert FeePolicy(cap_wei=bumped.max_wei - 1).bump(offered, Fees(0, 0)) is None


@pytest.mark.parametrize("mining", [[], ["--block-time", "1"]])
def test_a_crowd_of_threads_loses_and_doubles_no_nonce(anvil: Callable[..., Any], mining: list[str]) -> None:
    process = anvil(*mining)
    sender = sender_for(process.url, stuck_after_s=10)
    wallets = [RICH, *(Wallet.from_seed(6, index) for index in range(3))]
    for wallet in wallets[1:]:
        process.rpc("anvil_setBalance", wallet.address_hex, hex(10**18))
    orders = [gift(1 << index, wallet) for index in range(8) for wallet in wallets]
    with ThreadPoolExecutor(12) as threads:
        receipts = list(threads.map(sender.send, orders))
    assert all(receipt.success for receipt in receipts)
    assert balance(process) == 255 * len(wallets)
    for wallet in wallets:
        assert int(process.rpc("eth_getTransactionCount", wallet.address_hex, "latest"), 16) == 8


def test_stuck_transactions_offer_more_until_they_are_mined(anvil: Callable[..., Any]) -> None:
    process = anvil("--no-mining")
    sending = in_background(sender_for(process.url), gift())
    first = until(lambda: pool(process))[0]
    second = until(lambda: (entry := pool(process)[0])["hash"] != first["hash"] and entry)
    for field in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert 8 * int(second[field], 16) >= 9 * int(first[field], 16)
    process.rpc("evm_mine")
    assert sending.result(10).success
    assert balance(process) == 1


def test_what_waits_behind_a_stuck_transaction_does_not_offer_more(anvil: Callable[..., Any]) -> None:
    """It would pay more for nothing: its turn has not come."""
    process = anvil("--no-mining")
    sender = sender_for(process.url)
    sending = []
    for count, wei in enumerate((1, 2)):
        sending.append(in_background(sender, gift(wei)))
        until(partial(lambda number: number in pool(process), count))
    before = pool(process)
    for _ in range(2):
        last = pool(process)[0]["hash"]
        until(partial(lambda before: pool(process)[0]["hash"] != before, last))
    assert pool(process)[1]["hash"] == before[1]["hash"]
    process.rpc("evm_mine")
    assert all(future.result(10).success for future in sending)
    assert balance(process) == 3


def test_whichever_version_is_mined_counts(anvil: Callable[..., Any]) -> None:
    """A node that never heard of the replacement mines the first version."""
    process = anvil("--no-mining")
    sending = in_background(sender_for(process.url), gift())
    first = until(lambda: pool(process))[0]
    raw = process.rpc("eth_getRawTransactionByHash", first["hash"])
    until(lambda: pool(process)[0]["hash"] != first["hash"])
    process.rpc("anvil_dropAllTransactions")
    process.rpc("eth_sendRawTransaction", raw)
    process.rpc("evm_mine")
    assert sending.result(10).success
    assert process.rpc("eth_getTransactionReceipt", first["hash"])["status"] == "0x1"
    assert balance(process) == 1


@pytest.mark.slow
def test_the_cap_holds_and_giving_up_says_so(anvil: Callable[..., Any]) -> None:
    process = anvil("--no-mining")
    cap_wei = 4 * GWEI
    sender = sender_for(process.url, give_up_after_s=2, fees=FeePolicy(cap_wei=cap_wei))
    sending = in_background(sender, gift())
    with pytest.raises(
        TransactionStuckError,
        match=rf"^in no block after 2 s: it offers up to \d+ wei a gas \(cap {cap_wei}\); transaction .* \(nonce 0",
    ):
        sending.result(10)
    assert 0.8 * cap_wei < int(pool(process)[0]["maxFeePerGas"], 16) <= cap_wei


def test_at_the_cap_no_more_is_offered(anvil: Callable[..., Any]) -> None:
    process = anvil("--no-mining")
    sender = sender_for(process.url, stuck_after_s=0.1, give_up_after_s=0.5, fees=FeePolicy(cap_wei=2 * GWEI))
    with pytest.raises(TransactionStuckError, match=r"offers up to 2000000000 wei a gas \(cap 2000000000\)") as caught:
        sender.send(gift())
    assert len(caught.value.sent) == 1
    assert int(pool(process)[0]["maxFeePerGas"], 16) == 2 * GWEI


def test_gaps_are_healed(anvil: Callable[..., Any]) -> None:
    """One transaction is given up and forgotten by the node: those behind it do not wait for ever."""
    process = anvil("--no-mining")
    sender = sender_for(process.url, give_up_after_s=1)
    given_up = in_background(sender, gift(1))
    until(lambda: 0 in pool(process))
    patient = sender_for(process.url)
    waiting = [in_background(patient, gift(10))]
    until(lambda: 1 in pool(process))
    with pytest.raises(TransactionStuckError):
        given_up.result(10)
    process.rpc("anvil_dropAllTransactions")
    filler = until(lambda: pool(process).get(0))
    assert filler["to"].lower() == filler["from"].lower() == "0x" + RICH.address.hex()
    until(lambda: 1 in pool(process))
    process.rpc("evm_mine")
    assert waiting[0].result(10).success
    assert balance(process) == 10


def test_what_was_given_up_and_waits_is_left_alone(anvil: Callable[..., Any]) -> None:
    """It was said that it may still be mined, so it may."""
    process = anvil("--no-mining")
    sender = sender_for(process.url, give_up_after_s=0.6)
    with pytest.raises(TransactionStuckError) as first:
        sender.send(gift(1))
    waiting = pool(process)[0]["hash"]
    assert bytes.fromhex(waiting[2:]) == first.value.sent[-1]
    with pytest.raises(TransactionStuckError, match=f"in no block after 0.6 s: it waits behind transaction {waiting}"):
        sender.send(gift(10))
    assert pool(process)[0]["hash"] == waiting
    process.rpc("evm_mine")
    assert balance(process) == 11


def test_what_a_reorg_throws_out_is_sent_again(anvil: Callable[..., Any]) -> None:
    process = anvil()
    sending = in_background(sender_for(process.url, confirmations=4, stuck_after_s=60), gift())
    until(lambda: balance(process) == 1)
    process.rpc("evm_mine")
    time.sleep(0.3)
    process.rpc("evm_setAutomine", False)
    process.rpc("anvil_reorg", 2, [])
    process.rpc("anvil_dropAllTransactions")
    assert balance(process) == 0, "it fell out"
    until(lambda: 0 in pool(process))
    assert not sending.done()
    for _ in range(4):
        process.rpc("evm_mine")
    receipt = sending.result(10)
    assert receipt.success
    assert int(process.rpc("eth_blockNumber"), 16) - receipt.block_number + 1 >= 4
    assert balance(process) == 1


@pytest.mark.parametrize("how", ["reorg", "revert"])
def test_a_chain_that_goes_back_again_and_again_still_pays_once(anvil: Callable[..., Any], how: str) -> None:
    """While confirmations are waited for; whether the pool still has the transaction or not."""
    process = anvil()
    start = process.rpc("evm_snapshot")
    sending = in_background(sender_for(process.url, confirmations=3), gift())
    for drops in (False, True, False):
        until(lambda: balance(process) == 1)
        process.rpc("evm_mine")
        if how == "reorg":
            process.rpc("anvil_reorg", 2, [])
        else:
            process.rpc("evm_revert", start)
            start = process.rpc("evm_snapshot")
        if drops:
            process.rpc("anvil_dropAllTransactions")
        assert not sending.done()
    until(lambda: balance(process) == 1)
    for _ in range(2):
        process.rpc("evm_mine")
    assert sending.result(10).success
    assert balance(process) == 1
    assert int(process.rpc("eth_getTransactionCount", RICH.address_hex, "latest"), 16) == 1


def test_a_ledger_lives_on_when_its_chain_is_put_back(anvil: Callable[..., Any]) -> None:
    """It sends on with the nonces of the chain as it is now, and readers take back what is no more."""
    process = anvil()
    node, quick = Node(process.url), Sending(poll_s=0.02)
    ledger = RpcLedger(node, deploy(node, RICH, sending=quick), quick)
    sync, reader = EventSync(ledger), Reader(ledger)
    for coins in (1, 2, 3):
        start = process.rpc("evm_snapshot")
        ledger.buy(RICH, coins)
        reader.follow(sync).check(RICH.address)
        process.rpc("evm_revert", start)
        ledger.buy(RICH, 10 * coins)
        reader.follow(sync).check(RICH.address)
    assert ledger.token_balance_wei(RICH.address) == 60 * ledger.rate()
    assert len(reader.rollbacks) == 3


def test_a_chain_that_stands_still_is_told(anvil: Callable[..., Any]) -> None:
    sender = sender_for(anvil().url, confirmations=3, give_up_after_s=0.5)
    with pytest.raises(TransactionStuckError, match=r"^1 of 3 confirmations after 0.5 s: does the chain stand still"):
        sender.send(gift())


def test_confirmations_are_waited_for(anvil: Callable[..., Any]) -> None:
    process = anvil()
    sending = in_background(sender_for(process.url, confirmations=3), gift())
    until(lambda: balance(process) == 1)
    process.rpc("evm_mine")
    time.sleep(0.5)
    assert not sending.done()
    process.rpc("evm_mine")
    assert sending.result(10).block_number == 1


@pytest.mark.slow
def test_a_node_that_is_killed_and_comes_back_takes_every_transaction_once(
    anvil: Callable[..., Any], tmp_path: Path
) -> None:
    """The pool is lost with the process, the chain is not."""
    process = anvil("--block-time", "1", "--state", str(tmp_path / "state.json"))
    sender = sender_for(process.url, stuck_after_s=2)
    senders = [in_background(sender, gift(1 << index)) for index in range(4)]
    until(lambda: balance(process) > 0)
    later = [in_background(sender, gift(1 << index)) for index in range(4, 8)]
    until(lambda: pool(process))
    process.kill(signal.SIGTERM)  # Anvil writes its state, then is gone
    time.sleep(1)
    assert not all(future.done() for future in later)
    process.start()
    assert all(future.result(30).success for future in senders + later)
    assert balance(process) == 255
    assert int(process.rpc("eth_getTransactionCount", RICH.address_hex, "latest"), 16) == 8


def test_a_node_that_stays_away_leaves_the_transactions_hash(anvil: Callable[..., Any]) -> None:
    process = anvil("--no-mining")
    sender = Sender(Node(process.url, patience_s=1), CHAIN, Sending(poll_s=0.05, gas_limit=30_000))
    sending = in_background(sender, gift())
    until(lambda: pool(process))
    process.kill()
    with pytest.raises(
        NodeUnreachableError,
        match=r"; transaction 0x[0-9a-f]{64} \(nonce 0 of 0xf39F\w+\) may have been sent: look for",
    ):
        sending.result(10)


def test_lost_answers_double_nothing(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    """Every second answer to a broadcast is lost on the way back; the node refuses the copy: it has it already."""
    process = anvil()
    between = proxy(process.url)
    lost = 0

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes | None:
        nonlocal lost
        answer = ask()
        if method == "eth_sendRawTransaction" and between.calls.count(method) % 2:
            lost += 1
            return None
        return answer

    between.rule = rule
    sender = sender_for(between.url)
    for index in range(5):
        assert sender.send(gift(1 << index)).success
    assert lost == 5
    assert balance(process) == 31
    assert int(process.rpc("eth_getTransactionCount", RICH.address_hex, "latest"), 16) == 5


def foreign(process: Any, nonce: int, wei: int, gwei: int) -> None:
    """What another program with the same key sends."""
    fields = {"type": 2, "chainId": CHAIN, "nonce": nonce, "to": TARGET, "value": wei, "data": b"", "gas": 21_000}
    raw, _ = RICH.sign_transaction({**fields, "maxFeePerGas": gwei * GWEI, "maxPriorityFeePerGas": GWEI})
    process.rpc("eth_sendRawTransaction", "0x" + raw.hex())


def test_a_rivals_transaction_in_ones_place_is_noticed(anvil: Callable[..., Any]) -> None:
    process = anvil("--no-mining")
    sending = in_background(sender_for(process.url, stuck_after_s=0.5), gift())
    until(lambda: pool(process))
    process.rpc("anvil_dropAllTransactions")
    foreign(process, 0, 64, 50)
    process.rpc("evm_mine")
    with pytest.raises(TransactionReplacedError, match=rf"took its nonce; does another .*{RICH.address_hex}"):
        sending.result(10)
    assert balance(process) == 64


@pytest.mark.parametrize("rivals", [1, 7])
def test_a_rival_that_is_faster_costs_another_try(
    anvil: Callable[..., Any], proxy: Callable[..., Any], rivals: int
) -> None:
    """Between the count of transactions and the broadcast, another program uses the nonce."""
    between, count = rivalry(anvil(), proxy, rivals)
    assert sender_for(between.url).send(gift()).success
    assert count() == rivals


def test_a_rival_that_is_always_faster_is_told(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    process = anvil()
    between, count = rivalry(process, proxy, 1_000)
    with pytest.raises(TransactionReplacedError, match=r"used up by another program .*; nothing was sent$") as caught:
        sender_for(between.url, give_up_after_s=0.5).send(gift())
    assert caught.value.sent == ()
    assert balance(process) == 64 * count()


def rivalry(process: Any, proxy: Callable[..., Any], rivals: int) -> tuple[Any, Callable[[], int]]:
    """A connection on which a rival is always faster, so many times; and how often it was."""
    between = proxy(process.url)
    count = 0

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
        nonlocal count
        if method == "eth_sendRawTransaction" and count < rivals:
            foreign(process, count, 64, 50)
            until(lambda: balance(process) == 64 * (count + 1))
            count += 1
        return ask()

    between.rule = rule
    return between, lambda: count


def test_a_mined_transaction_whose_receipt_is_late_is_waited_for(
    anvil: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    """Behind one URL there may be many nodes, some of them late."""
    process = anvil()
    between = proxy(process.url)
    late = b'{"jsonrpc":"2.0","id":0,"result":null}'
    asked: list[float] = []

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
        if method != "eth_getTransactionReceipt":
            return ask()
        asked.append(time.monotonic())
        return late if asked[-1] < asked[0] + 0.5 else ask()

    between.rule = rule
    assert sender_for(between.url, stuck_after_s=0.3).send(gift()).success
    assert balance(process) == 1
