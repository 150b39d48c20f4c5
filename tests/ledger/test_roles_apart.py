"""Roles apart: each has a driver of its own, sees the chain late, and hears what was said whenever that comes.

A simulated network and clock, all from one seed, in front of the real contract. Messages are delayed, doubled and
overtake each other; transactions wait; processes die and come back with the inputs of their roles.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from random import Random
from typing import Any

import pytest

from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.mirror import AccountsMirror
from idml.ledger.submit import submit
from idml.ledger.wallet import Wallet
from idml.protocol.encounter import Encounter
from idml.protocol.events import Ended, Event, Settled
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Terms
from idml.protocol.roles import (
    Adopt,
    Clock,
    Contribute,
    Contributed,
    Driver,
    Envelope,
    Judge,
    Judged,
    Learner,
    Neighbor,
    Offer,
    Player,
    Refusal,
    ReportSent,
    ResultSent,
    Submission,
    SubmitVote,
    ValidationRequest,
    Validator,
    Work,
    conversation_of,
)
from idml.protocol.task import TOKEN_WEI

from .machine import DELAY_S

MODEL, RESULT = b"\x04" * 32, b"\x05" * 31
REWARD_WEI = 10 * TOKEN_WEI


class World:
    """Time, the chain, and what is on its way between those who take part.

    Args:
        prepared: the ledger with actors that are staked.
        seed: of all that is left to chance.
        doubled: how often a message comes twice.
        dying: how often a process dies instead of taking an input.
        reorganized: how often the chain takes its last blocks back when it gets another.
    """

    def __init__(
        self,
        prepared: Any,
        seed: int,
        *,
        doubled: float = 0.0,
        dying: float = 0.0,
        reorganized: float = 0.0,
        task: int = 0,
    ) -> None:
        self.random = Random(seed)
        self.ledger = prepared.ledger
        # Long enough for what is done again and again.
        self.task = replace(prepared.tasks[task], completion_window_s=2_000, voting_window_s=4_000)
        prepared.must("create_task", prepared.actors[0], self.task)
        self.doubled, self.dying, self.reorganized = doubled, dying, reorganized
        self.mined: list[
            tuple[object, Callable[[], None]]
        ] = []  # the state before each transaction, and how to send it
        self.chain: list[Sequence[Event]] = [prepared.events]
        self.now_s = float(self.ledger.now_s)
        self.due: list[tuple[float, int, Callable[[], None]]] = []
        self.signed: dict[tuple[str, bytes], set[Any]] = {}
        self.reasons: list[str] = []
        self.judges = [actor.address for actor in prepared.actors[2:5]]
        self.nodes = {actor.address: Node(self, actor) for actor in prepared.actors}
        for node in self.nodes.values():
            self.later(0, 5, node.tick)
        learner, neighbor = prepared.actors[:2]
        self.terms: Terms = prepared.terms(learner, neighbor, self.task, REWARD_WEI, deadline=1_000)
        self.secrets = dict(
            zip(
                (learner.address, neighbor.address),
                prepared.secrets(learner.address, neighbor.address, self.terms.nonce),
                strict=True,
            )
        )
        self.offer = replace(self.terms, neighbor_commitment=ZERO_WORD)
        self.conversation = conversation_of(self.offer, self.ledger.domain)

    def later(self, least_s: float, most_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.due, (self.now_s + self.random.uniform(least_s, most_s), len(self.due), act))

    def run(self, for_s: float) -> None:
        end_s = self.now_s + for_s
        while self.due and self.due[0][0] < end_s and not self.over:
            self.now_s, _, act = heapq.heappop(self.due)
            act()
        for _ in range(60):  # what is on its way when the encounter is over still arrives
            if self.due:
                self.now_s, _, act = heapq.heappop(self.due)
                act()

    @property
    def end(self) -> Settled | Ended | None:
        """What ended the encounter."""
        ends = [event for events in self.chain[1:] for event in events if isinstance(event, Settled | Ended)]
        return ends[0] if ends else None

    @property
    def over(self) -> bool:
        """Whether everybody knows that the encounter is over."""
        return self.end is not None and all(node.seen == self.chain for node in self.nodes.values())

    def transact(self, send: Callable[[], Any], again: Callable[[], None]) -> None:
        """Mine one transaction at the present time, perhaps in another chain than the one seen so far."""
        depth = self.random.randint(1, 3)
        if self.random.random() < self.reorganized and depth < len(self.chain):
            self.ledger.restore(self.mined[-depth][0])
            for _, undone in self.mined[-depth:]:
                self.later(0.5, 4, undone)  # what is not part of the chain any more waits to be mined again
            del self.mined[-depth:], self.chain[-depth:]
        before = self.ledger.snapshot()
        self.ledger.warp(max(self.ledger.now_s + 1, int(self.now_s)))
        self.chain.append(send().events)
        self.mined.append((before, again))


class Node:
    """A process: one participant, its own view of the chain, a driver for the encounter once it hears of it."""

    def __init__(self, world: World, wallet: Wallet) -> None:
        self.world = world
        self.wallet = wallet
        self.seen: list[Sequence[Event]] = []
        self.see(world.chain[:1])
        self.driver: Driver | None = None
        self.adopted: list[bytes] = []
        self.life = self.trained = 0

    # A process that may die before it takes an input, and come back with those that it had

    def dies(self) -> bool:
        """Perhaps die, and come back with the inputs that the roles had."""
        world = self.world
        if self.driver is None or world.random.random() >= world.dying:
            return False
        inputs = {address: list(player.inputs) for address, player in self.driver.players.items()}
        self.life += 1
        self.driver = self.make_driver()
        for player in self.parts():
            self.driver.join(player)
        self.driver.restore(inputs)
        return True

    def alive(self, take: Callable[[Driver], None]) -> None:
        """Take an input, unless it dies over it; it comes again then, as from an outbox that nobody emptied."""
        if self.dies():
            self.world.later(1, 30, lambda: self.alive(take))
        elif self.driver is not None:
            take(self.driver)

    def make_driver(self) -> Driver:
        world = self.world
        return Driver(domain=world.ledger.domain, task=world.task, conversation=world.conversation, port=self)

    def parts(self) -> list[Player]:
        """What it plays in this encounter, by who it is."""
        world, me, task = self.world, self.wallet, self.world.task
        common: dict[str, Any] = {"domain": world.ledger.domain, "task": task, "validators": world.judges}
        if me.address == world.terms.learner:
            secret = world.secrets[me.address]
            make = lambda: Learner(identity=me, offer=world.offer, secret=secret, **common)  # noqa: E731
            return [Player(me.address, "learner", make)]
        if me.address == world.terms.neighbor:
            secret = world.secrets[me.address]
            return [Player(me.address, "neighbor", lambda: Neighbor(identity=me, secret=secret, **common))]
        return [Player(me.address, "validator", lambda: Validator(me.address, task))]

    def begin(self) -> None:
        """Start to play a part, with all that is known of the chain."""
        self.driver = self.make_driver()
        for player in self.parts():
            self.driver.join(player)
        for events in self.seen[1:]:
            self.driver.follow(events)

    def tick(self) -> None:
        """Read the chain a little further, or back; else look at the clock."""
        if not self.dies():
            chain = self.world.chain
            common = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], zip(self.seen, chain, strict=False)))
            if common < len(self.seen):
                self.see(chain[:common])
                if self.driver is not None:
                    self.driver.roll_back(max(event.block for event in chain[common - 1]))
            elif common < len(chain):
                self.see(chain[: common + 1])
                if self.driver is not None:
                    self.driver.follow(chain[common])
            elif self.driver is not None:
                self.driver.wake()
        self.world.later(1, 6, self.tick)

    def see(self, chain: list[Sequence[Event]]) -> None:
        """Know the chain so far and no further."""
        self.seen, self.mirror = chain, AccountsMirror(self.world.ledger.domain, DELAY_S)
        for events in chain:
            self.mirror.apply(events)

    def hear(self, envelope: Envelope) -> None:
        if self.driver is None and isinstance(envelope.message, Offer | ValidationRequest):
            self.begin()
        self.alive(lambda driver: driver.hear(self.wallet.address, envelope))

    # The driver's port

    def carry(self, to: bytes, envelope: Envelope) -> Player | None:
        world, message = self.world, envelope.message
        if isinstance(message, ResultSent | ReportSent):
            world.signed.setdefault(("report", message.report.reporter), set()).add((message.report, message.signature))
        for _ in range(1 + (world.random.random() < world.doubled)):
            world.later(0, 4, lambda: world.nodes[to].hear(envelope))
        return None

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        world, life = self.world, self.life
        if isinstance(submission, SubmitVote):
            world.signed.setdefault(("vote", sender), set()).add(submission.vote)

        def send() -> None:
            if self.life != life:
                return  # it died before this was out
            at = encounter.id if encounter else None
            try:
                world.transact(lambda: submit(world.ledger, self.mirror, self.wallet, at, submission), send)
            except LedgerError as error:  # the contract's own word, or: it is over
                stale = isinstance(error, Reverted) and error.name == "StateMismatch"
                refusal = Refusal(str(error), stale)
                self.alive(lambda driver: driver.refused(sender, submission, refusal))

        world.later(0.5, 4, send)
        return None

    def work(self, worker: bytes, work: Work) -> Contributed | Judged | None:
        life = self.life
        outcome: Contributed | Judged
        match work:
            case Adopt(result):
                self.adopted.append(result)
                return None
            case Contribute(model):
                assert model == MODEL
                self.trained += 1  # training again gives another result
                outcome = Contributed(RESULT + bytes([self.trained]))
            case Judge(model, result):
                assert (model, result[:-1]) == (MODEL, RESULT)
                outcome = Judged(result, True)
        self.world.later(
            2, 40, lambda: self.alive(lambda driver: driver.done(worker, outcome) if self.life == life else None)
        )
        return None

    def finish(self, address: bytes, reason: str) -> None:
        self.world.reasons.append(reason)

    def clock(self) -> Clock:
        return Clock(int(self.world.now_s), self.world.ledger.block_number + 1)


def play(world: World) -> None:
    """One encounter from the offer to its end."""
    learner = world.nodes[world.terms.learner]
    learner.begin()
    assert learner.driver is not None
    learner.driver.start(world.terms.learner)
    world.run(20_000)


def check(world: World, prepared: Any) -> None:
    """It was judged, and the learner merged the result; nothing was signed twice; no token is lost."""
    end = world.end
    assert isinstance(end, Settled), world.reasons
    assert (end.accepted, end.votes_for) == (True, world.task.votes), "a vote did not come in time"
    assert all(len(statements) == 1 for statements in world.signed.values()), "two statements on one thing"
    reported = {report.result for report, _ in world.signed["report", world.terms.neighbor]}
    assert set(world.nodes[world.terms.learner].adopted) == reported
    mirror = AccountsMirror(world.ledger.domain, world.ledger.unbonding_delay_s())
    for events in world.chain:
        mirror.apply(events)
    assert not mirror.encounters
    for actor in prepared.actors:
        account = world.ledger.account(actor.address)
        assert account == mirror.account(actor.address)
        assert account.locked == 0


@pytest.fixture
def alone(new_driver: Callable[[], Any]) -> Callable[[], Any]:
    """Prepared actors on one ledger, whose windows are long enough for slow processes."""

    def make() -> Any:
        driver = new_driver()
        driver.ledgers = driver.ledgers[:1]
        return driver

    return make


FAULTS: dict[str, dict[str, float]] = {
    "none": {},  # requests to judge overtake the event that they follow on, and votes meet
    "messages come twice": {"doubled": 0.5},
    "processes die": {"doubled": 0.2, "dying": 0.05},
    "the chain takes blocks back": {"reorganized": 0.2},
    "all": {"doubled": 0.2, "dying": 0.03, "reorganized": 0.1},
}


def search(alone: Callable[[], Any], fault: str, task: int, seeds: range) -> None:
    for seed in seeds:
        prepared = alone()
        world = World(prepared, seed, task=task, **FAULTS[fault])
        play(world)
        try:
            check(world, prepared)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.parametrize("task", [0, 1])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_encounter_is_judged_and_merged_whatever_happens(alone: Callable[[], Any], fault: str, task: int) -> None:
    search(alone, fault, task, range(10))


@pytest.mark.slow
@pytest.mark.parametrize("task", [0, 1])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_encounter_is_judged_and_merged_whatever_happens_for_long(
    alone: Callable[[], Any], fault: str, task: int
) -> None:
    search(alone, fault, task, range(1_000, 1_100))
