"""What the encounters of a run share, and what becomes of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idml.ledger.controlled import ControlledLedger
from idml.ledger.interface import TxResult
from idml.ledger.wallet import Wallet
from idml.protocol.messages import Domain
from idml.protocol.settlement import Settlement
from idml.protocol.task import TaskParams
from idml.simulation.devices import Device, Settings
from idml.simulation.tasks import Work


@dataclass(frozen=True, slots=True)
class Scene:
    """What all encounters of a run share.

    Args:
        ledger: the contract, on its own clock.
        domain: of the contract.
        task: the rules.
        reward_wei: what a learner pays.
        devices: by address.
        wallets: by address.
        settings: of learning.
        work: does what is heavy.
        adopt_unjudged: whether learners merge what too few voted on.
    """

    ledger: ControlledLedger
    domain: Domain
    task: TaskParams
    reward_wei: int
    devices: Mapping[bytes, Device]
    wallets: Mapping[bytes, Wallet]
    settings: Settings
    work: Work
    adopt_unjudged: bool


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that the meeting made, and who sent it."""

    sender: Device
    result: TxResult


@dataclass(slots=True)
class Outcome:
    """What became of a meeting.

    Args:
        status: "declined", "open" (its windows are not over), "settled", "rejected" or "incomplete".
        reason: why it was declined, or why the ledger last refused a transaction.
        settlement: who got what, if settled.
        earnings_wei: net earnings by role, then device.
    """

    status: str = "declined"
    reason: str = ""
    settlement: Settlement | None = None
    earnings_wei: dict[str, dict[int, int]] = field(default_factory=dict)
