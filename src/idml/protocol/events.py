"""What the two contracts announce: a frozen class for each event, with its arguments as fields.

Classes are named as the events of the contracts' interface, and fields as their arguments, in Python's spelling
(`goodFaithPaid` is `good_faith_paid`; `from`, a word of the language, is `from_`). Addresses and bytes32 are bytes,
structs the protocol's dataclasses, amounts base units of the token, times seconds.
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
        block: number of the block.
        timestamp_s: its time, in seconds.
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
    """The learner prepaid; the neighbor's stake is locked."""

    learner: bytes
    neighbor: bytes
    lane: int
    terms: Terms


@dataclass(frozen=True, slots=True)
class Refused(EncounterEvent):
    """The neighbor refused to collaborate; a report of its own would void that."""


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
    """The neighbor of a learner that is silent or denies appealed to a committee, in this block."""

    block_number: int


@dataclass(frozen=True, slots=True)
class ValidationStarted(EncounterEvent):
    """Votes may be cast.

    Args:
        secret: the learner's, or after a contest the hash of the block that drew the committee.
        committee: who was drawn to vote; empty where anyone staked may.
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
    """The votes decided, or too few came.

    Args:
        case_number: 1 to 5, as in the paper's Fig. 6.
    """

    case_number: int
    votes_for: int
    votes_against: int

    @property
    def accepted(self) -> bool | None:
        """The verdict: accepted, rejected, or None where too few voted."""
        return None if self.case_number == 1 else self.case_number in (2, 4)


@dataclass(frozen=True, slots=True)
class Ended(EncounterEvent):
    """The encounter ended without a verdict; the neighbor may be paid for its good faith."""

    outcome: int
    good_faith_paid: int

    @property
    def ending(self) -> Ending:
        """The outcome by its name."""
        return Ending(self.outcome)


# Encounters from signatures


@dataclass(frozen=True, slots=True)
class VoucherSettled(Event):
    """One encounter was settled from signatures; its four words are those of `idml.protocol.batch`."""

    task: bytes
    learner: bytes
    neighbor: bytes
    encounter: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class BatchSettled(Event):
    """Many encounters were settled from signatures; bit i of `settled`: the i-th of them was."""

    task: bytes
    cosigned: bool
    settled: int
    parties: tuple[bytes, ...]
    encounters: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Skipped(Event):
    """An encounter of a batch was not settled, for the error of this selector."""

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
    """Tokens came from the wallet to the balance."""

    amount: int


@dataclass(frozen=True, slots=True)
class Withdrawn(AccountEvent):
    """Tokens went from the balance to the wallet."""

    amount: int


@dataclass(frozen=True, slots=True)
class Staked(AccountEvent):
    """Tokens went from the balance to the stake."""

    amount: int


@dataclass(frozen=True, slots=True)
class UnstakeRequested(AccountEvent):
    """Tokens left the stake and wait until `release_at`."""

    amount: int
    release_at: int


@dataclass(frozen=True, slots=True)
class Unstaked(AccountEvent):
    """What waited came to the balance."""

    amount: int


@dataclass(frozen=True, slots=True)
class TargetSet(AccountEvent):
    """Rewards go to the stake while it is below this."""

    target: int


@dataclass(frozen=True, slots=True)
class BudgetSet(AccountEvent):
    """So much is kept for each of so many nonces."""

    reward_max: int
    nonces: int


@dataclass(frozen=True, slots=True)
class ReleaseRequested(AccountEvent):
    """A lower budget, and nonces to retire, wait until `release_at`."""

    reward_max: int
    nonces: int
    nonce_base: int
    retired: int
    release_at: int


@dataclass(frozen=True, slots=True)
class Released(AccountEvent):
    """What was requested is done."""


@dataclass(frozen=True, slots=True)
class SeatTaken(Event):
    """A participant may be drawn by Terms whose `as_of` is later than `active_from`."""

    seat: int
    account: bytes
    active_from: int


@dataclass(frozen=True, slots=True)
class SeatLeft(Event):
    """A participant may no longer be drawn."""

    seat: int
    account: bytes
    inactive_from: int


# Tasks, offences, and what belongs to the contract itself


@dataclass(frozen=True, slots=True)
class TaskCreated(Event):
    """Rules that nobody can change."""

    task: bytes
    params: TaskParams


@dataclass(frozen=True, slots=True)
class Equivocated(Event):
    """A learner was punished that signed two Terms with one nonce."""

    learner: bytes
    nonce: int
    burnt: int


@dataclass(frozen=True, slots=True)
class DoubleVoted(Event):
    """A validator was punished that signed two Votes under one seed."""

    validator: bytes
    encounter: bytes
    burnt: int


@dataclass(frozen=True, slots=True)
class Flushed(Event):
    """What account 0 held left the supply."""

    amount: int


@dataclass(frozen=True, slots=True)
class EIP712DomainChanged(Event):
    """Of EIP-5267; never announced by these contracts."""


# The token


@dataclass(frozen=True, slots=True)
class Transfer(Event):
    """Of ERC-20."""

    from_: bytes
    to: bytes
    value: int


@dataclass(frozen=True, slots=True)
class Approval(Event):
    """Of ERC-20."""

    owner: bytes
    spender: bytes
    value: int


@dataclass(frozen=True, slots=True)
class Bought(AccountEvent):
    """Native currency became tokens."""

    paid: int
    minted: int


@dataclass(frozen=True, slots=True)
class Redeemed(AccountEvent):
    """Tokens became native currency."""

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
"""By the event's name in the contracts' interface."""
