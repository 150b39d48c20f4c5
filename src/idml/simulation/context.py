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
        accounts: of the participants, and the ledger on which they are.
        reward_wei: what a learner pays.
        cast: the devices, and by which rules they act.
        work: does what is heavy.
    """

    accounts: Accounts
    reward_wei: int
    cast: Cast
    work: TaskService

    @property
    def ledger(self) -> ControlledLedger:
        """The contract, on its own clock."""
        return self.accounts.ledger

    @property
    def domain(self) -> Domain:
        """Of the contract, for signatures."""
        return self.accounts.ledger.domain

    def device(self, account: bytes) -> Device:
        """Whose account this is, or was before it came back under another name."""
        devices: Sequence[Device] = self.cast.devices
        return devices[self.accounts.devices[account]]
