"""A ledger under test: the same transactions on every backend that is installed, followed by the mirror."""

import copy
import importlib.util
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

import pytest

from idml.ledger.embedded.evm import Receipt
from idml.ledger.embedded.ledger import EmbeddedLedger, LedgerSnapshot
from idml.ledger.errors import Reverted
from idml.ledger.events import EventSync
from idml.ledger.interface import TxResult
from idml.ledger.mirror import NOBODY, AccountsMirror
from idml.ledger.submit import submit
from idml.ledger.wallet import Wallet
from idml.protocol.batch import SECRET_BYTES, WORDS, PackedBatch, Voucher
from idml.protocol.committee import draw_committee
from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import BatchSettled, Event, Settled, VoucherSettled
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Report, Terms, commitment, committee_seed
from idml.protocol.outcome import Outcome
from idml.protocol.roles import Submission
from idml.protocol.settlement import validator_lock
from idml.protocol.task import TOKEN_WEI, TaskParams, preset_task

from .contract_wallet import ContractWallet
from .reader import Reader

ACTORS = [Wallet.from_seed(9, index) for index in range(7)]  # the last one has no stake
SAFE = preset_task("safe", completion_window_s=100, voting_window_s=500)
TASKS = [
    SAFE,
    preset_task("paper", completion_window_s=100, voting_window_s=500),
    replace(SAFE, votes=2, committee_size=3, quorum=2, tie_accepts=False, good_faith_bps=500),
    replace(SAFE, votes=1, committee_size=1, quorum=1, reject_pot_bps=7_777, neighbor_share_bps=3_333),
    replace(SAFE, votes=3, committee_size=0, quorum=2),
]
RESULT = b"\x05" * 32
PEOPLE = [*(actor.address for actor in ACTORS), NOBODY]


