"""A simulated device: what it holds, its model, its account, and the part it plays."""

from dataclasses import dataclass, field

from idml.adapters.keys import draw_bytes
from idml.adapters.means import EncounterKey, LocalData, Means, Settings
from idml.learning.judging.defences import Defence
from idml.protocol.batch import SECRET_BYTES
from idml.simulation.adversaries.base import Participant
from idml.simulation.model import Model


@dataclass(slots=True)
class Device:
    """One participant, as it stands. What it can do is in its `Means`.

    Args:
        index: its number.
        address: on the ledger when it began, 20 bytes; all its draws derive from it.
        participant: how it acts.
        data: that it holds.
        model: its own; replaced, never changed in place.
        encounters: that it opened as a learner so far.
        account: its address on the ledger, if it is not the one that it began with.
        since: how many encounters it had opened when it came to that account.
        recent: models before and after its recent encounters, one after another; only where a defence reads them.
    """

    index: int
    address: bytes
    participant: Participant
    data: LocalData
    model: Model
    encounters: int = 0
    account: bytes = b""
    since: int = 0
    recent: list[Model] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.account = self.account or self.address

    @property
    def honest(self) -> bool:
        """Whether it follows the rules."""
        return type(self.participant) is Participant

    @property
    def nonce(self) -> int:
        """Of its account's next encounter as a learner."""
        return self.encounters - self.since

    def rejoin(self, account: bytes) -> None:
        """Take another address on the ledger, 20 bytes, which owes nobody anything."""
        self.account, self.since = account, self.encounters

    def remember(self, before: Model, result: Model, defence: Defence) -> None:
        """Keep in mind what a recent encounter began with and brought, for its defence to compare with."""
        self.recent = [*self.recent, before, result][-2 * defence.remembers :]

    def encounter_key(self, seed: int, number: int | None = None) -> EncounterKey:
        """Names one of its encounters as a learner, by default the current one.

        Args:
            seed: of the run.
            number: how many it had before.
        """
        return EncounterKey(seed, self.address, self.encounters if number is None else number)

    def secret(self, encounter: EncounterKey) -> bytes:
        """Its secret in a learner's encounter, 32 bytes."""
        drawn = draw_bytes(*encounter("secret", self.address.hex()))
        return drawn[:SECRET_BYTES] + bytes(SECRET_BYTES)

    def means(self, settings: Settings) -> Means:
        """What it can do."""
        return Means(settings, self.data, self.address, self.participant.poison)
