"""What the encounters of a run share."""

from collections.abc import Sequence
from dataclasses import dataclass

from idml.ledger.controlled import ControlledLedger
from idml.protocol.messages import Domain
from idml.simulation.accounts import Accounts
from idml.simulation.devices import Device
from idml.simulation.work.encounter import Cast
from idml.simulation.work.tasks import TaskService


@dataclass(frozen=True, slots=True)
class EncounterContext:
    """What all encounters of a run share.

    Args:
        accounts: the participants' accounts, and the ledger on which they are.
        reward_wei: what a learner pays for an encounter, in base units.
        cast: the devices, and the rules by which they act.
        work: does the heavy work, which is training and scoring.
    """

    accounts: Accounts
    reward_wei: int
    cast: Cast
    work: TaskService

    @property
    def ledger(self) -> ControlledLedger:
        """The contract."""
        return self.accounts.ledger

    @property
    def domain(self) -> Domain:
        """The contract's EIP-712 domain, for signatures."""
        return self.accounts.ledger.domain

    def device(self, account: bytes) -> Device:
        """The device whose account (20-byte address) this is, or was before the device got a new account."""
        devices: Sequence[Device] = self.cast.devices
        return devices[self.accounts.devices[account]]
