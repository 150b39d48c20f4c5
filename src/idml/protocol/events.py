"""The events that the two contracts announce: one frozen class for each, with the event's arguments as fields.

A class has the name of its event in the contracts' interface. Its fields have the names of the event's arguments, in
Python's spelling: `goodFaithPaid` is `good_faith_paid`, and `from`, which Python reserves, is `from_`. Addresses (20
bytes) and bytes32 are bytes, and structs are the protocol's dataclasses. Amounts are in base units of the token, times
in seconds.
"""

from dataclasses import dataclass
from enum import IntEnum

from idml.protocol.messages import Terms
from idml.protocol.task import TaskParams


class Ending(IntEnum):
    """How an encounter ended without a verdict; the contract's `Outcome`."""

    REJECTED = 0
    INCOMPLETE = 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a contract announced.

    Args:
        block: number of the block that holds the transaction.
        timestamp_s: time of that block, in seconds.
    """

    block: int
    timestamp_s: int


@dataclass(frozen=True, slots=True)
class EncounterEvent(Event):
    """A step of one encounter, from its opening to its end.

    Args:
        encounter: the encounter's id, 32 bytes.
    """

    encounter: bytes


# Encounters, step by step


@dataclass(frozen=True, slots=True)
class Opened(EncounterEvent):
    """The learner opened an encounter: it has prepaid, and part of the neighbor's stake is locked.

    Args:
        lane: which of the learner's lanes the encounter occupies.
    """

    learner: bytes
    neighbor: bytes
    lane: int
    terms: Terms


@dataclass(frozen=True, slots=True)
class Refused(EncounterEvent):
    """The neighbor refused to collaborate. If it reports after all, the refusal is void."""


@dataclass(frozen=True, slots=True)
class Reported(EncounterEvent):
    """A party reported a result and revealed its secret."""

    reporter: bytes
    result: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class Disputed(EncounterEvent):
    """The learner reported another result than the neighbor."""


@dataclass(frozen=True, slots=True)
class Contested(EncounterEvent):
    """The neighbor asked for a committee, because the learner was silent or reported another result.

    Args:
        block_number: number of the block of the contest.
    """

    block_number: int


@dataclass(frozen=True, slots=True)
class ValidationStarted(EncounterEvent):
    """Votes may be cast from now on.

    Args:
        secret: the learner's secret; after a contest, the hash of the block from which the committee was drawn.
        committee: who was drawn to vote; empty if anyone who has staked may vote.
    """

    secret: bytes
    committee: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Voted(EncounterEvent):
    """A validator voted."""

    validator: bytes
    accept: bool


@dataclass(frozen=True, slots=True)
class Settled(EncounterEvent):
    """The encounter was settled by its votes, or because too few came in time.

    Args:
        case_number: 1 to 5, as in the paper's Fig. 6.
    """

    case_number: int
    votes_for: int
    votes_against: int

    @property
    def accepted(self) -> bool | None:
        """Whether the contribution was accepted; None if too few voted."""
        return None if self.case_number == 1 else self.case_number in (2, 4)


@dataclass(frozen=True, slots=True)
class Ended(EncounterEvent):
    """The encounter ended without a verdict.

    Args:
        outcome: how it ended, see `Ending`.
        good_faith_paid: what the neighbor got for having reported, in base units of the token.
    """

    outcome: int
    good_faith_paid: int

    @property
    def ending(self) -> Ending:
        """How it ended, by name."""
        return Ending(self.outcome)


# Encounters from signatures


@dataclass(frozen=True, slots=True)
class VoucherSettled(Event):
    """One encounter was settled from signatures alone.

    Args:
        encounter: its four words, see `idml.protocol.batch`.
    """

    task: bytes
    learner: bytes
    neighbor: bytes
    encounter: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BatchSettled(Event):
    """A batch of encounters was settled from signatures alone.

    Args:
        cosigned: whether each party signed the whole batch, instead of each statement.
        settled: bit i says whether the i-th encounter was settled.
        encounters: their words, see `idml.protocol.batch`.
    """

    task: bytes
    cosigned: bool
    settled: int
    parties: tuple[bytes, ...]
    encounters: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Skipped(Event):
    """An encounter of a batch was not settled.

    Args:
        index: which one of the batch.
        reason: selector of the contract's error that says why, 4 bytes.
    """

    index: int
    reason: bytes


# Accounts


@dataclass(frozen=True, slots=True)
class AccountEvent(Event):
    """A participant did something with its own money or place.

    Args:
        account: its address, 20 bytes.
    """

    account: bytes


@dataclass(frozen=True, slots=True)
class Deposited(AccountEvent):
    """Tokens were moved from the participant's wallet to its balance."""

    amount: int


@dataclass(frozen=True, slots=True)
class Withdrawn(AccountEvent):
    """Tokens were moved from the balance to the wallet."""

    amount: int


