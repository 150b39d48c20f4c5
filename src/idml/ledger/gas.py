"""Measures what one encounter costs on the chain, in each of the ways to settle it (the paper: Table II)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from idml.ledger.controlled import ControlledLedger
from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.interface import TxResult
from idml.ledger.mirror import AccountsMirror
from idml.ledger.submit import submit
from idml.ledger.wallet import Wallet
from idml.protocol.batch import SECRET_BYTES, PackedBatch, Voucher
from idml.protocol.committee import draw_committee
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Terms, commitment, committee_seed
from idml.protocol.roles import Submission, SubmitReport, SubmitReports, SubmitVote
from idml.protocol.task import TOKEN_WEI, preset_task

PAPER = {"check": 43_919, "report_neighbor": 96_172, "report_learner": 46_921, "vote": 78_869, "finalize": 191_344}
"""Gas of each step by the paper's Table II. An encounter has three votes."""

PAPER_TOTAL = sum(PAPER.values()) + 2 * PAPER["vote"]

PAPER_USD_PER_GAS = {"ethereum": 10.0182 / 457_225, "polygon": 0.0261 / 457_225}
"""Dollars for one gas on two chains, from the two baselines of Table II, of January 17, 2023."""

_DEVICES = 50
_REWARD_WEI = 10 * TOKEN_WEI
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class GasCost:
    """What one encounter costs. In a batch, this is its share of the batch.

    Attributes:
        gas: gas of all its transactions.
        data_bytes: bytes of calldata in all its transactions.
    """

    gas: float
    data_bytes: float


@dataclass(frozen=True, slots=True)
class GasReport:
    """The cost of one encounter with three votes under the preset `safe`.

    It is measured among accounts that were used before and have held their seats for longer than the unbonding delay.

    Attributes:
        stepwise: costs by step and in total, if the learner brings both Reports.
        apart: costs by step and in total, if each party brings its own Report.
        signed: cost of an encounter that is settled alone from signatures.
        batch: cost by the number of encounters in the batch.
        cosigned: cost in a batch of 100 among 50 parties that all sign the batch.
    """

    stepwise: dict[str, GasCost]
    apart: dict[str, GasCost]
    signed: GasCost
    batch: dict[int, GasCost]
    cosigned: GasCost


def measure_gas(ledger: ControlledLedger | None = None) -> GasReport:
    """Play encounters on a fresh ledger, and average what they cost.

    Args:
        ledger: a ledger on which nobody takes part yet; by default an embedded one.
    """
    bench = _GasRun(ledger or EmbeddedLedger())
    bench.join()
    bench.play(0, 1, apart=True)  # from here on its accounts and the learner's lane are in use
    apart = [bench.play(0, 1, apart=True) for _ in range(_ROUNDS)]
    stepwise = [bench.play(0, 1, apart=False) for _ in range(_ROUNDS)]
    bench.budget()
    pairs = [(i % _DEVICES, (i * 7 + 3) % _DEVICES) for i in range(100)]
    bench.batch(pairs, cosigned=True)
    return GasReport(
        stepwise=_mean_steps(stepwise),
        apart=_mean_steps(apart),
        signed=_mean([bench.settle(i, i + 20) for i in range(_ROUNDS)]),
        batch={
            10: _mean([bench.batch([(i, i + 10 * k) for i in range(10)]) for k in (1, 2, 3)]),
            100: bench.batch(pairs),
        },
        cosigned=bench.batch(pairs, cosigned=True),
    )


