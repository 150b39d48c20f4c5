"""Events of any ledger: complete, in order, resumed, and taken back when the chain is."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import RpcLedger, deploy
from idml.ledger.chain.sender import Sending
from idml.ledger.embedded.evm import Block, block_hash
from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.errors import LedgerError, NodeRefusedError, NodeUnreachableError, Reverted
from idml.ledger.events import Cursor, EventSync
from idml.ledger.interface import Ledger, token_abi
from idml.ledger.wallet import Wallet
from idml.protocol.events import Bought, Deposited, Event
from idml.protocol.task import TOKEN_WEI

from .reader import Reader

RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))  # Anvil's account 0
QUICK = Sending(poll_s=0.05)


def play(ledger: Ledger, *amounts: int) -> None:
    for amount in amounts:
        ledger.deposit(RICH, amount)


def amounts(events: list[Event]) -> list[int]:
    return [event.amount for event in events if isinstance(event, Deposited)]


def start(url: str, node_url: str = "") -> RpcLedger:
    node = Node(url)
    deployment = deploy(node, RICH, sending=QUICK)
    RpcLedger(node, deployment, QUICK).buy(RICH, TOKEN_WEI)
    return RpcLedger(Node(node_url or url), deployment, QUICK)


class AnvilChain:
    """Both contracts on a node of its own; RICH has tokens."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.ledger = start(process.url)

    def reorg(self, depth: int) -> None:
        """Put empty blocks in the place of the last ones."""
        self.process.rpc("anvil_reorg", depth, [])

    def snapshot(self) -> Callable[[], object]:
        """Remember this moment; what is returned goes back to it."""
        snapshot = self.process.rpc("evm_snapshot")
        return lambda: self.process.rpc("evm_revert", snapshot)

    def buy_elsewhere(self, value_wei: int) -> None:
        """Buy tokens of the same kind from another contract."""
        node = self.ledger.node
        RpcLedger(node, deploy(node, RICH, sending=QUICK), QUICK).buy(RICH, value_wei)


class Remembering(EmbeddedLedger):
    """Can go back to before any of its transactions."""

    def __init__(self) -> None:
        super().__init__(keep_blocks=True)
        self.before: dict[int, Any] = {}

    def _send(self, *order: Any) -> Any:
        self.before[self.block_number] = self.snapshot()
        return super()._send(*order)


class EmbeddedChain:
    """The same in this process."""

    def __init__(self) -> None:
        self.ledger = Remembering()
        self.ledger.fund(RICH.address, 100 * TOKEN_WEI)
        self.ledger.buy(RICH, TOKEN_WEI)

    def reorg(self, depth: int) -> None:
        self.ledger.restore(self.ledger.before[self.ledger.block_number - depth])
        self.ledger.mine(depth)

    def snapshot(self) -> Callable[[], object]:
        snapshot = self.ledger.snapshot()
        return lambda: self.ledger.restore(snapshot)

    def buy_elsewhere(self, value_wei: int) -> None:
        other, _ = self.ledger._evm.deploy(RICH.address, token_abi().creation(10_000))
        self.ledger._keep("another token")
        assert self.ledger._send(RICH, other, token_abi().encode("buy"), value_wei).logs


@pytest.fixture(params=["embedded", "anvil"])
def chain(request: pytest.FixtureRequest) -> Any:
    """A chain that is at hand, whatever it runs on."""
    return EmbeddedChain() if request.param == "embedded" else AnvilChain(request.getfixturevalue("anvil")())


def test_all_events_arrive_once_and_in_order(chain: Any) -> None:
    ledger = chain.ledger
    results = [ledger.deposit(RICH, 500 * TOKEN_WEI), ledger.stake(RICH, 200 * TOKEN_WEI), ledger.set_target(RICH, 7)]
    sync, reader = EventSync(ledger), Reader(ledger)
    reader.follow(sync)
    assert reader.events[-6:] == [event for result in results for event in result.events][-6:]
    assert reader.follow(sync).follow(sync).cursors == reader.cursors, "nothing new, no update"
    play(ledger, 5)
    reader.follow(sync)
    reader.check(RICH.address)
    single = Reader(ledger).follow(EventSync(ledger, blocks_at_once=1))
    assert single.events == reader.events
    assert not reader.rollbacks


