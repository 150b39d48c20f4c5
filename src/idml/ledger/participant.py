"""One participant as the contract keeps it: the same fields and the same changes as its library `Participants`."""

from dataclasses import dataclass, field

from idml.ledger.records import AccountState, History, Release

REWARD_UNIT_WEI = 1 << 48
"""A budget's reward is a multiple of this many base units."""


@dataclass(slots=True)
class ParticipantState:
    """Amounts in base units of the token, times in seconds; fields as in the contract.

    Attributes:
        stake: the pledge and, above `level`, earnings that were not moved to the balance yet.
        level: what of it is pledged; at least the target.
        lanes: that encounters occupy which it opened as a learner and that are not over.
        unjudged: encounters as a neighbor for which too few voted.
        rejected_as_learner: encounters that the neighbor refused.
        retired: nonces that no encounter used.
    """

    balance: int = 0
    stake: int = 0
    locked: int = 0
    level: int = 0
    target: int = 0
    unbonding: int = 0
    release_at: int = 0
    nonce_base: int = 0
    nonce_window: int = 0
    budget_reward: int = 0
    budget_nonces: int = 0
    seat: int = 0
    seat_from: int = 0
    accepted: int = 0
    rejected: int = 0
    unjudged: int = 0
    votes_with: int = 0
    votes_against: int = 0
    incomplete_as_neighbor: int = 0
    incomplete_as_learner: int = 0
    rejected_as_learner: int = 0
    retired: int = 0
    lanes: set[int] = field(default_factory=set)
    release: Release = field(default_factory=Release)

    @property
    def pledge(self) -> int:
        """What the contract shows as the stake: earnings belong to it only as far as a lock holds them."""
        return max(min(self.stake, self.level), self.locked)

    def account(self) -> AccountState:
        """What the contract's `account` returns."""
        pledge = self.pledge
        return AccountState(
            balance=self.balance + self.stake - pledge,
            stake=pledge,
            locked=self.locked,
            target=self.target,
            unbonding=self.unbonding,
            release_at=self.release_at,
            nonce_base=self.nonce_base,
            nonce_window=self.nonce_window,
            seat=self.seat,
            seat_from=self.seat_from,
            budget_reward=self.budget_reward,
            budget_nonces=self.budget_nonces,
        )

    def history(self) -> History:
        """What the contract's `history` returns."""
        used = self.nonce_base + self.nonce_window.bit_count()
        other = len(self.lanes) + self.incomplete_as_learner + self.rejected_as_learner + self.retired
        return History(
            completed_as_learner=used - other,
            incomplete_as_learner=self.incomplete_as_learner,
            completed_as_neighbor=self.accepted + self.rejected + self.unjudged,
            incomplete_as_neighbor=self.incomplete_as_neighbor,
            accepted=self.accepted,
            rejected=self.rejected,
            votes_with=self.votes_with,
            votes_against=self.votes_against,
        )

    # Stake

    def claim(self, reserve: int = 0) -> int:
        """Move earnings to the balance as far as no lock reaches into them and `reserve` stays free.

        Returns:
            What is pledged.
        """
        if self.stake <= self.level:
            return self.stake
        moved = min(self.stake - self.level, max(0, self.stake - self.locked - reserve))
        self.stake -= moved
        self.balance += moved
        return self.level

    def set_level(self, pledged: int) -> None:
        """Say how much is pledged from now on; rewards refill it up to the target."""
        self.level = max(pledged, self.target)

    def lose(self, amount: int) -> int:
        """Take a penalty from the free stake, then from what is unbonding; returns what could be taken."""
        if amount == 0:
            return 0
        pledged = self.claim(amount)
        taken = min(amount, self.stake - self.locked)
        self.stake -= taken
        self.set_level(max(0, pledged - taken))
        late = min(amount - taken, self.unbonding)
        self.unbonding -= late
        return taken + late

    @property
    def losable(self) -> int:
        """What a penalty can take."""
        return self.stake - self.locked + self.unbonding

    # Nonces and budget

    @property
    def cover(self) -> int:
        """What the budget keeps of the balance: its reward for each unused nonce that it covers."""
        used = (self.nonce_window & (1 << self.budget_nonces) - 1).bit_count()
        return (self.budget_nonces - used) * self.budget_reward

    def slide(self) -> None:
        """Move the base beyond the nonces that are used, if the balance covers a whole window from there."""
        if self.balance < self.budget_nonces * self.budget_reward:
            return
        while self.nonce_window & 1:
            self.nonce_base, self.nonce_window = self.nonce_base + 1, self.nonce_window >> 1

    def use_nonces(self, mask: int) -> None:
        """Use up nonces: bit i stands for `nonce_base + i`."""
        self.nonce_window |= mask
        self.slide()

    def use_nonce(self, nonce: int) -> None:
        """Use up a nonce inside the window."""
        self.use_nonces(1 << nonce - self.nonce_base)

    def complete_release(self) -> None:
        """Lower the budget and retire the nonces that were asked for."""
        release, self.release = self.release, Release()
        self.budget_reward = min(self.budget_reward, release.reward_max * REWARD_UNIT_WEI)
        self.budget_nonces = min(self.budget_nonces, release.nonces)
        mask = release.retired >> self.nonce_base - release.nonce_base
        self.retired += (mask & ~self.nonce_window).bit_count()
        self.use_nonces(mask)
