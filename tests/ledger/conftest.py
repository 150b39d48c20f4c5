"""A ledger under test: the same transactions on every backend that is installed, followed by the mirror."""

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from idml.ledger.embedded import EmbeddedLedger
from idml.ledger.errors import Reverted
from idml.ledger.evm import Receipt
from idml.ledger.interface import TxResult
from idml.ledger.mirror import NOBODY, AccountsMirror
from idml.ledger.wallet import Wallet
from idml.protocol.encounter import Encounter, Phase
from idml.protocol.messages import Terms, commitment
from idml.protocol.task import TOKEN_WEI, TaskParams, preset_task

ACTORS = [Wallet.from_seed(9, index) for index in range(7)]  # the last one has no stake
SAFE = preset_task("safe", completion_window_s=100, voting_window_s=500)
TASKS = [
    SAFE,
    preset_task("paper", completion_window_s=100, voting_window_s=500),
    replace(SAFE, votes=2, committee_size=3, quorum=2, tie_accepts=False, good_faith_bps=500),
    replace(SAFE, votes=1, committee_size=1, quorum=1, reject_pot_bps=7_777, neighbor_share_bps=3_333),
    replace(SAFE, votes=3, committee_size=0, quorum=2),
]
LEARNER_SECRET, NEIGHBOR_SECRET = b"\x01" * 32, b"\x02" * 32
RESULT = b"\x05" * 32


