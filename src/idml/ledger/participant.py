"""The state of one participant, with the fields and the changes of the contract's library `Participants`."""

from dataclasses import dataclass, field

from idml.ledger.records import AccountState, History, Release, budget_cover

REWARD_UNIT_WEI = 1 << 48
"""A budget's reward is a multiple of this many base units."""


@dataclass(slots=True)
class ParticipantState:
    """What the contract keeps about one participant. Amounts are in base units of the token, times in seconds.

    The fields are those of the contract; see also `AccountState` and `History`.

    Attributes:
        stake: the pledge; what of it is above `level` are earnings that were not moved to the balance yet.
        level: how much of the stake is pledged; at least the target.
        lanes: lanes that are occupied by open encounters of this participant as a learner.
        unjudged: number of encounters as a neighbor in which too few voted.
        rejected_as_learner: number of encounters as a learner that the neighbor refused.
        retired: number of nonces that were used up without an encounter.
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
        """What the contract shows as the stake. Earnings are part of it only as far as a lock holds them."""
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
        """Move earnings from the stake to the balance, as far as they are not needed there.

        Args:
            reserve: how much of the stake must stay unlocked.

        Returns:
            How much is pledged.
        """
        if self.stake <= self.level:
            return self.stake
        moved = min(self.stake - self.level, max(0, self.stake - self.locked - reserve))
        self.stake -= moved
        self.balance += moved
        return self.level

    def set_level(self, pledged: int) -> None:
        """Set how much is pledged from now on. Rewards refill it up to the target."""
        self.level = max(pledged, self.target)

    def lose(self, amount: int) -> int:
        """Take a penalty, first from the free stake, then from what is unbonding.

        Returns:
            How much could be taken.
        """
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
        """The most that a penalty can take."""
        return self.stake - self.locked + self.unbonding

    # Nonces and budget

    @property
    def cover(self) -> int:
        """How much of the balance the budget keeps: its reward for each unused nonce that it covers."""
        return budget_cover(self.nonce_window, self.budget_nonces, self.budget_reward)

    def slide(self) -> None:
        """Move `nonce_base` beyond the nonces that are used, if the balance covers the budget from there on."""
        if self.balance < self.budget_nonces * self.budget_reward:
            return
        while self.nonce_window & 1:
            self.nonce_base, self.nonce_window = self.nonce_base + 1, self.nonce_window >> 1

    def use_nonces(self, mask: int) -> None:
        """Use up several nonces. Bit i of the mask stands for nonce `nonce_base + i`."""
        self.nonce_window |= mask
        self.slide()

    def use_nonce(self, nonce: int) -> None:
        """Use up one nonce, which must be inside the window of 64 from `nonce_base` on."""
        self.use_nonces(1 << nonce - self.nonce_base)

    def complete_release(self) -> None:
        """Lower the budget and retire nonces, as was asked for."""
        release, self.release = self.release, Release()
        self.budget_reward = min(self.budget_reward, release.reward_max * REWARD_UNIT_WEI)
        self.budget_nonces = min(self.budget_nonces, release.nonces)
        mask = release.retired >> self.nonce_base - release.nonce_base
        self.retired += (mask & ~self.nonce_window).bit_count()
        self.use_nonces(mask)