class _GasRun:
    """Fifty participants that play learner, neighbor and validator in turn."""

    def __init__(self, ledger: ControlledLedger) -> None:
        self._ledger = ledger
        self._task = preset_task("safe")
        self._wallets = [Wallet.from_seed(0, index) for index in range(_DEVICES)]
        self._by_address = {wallet.address: wallet for wallet in self._wallets}
        self._mirror = AccountsMirror(ledger.domain, ledger.unbonding_delay_s())
        self._nonces = [0] * _DEVICES
        self._count = 0

    def join(self) -> None:
        ledger, stake_wei = self._ledger, 200 * TOKEN_WEI
        for index, wallet in enumerate(self._wallets):
            self._ledger.fund(wallet.address, 10**20)
            steps: list[Callable[[], TxResult]] = [
                partial(ledger.buy, wallet, 10**18),
                partial(ledger.approve, wallet, 10_000 * TOKEN_WEI),
                partial(ledger.deposit, wallet, 10_000 * TOKEN_WEI),
                partial(ledger.set_target, wallet, stake_wei),
                partial(ledger.stake, wallet, stake_wei),
            ]
            if index == 0:
                steps.insert(0, partial(ledger.create_task, wallet, self._task))
            for step in steps:
                self._next(step)
        # A batch need not read the seats of members that have held them for longer than this.
        self._ledger.warp(self._ledger.now_s + self._ledger.unbonding_delay_s() + 1)
        self._seats = [ledger.seat(index) for index in range(ledger.seat_count())]

    def _next(self, step: Callable[[], TxResult]) -> TxResult:
        """Send in a block that is one second later than the last one: on a node, no two blocks have the same time."""
        self._ledger.warp(self._ledger.now_s + 1)
        result = step()
        self._mirror.apply(result.events)
        return result

    def budget(self) -> None:
        for wallet in self._wallets:
            self._next(partial(self._ledger.set_budget, wallet, _REWARD_WEI, 64))

    def voucher(self, learner: int, neighbor: int) -> Voucher:
        """An encounter that everybody agrees to accept."""
        self._count += 1
        learner_secret, neighbor_secret, model, outcome = (
            keccak256(f"{name} {self._count}".encode()) for name in ("learner", "neighbor", "model", "result")
        )
        learner_secret, neighbor_secret = (
            secret[:SECRET_BYTES] + bytes(SECRET_BYTES) for secret in (learner_secret, neighbor_secret)
        )
        now_s = self._ledger.now_s
        terms = Terms(
            task=self._task.id,
            learner=self._wallets[learner].address,
            neighbor=self._wallets[neighbor].address,
            reward=_REWARD_WEI,
            model_before=model,
            learner_commitment=commitment(learner_secret),
            neighbor_commitment=commitment(neighbor_secret),
            seats=len(self._seats),
            as_of=now_s,
            deadline=now_s + self._task.completion_window_s,
            nonce=self._nonces[learner],
        )
        self._nonces[learner] += 1
        committee = draw_committee(
            terms, committee_seed(learner_secret, neighbor_secret), self._task.votes, self._seats
        )
        return Voucher(terms, outcome, learner_secret, neighbor_secret, tuple((member, True) for member in committee))

    def play(self, learner: int, neighbor: int, *, apart: bool) -> dict[str, GasCost]:
        """Play one encounter step by step.

        Returns:
            What each step cost.
        """
        ledger, domain = self._ledger, self._ledger.domain
        voucher = self.voucher(learner, neighbor)
        signature = self._wallets[neighbor].sign(domain.digest(voucher.terms))
        costs = {"open": self._next(partial(ledger.open, self._wallets[learner], voucher.terms, b"", signature))}
        encounter = domain.digest(voucher.terms)
        for name, sender, submission in self._steps(voucher, apart=apart):
            wallet = self._by_address[sender]
            costs[name] = self._next(partial(submit, ledger, self._mirror, wallet, encounter, submission))
        return {name: _cost([result], 1) for name, result in costs.items()}

    def _steps(self, voucher: Voucher, *, apart: bool) -> Iterable[tuple[str, bytes, Submission]]:
        domain, terms = self._ledger.domain, voucher.terms
        first, second = voucher.reports(domain)
        if apart:
            yield "report_neighbor", terms.neighbor, SubmitReport(first)
            yield "report_learner", terms.learner, SubmitReport(second)
        else:
            signature = self._by_address[terms.neighbor].sign(domain.digest(first))
            secrets = (voucher.neighbor_secret, voucher.learner_secret)
            yield "report", terms.learner, SubmitReports(voucher.result, *secrets, signature)
        for place, vote in enumerate(voucher.signed_votes(domain), start=1):
            yield f"vote_{place}", vote.validator, SubmitVote(vote)

    def settle(self, learner: int, neighbor: int) -> GasCost:
        """Settle one encounter alone from signatures."""
        packed = PackedBatch((self.voucher(learner, neighbor),))
        signatures = packed.sign_each(self._ledger.domain, self._sign)
        result = self._next(partial(self._ledger.settle, self._wallets[-1], packed.message, signatures))
        return _cost([result], 1)

    def batch(self, pairs: Sequence[tuple[int, int]], *, cosigned: bool = False) -> GasCost:
        """Settle many encounters in one transaction.

        Returns:
            The share of each.
        """
        packed = PackedBatch(tuple(self.voucher(*pair) for pair in pairs))
        domain = self._ledger.domain
        if cosigned:
            signatures = packed.cosign(domain, self._sign)
            send = self._ledger.settle_cosigned
        else:
            signatures = packed.sign_each(domain, self._sign)
            send = self._ledger.settle_batch
        result = self._next(partial(send, self._wallets[-1], packed.message, signatures))
        return _cost([result], len(pairs))

    def _sign(self, address: bytes, digest: bytes) -> bytes:
        return self._by_address[address].sign(digest)


def _cost(results: Sequence[TxResult], encounters: int) -> GasCost:
    gas = sum(result.gas_used for result in results)
    return GasCost(gas / encounters, sum(result.data_bytes for result in results) / encounters)


def _mean(costs: Sequence[GasCost]) -> GasCost:
    return GasCost(fmean(cost.gas for cost in costs), fmean(cost.data_bytes for cost in costs))


def _mean_steps(plays: Sequence[dict[str, GasCost]]) -> dict[str, GasCost]:
    steps = {name: _mean([play[name] for play in plays]) for name in plays[0]}
    total = GasCost(sum(cost.gas for cost in steps.values()), sum(cost.data_bytes for cost in steps.values()))
    return {**steps, "total": total}
