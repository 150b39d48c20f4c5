"""Advice: which votes, shares and stake a deployment should choose, by stated criteria."""

from dataclasses import dataclass, replace
from fractions import Fraction

from idml.economics.collusion import Ring, rob_learner, rob_neighbor
from idml.economics.payoffs import ONE, ZERO, NeighborWork, Strategy, Verdicts, accepted, neighbor_value
from idml.economics.regions import vote_lead
from idml.economics.stakes import Pledge, mean_rounds, round_moves
from idml.protocol.task import FULL_BPS, MAX_VOTES, TaskParams

_STEP_BPS = 500
_MOST_REWARDS = 100
_WORSE = Fraction(3, 2)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a deployment asks for.

    Args:
        wrong: a limit for three shares, 0 to 1: the honest work that its committee may reject, the attacks that it may
            accept, and the raids by a ring that the ring may win by its own votes.
        lead: how much more honest voting must pay than any other sealed strategy, as a share of the reward. It must do
            so even if validators err one and a half times as often.
        life_rounds: how many rounds an honest device must on average keep a stake of at least the threshold.

    Raises:
        ValueError: for a value out of range.
    """

    wrong: Fraction = Fraction(5, 100)
    lead: Fraction = Fraction(1, 100)
    life_rounds: int = 1_000

    def __post_init__(self) -> None:
        if not 0 < self.wrong < 1:
            raise ValueError(f"the share of wrong verdicts is {float(self.wrong):g}: must lie between 0 and 1")
        if not 0 <= self.lead <= 1:
            raise ValueError(f"the lead of honest voting is {float(self.lead):g}: must be between 0 and 1")
        if self.life_rounds < 1:
            raise ValueError(f"the life of an honest stake is {self.life_rounds} rounds: must be at least 1")


@dataclass(frozen=True, slots=True)
class Advice:
    """What to choose.

    Args:
        votes: number of votes (V) and size of the committee (K), which are equal. It is the least that meets the
            criteria; if none does, the best there is.
        wrong: the largest of the three shares that `Criteria.wrong` limits, with that V.
        shares: (neighbor's share, rejection pot) in basis points, with that V. The neighbor's share is the highest, in
            steps of 5 %, at which honest voting leads by as much as asked for and honest work pays. The pot is the
            least one possible with that share, because it tempts validators least to reject together. None if no shares
            do.
        lead: lead of honest voting with those shares, as in `Criteria`; with the task's own shares if `shares` is None.
        stake: the stake to begin with, in rewards, with that V and those shares. It is the least whole number of
            rewards above the threshold that lasts as long as asked for, if rewards refill it. None if no stake of up to
            100 rewards above the threshold lasts so long.
        life_rounds: how many rounds an honest device lasts with that stake on average.
        attacker_rounds: how many rounds an attacker that also always votes yes lasts with it.
    """

    votes: int
    wrong: Fraction
    shares: tuple[int, int] | None
    lead: Fraction
    stake: Fraction | None
    life_rounds: float
    attacker_rounds: float


def advise(
    task: TaskParams,
    ring: Ring,
    verdicts: Verdicts,
    threshold: Fraction,
    criteria: Criteria,
    *,
    junk: Fraction = ZERO,
    cost_evaluate: Fraction = ZERO,
    cost_work: Fraction = ZERO,
) -> Advice:
    """Choose first V and K, then the shares, then the stake.

    Args:
        task: the deployment's present rules. What is not chosen here stays as it is.
        ring: the largest ring that the deployment is to withstand.
        verdicts: how its validators err.
        threshold: the stake that neighbors and validators need, in rewards.
        criteria: what is asked for.
        junk: share of the work that is an attack, 0 to 1.
        cost_evaluate: cost of evaluating the models of an encounter, as a share of the reward.
        cost_work: cost of honest work, as a share of the reward.
    """
    most = min(MAX_VOTES, ring.devices - 2)
    candidates = {votes: _wrong(_with_votes(task, votes), ring, verdicts) for votes in range(1, most + 1, 2)}
    good = [votes for votes, wrong in candidates.items() if wrong <= criteria.wrong]
    votes = good[0] if good else min(candidates, key=candidates.__getitem__)
    chosen = _with_votes(task, votes)
    shares = _shares(chosen, verdicts, criteria, junk, cost_evaluate, cost_work)
    if shares is not None:
        chosen = replace(chosen, neighbor_share_bps=shares[0], reject_pot_bps=shares[1])
    stake, life = _stake(chosen, verdicts, threshold, criteria, junk)
    attacker = round_moves(chosen, NeighborWork.ATTACK, Strategy.YES, verdicts, junk=junk)
    until = stake if stake is not None else threshold + _MOST_REWARDS
    return Advice(
        votes=votes,
        wrong=candidates[votes],
        shares=shares,
        lead=_lead(chosen, verdicts, junk, cost_evaluate),
        stake=stake,
        life_rounds=life,
        attacker_rounds=mean_rounds(Pledge(until, threshold, until), attacker),
    )


def _with_votes(task: TaskParams, votes: int) -> TaskParams:
    return replace(task, votes=votes, committee_size=votes, quorum=votes // 2 + 1)


def _wrong(task: TaskParams, ring: Ring, verdicts: Verdicts) -> Fraction:
    rejected = 1 - accepted(task, NeighborWork.HONEST, Strategy.HONEST, verdicts)
    missed = accepted(task, NeighborWork.ATTACK, Strategy.HONEST, verdicts)
    raids = (rob(task, ring, verdicts).outvotes for rob in (rob_neighbor, rob_learner))
    return max(rejected, missed, *raids)


def _lead(task: TaskParams, verdicts: Verdicts, junk: Fraction, cost: Fraction) -> Fraction:
    worse = replace(
        verdicts,
        false_rejection=min(ONE, verdicts.false_rejection * _WORSE),
        miss=min(ONE, verdicts.miss * _WORSE),
    )
    return min(vote_lead(task, found, junk=junk, cost=cost) for found in (verdicts, worse))


def _shares(
    task: TaskParams,
    verdicts: Verdicts,
    criteria: Criteria,
    junk: Fraction,
    cost_evaluate: Fraction,
    cost_work: Fraction,
) -> tuple[int, int] | None:
    for neighbor_bps in range(FULL_BPS - _STEP_BPS, 0, -_STEP_BPS):
        paid = replace(task, neighbor_share_bps=neighbor_bps)
        if neighbor_value(paid, NeighborWork.HONEST, Strategy.HONEST, verdicts, cost=cost_work) <= 0:
            break
        for pot_bps in range(0, FULL_BPS + 1, _STEP_BPS):
            candidate = replace(paid, reject_pot_bps=pot_bps)
            if _lead(candidate, verdicts, junk, cost_evaluate) >= criteria.lead:
                return neighbor_bps, pot_bps
    return None


def _stake(
    task: TaskParams, verdicts: Verdicts, threshold: Fraction, criteria: Criteria, junk: Fraction
) -> tuple[Fraction | None, float]:
    moves = round_moves(task, NeighborWork.HONEST, Strategy.HONEST, verdicts, junk=junk)

    def life(rewards: int) -> float:
        stake = threshold + rewards
        return mean_rounds(Pledge(stake, threshold, stake), moves)

    low, high = 0, 1
    while life(high) < criteria.life_rounds:
        if high >= _MOST_REWARDS:
            return None, life(high)
        low, high = high, min(2 * high, _MOST_REWARDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if life(middle) >= criteria.life_rounds else (middle, high)
    return threshold + high, life(high)
