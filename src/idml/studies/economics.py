"""A deployment's economics in figures: its rules, the error rates of its validators, and what follows."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from idml.economics import (
    Advice,
    Criteria,
    NeighborWork,
    Pledge,
    Ring,
    Strategy,
    Verdicts,
    accepted,
    advise,
    best_vote,
    best_work,
    gains,
    honesty_threshold,
    junk_threshold,
    losses,
    mean_rounds,
    neighbor_value,
    rob_learner,
    rob_neighbor,
    round_moves,
    vote_value,
)
from idml.protocol.task import FULL_BPS, TaskParams, preset_task
from idml.simulation.config import Config, ConfigError, to_wei
from idml.studies.measured import FREE_RIDER

_HERDS: Final = (Strategy.HONEST, Strategy.YES, Strategy.NO)
_PAPER_PLEDGE: Final = Pledge(Fraction(20), Fraction(10), Fraction(0))
_SCAN = tuple(Fraction(step, 200) for step in range(101))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about.

    Args:
        config: holds the task, the stake and its threshold and target, the reward, and how many devices there are.
        verdicts: how honest validators err.
        misses: by kind of attack, how probable it is that one validator accepts it; those that `verdicts.miss` is for.
        junk: share of the work that is an attack.
        cost_evaluate, cost_work: of judging and of honest work, as shares of the reward.
        ring: how many devices collude.
        criteria: for the advice.
    """

    config: Config
    verdicts: Verdicts
    misses: Mapping[str, Fraction] = field(default_factory=dict)
    junk: Fraction = Fraction(1, 20)
    cost_evaluate: Fraction = Fraction(0)
    cost_work: Fraction = Fraction(0)
    ring: int = 10
    criteria: Criteria = field(default_factory=Criteria)

    @property
    def pledge(self) -> Pledge:
        """The stake, in rewards."""
        config, reward = self.config, to_wei(self.config.reward)
        amounts = (to_wei(config.stake), to_wei(config.stake_threshold), config.target_wei)
        return Pledge(*(Fraction(amount, reward) for amount in amounts))

    @property
    def collusion(self) -> Ring:
        """The ring among all devices."""
        return Ring(self.config.devices, self.ring)


def answer(question: Question) -> dict[str, Any]:
    """All that follows; payoffs as shares of the reward, stakes in rewards, lives in rounds (None: for ever).

    Raises:
        ConfigError: if nothing is paid, or the ring is no part of the devices.
    """
    config = question.config
    if not config.incentive or to_wei(config.reward) == 0:
        what = "reward is 0" if config.incentive else "incentive is false"
        raise ConfigError(f"{what}: without payments there are no payoffs")
    if not 1 <= question.ring < config.devices:
        raise ConfigError(
            f"the ring has {question.ring} devices: must be from 1 to {config.devices - 1}, below devices"
        )
    task, verdicts, pledge = config.task(), question.verdicts, question.pledge
    return {
        "task": {
            "preset": config.preset,
            "votes": task.votes,
            "committee": task.committee_size,
            "neighbor_share": task.neighbor_share_bps / FULL_BPS,
            "reject_pot_share": task.reject_pot_bps / FULL_BPS,
            "reward": config.reward,
            "devices": config.devices,
            "stake": config.stake,
            "stake_threshold": config.stake_threshold,
            "stake_target": float(pledge.target) * config.reward,
        },
        "rates": {
            "false_rejection": float(verdicts.false_rejection),
            "miss": float(verdicts.miss),
            "free_pass": float(verdicts.free_pass),
            "together": float(verdicts.together),
            "junk": float(question.junk),
            "cost_evaluate": float(question.cost_evaluate),
            "cost_work": float(question.cost_work),
        },
        "validators": _validators(task, question),
        "neighbors": _neighbors(task, question),
        "stakes": {"rejections_survived": pledge.rejections_survived, **_stakes(task, question, pledge)},
        "ring": _ring(task, question),
        "regions": _ranges(task, question),
        "paper": {
            "here": _failures(task, question, pledge),
            "paper": _failures(preset_task("paper", votes=min(3, config.devices - 2)), question, _PAPER_PLEDGE),
        },
        "advice": _advice(task, question, pledge),
    }


