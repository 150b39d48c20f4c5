"""What the encounters of a run share."""

from collections.abc import MutableMapping
from dataclasses import dataclass

from idml.ledger.controlled import ControlledLedger
from idml.ledger.wallet import Wallet
from idml.protocol.messages import Domain
from idml.protocol.task import TaskParams
from idml.simulation.accounts import Accounts
from idml.simulation.devices import Device, Settings
from idml.simulation.work.tasks import TaskService


@dataclass(frozen=True, slots=True)
class EncounterContext:
    """What all encounters of a run share.

    Args:
        accounts: the participants' accounts, and the ledger on which they are.
        domain: of the contract.
        task: the rules.
        reward_wei: what a learner pays.
        devices: by account, also those that they left.
        wallets: likewise.
        settings: of learning.
        work: does what is heavy.
        adopt_unjudged: whether learners merge what too few voted on.
    """

    accounts: Accounts
    domain: Domain
    task: TaskParams
    reward_wei: int
    devices: MutableMapping[bytes, Device]
    wallets: MutableMapping[bytes, Wallet]
    settings: Settings
    work: TaskService
    adopt_unjudged: bool

    @property
    def ledger(self) -> ControlledLedger:
        """The contract, on its own clock."""
        return self.accounts.ledger
