"""Rebuilds what the contract stores from what it announced: every state change follows from its events."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from idml.ledger.errors import LedgerError
from idml.ledger.interface import Event
from idml.ledger.records import AccountState, History
from idml.protocol.committee import Seat
from idml.protocol.encounter import Encounter
from idml.protocol.messages import Domain, Terms
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
        self._accounts: dict[bytes, AccountState] = {}
        self._histories: dict[bytes, History] = {}
        self.seats: list[Seat] = []
        self.tasks: dict[bytes, TaskParams] = {}
        self.encounters: dict[bytes, Encounter] = {}

    def account(self, address: bytes) -> AccountState:
        """A participant's account; empty for strangers. The zero address holds what was burnt."""
        return self._accounts.get(address, AccountState())

    def history(self, address: bytes) -> History:
        """A participant's record; empty for strangers."""
        return self._histories.get(address, History())

    def total_wei(self) -> int:
        """All that the contract holds: balances, stakes, what is unbonding, prepayments."""
        accounts = sum(a.balance + a.stake + a.unbonding for a in self._accounts.values())
        return accounts + sum(encounter.terms.reward for encounter in self.encounters.values())

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
        if event.name == "Opened":
            self._opened(arguments["terms"], event.timestamp_s)
        elif event.name == "TaskCreated":
            self.tasks[arguments["task"]] = arguments["params"]
        elif event.name == "Flushed":
            self._change(NOBODY, balance=-arguments["amount"])
        elif "encounter" in arguments:
            self._followed(event, arguments)
        elif "account" in arguments:
            self._moved(event.name, arguments["account"], arguments)

    def _moved(self, name: str, who: bytes, arguments: Mapping[str, Any]) -> None:
        amount = arguments.get("amount", 0)
        if name == "Deposited":
            self._change(who, balance=amount)
        elif name == "Withdrawn":
            self._change(who, balance=-amount)
        elif name == "Staked":
            self._change(who, balance=-amount, stake=amount)
        elif name == "UnstakeRequested":
            self._change(who, stake=-amount, unbonding=amount)
            self._set(who, release_at=arguments["releaseAt"])
        elif name == "Unstaked":
            self._change(who, unbonding=-amount, balance=amount)
            self._set(who, release_at=0)
        elif name == "TargetSet":
            self._set(who, target=arguments["target"])
        elif name == "SeatTaken":
            self._seat_taken(who, arguments["seat"], arguments["activeFrom"])
        elif name == "SeatLeft":
            index, left_at = arguments["seat"], arguments["inactiveFrom"]
            self.seats[index] = replace(self.seats[index], inactive_from=left_at)
            self._set(who, seat=0, seat_from=left_at + self._unbonding_delay_s)

    def _seat_taken(self, who: bytes, index: int, active_from: int) -> None:
        if index == len(self.seats):
            self.seats.append(Seat(who, active_from, active_from))
        else:
            self.seats[index] = Seat(who, self.seats[index].created_at, active_from)
        self._set(who, seat=index + 1)

    def _opened(self, terms: Terms, now_s: int) -> None:
        encounter = Encounter.opened(self._domain, terms, now_s)
        self.encounters[encounter.id] = encounter
        self._change(terms.learner, balance=-terms.reward)
        self._change(terms.neighbor, locked=terms.reward)
        learner = self.account(terms.learner)
        base, window = learner.nonce_base, learner.nonce_window | 1 << terms.nonce - learner.nonce_base
        while window & 1:
            base, window = base + 1, window >> 1
        self._set(terms.learner, nonce_base=base, nonce_window=window)

    def _followed(self, event: Event, arguments: Mapping[str, Any]) -> None:
        encounter = self.encounters.get(arguments["encounter"])
        if encounter is None:
            raise ValueError("no such encounter is open")
        following = encounter.follow(event.name, arguments, event.timestamp_s, self._domain)
        if following is not None:
            self.encounters[encounter.id] = following
            if event.name == "Voted":
                lock = validator_lock(encounter.terms.reward, self.tasks[encounter.terms.task])
                self._change(arguments["validator"], locked=lock)
            return
        del self.encounters[encounter.id]
        if event.name == "Settled":
            self._settled(encounter, (arguments["caseNumber"], arguments["votesFor"], arguments["votesAgainst"]))
        else:
            self._ended(encounter.terms, arguments["outcome"], arguments["goodFaithPaid"])

    def _settled(self, encounter: Encounter, said: tuple[int, int, int]) -> None:
        terms, progress, task = encounter.terms, encounter.progress, self.tasks[encounter.terms.task]
        split = settle(terms.reward, progress.votes_for, progress.votes_against, task)
        if said != (split.case, progress.votes_for, progress.votes_against):
            raise ValueError(f"case, yes and no are {said}, by the votes seen they are not")
        lock = validator_lock(terms.reward, task)
        for voter, accept in progress.votes:
            self._change(voter, locked=-lock)
            if split.accepted is None:
                continue
            if accept == split.accepted:
                self._reward(voter, split.winner_share)
                self._count(voter, votes_with=1)
            else:
                self._change(voter, stake=-split.loser_penalty)
                self._count(voter, votes_against=1)
        self._change(terms.neighbor, locked=-terms.reward, stake=-split.neighbor_penalty)
        self._reward(terms.neighbor, split.neighbor_gain)
        accepted, rejected = int(split.accepted is True), int(split.accepted is False)
        self._count(terms.neighbor, completed_as_neighbor=1, accepted=accepted, rejected=rejected)
        self._change(terms.learner, balance=split.learner_refund)
        self._count(terms.learner, completed_as_learner=1)
        self._change(NOBODY, balance=split.burnt)

    def _ended(self, terms: Terms, outcome: int, good_faith: int) -> None:
        self._change(terms.neighbor, locked=-terms.reward)
        self._reward(terms.neighbor, good_faith)
        self._change(terms.learner, balance=terms.reward - good_faith)
        if outcome == _INCOMPLETE:
            self._count(terms.neighbor, incomplete_as_neighbor=1)
            self._count(terms.learner, incomplete_as_learner=1)

    def _reward(self, who: bytes, amount: int) -> None:
        account = self.account(who)
        to_stake = min(amount, max(0, account.target - account.stake))
        self._change(who, stake=to_stake, balance=amount - to_stake)

    def _change(self, who: bytes, **differences: int) -> None:
        account = self.account(who)
        self._set(who, **{name: getattr(account, name) + by for name, by in differences.items()})

    def _set(self, who: bytes, **values: int) -> None:
        self._accounts[who] = replace(self.account(who), **values)

    def _count(self, who: bytes, **more: int) -> None:
        history = self.history(who)
        self._histories[who] = replace(history, **{name: getattr(history, name) + by for name, by in more.items()})
