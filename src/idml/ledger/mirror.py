"""Rebuilds what the contract stores from its events alone: every change of its state follows from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from idml.ledger.errors import LedgerError
from idml.ledger.participant import REWARD_UNIT_WEI, ParticipantState
from idml.ledger.records import AccountState, History, Release
from idml.protocol.batch import Voucher, unpack, unpack_one
from idml.protocol.committee import Seat, draw_committee
from idml.protocol.encounter import Encounter, free_lane
from idml.protocol.events import (
    BatchSettled,
    BudgetSet,
    Contested,
    Deposited,
    Disputed,
    DoubleVoted,
    EncounterEvent,
    Ended,
    Ending,
    Equivocated,
    Event,
    Flushed,
    Opened,
    Refused,
    Released,
    ReleaseRequested,
    Reported,
    SeatLeft,
    SeatTaken,
    Settled,
    Staked,
    TargetSet,
    TaskCreated,
    Unstaked,
    UnstakeRequested,
    ValidationStarted,
    Voted,
    VoucherSettled,
    Withdrawn,
)
from idml.protocol.messages import Batch, Domain, Terms
from idml.protocol.outcome import Outcome
from idml.protocol.settlement import Settlement, settle, validator_lock
from idml.protocol.task import TaskParams

NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class Changes:
    """What some events changed.

    Attributes:
        stakes_wei: stakes of the accounts that the events may have changed, by address, in the order in which they were
            touched. In base units of the token.
        outcomes: outcomes of the encounters that the events ended, in order. Those settled from signatures are not
            among them.
    """

    stakes_wei: Mapping[bytes, int]
    outcomes: tuple[Outcome, ...]


class AccountsMirror:
    """Accounts, histories, seats, tasks and open encounters, kept up to date from the contract's events alone.

    It is the only accounting outside the contract. Whoever wants to know what an account holds, or what became of an
    encounter, asks it.

    Args:
        domain: the contract's EIP-712 domain.
        unbonding_delay_s: the contract's unbonding delay, in seconds.

    Attributes:
        seats: the seat table.
        tasks: all registered tasks, by id (32 bytes).
        encounters: all open encounters, by id (32 bytes).
    """

    def __init__(self, domain: Domain, unbonding_delay_s: int) -> None:
        self._domain = domain
        self._unbonding_delay_s = unbonding_delay_s
        self._participants: dict[bytes, ParticipantState] = {}
        self._votes: dict[bytes, dict[bytes, bool]] = {}
        self._touched: dict[bytes, None] = {}
        self._outcomes: list[Outcome] = []
        self.seats: list[Seat] = []
        self.tasks: dict[bytes, TaskParams] = {}
        self.encounters: dict[bytes, Encounter] = {}

    def account(self, address: bytes) -> AccountState:
        """A participant's account; empty if the address never took part. The zero address holds what was burnt."""
        return self._participants.get(address, ParticipantState()).account()

    def stake_wei(self, address: bytes) -> int:
        """The stake alone of a participant's account."""
        who = self._participants.get(address)
        return 0 if who is None else who.pledge

    def history(self, address: bytes) -> History:
        """What a participant has done so far. It is empty if the address never took part."""
        return self._participants.get(address, ParticipantState()).history()

    def pending_release(self, address: bytes) -> Release:
        """What a participant asked for with `Ledger.request_release`."""
        return self._participants.get(address, ParticipantState()).release

    def total_wei(self) -> int:
        """All that the contract holds: balances, stakes, what is unbonding, and prepayments."""
        accounts = sum(who.balance + who.stake + who.unbonding for who in self._participants.values())
        return accounts + sum(encounter.terms.reward for encounter in self.encounters.values())

    def lane(self, learner: bytes, nonce: int) -> int:
        """The lane in which a learner can open an encounter with this nonce, see `free_lane`."""
        return free_lane(self._participants.get(learner, ParticipantState()).lanes, nonce)

    def apply(self, events: Iterable[Event]) -> Changes:
        """Follow the contract's next events.

        Args:
            events: in order, with none missing since the contract's first. Those of the token are skipped.

        Returns:
            What the events changed.

        Raises:
            LedgerError: for an event that cannot follow on those before it, because some are missing. The mirror can
                then not be used any more; make a new one.
        """
        self._touched, self._outcomes = {}, []
        for event in events:
            follow = _FOLLOW.get(type(event))
            if follow is None:
                continue
            try:
                follow(self, event)
            except (KeyError, IndexError, ValueError) as error:
                raise LedgerError(
                    f"{type(event).__name__} in block {event.block} does not follow on the events before it, some are "
                    f"missing: {error}"
                ) from error
        stakes_wei = {address: self._participants[address].pledge for address in self._touched}
        return Changes(stakes_wei, tuple(self._outcomes))

    # What participants do with their own money

    def _deposited(self, event: Deposited) -> None:
        who = self._who(event.account)
        who.balance += event.amount
        who.slide()

    def _withdrawn(self, event: Withdrawn) -> None:
        who = self._who(event.account)
        who.claim()
        who.balance -= event.amount

    def _staked(self, event: Staked) -> None:
        who = self._who(event.account)
        pledged = who.claim()
        who.balance -= event.amount
        who.stake += event.amount
        who.set_level(pledged + event.amount)

    def _unstake_requested(self, event: UnstakeRequested) -> None:
        who = self._who(event.account)
        pledged = who.claim()
        who.stake -= event.amount
        who.set_level(pledged - event.amount)
        who.unbonding += event.amount
        who.release_at = event.release_at

    def _unstaked(self, event: Unstaked) -> None:
        who = self._who(event.account)
        who.balance += who.unbonding
        who.unbonding = who.release_at = 0

    def _target_set(self, event: TargetSet) -> None:
        who = self._who(event.account)
        pledged = who.claim()
        who.target = event.target
        who.set_level(pledged)

    def _budget_set(self, event: BudgetSet) -> None:
        who = self._who(event.account)
        who.claim()
        who.budget_reward, who.budget_nonces = event.reward_max, event.nonces
        who.release = Release()
        who.slide()

    def _release_requested(self, event: ReleaseRequested) -> None:
        units = event.reward_max // REWARD_UNIT_WEI
        release = Release(units, event.nonces, event.nonce_base, event.retired, event.release_at)
        self._who(event.account).release = release

    def _released(self, event: Released) -> None:
        self._who(event.account).complete_release()

    def _seat_taken(self, event: SeatTaken) -> None:
        address, index, active_from = event.account, event.seat, event.active_from
        if index == len(self.seats):
            self.seats.append(Seat(address, active_from, active_from))
        else:
            self.seats[index] = Seat(address, self.seats[index].created_at, active_from)
        self._who(address).seat = index + 1

    def _seat_left(self, event: SeatLeft) -> None:
        self.seats[event.seat] = replace(self.seats[event.seat], inactive_from=event.inactive_from)
        who = self._who(event.account)
        who.seat, who.seat_from = 0, event.inactive_from + self._unbonding_delay_s

    # Tasks, offences, what was burnt

    def _task_created(self, event: TaskCreated) -> None:
        self.tasks[event.task] = event.params

    def _flushed(self, event: Flushed) -> None:
        self._who(NOBODY).balance -= event.amount

    def _double_voted(self, event: DoubleVoted) -> None:
        self._who(event.validator).lose(event.burnt)
        self._who(NOBODY).balance += event.burnt

    def _equivocated(self, event: Equivocated) -> None:
        learner, nonce = self._who(event.learner), event.nonce
        learner.slide()
        amount = learner.budget_reward
        unused = nonce >= learner.nonce_base and not learner.nonce_window >> nonce - learner.nonce_base & 1
        covered = unused and nonce < learner.nonce_base + learner.budget_nonces
        taken = min(amount, amount if covered else learner.balance - learner.cover)
        learner.balance -= taken
        if unused:
            learner.use_nonce(nonce)
            learner.retired += 1
        amount = taken + learner.lose(amount - taken)
        if amount != event.burnt:
            raise ValueError(f"{event.burnt} burnt, by the account it is {amount}")
        self._who(NOBODY).balance += event.burnt

    # Encounters step by step

    def _opened(self, event: Opened) -> None:
        terms = event.terms
        encounter = Encounter.opened(self._domain, terms, self.tasks[terms.task], event.timestamp_s, event.lane)
        self.encounters[encounter.id] = encounter
        learner = self._who(terms.learner)
        if learner.balance < terms.reward + learner.cover:
            learner.claim()
        learner.slide()
        learner.balance -= terms.reward
        learner.use_nonce(terms.nonce)
        learner.lanes.add(event.lane)
        self._who(terms.neighbor).locked += terms.reward

    def _stepped(self, event: EncounterEvent) -> None:
        encounter = self.encounters.get(event.encounter)
        if encounter is None:
            raise ValueError("no such encounter is open")
        following = encounter.follow(event)
        if following is not None:
            self.encounters[encounter.id] = following
            return
        del self.encounters[encounter.id]
        self._who(encounter.terms.learner).lanes.discard(encounter.progress.lane)

    def _voted(self, event: Voted) -> None:
        self._stepped(event)
        terms = self.encounters[event.encounter].terms
        self._votes.setdefault(event.encounter, {})[event.validator] = event.accept
        self._who(event.validator).locked += validator_lock(terms.reward, self.tasks[terms.task])

    def _settled(self, event: Settled) -> None:
        encounter = self._closed(event)
        terms, progress = encounter.terms, encounter.progress
        split = self._pay(terms, progress.votes)
        said = (event.case_number, event.votes_for, event.votes_against)
        if said != (split.case, progress.votes_for, progress.votes_against):
            raise ValueError(f"case, yes and no are {said}, by the votes seen they are not")
        judged: dict[bytes, int] = {}
        votes = self._votes.pop(encounter.id, {})
        if split.accepted is not None:
            judged = {
                voter: split.winner_share if accept == split.accepted else -split.loser_penalty
                for voter, accept in votes.items()
            }
        earned = {
            "learner": {terms.learner: split.learner_refund - terms.reward},
            "neighbor": {terms.neighbor: split.neighbor_gain - split.neighbor_penalty},
            "validator": judged,
        }
        self._outcomes.append(Outcome(encounter, "settled", votes, split, earned))

    def _ended(self, event: Ended) -> None:
        encounter = self._closed(event)
        terms, paid = encounter.terms, event.good_faith_paid
        learner, neighbor = self._who(terms.learner), self._who(terms.neighbor)
        neighbor.stake += paid
        learner.balance += terms.reward - paid
        if event.ending is Ending.INCOMPLETE:
            neighbor.incomplete_as_neighbor += 1
            learner.incomplete_as_learner += 1
        else:
            learner.rejected_as_learner += 1
        earned = {"learner": {terms.learner: -paid}, "neighbor": {terms.neighbor: paid}, "validator": {}}
        votes = self._votes.pop(encounter.id, {})
        self._outcomes.append(Outcome(encounter, event.ending.name.lower(), votes, None, earned))

    def _closed(self, event: Settled | Ended) -> Encounter:
        """Remove an encounter that has ended, and unlock its stakes.

        Returns:
            The encounter as it stood last.
        """
        encounter = self.encounters.get(event.encounter)
        self._stepped(event)
        assert encounter is not None
        terms = encounter.terms
        self._who(terms.neighbor).locked -= terms.reward
        lock = validator_lock(terms.reward, self.tasks[terms.task])
        for voter in encounter.progress.voters:
            self._who(voter).locked -= lock
        return encounter

    # Encounters from signatures

    def _voucher(self, event: VoucherSettled) -> None:
        """Follow one encounter settled from signatures.

        The event does not name the voters: the contract drew the committee itself. The mirror draws it again.
        """
        words, task = event.encounter, self.tasks[event.task]
        first = int.from_bytes(words[0], "big") & ~0xFFFF | 0x0100
        packed = (first.to_bytes(32, "big"), *words[1:])
        voucher = unpack_one(event.task, (event.learner, event.neighbor), packed, ())
        ballots = int.from_bytes(words[0], "big") >> 240
        committee = draw_committee(voucher.terms, voucher.seed, task.votes, self.seats)
        votes = tuple((member, bool(ballots >> i & 1)) for i, member in enumerate(committee))
        self._settle_voucher(replace(voucher, votes=votes))

    def _batch(self, event: BatchSettled) -> None:
        batch = Batch(event.task, event.parties, event.encounters)
        for voucher in unpack(batch, self.tasks[batch.task].votes, event.settled):
            self._settle_voucher(voucher)

    def _settle_voucher(self, voucher: Voucher) -> None:
        terms = voucher.terms
        learner = self._who(terms.learner)
        learner.slide()
        learner.balance -= terms.reward
        learner.use_nonce(terms.nonce)
        self._pay(terms, voucher.votes)

    # Money

    def _pay(self, terms: Terms, votes: Sequence[tuple[bytes, bool]]) -> Settlement:
        """Pay by the votes, after all that the encounter locked was unlocked."""
        votes_for = sum(accept for _, accept in votes)
        neighbor = self._who(terms.neighbor)
        at_risk = min(terms.reward, neighbor.losable)
        split = settle(
            terms.reward,
            votes_for,
            len(votes) - votes_for,
            self.tasks[terms.task],
            at_risk=at_risk,
            collect=lambda penalty, accepted: self._collect(votes, accepted, penalty),
        )
        neighbor.stake += split.neighbor_gain
        neighbor.accepted += split.accepted is True
        neighbor.rejected += split.accepted is False
        neighbor.unjudged += split.accepted is None
        neighbor.lose(split.neighbor_penalty)
        for voter, accept in votes if split.accepted is not None else ():
            who = self._who(voter)
            if accept == split.accepted:
                who.stake += split.winner_share
                who.votes_with += 1
            else:
                who.votes_against += 1
        self._who(terms.learner).balance += split.learner_refund
        self._who(NOBODY).balance += split.burnt
        return split

    def _collect(self, votes: Sequence[tuple[bytes, bool]], accepted: bool, penalty: int) -> int:
        """Take from each loser of a vote what it is to pay, or as much of it as it has.

        Returns:
            The sum that was taken.
        """
        return sum(self._who(voter).lose(penalty) for voter, accept in votes if accept != accepted)

    def _who(self, address: bytes) -> ParticipantState:
        self._touched[address] = None
        known = self._participants.get(address)
        if known is None:
            known = self._participants[address] = ParticipantState()
        return known