def test_reading_goes_on_from_a_cursor_that_was_kept(chain: Any) -> None:
    ledger = chain.ledger
    play(ledger, 5, 6)
    reader = Reader(ledger).follow(EventSync(ledger))
    kept = reader.cursors[-1]
    play(ledger, 7)
    later = Reader(ledger, [kept]).follow(EventSync(ledger, resume=[kept]))
    assert amounts(later.events) == [7]
    assert not later.rollbacks


def test_blocks_are_read_when_they_are_deep_enough(chain: Any) -> None:
    ledger = chain.ledger
    head = ledger.block_number
    sync, reader = EventSync(ledger, confirmations=3), Reader(ledger)
    assert reader.follow(sync).cursors[-1].block == head - 2
    assert not Reader(ledger).follow(EventSync(ledger, confirmations=head + 5)).cursors


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 2_000])
def test_a_reorg_takes_back_what_it_took_and_nothing_else(chain: Any, depth: int, at_once: int) -> None:
    ledger = chain.ledger
    play(ledger, 10, 20, 30, 40)
    head = ledger.block_number
    sync, reader = EventSync(ledger, blocks_at_once=at_once), Reader(ledger)
    reader.follow(sync)
    before = list(reader.events)
    chain.reorg(depth)
    play(ledger, 5)
    reader.follow(sync)
    assert [cursor.block for cursor in reader.rollbacks] == [head - depth], "the common ancestor"
    kept = [event for event in before if event.block <= head - depth]
    assert reader.events[: len(kept)] == kept
    assert amounts(reader.events[len(kept) :]) == [5]
    reader.check(RICH.address)


def test_a_chain_that_got_shorter_is_followed(chain: Any) -> None:
    ledger = chain.ledger
    play(ledger, 10)
    go_back = chain.snapshot()
    block = ledger.block_number
    play(ledger, 20, 30)
    sync, reader = EventSync(ledger, blocks_at_once=1), Reader(ledger)
    reader.follow(sync)
    go_back()
    reader.follow(sync)
    assert [cursor.block for cursor in reader.rollbacks] == [block]
    reader.check(RICH.address)
    play(ledger, 7)
    reader.follow(sync).check(RICH.address)


def test_kept_cursors_that_are_gone_lead_back_to_one_that_is_not_or_to_the_start(chain: Any) -> None:
    ledger = chain.ledger
    play(ledger, 10, 20)
    reader = Reader(ledger)
    reader.follow(EventSync(ledger, blocks_at_once=1))
    old, young = reader.cursors[-2], reader.cursors[-1]
    chain.reorg(1)
    play(ledger, 5)
    resumed = copy.deepcopy(reader.events), list(reader.cursors)
    reader.follow(EventSync(ledger, resume=[young, old]))
    assert reader.rollbacks == [old]
    reader.check(RICH.address)
    lost = Reader(ledger)
    lost.events, lost.cursors = resumed
    lost.follow(EventSync(ledger, resume=[young]))
    assert lost.rollbacks == [Cursor(ledger.first_block - 1, bytes(32))]
    assert lost.events == reader.events
    lost.check(RICH.address)


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
    reader.check(RICH.address)
    assert max(asked) > limit
    assert asked.count(2) + asked.count(3) >= 4
    limit = 0
    play(ledger, 1)
    with pytest.raises(NodeRefusedError, match="max block range"):
        reader.follow(sync)
    limit = 3
    reader.follow(sync).check(RICH.address)


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
    reader.check(RICH.address)


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
            reader.follow(sync).check(RICH.address)
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
    reader.check(RICH.address)
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