class RecordingLedger(EmbeddedLedger):
    """Keeps every receipt, those of reverted transactions included."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.receipts: list[Receipt] = []

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        receipt = super()._send(sender, to, data, value_wei)
        self.receipts.append(receipt)
        return receipt


class Driver:
    """Acts on all ledgers at once and compares whatever comes back."""

    actors = ACTORS
    tasks = TASKS
    learner_secret, neighbor_secret = LEARNER_SECRET, NEIGHBOR_SECRET

    def __init__(self) -> None:
        backends = ["pyevm"] if importlib.util.find_spec("pyrevm") is None else ["pyrevm", "pyevm"]
        self.ledgers = [RecordingLedger(backend) for backend in backends]
        self.ledger = self.ledgers[0]
        self.mirror = AccountsMirror(self.ledger.domain, self.ledger.unbonding_delay_s())
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
        return other

    def do(self, verb: str, sender: Wallet, *arguments: object) -> TxResult | Reverted:
        """Send one transaction; the mirror follows if it succeeds."""
        outcomes: list[TxResult | Reverted] = []
        for ledger in self.ledgers:
            try:
                outcomes.append(getattr(ledger, verb)(sender, *arguments))
            except Reverted as error:
                outcomes.append(error)
        assert len({str(outcome) for outcome in outcomes}) == 1
        assert all(ledger.receipts == self.ledger.receipts for ledger in self.ledgers)
        for ledger in self.ledgers:
            ledger.receipts.clear()
        if isinstance(outcomes[0], TxResult):
            self.mirror.apply(outcomes[0].events)
        return outcomes[0]

    def must(self, verb: str, sender: Wallet, *arguments: object) -> TxResult:
        outcome = self.do(verb, sender, *arguments)
        assert isinstance(outcome, TxResult), outcome
        return outcome

    def fails(self, error: str, verb: str, sender: Wallet, *arguments: object) -> Reverted:
        outcome = self.do(verb, sender, *arguments)
        assert isinstance(outcome, Reverted), outcome
        assert outcome.name == error
        return outcome

    def warp(self, seconds: int) -> None:
        for ledger in self.ledgers:
            ledger.warp(ledger.now_s + seconds)

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
        return Terms(
            task=task.id,
            learner=learner.address,
            neighbor=neighbor.address,
            reward=reward,
            model_before=b"\x04" * 32,
            learner_commitment=commitment(LEARNER_SECRET),
            neighbor_commitment=commitment(NEIGHBOR_SECRET),
            seats=len(self.mirror.seats) if seats is None else seats,
            as_of=now_s + as_of,
            deadline=now_s + deadline,
            nonce=self.mirror.account(learner.address).nonce_base if nonce is None else nonce,
        )

    def open(self, learner: Wallet, neighbor: Wallet, task: TaskParams = SAFE, reward: int = 10 * TOKEN_WEI) -> bytes:
        """Open an encounter; returns its id."""
        terms = self.terms(learner, neighbor, task, reward)
        encounter = self.ledger.domain.digest(terms)
        self.must("open", learner, terms, b"", neighbor.sign(encounter))
        return encounter

    def at(self, encounter: bytes) -> Encounter:
        return self.mirror.encounters[encounter]

    def report(self, encounter: bytes, reporter: Wallet, result: bytes = RESULT) -> TxResult:
        at = self.at(encounter)
        secret = NEIGHBOR_SECRET if reporter.address == at.terms.neighbor else LEARNER_SECRET
        return self.must("report", reporter, at.terms, at.progress, reporter.address, result, secret)

    def validating(self, task: TaskParams, learner: Wallet = ACTORS[0], neighbor: Wallet = ACTORS[1]) -> bytes:
        """An encounter that awaits votes."""
        encounter = self.open(learner, neighbor, task)
        self.report(encounter, neighbor)
        self.report(encounter, learner)
        return encounter

    def voters(self, encounter: bytes) -> list[Wallet]:
        """Who may vote, in the order of the committee."""
        at = self.at(encounter)
        wallets = {actor.address: actor for actor in ACTORS}
        parties, stakers = (at.terms.learner, at.terms.neighbor), (actor.address for actor in ACTORS[:-1])
        allowed = at.progress.committee or [address for address in stakers if address not in parties]
        return [wallets[address] for address in allowed]

    def vote(self, encounter: bytes, *verdicts: bool) -> list[TxResult]:
        """Vote in the order of the committee."""
        results = []
        for voter, accept in zip(self.voters(encounter), verdicts, strict=False):
            at = self.at(encounter)
            results.append(self.must("vote", voter, at.terms, at.progress, voter.address, accept))
        return results

    def advance(self, encounter: bytes, verdict: bool) -> None:
        """Take the next step of an encounter, if it is open and there is one; the contract may refuse it."""
        if (at := self.mirror.encounters.get(encounter)) is None:
            return
        phase, wallets = at.progress.phase, {actor.address: actor for actor in ACTORS}
        if phase in (Phase.OPEN, Phase.REFUSED, Phase.REPORTED):
            by_learner = phase is Phase.REPORTED
            reporter = at.terms.learner if by_learner else at.terms.neighbor
            secret = LEARNER_SECRET if by_learner else NEIGHBOR_SECRET
            self.do("report", wallets[reporter], at.terms, at.progress, reporter, RESULT, secret)
        elif phase is Phase.VALIDATING:
            voters = [voter for voter in self.voters(encounter) if voter.address not in at.progress.voters]
            if voters:
                self.do("vote", voters[0], at.terms, at.progress, voters[0].address, verdict)

    def finalize(self, encounter: bytes, sender: Wallet = ACTORS[6]) -> TxResult:
        at = self.at(encounter)
        return self.must("finalize", sender, at.terms, at.progress)

    def check(self) -> None:
        """The mirror shows what the contract stores, and no token is lost."""
        ledger, mirror = self.ledger, self.mirror
        for address in (*(actor.address for actor in ACTORS), NOBODY):
            assert ledger.account(address) == mirror.account(address)
            assert ledger.history(address) == mirror.history(address)
        assert [ledger.seat(index) for index in range(ledger.seat_count())] == mirror.seats
        for encounter in mirror.encounters.values():
            assert ledger.state_hash(encounter.id) == encounter.progress.state_hash()
        for task_id, task in mirror.tasks.items():
            assert ledger.task(task_id) == task
        held = ledger.token_balance_wei(ledger.contract_address)
        assert held == mirror.total_wei()
        wallets = sum(ledger.token_balance_wei(actor.address) for actor in ACTORS)
        assert ledger.token_supply_wei() == held + wallets
        assert ledger.token_supply_wei() <= ledger.balance_wei(ledger.token_address) * 10_000


@cache
def _prepared() -> tuple[Driver, list[object]]:
    driver = Driver()
    driver.check()
    return driver, [ledger.snapshot() for ledger in driver.ledgers]


@pytest.fixture(scope="session")
def new_driver() -> Callable[[], Driver]:
    """Makes drivers that start from the same prepared state; each ends the use of the one before."""

    def make() -> Driver:
        driver, snapshots = _prepared()
        for ledger, snapshot in zip(driver.ledgers, snapshots, strict=True):
            ledger.restore(snapshot)
            ledger.receipts.clear()
        return driver.copy()

    return make


@pytest.fixture
def driver(new_driver: Callable[[], Driver]) -> Driver:
    """A driver whose actors have deposits, stakes and seats, except for the last, which has no stake."""
    return new_driver()
