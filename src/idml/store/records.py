"""What happened in a run, as plain data: one frozen dataclass for each kind of row in `run.sqlite`.

Some conventions hold for all of them. Devices, contacts and blocks are numbers that the simulation gives. A round is as
many contacts as there are devices; `round` is 0 before the first contact and counts from 1 after it. Amounts are
integers in base units (`*_wei`), 10**18 to the token. Times are simulated seconds (`*_s`). Digests and ids are
hexadecimal digits after 0x.
"""

from __future__ import annotations

from dataclasses import dataclass

HONEST = "honest"
"""The `DeviceRecord.kind` of a device that follows the rules. Every other kind is the name of an adversary."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A participant.

    Args:
        device: its number.
        address: its address on the ledger.
        kind: `HONEST`, or which adversary it is.
        images: number of its training images.
    """

    device: int
    address: str
    kind: str
    images: int


@dataclass(frozen=True, slots=True)
class EncounterRecord:
    """One contact, and what became of it.

    Args:
        contact: number of the contact.
        round: the round that it belongs to.
        time_s: when it ended or was skipped; in a run without incentive, when the devices met.
        block: number of the block in which it ended, or of the last block when it was skipped; 0 without a ledger.
        learner, neighbor: the two devices.
        status: "settled", "skipped", "rejected" (the neighbor refused), "incomplete", or "unincentivized" (the run has
            no ledger).
        reason: why the contact was skipped or its exchange was broken off; otherwise empty.
        case: the settlement case, 1 to 5; None if it was not settled.
        accepted: the verdict. In a run without incentive, whether the result was merged.
        votes: (validator, verdict) in the order of voting.
        encounter: the encounter's id.
        model_before: digest of the learner's model before the encounter.
        result: digest of the result.
        gas: gas of all the encounter's transactions together.
    """

    contact: int
    round: int
    time_s: int
    block: int
    learner: int
    neighbor: int
    status: str
    reason: str = ""
    case: int | None = None
    accepted: bool | None = None
    votes: tuple[tuple[int, bool], ...] = ()
    encounter: str | None = None
    model_before: str | None = None
    result: str | None = None
    gas: int = 0


@dataclass(frozen=True, slots=True)
class VoteRecord:
    """A vote that counted in an encounter, and what the validator had measured.

    A validator that votes without looking has measured nothing, and all that it would have measured is None.

    Args:
        contact: the contact of the encounter.
        validator: the device that voted.
        accept: its vote.
        harm: how much worse the contribution is than the learner's model, by the run's rule; None also where the rule
            finds no number, which no limit accepts.
        harm_limit: the greatest harm that the rule accepts.
        correct_before, correct_after: how many of the validator's images the learner's model before the encounter and
            the contribution classify correctly.
        images: number of images that the validator scored.
    """

    contact: int
    validator: int
    accept: bool
    harm: float | None = None
    harm_limit: float | None = None
    correct_before: int | None = None
    correct_after: int | None = None
    images: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """A transaction on the ledger.

    Args:
        block: number of its block.
        time_s: time of that block.
        step: what it was for, such as "open" or "vote".
        sender: the device that sent it; None if it was no device.
        contact: the contact that it belongs to; None if it belongs to none.
        gas_used: gas that it used.
    """

    block: int
    time_s: int
    step: str
    sender: int | None
    contact: int | None
    gas_used: int


@dataclass(frozen=True, slots=True)
class StakePoint:
    """A device's stake from a block on: one at the start, and one for each end of an encounter that changed it.

    Args:
        block: number of the block.
        device: the device.
        stake_wei: its stake from then on.
    """

    block: int
    device: int
    stake_wei: int


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """A device's measured accuracy.

    Args:
        round: the round after which it was measured.
        contact: the contact after which it was measured.
        device: the device.
        accuracy: the share of test images that it classifies correctly, 0 to 1.
        images: number of test images that it was measured on.
    """

    round: int
    contact: int
    device: int
    accuracy: float
    images: int


@dataclass(frozen=True, slots=True)
class BaselinePoint:
    """Accuracy of something that the run is compared with, such as one device that trains alone.

    Several points of one name and round are of several devices.

    Args:
        name: what it is.
        round: the round in which the devices of the run have taken as many gradient steps as it has.
        accuracy: 0 to 1.
    """

    name: str
    round: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class EarningsRecord:
    """What a device gained over the whole run in each of its roles. Negative amounts are losses.

    Args:
        device: the device.
        as_learner_wei, as_neighbor_wei, as_validator_wei: its net earnings in each role.
    """

    device: int
    as_learner_wei: int
    as_neighbor_wei: int
    as_validator_wei: int

    @property
    def total_wei(self) -> int:
        """Net earnings in all three roles together."""
        return self.as_learner_wei + self.as_neighbor_wei + self.as_validator_wei


@dataclass(frozen=True, slots=True)
class ExpulsionRecord:
    """The expulsion of a device: its stake fell below the threshold.

    Args:
        device: the device.
        block: number of the block in which it did.
        contact: the contact whose settlement took the stake.
        round: the round of that contact.
    """

    device: int
    block: int
    contact: int
    round: int


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """Outcomes of the heavy work at one contact, from which a stopped run goes on without doing that work again.

    Args:
        contact: the contact; -1 before the first one.
        answers: (key of the task, whole numbers, digest of the model or None), in the order in which the run asked for
            them. Keys and digests are hexadecimal digits without 0x.
    """

    contact: int
    answers: tuple[tuple[str, tuple[int, ...], str | None], ...]


Record = (
    DeviceRecord
    | EncounterRecord
    | VoteRecord
    | TransactionRecord
    | StakePoint
    | AccuracyPoint
    | BaselinePoint
    | EarningsRecord
    | ExpulsionRecord
    | WorkRecord
)