def test_a_node_that_does_not_know_a_block_of_its_own_is_asked_again(
    anvil: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    """As it is where several nodes answer to one name."""
    between = proxy(anvil().url)
    ledger = start(between.url)
    play(ledger, 10)
    missing = 3

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
        nonlocal missing
        if method == "eth_getBlockByHash" and missing:
            missing -= 1
            return b'{"jsonrpc":"2.0","id":0,"result":null}'
        return ask()

    between.rule = rule
    reader = Reader(ledger).follow(EventSync(ledger))
    reader.check(RICH.address)
    assert (missing, reader.rollbacks) == (0, [])
    missing = 1_000
    with pytest.raises(LedgerError, match="changes faster than it can be read"):
        list(EventSync(ledger).poll())


def test_events_of_others_are_no_concern(chain: Any) -> None:
    """The token sends events that the interface names, and only those of these two contracts are read."""
    ledger = chain.ledger
    chain.buy_elsewhere(12_345)
    ledger.buy(RICH, 1)
    assert ledger.block(ledger.block_number - 1) not in [block for block, _ in ledger.events(1, ledger.block_number)]
    reader = Reader(ledger).follow(EventSync(ledger))
    assert [event.minted for event in reader.events if isinstance(event, Bought)] == [TOKEN_WEI * 10_000, 10_000]


def test_a_ledger_answers_what_a_reader_asks(chain: Any) -> None:
    ledger = chain.ledger
    first, head = ledger.first_block, ledger.block_number
    results = [ledger.approve(RICH, 10), ledger.deposit(RICH, 7), ledger.set_target(RICH, 3)]
    with pytest.raises(Reverted):
        ledger.withdraw(RICH, 8)
    assert ledger.block_number >= head + 3
    found = ledger.events(head + 1, ledger.block_number)
    assert [(block.number, events) for block, events in found] == [(result.block, result.events) for result in results]
    assert ledger.events(head + 2, head + 2) == found[1:2]
    assert ledger.events(first, first) == [], "constructors announce nothing"
    for block, events in found:
        assert ledger.block(block.number) == block
        assert {event.timestamp_s for event in events} == {block.timestamp_s}
    assert ledger.block(first - 1) is not None
    assert ledger.block(ledger.block_number + 1) is None


# An embedded ledger's own


def test_an_embedded_ledger_that_keeps_no_blocks_says_how_to_make_one_that_does() -> None:
    ledger = EmbeddedLedger()
    for ask in (lambda: EventSync(ledger), lambda: ledger.block(1), lambda: ledger.events(1, 2)):
        with pytest.raises(LedgerError, match=r"^this ledger keeps no blocks .* EmbeddedLedger\(keep_blocks=True\)$"):
            ask()
    assert ledger.block_number == 2


def test_a_block_is_another_where_anything_in_it_or_before_it_is() -> None:
    """Even where nothing was announced. Done again, the same is the same chain."""
    ledger = EmbeddedChain().ledger
    before, number = ledger.snapshot(), ledger.block_number + 1

    def refused(amount: int, wallet: Wallet = RICH) -> None:
        with pytest.raises(Reverted, match="InsufficientBalance"):
            ledger.withdraw(wallet, amount)

    def wait_and_mine() -> None:
        ledger.warp(ledger.now_s + 1)
        ledger.mine(1)

    histories: list[Callable[[], object]] = [
        lambda: ledger.mine(1),
        wait_and_mine,
        lambda: refused(5),
        lambda: refused(6),
        lambda: refused(5, Wallet.from_seed(4, 4)),
        lambda: ledger.set_target(RICH, 5),
        lambda: ledger.set_target(RICH, 6),
    ]
    sync, reader = EventSync(ledger), Reader(ledger)
    reader.follow(sync)
    hashes = []
    for act in histories:
        ledger.restore(before)
        act()
        ledger.mine(2)
        last = ledger.block(number + 2)
        hashes += [block.hash for block in map(ledger.block, range(number, number + 3)) if block is not None]
        reader.follow(sync)
        rollbacks = len(reader.rollbacks)
        ledger.restore(before)
        act()
        ledger.mine(2)
        assert ledger.block(number + 2) == last
        assert len(reader.follow(sync).rollbacks) == rollbacks
    assert len(set(hashes)) == 3 * len(histories)
    assert rollbacks == len(histories) - 1
    assert block_hash(number) not in hashes


def test_other_rules_make_another_chain() -> None:
    ledgers = [
        EmbeddedLedger(keep_blocks=True, **{name: number})  # type: ignore[arg-type]
        for name, number in (("chain_id", 5), ("rate", 3), ("unbonding_delay_s", 600_000), ("timestamp_s", 1 << 31))
    ]
    blocks = [ledger.block(2) for ledger in (*ledgers, EmbeddedLedger(keep_blocks=True))]
    assert len({block.hash for block in blocks if block is not None}) == 5


def test_a_snapshot_keeps_the_blocks_as_they_were() -> None:
    ledger = EmbeddedChain().ledger
    play(ledger, 10)
    first, first_blocks = ledger.snapshot(), ledger.events(1, 99)
    play(ledger, 20)
    second, second_blocks = ledger.snapshot(), ledger.events(1, 99)
    for snapshot, blocks in ((first, first_blocks), (second, second_blocks), (first, first_blocks)):
        ledger.restore(snapshot)
        assert ledger.events(1, 99) == blocks
        play(ledger, 30)
        assert amounts([event for _, events in ledger.events(1, 99) for event in events])[-1] == 30


def test_empty_blocks_are_blocks() -> None:
    ledger = EmbeddedChain().ledger
    head = ledger.block_number
    ledger.warp(ledger.now_s + 5)
    ledger.mine(3)
    ledger.warp(ledger.now_s + 5)
    blocks = [ledger.block(number) for number in range(head + 1, head + 4)]
    assert [block.timestamp_s for block in blocks if block is not None] == [ledger.now_s - 5] * 3
    assert ledger.block(head + 4) is None
    assert ledger.events(head + 1, head + 3) == []
    sync = EventSync(ledger, confirmations=3)
    assert Reader(ledger).follow(sync).cursors[-1].block == head + 1


def test_no_dump_takes_the_place_of_blocks_that_are_kept() -> None:
    ledger, other = EmbeddedChain().ledger, EmbeddedLedger()
    before = ledger.dump()
    with pytest.raises(LedgerError, match="holds no blocks, and this ledger keeps all of them"):
        ledger.load(other.dump())
    assert ledger.dump() == before
    other.load(before)
    assert other.dump() == before


def test_keeping_blocks_changes_nothing_else() -> None:
    plain, keeping = EmbeddedLedger(), EmbeddedLedger(keep_blocks=True)
    results: list[list[object]] = []
    for ledger in (plain, keeping):
        ledger.fund(RICH.address, TOKEN_WEI)
        results.append([ledger.buy(RICH, 5), ledger.deposit(RICH, 10)])
        ledger.mine(3)
        results[-1].append(ledger.set_target(RICH, 1))
        ledger.restore(ledger.snapshot())
        results[-1].append(ledger.stake(RICH, 5))
    assert results[0] == results[1]
    assert plain.dump() == keeping.dump()


class Restless(Remembering):
    """A ledger to which something happens while it is asked, or which does not answer.

    Attributes:
        happen: what does, at each question.
    """

    happen: Callable[[str, int], object] | None = None

    def _let(self, question: str, size: int = 1) -> None:
        happen, self.happen = self.happen, None  # what happens asks, too
        try:
            if happen is not None:
                happen(question, size)
        finally:
            self.happen = happen

    @property
    def block_number(self) -> int:
        self._let("block_number")
        return super().block_number

    def block(self, number: int) -> Block | None:
        self._let("block")
        return super().block(number)

    def events(self, first: int, last: int) -> Any:
        self._let("events", last - first + 1)
        return super().events(first, last)


class Weather:
    """What happens to a chain: blocks come and go. No two are the same, for each has a time of its own."""

    def __init__(self, ledger: Restless, random: Random) -> None:
        self.ledger, self.random = ledger, random
        self.time_s = ledger.now_s
        self.limit = 1_000

    def __call__(self, question: str, size: int) -> None:
        random = self.random
        if question == "events" and size > self.limit:
            raise NodeRefusedError("eth_getLogs", -32_005, "too many blocks")
        chance = random.random()
        if chance < 0.03:
            raise NodeUnreachableError("gone")
        if chance < 0.1:
            self.change()
        self.limit = random.choice([1, 2, 5, 1_000]) if random.random() < 0.05 else self.limit

    def change(self) -> None:
        random, ledger = self.random, self.ledger
        if random.random() < 0.4:
            depth = 1 + min(int(random.expovariate(0.3)), len(ledger.before) - 1)
            number = sorted(ledger.before)[-depth]
            ledger.restore(ledger.before[number])
            ledger.before = {known: snapshot for known, snapshot in ledger.before.items() if known <= number}
            if random.random() < 0.3:
                return
        for _ in range(random.randrange(4)):
            self.time_s += 1
            ledger.warp(self.time_s)
            if random.random() < 0.6:
                play(ledger, random.randrange(1, 100))
            else:
                ledger.mine(random.randrange(1, 4))


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_chain_does_meanwhile_the_reader_ends_where_it_is(seed: int) -> None:
    """With readers that begin anew from what they kept, and that stop in the middle."""
    random = Random(seed)
    ledger = Restless()
    ledger.fund(RICH.address, 100 * TOKEN_WEI)
    ledger.buy(RICH, TOKEN_WEI)
    ledger.before = {ledger.block_number: ledger.snapshot()}
    options: dict[str, Any] = {
        "confirmations": random.choice([1, 1, 3]),
        "blocks_at_once": random.choice([1, 3, 1_000]),
    }
    weather = Weather(ledger, random)
    sync, reader = EventSync(ledger, **options), Reader(ledger)
    for _ in range(30):
        weather.change()
        ledger.happen = weather
        try:
            for update in sync.poll():
                reader.take(update)
                if random.random() < 0.1:
                    break
        except NodeUnreachableError:
            pass
        ledger.happen = None
        if random.random() < 0.1:
            sync = EventSync(ledger, resume=reader.cursors[-random.randrange(1, 9) :], **options)
    reader.follow(sync)
    last = reader.cursors[-1].block if reader.cursors else 0
    assert ledger.block_number - options["confirmations"] < last <= ledger.block_number
    assert reader.events == [event for _, events in ledger.events(1, last) for event in events]
    assert reader.rollbacks
    if last == ledger.block_number:
        reader.check(RICH.address)


def test_an_embedded_chain_that_never_holds_still_is_given_up() -> None:
    ledger = Restless()
    ledger.set_target(RICH, 1)
    sync, times = EventSync(ledger), iter(range(ledger.now_s, 1 << 40))

    def change(question: str, _size: int) -> None:
        if question == "events":
            ledger.restore(ledger.before[2])
            ledger.warp(next(times))
            ledger.mine(1)

    ledger.happen = change
    with pytest.raises(LedgerError, match="chain 31337 changes faster than it can be read"):
        list(sync.poll())


def test_ranges_are_halved_as_often_as_needed_and_grow_again() -> None:
    ledger, asked = Restless(), list[int]()
    ledger.mine(62)
    limit = 5

    def refuse(question: str, size: int) -> None:
        if question == "events":
            asked.append(size)
            if size > limit:
                raise NodeRefusedError("eth_getLogs", -32_005, "too many blocks")

    ledger.happen = refuse
    updates = EventSync(ledger, blocks_at_once=40).poll()
    assert [next(updates).cursor.block for _ in range(3)] == [5, 10, 15]
    limit = 1_000
    assert [update.cursor.block for update in updates] == [25, 45, 64]
    assert asked == [40, 20, 10, 5, 10, 5, 10, 5, 10, 20, 19]


def test_a_chain_that_is_seldom_at_rest_is_read_all_the_same() -> None:
    """What counts is how often it changed since the reader last got on."""

    class Moody(EmbeddedLedger):
        calm = False

        def events(self, first: int, last: int) -> Any:
            self.calm = not self.calm
            return None if self.calm else super().events(first, last)

    ledger = Moody(keep_blocks=True)
    ledger.mine(40)
    updates = EventSync(ledger, blocks_at_once=1).poll()
    assert [update.cursor.block for update in updates] == list(range(1, 43))


def test_a_range_that_is_halved_to_a_single_block_is_no_restless_chain() -> None:
    """However long it was."""

    class Long(EmbeddedLedger):
        @property
        def block_number(self) -> int:
            return 1 << 40 if self._ready else super().block_number

        def block(self, number: int) -> Block | None:
            return Block(number, number.to_bytes(32, "big"), 0)

        def events(self, first: int, last: int) -> Any:
            if first != last:
                raise NodeRefusedError("eth_getLogs", -32_005, "too many blocks")
            return []

        _ready = False

    ledger = Long(keep_blocks=True)
    ledger._ready = True
    assert next(EventSync(ledger, blocks_at_once=1 << 40).poll()).cursor.block == 1
