"""Rebuilds what the contract stores from what it announced: every state change follows from its events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from idml.ledger.errors import LedgerError
from idml.ledger.interface import Event
from idml.ledger.participant import REWARD_UNIT_WEI, Participant
from idml.ledger.records import AccountState, History, Release
from idml.protocol.batch import Voucher, unpack, unpack_one
from idml.protocol.committee import Seat, draw_committee
from idml.protocol.encounter import Encounter, free_lane
from idml.protocol.messages import Batch, Domain, Terms
from idml.protocol.settlement import settle, validator_lock
from idml.protocol.task import TaskParams

NOBODY = bytes(20)
_INCOMPLETE = 1  # the contract's `Outcome.Incomplete`


class AccountsMirror:
    """Accounts, histories, seats, tasks and open encounters, kept up to date by the contract's events alone.

    Args:
        domain: of the contract.
        unbonding_delay_s: its delay, in seconds.

    Attributes:
        seats: the seat table.
        tasks: by id, 32 bytes.
        encounters: those that are open, by id, 32 bytes.
    """

    def __init__(self, domain: Domain, unbonding_delay_s: int) -> None:
        self._domain = domain
        self._unbonding_delay_s = unbonding_delay_s
        self._participants: dict[bytes, Participant] = {}
        self.seats: list[Seat] = []
        self.tasks: dict[bytes, TaskParams] = {}
        self.encounters: dict[bytes, Encounter] = {}

    def account(self, address: bytes) -> AccountState:
        """A participant's account; empty for strangers. The zero address holds what was burnt."""
        return self._participants.get(address, Participant()).account()

    def history(self, address: bytes) -> History:
        """A participant's record; empty for strangers."""
        return self._participants.get(address, Participant()).history()

    def pending_release(self, address: bytes) -> Release:
        """What a participant asked for by `request_release`."""
        return self._participants.get(address, Participant()).release

    def total_wei(self) -> int:
        """All that the contract holds: balances, stakes, what is unbonding, prepayments."""
        accounts = sum(who.balance + who.stake + who.unbonding for who in self._participants.values())
        return accounts + sum(encounter.terms.reward for encounter in self.encounters.values())

    def lane(self, learner: bytes, nonce: int) -> int:
        """Where a learner can open an encounter with a nonce: see `free_lane`."""
        busy = {e.progress.where.lane for e in self.encounters.values() if e.terms.learner == learner}
        return free_lane(busy, nonce)

    def apply(self, events: Iterable[Event]) -> None:
        """Follow the contract. Events must come in order, from the first; those of other contracts are skipped.

        Raises:
            LedgerError: for an event that cannot follow on those before it: some are missing.
        """
        for event in events:
            try:
                self._apply(event, event.arguments)
            except (KeyError, IndexError, ValueError) as error:
                raise LedgerError(
                    f"{event.name} in block {event.block} does not follow on the events before it, some are missing: "
                    f"{error}"
                ) from error

    def _apply(self, event: Event, arguments: Mapping[str, Any]) -> None:
        name = event.name
        if name == "Opened":
            self._opened(arguments["terms"], arguments["lane"], event.timestamp_s)
        elif name == "TaskCreated":
            self.tasks[arguments["task"]] = arguments["params"]
        elif name == "Flushed":
            self._who(NOBODY).balance -= arguments["amount"]
        elif name == "VoucherSettled":
            self._voucher(arguments)
        elif name == "BatchSettled":
            self._batch(arguments)
        elif name == "Equivocated":
            self._equivocated(self._who(arguments["learner"]), arguments["nonce"], arguments["burnt"])
        elif name == "DoubleVoted":
            self._who(arguments["validator"]).lose(arguments["burnt"])
            self._who(NOBODY).balance += arguments["burnt"]
        elif name == "SeatLeft":
            self._seat_left(arguments["account"], arguments["seat"], arguments["inactiveFrom"])
        elif "encounter" in arguments:
            self._followed(event, arguments)
        elif "account" in arguments:
            self._moved(name, arguments["account"], arguments)

    # What participants do with their own money

    def _moved(self, name: str, address: bytes, arguments: Mapping[str, Any]) -> None:
        who, amount = self._who(address), arguments.get("amount", 0)
        if name == "Deposited":
            who.balance += amount
            who.slide()
        elif name == "Withdrawn":
            who.claim()
            who.balance -= amount
        elif name == "Staked":
            pledged = who.claim()
            who.balance -= amount
            who.stake += amount
            who.set_level(pledged + amount)
        elif name == "UnstakeRequested":
            pledged = who.claim()
            who.stake -= amount
            who.set_level(pledged - amount)
            who.unbonding += amount
            who.release_at = arguments["releaseAt"]
        elif name == "Unstaked":
            who.balance += who.unbonding
            who.unbonding = who.release_at = 0
        elif name == "TargetSet":
            pledged = who.claim()
            who.target = arguments["target"]
            who.set_level(pledged)
        elif name == "SeatTaken":
            self._seat_taken(address, arguments["seat"], arguments["activeFrom"])
        else:
            self._budgeted(name, who, arguments)

    def _budgeted(self, name: str, who: Participant, arguments: Mapping[str, Any]) -> None:
        if name == "BudgetSet":
            who.claim()
            who.budget_reward, who.budget_nonces = arguments["rewardMax"], arguments["nonces"]
            who.release = Release()
            who.slide()
        elif name == "ReleaseRequested":
            units = arguments["rewardMax"] // REWARD_UNIT_WEI
            base, mask, at_s = arguments["nonceBase"], arguments["retired"], arguments["releaseAt"]
            who.release = Release(units, arguments["nonces"], base, mask, at_s)
        elif name == "Released":
            who.complete_release()

    def _seat_taken(self, address: bytes, index: int, active_from: int) -> None:
        if index == len(self.seats):
            self.seats.append(Seat(address, active_from, active_from))
        else:
            self.seats[index] = Seat(address, self.seats[index].created_at, active_from)
        self._who(address).seat = index + 1

    def _seat_left(self, address: bytes, index: int, left_at: int) -> None:
        self.seats[index] = replace(self.seats[index], inactive_from=left_at)
        who = self._who(address)
        who.seat, who.seat_from = 0, left_at + self._unbonding_delay_s

    # Encounters step by step

    def _opened(self, terms: Terms, lane: int, now_s: int) -> None:
        encounter = Encounter.opened(self._domain, terms, self.tasks[terms.task], now_s, lane)
        self.encounters[encounter.id] = encounter
        learner = self._who(terms.learner)
        if learner.balance < terms.reward + learner.cover:
            learner.claim()
        learner.slide()
        learner.balance -= terms.reward
        learner.use_nonce(terms.nonce)
        learner.open += 1
        self._who(terms.neighbor).locked += terms.reward

    def _followed(self, event: Event, arguments: Mapping[str, Any]) -> None:
        encounter = self.encounters.get(arguments["encounter"])
        if encounter is None:
            raise ValueError("no such encounter is open")
        following = encounter.follow(event.name, arguments, event.timestamp_s)
        if following is not None:
            self.encounters[encounter.id] = following
            if event.name == "Voted":
                lock = validator_lock(encounter.terms.reward, self.tasks[encounter.terms.task])
                self._who(arguments["validator"]).locked += lock
            return
        del self.encounters[encounter.id]
        self._who(encounter.terms.learner).open -= 1
        if event.name == "Settled":
            self._settled(encounter, (arguments["caseNumber"], arguments["votesFor"], arguments["votesAgainst"]))
        else:
            self._ended(encounter, arguments["outcome"], arguments["goodFaithPaid"])

    def _settled(self, encounter: Encounter, said: tuple[int, int, int]) -> None:
        terms, progress, task = encounter.terms, encounter.progress, self.tasks[encounter.terms.task]
        self._who(terms.neighbor).locked -= terms.reward
        lock = validator_lock(terms.reward, task)
        for voter in progress.voters:
            self._who(voter).locked -= lock
        case = self._pay(terms, progress.votes)
        if said != (case, progress.votes_for, progress.votes_against):
            raise ValueError(f"case, yes and no are {said}, by the votes seen they are not")

    def _ended(self, encounter: Encounter, outcome: int, good_faith: int) -> None:
        terms = encounter.terms
        lock = validator_lock(terms.reward, self.tasks[terms.task])
        for voter in encounter.progress.voters:
            self._who(voter).locked -= lock
        learner, neighbor = self._who(terms.learner), self._who(terms.neighbor)
        neighbor.locked -= terms.reward
        neighbor.stake += good_faith
        learner.balance += terms.reward - good_faith
        if outcome == _INCOMPLETE:
            neighbor.incomplete_as_neighbor += 1
            learner.incomplete_as_learner += 1
        else:
            learner.rejected_as_learner += 1

    # Encounters from signatures

    def _voucher(self, arguments: Mapping[str, Any]) -> None:
        """The contract drew the voters itself and wrote no indices down; so does the mirror."""
        task_id, words = arguments["task"], arguments["encounter"]
        task = self.tasks[task_id]
        first = int.from_bytes(words[0], "big") & ~0xFFFF | 0x0100
        packed = (first.to_bytes(32, "big"), *words[1:])
        voucher = unpack_one(task_id, (arguments["learner"], arguments["neighbor"]), packed, ())
        ballots = int.from_bytes(words[0], "big") >> 240
        committee = draw_committee(voucher.terms, voucher.seed, task.votes, self.seats)
        votes = tuple((member, bool(ballots >> i & 1)) for i, member in enumerate(committee))
        self._settle_voucher(replace(voucher, votes=votes))

    def _batch(self, arguments: Mapping[str, Any]) -> None:
        batch = Batch(arguments["task"], arguments["parties"], arguments["encounters"])
        for voucher in unpack(batch, self.tasks[batch.task].votes, arguments["settled"]):
            self._settle_voucher(voucher)

    def _settle_voucher(self, voucher: Voucher) -> None:
        terms = voucher.terms
        learner = self._who(terms.learner)
        learner.slide()
        learner.balance -= terms.reward
        learner.use_nonce(terms.nonce)
        self._pay(terms, voucher.votes)

    # Money

    def _pay(self, terms: Terms, votes: Sequence[tuple[bytes, bool]]) -> int:
        """Pay by the votes; nothing of it is locked any more. Returns the case."""
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
        return split.case

    def _collect(self, votes: Sequence[tuple[bytes, bool]], accepted: bool, penalty: int) -> int:
        """Take from the losers of a vote what each is to pay, as far as it has it; returns the sum."""
        return sum(self._who(voter).lose(penalty) for voter, accept in votes if accept != accepted)

    def _equivocated(self, learner: Participant, nonce: int, burnt: int) -> None:
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
        if amount != burnt:
            raise ValueError(f"{burnt} burnt, by the account it is {amount}")
        self._who(NOBODY).balance += burnt

    def _who(self, address: bytes) -> Participant:
        return self._participants.setdefault(address, Participant())
