"""Events of a real chain: complete, in order, resumed, and taken back when the chain is."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from idml.ledger.errors import LedgerError, NodeRefusedError, NodeUnreachableError
from idml.ledger.events import Cursor, EventSync, Update
from idml.ledger.interface import Event
from idml.ledger.mirror import AccountsMirror
from idml.ledger.node import Node
from idml.ledger.rpc import RpcLedger, deploy
from idml.ledger.sender import Sending
from idml.ledger.wallet import Wallet
from idml.protocol.task import TOKEN_WEI

RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))  # Anvil's account 0
QUICK = Sending(poll_s=0.05)


class Reader:
    """Follows a ledger as a reader of events should: it can go back to any cursor it has seen."""

    def __init__(self, ledger: RpcLedger) -> None:
        self.ledger = ledger
        self.events: list[Event] = []
        self.cursors: list[Cursor] = []
        self.rollbacks: list[Cursor] = []

    def take(self, update: Update) -> None:
        cursor = update.cursor
        if update.rolled_back:
            assert not update.events
            self.rollbacks.append(cursor)
            self.events = [event for event in self.events if event.block <= cursor.block]
            self.cursors = [known for known in self.cursors if known.block <= cursor.block]
        else:
            before = self.cursors[-1].block if self.cursors else 0
            assert all(before < event.block <= cursor.block for event in update.events)
            self.events += update.events
            self.cursors.append(cursor)

    def follow(self, sync: EventSync) -> "Reader":
        for update in sync.poll():
            self.take(update)
        return self

    def mirror(self) -> AccountsMirror:
        mirror = AccountsMirror(self.ledger.domain, self.ledger.unbonding_delay_s())
        mirror.apply(event for event in self.events if event.name not in ("Transfer", "Approval"))
        return mirror

    def check(self) -> None:
        """The events tell the state of the chain."""
        assert self.mirror().account(RICH.address) == self.ledger.account(RICH.address)


def play(ledger: RpcLedger, *amounts: int) -> None:
    for amount in amounts:
        ledger.deposit(RICH, amount)


def start(url: str, node_url: str = "") -> RpcLedger:
    node = Node(url)
    deployment = deploy(node, RICH, sending=QUICK)
    RpcLedger(node, deployment, QUICK).buy(RICH, TOKEN_WEI)
    return RpcLedger(Node(node_url or url), deployment, QUICK)


def test_all_events_arrive_once_and_in_order(anvil: Callable[..., Any]) -> None:
    process = anvil()
    ledger = start(process.url)
    results = [ledger.deposit(RICH, 500 * TOKEN_WEI), ledger.stake(RICH, 200 * TOKEN_WEI), ledger.set_target(RICH, 7)]
    sync, reader = EventSync(ledger), Reader(ledger)
    reader.follow(sync)
    assert reader.events[-6:] == [event for result in results for event in result.events][-6:]
    assert reader.follow(sync).follow(sync).cursors == reader.cursors, "nothing new, no update"
    play(ledger, 5)
    reader.follow(sync)
    reader.check()
    single = Reader(ledger).follow(EventSync(ledger, blocks_at_once=1))
    assert single.events == reader.events
    assert not reader.rollbacks


def test_reading_goes_on_from_a_cursor_that_was_kept(anvil: Callable[..., Any]) -> None:
    ledger = start(anvil().url)
    play(ledger, 5, 6)
    reader = Reader(ledger).follow(EventSync(ledger))
    kept = reader.cursors[-1]
    play(ledger, 7)
    later = Reader(ledger).follow(EventSync(ledger, resume=[kept]))
    assert [event.arguments["amount"] for event in later.events if event.name == "Deposited"] == [7]
    assert not later.rollbacks


def test_blocks_are_read_when_they_are_deep_enough(anvil: Callable[..., Any]) -> None:
    process = anvil()
    ledger = start(process.url)
    head = ledger.block_number
    sync, reader = EventSync(ledger, confirmations=3), Reader(ledger)
    assert reader.follow(sync).cursors[-1].block == head - 2
    assert not Reader(ledger).follow(EventSync(ledger, confirmations=head + 5)).cursors


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 2_000])
def test_a_reorg_takes_back_what_it_took_and_nothing_else(anvil: Callable[..., Any], depth: int, at_once: int) -> None:
    process = anvil()
    ledger = start(process.url)
    play(ledger, 10, 20, 30, 40)
    head = ledger.block_number
    sync, reader = EventSync(ledger, blocks_at_once=at_once), Reader(ledger)
    reader.follow(sync)
    before = list(reader.events)
    process.rpc("anvil_reorg", depth, [])
    play(ledger, 5)
    reader.follow(sync)
    assert [cursor.block for cursor in reader.rollbacks] == [head - depth], "the common ancestor"
    kept = [event for event in before if event.block <= head - depth]
    assert reader.events[: len(kept)] == kept
    assert [event.arguments.get("amount") for event in reader.events[len(kept) :] if event.name == "Deposited"] == [5]
    reader.check()


def test_a_chain_that_got_shorter_is_followed(anvil: Callable[..., Any]) -> None:
    process = anvil()
    ledger = start(process.url)
    play(ledger, 10)
    snapshot = process.rpc("evm_snapshot")
    block = ledger.block_number
    play(ledger, 20, 30)
    sync, reader = EventSync(ledger, blocks_at_once=1), Reader(ledger)
    reader.follow(sync)
    process.rpc("evm_revert", snapshot)
    reader.follow(sync)
    assert [cursor.block for cursor in reader.rollbacks] == [block]
    reader.check()
    play(ledger, 7)
    reader.follow(sync).check()


def test_kept_cursors_that_are_gone_lead_back_to_one_that_is_not_or_to_the_start(anvil: Callable[..., Any]) -> None:
    process = anvil()
    ledger = start(process.url)
    play(ledger, 10, 20)
    reader = Reader(ledger)
    reader.follow(EventSync(ledger, blocks_at_once=1))
    old, young = reader.cursors[-2], reader.cursors[-1]
    process.rpc("anvil_reorg", 1, [])
    play(ledger, 5)
    resumed = copy.deepcopy(reader.events), list(reader.cursors)
    reader.follow(EventSync(ledger, resume=[young, old]))
    assert reader.rollbacks == [old]
    reader.check()
    lost = Reader(ledger)
    lost.events, lost.cursors = resumed
    lost.follow(EventSync(ledger, resume=[young]))
    assert lost.rollbacks == [Cursor(ledger.deployment.block - 1, bytes(32))]
    assert lost.events == reader.events
    lost.check()


def test_ranges_that_a_node_refuses_are_halved(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    process = anvil()
    between = proxy(process.url)
    ledger = start(process.url, between.url)
    play(ledger, *range(1, 15))
    asked: list[int] = []
    limit = 3

    def rule(method: str, params: list[Any], ask: Callable[[], bytes]) -> bytes:
        if method == "eth_getLogs":
            length = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            asked.append(length)
            if length > limit:
                return b'{"jsonrpc":"2.0","id":0,"error":{"code":-32005,"message":"query exceeds max block range"}}'
        return ask()

    between.rule = rule
    sync, reader = EventSync(ledger), Reader(ledger)
    reader.follow(sync)
    reader.check()
    assert max(asked) > limit
    assert asked.count(2) + asked.count(3) >= 4
    limit = 0
    play(ledger, 1)
    with pytest.raises(NodeRefusedError, match="max block range"):
        reader.follow(sync)
    limit = 3
    reader.follow(sync).check()


@pytest.mark.parametrize("lost_at", ["eth_getLogs", "eth_getBlockByNumber", "eth_getBlockByHash"])
def test_a_node_that_goes_away_in_between_costs_nothing(
    anvil: Callable[..., Any], proxy: Callable[..., Any], lost_at: str
) -> None:
    """Even in the middle of finding out how deep a reorg was."""
    process = anvil()
    between = proxy(process.url)
    ledger = start(process.url)
    play(ledger, 10, 20, 30)
    far = RpcLedger(Node(between.url, patience_s=0.1), ledger.deployment, QUICK)
    sync, reader = EventSync(far, blocks_at_once=2), Reader(ledger)
    reader.follow(sync)
    process.rpc("anvil_reorg", 2, [])
    play(ledger, 5, 6, 7)
    allowed = 0

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes | None:
        nonlocal allowed
        if method != lost_at:
            return ask()
        allowed -= 1
        return ask() if allowed >= 0 else None

    between.rule = rule
    for attempt in range(40):
        allowed = attempt // 2
        try:
            reader.follow(sync)
            break
        except NodeUnreachableError:
            continue
    else:
        pytest.fail("it never got through")
    assert attempt > 0
    assert len(reader.rollbacks) == 1
    reader.check()


def test_a_chain_that_changes_while_it_is_read_is_read_again(
    anvil: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    """The block at the end of the range, a block with an event, and the block before the range."""
    process = anvil()
    between = proxy(process.url)
    ledger = start(process.url)
    far = RpcLedger(Node(between.url), ledger.deployment, QUICK)
    for moment in ("eth_blockNumber", "eth_getLogs", "eth_getBlockByHash"):
        for depth in (1, 2, 4):
            play(ledger, 10)
            sync, reader = EventSync(far), Reader(ledger)
            reader.follow(sync)
            play(ledger, 20, 30)
            once = iter([True])

            def rule(
                method: str,
                _params: list[Any],
                ask: Callable[[], bytes],
                moment: str = moment,
                depth: int = depth,
                once: Any = once,
            ) -> bytes:
                answer = ask()
                if method == moment and next(once, False):
                    process.rpc("anvil_reorg", depth, [])
                    play(ledger, 7)
                return answer

            between.rule = rule
            reader.follow(sync)
            between.rule = lambda _method, _params, ask: ask()
            assert next(once, False) is False, f"{moment} was never asked"
            reader.follow(sync).check()
            assert len(reader.rollbacks) == (depth > 2), "what is told must stand when it is told"


def test_a_chain_that_gets_shorter_while_it_is_read(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    process = anvil()
    between = proxy(process.url)
    ledger = start(process.url)
    play(ledger, 10)
    snapshots = [process.rpc("evm_snapshot")]
    play(ledger, 20, 30)

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
        answer = ask()
        if method == "eth_blockNumber" and snapshots:
            process.rpc("evm_revert", snapshots.pop())
        return answer

    between.rule = rule
    far = RpcLedger(Node(between.url), ledger.deployment, QUICK)
    reader = Reader(ledger).follow(EventSync(far))
    reader.check()
    assert not snapshots


def test_a_chain_that_never_holds_still_is_given_up(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    process = anvil()
    between = proxy(process.url)
    ledger = start(process.url, between.url)

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
        answer = ask()
        if method == "eth_getBlockByNumber":
            changed = json.loads(answer)
            changed["result"]["hash"] = "0x" + between.calls.count(method).to_bytes(32, "big").hex()
            return json.dumps(changed).encode()
        return answer

    between.rule = rule
    with pytest.raises(LedgerError, match="changes faster than it can be read"):
        list(EventSync(ledger).poll())


def test_events_of_others_are_no_concern(anvil: Callable[..., Any]) -> None:
    """The token sends events that the interface names, and only those of these two contracts are read."""
    process = anvil()
    ledger = start(process.url)
    other = RpcLedger(ledger.node, deploy(ledger.node, RICH, sending=QUICK), QUICK)
    other.buy(RICH, 12_345)
    reader = Reader(ledger).follow(EventSync(ledger))
    assert 123_450_000 not in [event.arguments.get("minted") for event in reader.events]
    assert TOKEN_WEI * 10_000 in [event.arguments.get("minted") for event in reader.events]