_FOLLOW: dict[type[Event], Callable[[AccountsMirror, Any], None]] = {
    Deposited: AccountsMirror._deposited,
    Withdrawn: AccountsMirror._withdrawn,
    Staked: AccountsMirror._staked,
    UnstakeRequested: AccountsMirror._unstake_requested,
    Unstaked: AccountsMirror._unstaked,
    TargetSet: AccountsMirror._target_set,
    BudgetSet: AccountsMirror._budget_set,
    ReleaseRequested: AccountsMirror._release_requested,
    Released: AccountsMirror._released,
    SeatTaken: AccountsMirror._seat_taken,
    SeatLeft: AccountsMirror._seat_left,
    TaskCreated: AccountsMirror._task_created,
    Flushed: AccountsMirror._flushed,
    Equivocated: AccountsMirror._equivocated,
    DoubleVoted: AccountsMirror._double_voted,
    Opened: AccountsMirror._opened,
    Refused: AccountsMirror._stepped,
    Reported: AccountsMirror._stepped,
    Disputed: AccountsMirror._stepped,
    Contested: AccountsMirror._stepped,
    ValidationStarted: AccountsMirror._stepped,
    Voted: AccountsMirror._voted,
    Settled: AccountsMirror._settled,
    Ended: AccountsMirror._ended,
    VoucherSettled: AccountsMirror._voucher,
    BatchSettled: AccountsMirror._batch,
}
