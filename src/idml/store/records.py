"""What happened in a run, as plain data: one frozen dataclass per kind of row in `run.sqlite`.

Conventions: devices, contacts and blocks are numbers given by the simulation; `round` is 0 before the first contact and
counts from 1 after it (a round is as many contacts as there are devices); amounts are integers in base units (`*_wei`,
10**18 to the token), times are simulated seconds (`*_s`), digests and ids are 0x-prefixed hex strings.
"""

from __future__ import annotations

from dataclasses import dataclass

HONEST = "honest"
"""The `DeviceRecord.kind` of a device that follows the rules; every other kind names an adversary."""


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A participant: its number, its ledger address, `HONEST` or the kind of adversary, and its training images."""

    device: int
    address: str
    kind: str
    images: int


@dataclass(frozen=True, slots=True)
class EncounterRecord:
    """One contact and what became of it.

    `status` is settled, skipped, rejected (refused by the neighbor), incomplete or unincentivized (no ledger in the
    run). `reason` says why a contact was skipped or its exchange broken off, else it is empty. `case` is the settlement
    case 1..5. `accepted` is the verdict; without an incentive, whether the result was merged. `votes` holds (validator,
    verdict) in the order of voting. `gas` is the sum over the encounter's transactions.
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
class TransactionRecord:
    """A transaction: the step it performs, who sent it (None: not a device) and the contact that it belongs to."""

    block: int
    time_s: int
    step: str
    sender: int | None
    contact: int | None
    gas_used: int


@dataclass(frozen=True, slots=True)
class StakePoint:
    """A device's stake from this block on; one point for each end of an encounter that changed it."""

    block: int
    device: int
    stake_wei: int


@dataclass(frozen=True, slots=True)
class AccuracyPoint:
    """A device's accuracy (0..1) on `images` test images, measured after this contact."""

    round: int
    contact: int
    device: int
    accuracy: float
    images: int


@dataclass(frozen=True, slots=True)
class BaselinePoint:
    """Accuracy (0..1) of what the run is compared with, such as one device that trains alone, by the round in which the
    devices of the run have taken as many gradient steps."""

    name: str
    round: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class EarningsRecord:
    """What a device gained (negative: lost) over the whole run, by the role it earned it in."""

    device: int
    as_learner_wei: int
    as_neighbor_wei: int
    as_validator_wei: int

    @property
    def total_wei(self) -> int:
        """Net earnings over all three roles, in wei."""
        return self.as_learner_wei + self.as_neighbor_wei + self.as_validator_wei


@dataclass(frozen=True, slots=True)
class ExpulsionRecord:
    """A device's stake fell below the threshold, in this block, settled by this contact."""

    device: int
    block: int
    contact: int
    round: int


@dataclass(frozen=True, slots=True)
class WorkRecord:
    """What the heavy work at this contact gave (-1: before the first), in the order in which the run asked.

    `answers` holds (key of the task, whole numbers, digest of the model or None), keys and digests as plain hex.
    """

    contact: int
    answers: tuple[tuple[str, tuple[int, ...], str | None], ...]


Record = (
    DeviceRecord
    | EncounterRecord
    | TransactionRecord
    | StakePoint
    | AccuracyPoint
    | BaselinePoint
    | EarningsRecord
    | ExpulsionRecord
    | WorkRecord
)
