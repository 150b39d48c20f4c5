"""The heavy work of a run as pure questions: equal tasks have equal answers, whoever answers them, whenever.

A run asks in the order of its event queue. Who answers may have known for long, may ask other processes or may have
written the answer down in an earlier life of the run: the run cannot tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from idml.adapters.keys import draw_bytes
from idml.simulation.model import Model

_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class ContributeTask:
    """What a neighbor works out for a learner. Answer: the model, and how many images were trained.

    Args:
        learner, neighbor: device numbers.
        encounter: how many the learner had before.
        received: the learner's model.
        own: the neighbor's, where the algorithm reads it; else the learner's.
    """

    learner: int
    encounter: int
    neighbor: int
    received: Model
    own: Model


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """What an honest evaluation by a validator says. Answer: 1 for yes, 0 for no.

    Args:
        learner, validator: device numbers.
        encounter: how many the learner had before.
        before: the learner's model.
        result: what the neighbor contributed.
    """

    learner: int
    encounter: int
    validator: int
    before: Model
    result: Model


@dataclass(frozen=True, slots=True)
class MergeTask:
    """What a learner makes of an accepted contribution. Answer: the model."""

    current: Model
    result: Model


@dataclass(frozen=True, slots=True)
class ScreenTask:
    """Whether a learner's own defence takes a contribution. Answer: 1 for yes, 0 for no.

    Args:
        before: the learner's model at the beginning of the encounter.
        result: what the neighbor contributed.
        recent: models before and after its recent encounters, one after another.
    """

    before: Model
    result: Model
    recent: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class TrainOwnTask:
    """A learner's own epochs after an encounter. Answer: the model, and how many images were trained.

    Args:
        learner: device number.
        encounter: how many it had before.
        model: its own.
    """

    learner: int
    encounter: int
    model: Model


@dataclass(frozen=True, slots=True)
class ScoreTask:
    """How good a model is on the test set. Answer: images classified correctly.

    Args:
        model: the one to score.
        part: of the test set, from the start of which on.
        count: on so many images.
    """

    model: Model
    part: int
    count: int


@dataclass(frozen=True, slots=True)
class DeceiveTask:
    """How often an attack takes a model in on the test set. Answer: images taken for what it wants, and images tried.

    Args:
        model: the one to try.
        kind: of the adversary.
        part: of the test set, from the start of which on.
        count: so many images, those included on which the attack would change nothing.
    """

    model: Model
    kind: str
    part: int
    count: int


@dataclass(frozen=True, slots=True)
class TrainAloneTask:
    """What a device reaches that never meets anyone. Answer: images classified correctly after 0, 1, ... epochs.

    Args:
        device: whose data to use.
        start: the initial model.
        epochs: how many.
        part: of the test set, from the start of which on.
        count: images of a score on the way.
        final: images of the last.
    """

    device: int
    start: Model
    epochs: int
    part: int
    count: int
    final: int


Task = ContributeTask | JudgeTask | MergeTask | ScreenTask | TrainOwnTask | ScoreTask | DeceiveTask | TrainAloneTask


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task comes to.

    Args:
        values: whole numbers.
        model: if it makes one.
    """

    values: tuple[int, ...] = ()
    model: Model | None = None

    @property
    def made(self) -> Model:
        """The model of a task that makes one."""
        assert self.model is not None
        return self.model


def task_key(task: Task) -> bytes:
    """Name a task by all that its answer depends on within a run, 16 bytes."""
    values = (getattr(task, field.name) for field in fields(task))
    parts = (part for value in values for part in (value if isinstance(value, tuple) else (value,)))
    named = (part.digest.hex() if isinstance(part, Model) else part for part in parts)
    return draw_bytes(type(task).__name__.removesuffix("Task"), *named)[:_KEY_BYTES]


class TaskService(Protocol):
    """Answers tasks."""

    def begin(self, contact: int) -> None:
        """Take that the run has come to this contact: what was foreseen for earlier ones is of no more use."""

    def ask(self, task: Task) -> Answer:
        """Answer a task.

        Raises:
            Whatever the work itself raises, such as an adapter of the user's.
        """

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """Answer tasks that do not depend on each other, in their order."""

    def close(self) -> None:
        """Release processes and memory. Closing twice does no harm."""
