"""Who gets what when an encounter is judged: the five cases as one pure function (docs/mechanism.md: Settlement)."""

from collections.abc import Callable
from dataclasses import dataclass

from idml.protocol.task import FULL_BPS, TaskParams


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a judged encounter; all amounts are in base units of the token.

    Attributes:
        case: 1 (too few votes) to 5 (majority no), as in the paper's Fig. 6.
        accepted: whether the contribution was accepted (cases 2 and 4); None in case 1, where too few judged it.
        neighbor_gain: what the neighbor gets of the reward.
        neighbor_penalty: what the neighbor loses of its stake.
        winner_share: what each validator on the winning side gets.
        loser_penalty: what each validator on the losing side loses of its stake.
        learner_refund: what returns to the learner, with what divisions left over.
        burnt: what goes to account 0, from which it leaves the supply.
    """

    case: int
    accepted: bool | None
    neighbor_gain: int
    neighbor_penalty: int
    winner_share: int
    loser_penalty: int
    learner_refund: int
    burnt: int


def validator_lock(reward: int, task: TaskParams) -> int:
    """The most that one vote can lose. This much of the validator's stake is locked when the vote is cast.

    It is half of the larger pot: a vote can only lose against another vote, so at least two votes share the pot.

    Args:
        reward: what the learner pays, in base units of the token.
        task: the rules.
    """
    validator_pot, reject_pot = _pots(reward, task)
    return max(validator_pot, reject_pot) // 2


def settle(
    reward: int,
    votes_for: int,
    votes_against: int,
    task: TaskParams,
    *,
    at_risk: int | None = None,
    collect: Callable[[int, bool], int] | None = None,
) -> Settlement:
    """Split the reward, and the penalty of a rejected neighbor, by the votes.

    The split is exact in integers. Every division rounds down, and what is left over goes to the learner; nothing is
    minted and nothing is lost. The contract's library `Settlement` computes the same.

    Args:
        reward: what the learner paid and the neighbor has at risk, in base units of the token, at least 0.
        votes_for, votes_against: number of votes cast, at least 0.
        task: the rules.
        at_risk: what a rejected neighbor can lose, at most the reward. By default it is the whole reward, as in an
            opened encounter, where it is locked.
        collect: collects the penalties, if some validators lost. It is called with what each of them is to pay and with
            whether the contribution was accepted, and returns what they pay together. By default all pay in full.

    Raises:
        ValueError: for a negative argument.
    """
    for name, value in (("reward", reward), ("votes_for", votes_for), ("votes_against", votes_against)):
        if value < 0:
            raise ValueError(f"{name} is {value}: must not be negative")
    votes = votes_for + votes_against
    if votes < task.quorum:
        gain = reward * task.no_vote_bps // FULL_BPS
        return Settlement(1, None, gain, 0, 0, 0, 0, reward - gain)

    at_risk = reward if at_risk is None else at_risk
    validator_pot, reject_pot = _pots(reward, task)[0], _pots(at_risk, task)[1]
    accepted = votes_for > votes_against or (votes_for == votes_against and task.tie_accepts)
    winners, losers = (votes_for, votes_against) if accepted else (votes_against, votes_for)
    pot = validator_pot if accepted else reject_pot
    penalty = pot // votes if losers else 0
    paid = losers * penalty if collect is None or not losers else collect(penalty, accepted)
    share, dust = divmod(pot + paid, winners)
    if accepted:
        return Settlement(4 if losers else 2, True, reward - validator_pot, 0, share, penalty, dust, 0)
    return Settlement(5 if losers else 3, False, 0, at_risk, share, penalty, reward + dust, at_risk - reject_pot)


def _pots(reward: int, task: TaskParams) -> tuple[int, int]:
    """What validators share when they accept, and what they share when they reject, in base units of the token."""
    validator_pot = reward - reward * task.neighbor_share_bps // FULL_BPS
    return validator_pot, reward * task.reject_pot_bps // FULL_BPS