class RecordingLedger(EmbeddedLedger):
    """Keeps every receipt, those of reverted transactions included; contract wallets act through their owners."""

    def __init__(self, backend: str, *, keep_blocks: bool) -> None:
        super().__init__(backend, keep_blocks=keep_blocks)
        self.receipts: list[Receipt] = []

    def create(self, sender: bytes, code: bytes) -> bytes:
        """Create a contract; returns its address."""
        address, _ = self._evm.deploy(sender, code)
        self._keep(code)
        return address

    def _send(self, sender: Wallet | ContractWallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        if isinstance(sender, ContractWallet):
            wallet: ContractWallet = sender
            sender, to, data = wallet.owner, wallet.address, wallet.through(to, data)
        receipt = super()._send(sender, to, data, value_wei)
        self.receipts.append(receipt)
        return receipt


def earned(outcome: Outcome) -> Counter[bytes]:
    """What everyone won or lost by an encounter, in whatever role; what nobody won was burnt, to the last unit."""
    sums: Counter[bytes] = Counter()
    for part in outcome.earned_wei.values():
        sums.update(part)
    if outcome.settlement is not None:
        sums[NOBODY] += outcome.settlement.burnt
    assert sums.total() == 0
    return sums


class Driver:
    """Acts on all ledgers at once and compares whatever comes back.

    One ledger keeps its blocks: that must not change anything. A reader follows it, through all that happens to the
    ledgers: drivers that start from a snapshot of theirs share it.

    Attributes:
        events: of both contracts, in order, taken from receipts.
        outcomes: what the mirror said to have become of encounters that were opened.
    """

    actors = ACTORS
    tasks = TASKS
    result = RESULT

    def __init__(self, backends: Sequence[str]) -> None:
        keeper = backends[-1]
        self.ledgers = [RecordingLedger(backend, keep_blocks=backend == keeper) for backend in backends]
        self.ledger = self.ledgers[0]
        self.sync, self.reader = EventSync(self.ledgers[-1], blocks_at_once=9), Reader(self.ledgers[-1])
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []
        self.mirror = AccountsMirror(self.ledger.domain, self.ledger.unbonding_delay_s())
        self.wallets = {actor.address: actor for actor in ACTORS}
        self.completed: Counter[bytes] = Counter()
        for index, actor in enumerate(ACTORS):
            for ledger in self.ledgers:
                ledger.fund(actor.address, TOKEN_WEI)
            self.must("buy", actor, TOKEN_WEI // 2)
            self.must("deposit", actor, 1_000 * TOKEN_WEI)
            if index < len(ACTORS) - 1:
                self.must("stake", actor, 200 * TOKEN_WEI)
                self.must("set_target", actor, 200 * TOKEN_WEI)
        for task in TASKS:
            self.must("create_task", ACTORS[0], task)
        self.warp(10)

    def copy(self) -> "Driver":
        """A driver that goes its own way from here, on the same ledgers."""
        other = copy.copy(self)
        other.mirror = copy.deepcopy(self.mirror)
        other.events, other.outcomes = list(self.events), list(self.outcomes)
        other.completed = Counter(self.completed)
        return other

    def do(self, verb: str, sender: Wallet, *arguments: object, **named: object) -> TxResult | Reverted:
        """Send one transaction; the mirror follows if it succeeds."""
        return self._on_all(lambda ledger: getattr(ledger, verb)(sender, *arguments, **named))

    def submit(self, sender: Wallet, encounter: bytes, submission: Submission) -> TxResult | Reverted:
        """Send what a role submits about an encounter; an opening takes the lowest free lane."""
        return self._on_all(lambda ledger: submit(ledger, self.mirror, sender, encounter, submission))

    def _on_all(self, send: Callable[[EmbeddedLedger], TxResult]) -> TxResult | Reverted:
        outcomes: list[TxResult | Reverted] = []
        for ledger in self.ledgers:
            try:
                outcomes.append(send(ledger))
            except Reverted as error:
                outcomes.append(error)
        assert len({str(outcome) for outcome in outcomes}) == 1
        assert all(ledger.receipts == self.ledger.receipts for ledger in self.ledgers)
        for receipt in self.ledger.receipts:
            self.events += self.ledger._read(receipt.logs, receipt.block_number, receipt.timestamp_s)
        for ledger in self.ledgers:
            ledger.receipts.clear()
        if isinstance(outcomes[0], TxResult):
            self._count(outcomes[0])
            self._follow(outcomes[0])
        return outcomes[0]

    def _follow(self, result: TxResult) -> None:
        """Let the mirror follow, and hold it to what it says to have changed."""
        before, wealth_before = self._books(), self.wealth()
        changes = self.mirror.apply(result.events)
        after, wealth = self._books(), self.wealth()
        changed = {who for who in PEOPLE if after[who] != before[who]}
        assert changed <= set(changes.stakes_wei), "whoever is not named has what it had"
        assert all(stake == self.mirror.account(who).stake for who, stake in changes.stakes_wei.items())
        for outcome in changes.outcomes:  # a transaction that ends an encounter does nothing else
            gained = earned(outcome)
            gained[outcome.encounter.terms.learner] += outcome.encounter.terms.reward  # prepaid
            assert {who: wealth[who] - wealth_before[who] for who in PEOPLE} == {who: gained[who] for who in PEOPLE}
        self.outcomes += changes.outcomes

    def _books(self) -> dict[bytes, object]:
        mirror = self.mirror
        return {who: (mirror.account(who), mirror.history(who), mirror.pending_release(who)) for who in PEOPLE}

    def wealth(self) -> dict[bytes, int]:
        """What everyone owns in the contract, by the mirror."""
        accounts = {who: self.mirror.account(who) for who in PEOPLE}
        return {who: account.balance + account.stake + account.unbonding for who, account in accounts.items()}

    def _count(self, result: TxResult) -> None:
        """Settlements by learner, counted without the mirror's help."""
        for event in result.events:
            match event:
                case Settled():
                    self.completed[self.at(event.encounter).terms.learner] += 1
                case VoucherSettled():
                    self.completed[event.learner] += 1
                case BatchSettled():
                    for i, first in enumerate(event.encounters[::WORDS]):
                        if event.settled >> i & 1:
                            self.completed[event.parties[first[-1]]] += 1

    def must(self, verb: str, sender: Wallet, *arguments: object, **named: object) -> TxResult:
        outcome = self.do(verb, sender, *arguments, **named)
        assert isinstance(outcome, TxResult), outcome
        return outcome

    def fails(self, error: str, verb: str, sender: Wallet, *arguments: object, **named: object) -> Reverted:
        outcome = self.do(verb, sender, *arguments, **named)
        assert isinstance(outcome, Reverted), outcome
        assert outcome.name == error
        return outcome

    def warp(self, seconds: int) -> None:
        for ledger in self.ledgers:
            ledger.warp(ledger.now_s + seconds)

    def mine(self, blocks: int) -> None:
        for ledger in self.ledgers:
            ledger.mine(blocks)

    def sign(self, address: bytes, digest: bytes) -> bytes:
        return self.wallets[address].sign(digest)

    def terms(
        self,
        learner: Wallet,
        neighbor: Wallet,
        task: TaskParams = SAFE,
        reward: int = 10 * TOKEN_WEI,
        nonce: int | None = None,
        seats: int | None = None,
        as_of: int = 0,
        deadline: int = 50,
    ) -> Terms:
        """Terms good now unless told otherwise; `as_of` and `deadline` count from now."""
        now_s = self.ledger.now_s
        nonce = self.mirror.account(learner.address).nonce_base if nonce is None else nonce
        secrets = self.secrets(learner.address, neighbor.address, nonce)
        return Terms(
            task=task.id,
            learner=learner.address,
            neighbor=neighbor.address,
            reward=reward,
            model_before=b"\x04" * 32,
            learner_commitment=commitment(secrets[0]),
            neighbor_commitment=commitment(secrets[1]),
            seats=len(self.mirror.seats) if seats is None else seats,
            as_of=now_s + as_of,
            deadline=now_s + deadline,
            nonce=nonce,
        )

    def secrets(self, learner: bytes, neighbor: bytes, nonce: int) -> tuple[bytes, bytes]:
        """The learner's and the neighbor's in one encounter, so that each has another committee."""
        about = learner + neighbor + nonce.to_bytes(32, "big")
        first, second = (keccak256(name + about)[:SECRET_BYTES] + bytes(SECRET_BYTES) for name in (b"l", b"n"))
        return first, second

    def secret(self, encounter: bytes, reporter: bytes) -> bytes:
        terms = self.at(encounter).terms
        return self.secrets(terms.learner, terms.neighbor, terms.nonce)[reporter == terms.neighbor]

    def voucher(self, terms: Terms, ballots: int) -> Voucher:
        """What its parties would say; bit i of `ballots`: the i-th of the committee votes yes."""
        task = self.mirror.tasks[terms.task]
        secrets = self.secrets(terms.learner, terms.neighbor, terms.nonce)
        committee = draw_committee(terms, committee_seed(*secrets), task.votes, self.mirror.seats)
        votes = tuple((member, bool(ballots >> i & 1)) for i, member in enumerate(committee))
        return Voucher(terms, RESULT, *secrets, votes)

    def settle(
        self, verb: str, *vouchers: Voucher, sender: Wallet = ACTORS[6], signatures: Sequence[bytes] | None = None
    ) -> TxResult | Reverted:
        """Bring vouchers by `settle`, `settle_batch` or `settle_cosigned`, by default with all signatures."""
        signatures = self.signatures(verb, vouchers) if signatures is None else signatures
        return self.do(verb, sender, PackedBatch(vouchers).message, signatures)

    def signatures(self, verb: str, vouchers: Sequence[Voucher]) -> tuple[bytes, ...]:
        """All that are needed, two words each."""
        packed = PackedBatch(tuple(vouchers))
        sign_all = packed.cosign if verb == "settle_cosigned" else packed.sign_each
        return sign_all(self.ledger.domain, self.sign)

    def open(self, learner: Wallet, neighbor: Wallet, task: TaskParams = SAFE, reward: int = 10 * TOKEN_WEI) -> bytes:
        """Open an encounter; returns its id."""
        terms = self.terms(learner, neighbor, task, reward)
        encounter = self.ledger.domain.digest(terms)
        lane = self.mirror.lane(learner.address, terms.nonce)
        self.must("open", learner, terms, b"", neighbor.sign(encounter), lane=lane)
        return encounter

    def at(self, encounter: bytes) -> Encounter:
        return self.mirror.encounters[encounter]

    def report(self, encounter: bytes, reporter: Wallet, result: bytes = RESULT) -> TxResult:
        at = self.at(encounter)
        secret = self.secret(encounter, reporter.address)
        return self.must("report", reporter, at.progress, reporter.address, result, secret)

    def report_both(self, encounter: bytes, result: bytes = RESULT) -> TxResult:
        return self.must("report_both", *self.both(encounter, result))

    def both(self, encounter: bytes, result: bytes = RESULT) -> tuple[Any, ...]:
        """The arguments of `report_both`, the learner's wallet first."""
        at = self.at(encounter)
        learner_secret, neighbor_secret = (
            self.secret(encounter, party) for party in (at.terms.learner, at.terms.neighbor)
        )
        report = Report(encounter, at.terms.neighbor, result, neighbor_secret)
        signature = self.sign(at.terms.neighbor, self.ledger.domain.digest(report))
        return (self.wallets[at.terms.learner], at.progress, result, neighbor_secret, learner_secret, signature)

    def agreement(self, encounter: bytes, result: bytes = RESULT) -> bytes:
        """The learner's signature on its report, which follows on the neighbor's."""
        at, domain = self.at(encounter), self.ledger.domain
        first = Report(encounter, at.terms.neighbor, result, self.secret(encounter, at.terms.neighbor))
        secret = self.secret(encounter, at.terms.learner)
        second = Report(encounter, at.terms.learner, result, secret, domain.digest(first))
        return self.sign(at.terms.learner, domain.digest(second))

    def validating(self, task: TaskParams, learner: Wallet = ACTORS[0], neighbor: Wallet = ACTORS[1]) -> bytes:
        """An encounter that awaits votes."""
        encounter = self.open(learner, neighbor, task)
        self.report(encounter, neighbor)
        self.report(encounter, learner)
        return encounter

    def voters(self, encounter: bytes) -> list[Wallet]:
        """Who may vote, in the order of the committee."""
        at = self.at(encounter)
        parties, stakers = (at.terms.learner, at.terms.neighbor), (actor.address for actor in ACTORS[:-1])
        allowed = at.progress.committee or [address for address in stakers if address not in parties]
        return [self.wallets[address] for address in allowed]

    def vote(self, encounter: bytes, *verdicts: bool) -> list[TxResult]:
        """Vote in the order of the committee."""
        results = []
        for voter, accept in zip(self.voters(encounter), verdicts, strict=False):
            at = self.at(encounter)
            results.append(self.must("vote", voter, at.progress, voter.address, accept))
        return results

    def advance(self, encounter: bytes, verdict: bool) -> None:
        """Take the next step of an encounter, if it is open and there is one; the contract may refuse it."""
        if (at := self.mirror.encounters.get(encounter)) is None:
            return
        phase = at.progress.phase
        if phase in (Phase.OPEN, Phase.REFUSED, Phase.REPORTED):
            by_learner = phase is Phase.REPORTED
            reporter = at.terms.learner if by_learner else at.terms.neighbor
            secret = self.secret(encounter, reporter)
            self.do("report", self.wallets[reporter], at.progress, reporter, RESULT, secret)
        elif phase is Phase.DISPUTED:
            self.do("contest", self.wallets[at.terms.neighbor], at.progress)
        elif phase is Phase.CONTESTED:
            self.mine(max(0, at.progress.seed_block - self.ledger.block_number))
            self.do("draw", ACTORS[6], at.progress)
        elif phase is Phase.VALIDATING:
            voters = [voter for voter in self.voters(encounter) if voter.address not in at.progress.voters]
            if voters:
                self.do("vote", voters[0], at.progress, voters[0].address, verdict)

    def finalize(self, encounter: bytes, sender: Wallet = ACTORS[6]) -> TxResult:
        at = self.at(encounter)
        return self.must("finalize", sender, at.progress)

    def check(self) -> None:
        """The mirror shows what the contract stores, and no token is lost."""
        ledger, mirror = self.ledger, self.mirror
        self._check_promises()
        for address in PEOPLE:
            assert ledger.account(address) == mirror.account(address)
            assert ledger.history(address) == mirror.history(address)
            assert ledger.pending_release(address) == mirror.pending_release(address)
            assert mirror.stake_wei(address) == ledger.account(address).stake
        assert [ledger.seat(index) for index in range(ledger.seat_count())] == mirror.seats
        for encounter in mirror.encounters.values():
            lane = encounter.progress.where.lane
            assert ledger.state_hash(encounter.terms.learner, lane) == encounter.progress.state_hash()
        open_lanes = Counter(encounter.terms.learner for encounter in mirror.encounters.values())
        for actor in ACTORS:
            busy = sum(int.from_bytes(ledger.state_hash(actor.address, lane), "big") > 1 for lane in (0, 1, 2, 63))
            assert busy <= open_lanes[actor.address]
        held = ledger.token_balance_wei(ledger.contract_address)
        assert held == mirror.total_wei()
        wallets = sum(ledger.token_balance_wei(actor.address) for actor in ACTORS)
        assert ledger.token_supply_wei() == held + wallets
        assert ledger.token_supply_wei() <= ledger.balance_wei(ledger.token_address) * 10_000

    def check_reader(self) -> None:
        """Whoever reads the ledger's blocks, and whatever it read before, knows all that was announced, and no more."""
        reader = self.reader.follow(self.sync)
        assert reader.events == self.events
        mirror = reader.mirror()
        assert mirror.encounters == self.mirror.encounters
        assert (mirror.seats, mirror.tasks) == (self.mirror.seats, self.mirror.tasks)
        for who in PEOPLE:
            assert (mirror.account(who), mirror.history(who)) == (self.mirror.account(who), self.mirror.history(who))

    def _check_promises(self) -> None:
        """Whatever may still be taken is there."""
        locked: Counter[bytes] = Counter()
        for encounter in self.mirror.encounters.values():
            terms = encounter.terms
            locked[terms.neighbor] += terms.reward
            for voter in encounter.progress.voters:
                locked[voter] += validator_lock(terms.reward, self.mirror.tasks[terms.task])
        for actor in ACTORS:
            who = self.mirror._who(actor.address)
            assert who.locked == locked[actor.address] <= who.stake
            assert who.balance >= who.cover
            assert who.history().completed_as_learner == self.completed[actor.address]


@cache
def _prepared() -> tuple[Driver, list[object]]:
    driver = Driver(["pyevm"] if importlib.util.find_spec("pyrevm") is None else ["pyrevm", "pyevm"])
    for task in driver.tasks:
        assert driver.ledger.task(task.id) == task
    driver.check()
    return driver, [ledger.snapshot() for ledger in driver.ledgers]


@pytest.fixture(scope="session")
def new_driver() -> Callable[[], Driver]:
    """Makes drivers that start from the same prepared state; each ends the use of the one before."""

    def make() -> Driver:
        driver, snapshots = _prepared()
        for ledger, snapshot in zip(driver.ledgers, snapshots, strict=True):
            ledger.restore(cast(LedgerSnapshot, snapshot))
            ledger.receipts.clear()
        return driver.copy()

    return make


@pytest.fixture
def driver(new_driver: Callable[[], Driver]) -> Driver:
    """A driver whose actors have deposits, stakes and seats, except for the last, which has no stake."""
    return new_driver()