def region(question: Question, *, steps: int = 25) -> list[dict[str, Any]]:
    """What pays most at each pair of error rates: rows with `false_rejection` up to 50 %, `miss`, `vote` and `work`.

    Args:
        steps: to each side; rates are the middles of equal steps.
    """
    task, rows = question.config.task(), []
    rates = [Fraction(2 * step + 1, 2 * steps) for step in range(steps)]
    for false_rejection in (rate / 2 for rate in rates):
        for miss in rates:
            verdicts = replace(question.verdicts, false_rejection=false_rejection, miss=miss)
            vote = best_vote(task, verdicts, junk=question.junk, cost=question.cost_evaluate)
            work = best_work(task, verdicts, cost=question.cost_work, among=(NeighborWork.HONEST, NeighborWork.ATTACK))
            rows.append(
                {
                    "false_rejection": float(false_rejection),
                    "miss": float(miss),
                    "vote": vote.value,
                    "work": work.value if work else "nothing",
                }
            )
    return rows


def _validators(task: TaskParams, question: Question) -> dict[str, dict[str, float]]:
    return {
        own.value: {
            others.value: float(
                vote_value(task, own, others, question.verdicts, junk=question.junk, cost=question.cost_evaluate)
            )
            for others in _HERDS
        }
        for own in Strategy
    }


def _neighbors(task: TaskParams, question: Question) -> dict[str, dict[str, float]]:
    kinds = {NeighborWork.HONEST.value: (NeighborWork.HONEST, question.verdicts)}
    for kind, miss in question.misses.items():
        if kind != FREE_RIDER:
            kinds[kind.replace("_", " ")] = (NeighborWork.ATTACK, replace(question.verdicts, miss=miss))
    if len(kinds) == 1:
        kinds[NeighborWork.ATTACK.value] = (NeighborWork.ATTACK, question.verdicts)
    kinds[NeighborWork.FREE_RIDE.value] = (NeighborWork.FREE_RIDE, question.verdicts)
    return {
        name: {
            "accepted": float(accepted(task, work, Strategy.HONEST, verdicts)),
            "gain": float(neighbor_value(task, work, Strategy.HONEST, verdicts, cost=question.cost_work)),
        }
        for name, (work, verdicts) in kinds.items()
    }


def _stakes(task: TaskParams, question: Question, pledge: Pledge) -> dict[str, dict[str, float | None]]:
    parts = {
        "honest": (NeighborWork.HONEST, Strategy.HONEST),
        "attacker": (NeighborWork.ATTACK, Strategy.YES),
        "free rider": (NeighborWork.FREE_RIDE, Strategy.YES),
    }
    found = {}
    for name, (work, vote) in parts.items():
        moves = round_moves(task, work, vote, question.verdicts, junk=question.junk)
        found[name] = {
            "loses": float(losses(moves)),
            "gains": float(gains(moves)),
            "rounds": _finite(mean_rounds(pledge, moves)),
        }
    return found


def _ring(task: TaskParams, question: Question) -> dict[str, Any]:
    open_vote, drawn = replace(task, committee_size=0), replace(task, committee_size=task.votes)
    rules = {"open voting": open_vote, f"a committee of {task.votes}": drawn}
    if task not in rules.values():
        rules[f"a committee of {task.committee_size}"] = task
    raids = {
        f"{party}, {name}": asdict(rob(chosen, question.collusion, question.verdicts))
        for name, chosen in rules.items()
        for party, rob in (("robs a neighbor", rob_neighbor), ("robs a learner", rob_learner))
    }
    return {
        "members": question.ring,
        "raids": {name: {key: float(value) for key, value in raid.items()} for name, raid in raids.items()},
    }


