"""Who gets what when an encounter is judged: the five cases as one pure function (MECHANISM: Settlement)."""

from collections.abc import Callable
from dataclasses import dataclass

from idml.protocol.task import FULL_BPS, TaskParams


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of a judged encounter; all amounts are in base units of the token.

    Attributes:
        case: 1 (too few votes) to 5 (majority no), as in the paper's Fig. 6.
        accepted: whether the contribution was accepted (cases 2 and 4); None in case 1, where nobody judged it.
        neighbor_gain: what the neighbor gets of the reward.
        neighbor_penalty: what its stake loses.
        winner_share: what each validator on the winning side gets.
        loser_penalty: what each validator on the losing side loses of its stake.
        learner_refund: what returns to the learner, dust included.
        burnt: what goes to account 0.
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
    """The most that one vote can lose, locked when it is cast: a loser implies at least two votes.

    Args:
        reward: in base units of the token.
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
    """Split the reward, and a rejected neighbor's penalty, by the votes.

    Exact in integers: every division rounds down, nothing is minted, nothing is lost, dust goes to the learner.
    The contract's `Settlement` library is the same function.

    Args:
        reward: what the learner paid and the neighbor has at risk, in base units of the token, at least 0.
        votes_for, votes_against: verdicts cast, at least 0.
        at_risk: what a rejected neighbor can lose, at most the reward; by default all of it, as where it is locked.
        collect: called where there are losers with what each is to pay and whether the contribution was accepted;
            returns what they pay together. By default all of it.

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
    """What validators share when they accept, and when they reject."""
    validator_pot = reward - reward * task.neighbor_share_bps // FULL_BPS
    return validator_pot, reward * task.reject_pot_bps // FULL_BPS
