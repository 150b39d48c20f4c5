"""The heavy work of a run, as tasks. A task is a pure question: equal tasks have equal answers.

A run asks its tasks in the order of its event queue. It cannot tell who answers, or when the answer was worked out. It
may come from this process, from another one, or from what the run wrote down before it was stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from idml.adapters.keys import draw_bytes
from idml.simulation.model import Model

_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class ContributeTask:
    """The work of a neighbor for a learner. The answer is a model, and how many images were trained for it.

    Args:
        learner, neighbor: device numbers.
        encounter: the learner's encounters before this one.
        received: the learner's model.
        own: the neighbor's model, if the algorithm reads it; otherwise the learner's once more.
    """

    learner: int
    encounter: int
    neighbor: int
    received: Model
    own: Model


@dataclass(frozen=True, slots=True)
class JudgeTask:
    """An honest evaluation by a validator. The answer is 1 for yes or 0 for no, and the numbers of its `Finding`.

    Args:
        learner, validator: device numbers.
        encounter: the learner's encounters before this one.
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
    """The merge of an accepted contribution into a learner's model. The answer is the merged model."""

    current: Model
    result: Model


@dataclass(frozen=True, slots=True)
class ScreenTask:
    """The question whether a learner's own defence lets a contribution pass. The answer is 1 for yes and 0 for no.

    Args:
        before: the learner's model at the beginning of the encounter.
        result: what the neighbor contributed.
        recent: the learner's models before and after each of its recent encounters, oldest first.
    """

    before: Model
    result: Model
    recent: tuple[Model, ...]


@dataclass(frozen=True, slots=True)
class TrainOwnTask:
    """A learner's training on its own data after an encounter. The answer is a model, and how many images were trained.

    Args:
        learner: device number.
        encounter: its encounters before this one.
        model: what it trains.
    """

    learner: int
    encounter: int
    model: Model


@dataclass(frozen=True, slots=True)
class ScoreTask:
    """A test of a model. The answer is how many images it classifies correctly.

    Args:
        model: the one to score.
        part: which device's part of the test set to begin at.
        count: number of images, counted from there.
    """

    model: Model
    part: int
    count: int


@dataclass(frozen=True, slots=True)
class DeceiveTask:
    """A test of how often an attack succeeds on a model.

    The answer is how many images the model takes for what the attack wants, and how many were tried.

    Args:
        model: the one to try.
        kind: the kind of adversary whose attack it is.
        part: which device's part of the test set to begin at.
        count: number of images, counted from there. Those on which the attack would change nothing are left out then.
    """

    model: Model
    kind: str
    part: int
    count: int


@dataclass(frozen=True, slots=True)
class TrainAloneTask:
    """The training of a device that never meets anyone. The answer is its correct test images after 0, 1, ... epochs.

    Args:
        device: whose data to use.
        start: the initial model.
        epochs: how many.
        part: which device's part of the test set to begin at.
        count: test images after each epoch but the last.
        final: test images after the last epoch.
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
    """The answer to a task.

    Args:
        values: whole numbers; each task says which.
        model: the model that the task makes; None if it makes none.
    """

    values: tuple[int, ...] = ()
    model: Model | None = None

    @property
    def made(self) -> Model:
        """The model, for a task that makes one."""
        assert self.model is not None
        return self.model


def task_key(task: Task) -> bytes:
    """Return the name of a task, 16 bytes: a hash of all that its answer depends on within a run."""
    values = (getattr(task, field.name) for field in fields(task))
    parts = (part for value in values for part in (value if isinstance(value, tuple) else (value,)))
    named = (part.digest.hex() if isinstance(part, Model) else part for part in parts)
    return draw_bytes(type(task).__name__.removesuffix("Task"), *named)[:_KEY_BYTES]


class TaskService(Protocol):
    """Answers tasks."""

    def begin(self, contact: int) -> None:
        """Note that the run has come to this contact. What was prepared for earlier ones is no longer needed."""

    def ask(self, task: Task) -> Answer:
        """Answer a task.

        Raises:
            Whatever the work itself raises, such as an adapter of the user's.
        """

    def ask_all(self, tasks: Sequence[Task]) -> list[Answer]:
        """Answer tasks that do not depend on each other, in their order."""

    def close(self) -> None:
        """Release processes and memory. Closing twice does no harm."""
