"""A simulated device: its key, its data, its model and the part it plays."""

from dataclasses import dataclass, field

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.keys import draw_bytes
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatImages, Indices, Labels
from idml.learning.engine import Engine
from idml.learning.validation import Rule
from idml.protocol.batch import SECRET_BYTES
from idml.simulation.adversaries import Participant
from idml.simulation.model import Model
from idml.simulation.tasks import Contribute, Judge, Merge, TrainOwn, Work


@dataclass(frozen=True, slots=True)
class Settings:
    """What all devices of a run have in common.

    Args:
        seed: of the run.
        engine, adapter, rule: how models are trained, exchanged and judged.
        learning_rate, learning_rate_decay, batch: of gradient descent; the rate decays with a learner's encounters.
        local_epochs: on its own data that a learner trains after each encounter.
        validation_images: that a validator scores.
        tolerance_bps: by how much the metric may fall for a yes.
    """

    seed: int
    engine: Engine
    adapter: Adapter
    rule: Rule
    learning_rate: float
    learning_rate_decay: float
    batch: int
    local_epochs: int
    validation_images: int
    tolerance_bps: int


@dataclass(slots=True)
class Device:
    """One participant.

    Args:
        index: its number.
        address: on the ledger, 20 bytes.
        participant: how it acts.
        pool: images that all devices draw from, float32 (M, C, H, W).
        own: which of them are its own, integers (N,).
        labels: int64 (N,), as it trains on them.
        model: its own; replaced, never changed in place.
        encounters: that it opened as a learner so far; also its next nonce.
        lanes: of the contract that its open encounters occupy.
    """

    index: int
    address: bytes
    participant: Participant
    pool: FloatImages
    own: Indices
    labels: Labels
    model: Model
    encounters: int = 0
    lanes: set[int] = field(default_factory=set)
    trained_images: int = 0
    scored_images: int = 0

    @property
    def honest(self) -> bool:
        """Whether it follows the rules."""
        return type(self.participant) is Participant

    @property
    def images(self) -> FloatImages:
        """A copy of its own images, float32 (N, C, H, W)."""
        return self.pool[self.own]

    def key(self, settings: Settings, encounter: int, *purpose: str) -> tuple[int | str, ...]:
        """What the draws of one of its encounters as a learner derive from; see `idml.adapters.keys`."""
        return (settings.seed, self.address.hex(), encounter, *purpose)

    def secret(self, learner: "Device", encounter: int, settings: Settings) -> bytes:
        """Its secret in one of a learner's encounters, 32 bytes."""
        drawn = draw_bytes(*learner.key(settings, encounter, "secret", self.address.hex()))
        return drawn[:SECRET_BYTES] + bytes(SECRET_BYTES)

    def contribute(self, learner: "Device", received: Model, settings: Settings, work: Work) -> Model:
        """What it hands to a learner in the learner's current encounter."""
        own = self.model if settings.adapter.sends_own_model else received
        answer = work.ask(Contribute(learner.index, learner.encounters, self.index, received, own))
        learner.trained_images += answer.values[0]
        return answer.made

    def judge(self, learner: "Device", before: Model, result: Model, settings: Settings, work: Work) -> bool:
        """Its verdict on a contribution in a learner's current encounter."""
        if not self.participant.evaluates:
            return self.participant.verdict(None)
        answer = work.ask(Judge(learner.index, learner.encounters, self.index, before, result))
        self.scored_images += 2 * self.sample_size(settings)
        return self.participant.verdict(bool(answer.values[0]))

    def adopt(self, result: Model, work: Work) -> None:
        """Merge an accepted contribution."""
        self.model = work.ask(Merge(self.model, result)).made

    def finish_encounter(self, settings: Settings, work: Work) -> None:
        """Train on its own data after its encounter, and count the encounter."""
        if settings.local_epochs:
            answer = work.ask(TrainOwn(self.index, self.encounters, self.model))
            self.model = answer.made
            self.trained_images += answer.values[0]
        self.encounters += 1

    def sample_size(self, settings: Settings) -> int:
        """How many of its images it scores as a validator."""
        return min(settings.validation_images, len(self.labels))

    def training(self, learner: "Device", encounter: int, purpose: str, settings: Settings) -> LocalTraining:
        """Its means to train in one of a learner's encounters.

        The rate falls with the encounters of the learner, whose model it is: the more a model has learned, the more a
        constant rate would undo.
        """
        return LocalTraining(
            settings.engine,
            self.images,
            self.labels,
            learning_rate(settings.learning_rate, settings.learning_rate_decay, encounter + 1),
            settings.batch,
            key=learner.key(settings, encounter, purpose),
        )