def _ranges(task: TaskParams, question: Question) -> dict[str, Any]:
    """Where honesty is the best response as one error rate varies, from 0 to 50 %, and all else stays."""

    def votes_honestly(verdicts: Verdicts) -> bool:
        best = best_vote(task, verdicts, junk=question.junk, cost=question.cost_evaluate)
        return best is Strategy.HONEST

    def works(verdicts: Verdicts) -> bool:
        best = best_work(task, verdicts, cost=question.cost_work, among=(NeighborWork.HONEST, NeighborWork.ATTACK))
        return best is NeighborWork.HONEST

    verdicts, spans = question.verdicts, {}
    for who, honest in (("votes", votes_honestly), ("works", works)):
        for rate in ("false_rejection", "miss"):
            good = [value for value in _SCAN if honest(replace(verdicts, **{rate: value}))]
            spans[f"{who} by {rate}"] = [float(good[0]), float(good[-1])] if good else None
    needed = junk_threshold(task, verdicts, cost=question.cost_evaluate)
    return {
        "best_vote": best_vote(task, verdicts, junk=question.junk, cost=question.cost_evaluate).value,
        "best_work": getattr(best_work(task, verdicts, cost=question.cost_work), "value", None),
        "honest": spans,
        "junk_against_always_yes": None if needed is None else float(needed),
    }


def _failures(task: TaskParams, question: Question, pledge: Pledge) -> dict[str, Any]:
    """The four places where the paper's parameters fail, as numbers."""
    verdicts, ring = question.verdicts, question.collusion
    least = replace(ring, members=min(ring.devices - 1, task.votes // 2 + 2))
    honest = round_moves(task, NeighborWork.HONEST, Strategy.HONEST, verdicts, junk=question.junk)
    validator_bps = FULL_BPS - task.neighbor_share_bps
    among_yes = [
        vote_value(task, own, Strategy.YES, verdicts, junk=question.junk, cost=question.cost_evaluate)
        for own in (Strategy.YES, Strategy.HONEST)
    ]
    raid, smallest = rob_neighbor(task, ring, verdicts), rob_neighbor(task, least, verdicts)
    return {
        "no_over_yes": task.reject_pot_bps / validator_bps if validator_bps else None,
        "accuracy_needed": float(honesty_threshold(task)),
        "yes_among_yes": float(among_yes[0]),
        "honest_among_yes": float(among_yes[1]),
        "smallest_ring": least.members,
        "smallest_ring_wins": float(smallest.outvotes),
        "ring_wins": float(raid.outvotes),
        "ring_gains": float(raid.ring),
        "neighbor_loses": float(-raid.victim),
        "stake_loses": float(losses(honest)),
        "stake_rounds": _finite(mean_rounds(pledge, honest)),
    }


def _advice(task: TaskParams, question: Question, pledge: Pledge) -> dict[str, Any]:
    found: Advice = advise(
        task,
        question.collusion,
        question.verdicts,
        pledge.threshold,
        question.criteria,
        junk=question.junk,
        cost_evaluate=question.cost_evaluate,
        cost_work=question.cost_work,
    )
    reward = question.config.reward
    return {
        "criteria": {
            "wrong": float(question.criteria.wrong),
            "lead": float(question.criteria.lead),
            "life_rounds": question.criteria.life_rounds,
        },
        "votes": found.votes,
        "committee": found.votes,
        "wrong": float(found.wrong),
        "neighbor_share": found.shares[0] / FULL_BPS if found.shares else None,
        "reject_pot_share": found.shares[1] / FULL_BPS if found.shares else None,
        "lead": float(found.lead),
        "stake": float(found.stake) * reward if found.stake is not None else None,
        "rejections_survived": int(found.stake - pledge.threshold) if found.stake is not None else None,
        "life_rounds": _finite(found.life_rounds),
        "attacker_rounds": _finite(found.attacker_rounds),
    }


def _finite(rounds: float) -> float | None:
    return None if math.isinf(rounds) else rounds
