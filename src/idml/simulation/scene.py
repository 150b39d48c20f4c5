"""What the encounters of a run share, and what becomes of each."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from idml.ledger.controlled import ControlledLedger
from idml.ledger.interface import TxResult
from idml.ledger.wallet import Wallet
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Terms, commitment
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
        devices: by account, also those that they left.
        wallets: likewise.
        settings: of learning.
        work: does what is heavy.
        adopt_unjudged: whether learners merge what too few voted on.
    """

    ledger: ControlledLedger
    domain: Domain
    task: TaskParams
    reward_wei: int
    devices: MutableMapping[bytes, Device]
    wallets: MutableMapping[bytes, Wallet]
    settings: Settings
    work: Work
    adopt_unjudged: bool

    def offer(self, learner: Device, neighbor: Device, model_before: bytes, secret: bytes) -> Terms:
        """The Terms that a learner proposes now.

        Args:
            model_before: digest of its model, 32 bytes.
            secret: its own, 32 bytes.
        """
        now_s = self.ledger.now_s
        return Terms(
            task=self.task.id,
            learner=learner.account,
            neighbor=neighbor.account,
            reward=self.reward_wei,
            model_before=model_before,
            learner_commitment=commitment(secret),
            neighbor_commitment=ZERO_WORD,
            seats=self.ledger.seat_count(),
            as_of=now_s,
            deadline=now_s + self.task.completion_window_s,
            nonce=learner.nonce,
        )


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

    def settle(
        self, settlement: Settlement, reward_wei: int, learner: int, neighbor: int, votes: Mapping[int, bool]
    ) -> None:
        """Book who won and lost what.

        Args:
            settlement: what the votes came to.
            reward_wei: what the learner prepaid.
            learner, neighbor: device numbers.
            votes: by device number.
        """
        self.status, self.settlement = "settled", settlement
        judged = {}
        if settlement.accepted is not None:
            for voter, accept in votes.items():
                won = accept == settlement.accepted
                judged[voter] = settlement.winner_share if won else -settlement.loser_penalty
        self.earnings_wei = {
            "learner": {learner: settlement.learner_refund - reward_wei},
            "neighbor": {neighbor: settlement.neighbor_gain - settlement.neighbor_penalty},
            "validator": judged,
        }

    def end(self, status: str, paid_wei: int, learner: int, neighbor: int) -> None:
        """Book an end without votes: what the learner (a device number) paid the neighbor for its good faith."""
        self.status = status
        self.earnings_wei = {"learner": {learner: -paid_wei}, "neighbor": {neighbor: paid_wei}, "validator": {}}
