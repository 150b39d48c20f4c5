"""A simulated device: its key, its data, its model and the part it plays."""

from dataclasses import dataclass, field

import numpy as np

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.keys import draw_bytes, draw_seed
from idml.learning.algorithms import learning_rate
from idml.learning.arrays import FloatImages, Indices, Labels
from idml.learning.data.poisons import taint
from idml.learning.engine import Engine
from idml.learning.judging.defences import RECENT
from idml.learning.judging.evidence import Weights, label_shares
from idml.learning.judging.validation import Rule
from idml.protocol.batch import SECRET_BYTES
from idml.simulation.adversaries import Ballot, Participant
from idml.simulation.model import Model
from idml.simulation.work.tasks import ContributeTask, JudgeTask, MergeTask, ScreenTask, TaskService, TrainOwnTask


@dataclass(frozen=True, slots=True)
class Settings:
    """What all devices of a run have in common.

    Args:
        seed: of the run.
        engine, adapter, rule: how models are trained, exchanged and judged.
        learning_rate, learning_rate_decay, batch: of gradient descent; the rate decays with a learner's encounters.
        local_epochs: on its own data that a learner trains after each encounter.
        validation_images: that a validator scores.
        tolerance_bps: how much worse a contribution may be for a yes.
        dataset, classes: name of the data set, and how many classes it has.
        own_goal: whether learners care for the classes of their own data; else for all alike.
        defence: a key of `idml.learning.judging.defences.SCREENS`, None for none.
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
    dataset: str
    classes: int
    own_goal: bool = False
    defence: str | None = None


@dataclass(slots=True)
class Device:
    """One participant.

    Args:
        index: its number.
        address: on the ledger when it began, 20 bytes; all its draws derive from it.
        participant: how it acts.
        pool: images that all devices draw from, float32 (M, C, H, W).
        own: which of them are its own, integers (N,).
        labels: int64 (N,).
        model: its own; replaced, never changed in place.
        encounters: that it opened as a learner so far.
        account: its address on the ledger, if it is not the one that it began with.
        since: how many encounters it had opened when it came to that account.
        recent: models before and after its recent encounters, one after another; only where a defence reads them.
    """

    index: int
    address: bytes
    participant: Participant
    pool: FloatImages
    own: Indices
    labels: Labels
    model: Model
    encounters: int = 0
    account: bytes = b""
    since: int = 0
    recent: list[Model] = field(default_factory=list)
    trained_images: int = 0
    scored_images: int = 0

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

    def contribute(self, learner: "Device", received: Model, settings: Settings, work: TaskService) -> Model:
        """What it works out for a learner in the learner's current encounter."""
        own = self.model if settings.adapter.sends_own_model else received
        answer = work.ask(ContributeTask(learner.index, learner.encounters, self.index, received, own))
        learner.trained_images += answer.values[0]
        return answer.made

    def judge(
        self, learner: "Device", before: Model, result: Model, ballot: Ballot, settings: Settings, work: TaskService
    ) -> bool:
        """Its verdict on a contribution in a learner's current encounter."""
        blind = self.participant.blind_vote(ballot)
        if blind is not None:
            return blind
        answer = work.ask(JudgeTask(learner.index, learner.encounters, self.index, before, result))
        self.scored_images += 2 * self.sample_size(settings)
        return self.participant.verdict(bool(answer.values[0]))

    def adopt(self, before: Model, result: Model, settings: Settings, work: TaskService) -> bool:
        """Merge an accepted contribution, if its own defence takes it; returns whether it did.

        Args:
            before: its model at the beginning of the encounter.
            result: what the neighbor contributed.
        """
        if settings.defence is not None:
            takes = bool(work.ask(ScreenTask(before, result, tuple(self.recent))).values[0])
            self.recent = [*self.recent, before, result][-2 * RECENT :]
            if not takes:
                return False
        self.model = work.ask(MergeTask(self.model, result)).made
        return True

    def finish_encounter(self, settings: Settings, work: TaskService) -> None:
        """Train on its own data after its encounter, and count the encounter."""
        if settings.local_epochs:
            answer = work.ask(TrainOwnTask(self.index, self.encounters, self.model))
            self.model = answer.made
            self.trained_images += answer.values[0]
        self.encounters += 1

    def goal(self, settings: Settings) -> Weights | None:
        """How much each class counts to it as a learner, float64 (classes,); None: all alike."""
        return label_shares(self.labels, settings.classes) if settings.own_goal else None

    def sample_size(self, settings: Settings) -> int:
        """How many of its images it scores as a validator."""
        return min(settings.validation_images, len(self.labels))

    def draw_sample(self, learner: "Device", encounter: int, purpose: str, settings: Settings) -> Indices | slice:
        """Which of its images it scores in one of a learner's encounters, drawn for this purpose."""
        count = self.sample_size(settings)
        if count == len(self.labels):
            return slice(None)
        seed = draw_seed(*learner.key(settings, encounter, purpose, self.address.hex()))
        return np.random.default_rng(seed).choice(len(self.labels), count, replace=False)

    def training(self, learner: "Device", encounter: int, purpose: str, settings: Settings) -> LocalTraining:
        """Its means to train in one of a learner's encounters.

        The rate falls with the encounters of the learner, whose model it is: the more a model has learned, the more a
        constant rate would undo.
        """
        images, labels, poison = self.images, self.labels, self.participant.poison
        if poison is not None:
            images, labels = taint(poison, images, labels, settings.dataset, settings.classes)
        return LocalTraining(
            settings.engine,
            images,
            labels,
            learning_rate(settings.learning_rate, settings.learning_rate_decay, encounter + 1),
            settings.batch,
            key=learner.key(settings, encounter, purpose),
        )