@dataclass(frozen=True, slots=True)
class Staked(AccountEvent):
    """Tokens were moved from the balance to the stake."""

    amount: int


@dataclass(frozen=True, slots=True)
class UnstakeRequested(AccountEvent):
    """Tokens left the stake; they may be moved to the balance from `release_at` on."""

    amount: int
    release_at: int


@dataclass(frozen=True, slots=True)
class Unstaked(AccountEvent):
    """Tokens that had left the stake were moved to the balance, after their wait."""

    amount: int


@dataclass(frozen=True, slots=True)
class TargetSet(AccountEvent):
    """The participant set a target: rewards go to its stake while that is below the target."""

    target: int


@dataclass(frozen=True, slots=True)
class BudgetSet(AccountEvent):
    """The participant set a budget for encounters that are settled from signatures alone.

    Args:
        reward_max: the most that one such encounter may cost it as a learner.
        nonces: for how many of its next nonces this much is kept.
    """

    reward_max: int
    nonces: int


@dataclass(frozen=True, slots=True)
class ReleaseRequested(AccountEvent):
    """The participant asked for a lower budget, and to retire nonces; this can be completed from `release_at` on.

    Args:
        reward_max, nonces: the lower budget, as in `BudgetSet`.
        nonce_base: the learner's lowest usable nonce at the time of the request.
        retired: bit i says whether nonce `nonce_base + i` is to be used up.
    """

    reward_max: int
    nonces: int
    nonce_base: int
    retired: int
    release_at: int


@dataclass(frozen=True, slots=True)
class Released(AccountEvent):
    """A lower budget or the retirement of nonces, requested before, has come into force."""


@dataclass(frozen=True, slots=True)
class SeatTaken(Event):
    """A participant took a seat: it may be drawn for Terms whose `as_of` is later than `active_from`.

    Args:
        seat: index of the seat in the table.
    """

    seat: int
    account: bytes
    active_from: int


@dataclass(frozen=True, slots=True)
class SeatLeft(Event):
    """A participant left its seat: it may no longer be drawn for Terms whose `as_of` is later than `inactive_from`.

    Args:
        seat: index of the seat in the table.
    """

    seat: int
    account: bytes
    inactive_from: int


# Tasks, offences, and what belongs to the contract itself


@dataclass(frozen=True, slots=True)
class TaskCreated(Event):
    """A task was registered. Nobody can change its rules any more."""

    task: bytes
    params: TaskParams


@dataclass(frozen=True, slots=True)
class Equivocated(Event):
    """A learner was punished because it signed two Terms with one nonce."""

    learner: bytes
    nonce: int
    burnt: int


@dataclass(frozen=True, slots=True)
class DoubleVoted(Event):
    """A validator was punished because it signed two different Votes under one seed."""

    validator: bytes
    encounter: bytes
    burnt: int


@dataclass(frozen=True, slots=True)
class Flushed(Event):
    """The tokens that account 0 held were burnt, and left the supply."""

    amount: int


@dataclass(frozen=True, slots=True)
class EIP712DomainChanged(Event):
    """The event of EIP-5267. These contracts never announce it, because their domain never changes."""


# The token


@dataclass(frozen=True, slots=True)
class Transfer(Event):
    """Tokens were moved from one address to another; the event of ERC-20."""

    from_: bytes
    to: bytes
    value: int


@dataclass(frozen=True, slots=True)
class Approval(Event):
    """An owner allowed a spender to move tokens; the event of ERC-20."""

    owner: bytes
    spender: bytes
    value: int


@dataclass(frozen=True, slots=True)
class Bought(AccountEvent):
    """Someone bought tokens with native currency.

    Args:
        paid: what was paid, in wei.
        minted: what was made of it, in base units of the token.
    """

    paid: int
    minted: int


@dataclass(frozen=True, slots=True)
class Redeemed(AccountEvent):
    """Someone redeemed tokens for native currency.

    Args:
        burnt: what was given back, in base units of the token.
        paid: what was paid for it, in wei.
    """

    burnt: int
    paid: int


EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        Opened,
        Refused,
        Reported,
        Disputed,
        Contested,
        ValidationStarted,
        Voted,
        Settled,
        Ended,
        VoucherSettled,
        BatchSettled,
        Skipped,
        Deposited,
        Withdrawn,
        Staked,
        UnstakeRequested,
        Unstaked,
        TargetSet,
        BudgetSet,
        ReleaseRequested,
        Released,
        SeatTaken,
        SeatLeft,
        TaskCreated,
        Equivocated,
        DoubleVoted,
        Flushed,
        EIP712DomainChanged,
        Transfer,
        Approval,
        Bought,
        Redeemed,
    )
}
"""All events, by name in the contracts' interface."""
