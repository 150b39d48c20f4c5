"""What the contract shows about one participant: its account, its record, and a request that waits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountState:
    """One participant's account; the contract's `Account`. Amounts are in base units of the token, times in seconds.

    Attributes:
        balance: free tokens.
        stake: the pledge, with `locked` included.
        locked: the part of the stake that open encounters may still take as a penalty.
        target: rewards go to the stake while it is below this amount.
        unbonding: what left the stake and is not free yet.
        release_at: when `unbonding` becomes free.
        nonce_base: the lowest nonce that may still be used as a learner.
        nonce_window: bit i says whether nonce `nonce_base + i` is used.
        seat: one more than the index of the participant's seat; 0 if it has none.
        seat_from: the earliest time at which it may take a seat again.
        budget_reward: the most that an encounter settled from signatures alone may cost it as a learner.
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

    @property
    def free_stake(self) -> int:
        """How much of the stake may leave it."""
        return self.stake - self.locked

    @property
    def cover(self) -> int:
        """How much of the balance the budget keeps."""
        return budget_cover(self.nonce_window, self.budget_nonces, self.budget_reward)

    @property
    def free_balance(self) -> int:
        """How much of the balance may leave it."""
        return self.balance - self.cover


def budget_cover(nonce_window: int, nonces: int, reward: int) -> int:
    """How much of a balance a budget keeps: its reward for each unused nonce that it covers.

    Args:
        nonce_window: bit i says whether the i-th nonce is used.
        nonces: how many nonces the budget covers.
        reward: the most that one encounter may cost, in base units of the token.
    """
    used = (nonce_window & (1 << nonces) - 1).bit_count()
    return (nonces - used) * reward


@dataclass(frozen=True, slots=True)
class Release:
    """A request that waits, to lower a budget and to retire nonces; the contract's `Release`.

    Attributes:
        reward_max: the lower budget for one encounter, in units of 2^48 base units of the token.
        nonces: how many nonces the budget covers then.
        nonce_base: the nonce from which `retired` counts.
        retired: bit i says whether nonce `nonce_base + i` is to be used up.
        release_at: when the request may be completed, in seconds; 0 if nothing waits.
    """

    reward_max: int = 0
    nonces: int = 0
    nonce_base: int = 0
    retired: int = 0
    release_at: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What a participant has done so far; the contract's `History`. Its counters only grow."""

    completed_as_learner: int = 0
    incomplete_as_learner: int = 0
    completed_as_neighbor: int = 0
    incomplete_as_neighbor: int = 0
    accepted: int = 0
    rejected: int = 0
    votes_with: int = 0
    votes_against: int = 0
