"""What the contract keeps about one participant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountState:
    """One participant's account; the contract's `Account`. Amounts in base units of the token, times in seconds.

    Attributes:
        balance: free tokens.
        stake: the pledge, `locked` included.
        locked: what open encounters may still take of it.
        target: rewards go to the stake while it is below this amount.
        unbonding: what left the stake and waits.
        release_at: until when.
        nonce_base: the lowest nonce that may still be used as a learner.
        nonce_window: bit i set: nonce `nonce_base + i` is used.
        seat: one more than the seat's index; 0 without a seat.
        seat_from: the earliest time for the next seat.
        budget_reward: the most that an encounter settled by signatures alone may cost it as a learner.
        budget_nonces: how many nonces from `nonce_base` on the balance covers at that price.
    """

    balance: int = 0
    stake: int = 0
    locked: int = 0
    target: int = 0
    unbonding: int = 0
    release_at: int = 0
    nonce_base: int = 0
    nonce_window: int = 0
    seat: int = 0
    seat_from: int = 0
    budget_reward: int = 0
    budget_nonces: int = 0


@dataclass(frozen=True, slots=True)
class Release:
    """A lower budget and nonces to retire; the contract's `Release`.

    Attributes:
        reward_max: in units of 2^48 base units of the token.
        nonces: how many the budget covers then.
        nonce_base: what `retired` counts from.
        retired: bit i set: nonce `nonce_base + i` is to be used up.
        release_at: when it may be completed, in seconds; 0 if nothing waits.
    """

    reward_max: int = 0
    nonces: int = 0
    nonce_base: int = 0
    retired: int = 0
    release_at: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What a participant has done so far; the contract's `History`."""

    completed_as_learner: int = 0
    incomplete_as_learner: int = 0
    completed_as_neighbor: int = 0
    incomplete_as_neighbor: int = 0
    accepted: int = 0
    rejected: int = 0
    votes_with: int = 0
    votes_against: int = 0
