"""Tells the author of an adversary what is wrong with it before a run does."""

import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt

from idml.adapters.means import EncounterKey, LocalData, Means, Settings
from idml.adapters.oppcl import OppCL
from idml.checks import brief, call, is_number, keeps_nothing, require_name
from idml.learning.arrays import FloatImages, Labels
from idml.learning.backends import make_engine, why_not_native
from idml.learning.data.digits import Digits
from idml.learning.data.poisons import Poison
from idml.learning.data.source import DataSource
from idml.learning.judging.rules import Paper
from idml.learning.networks import Linear
from idml.protocol.messages import Report
from idml.protocol.roles import (
    Action,
    Adopt,
    Contribute,
    Finalize,
    Judge,
    Message,
    ModelSent,
    Part,
    ResultSent,
    Send,
    Submit,
)
from idml.registry import PluginError
from idml.simulation.adversaries.base import Ballot, Participant
from idml.simulation.adversaries.registry import ADVERSARIES

_IMAGES: Final = 40
_VOTES: Final = 3
_PARTS: Final[tuple[Part, ...]] = get_args(Part)
_RECEIVED: Final = b"m" * 32
_RESULT: Final = b"r" * 32


def check_adversary(adversary: Participant, *, source: DataSource | None = None) -> None:
    """Ask an adversary for all that it may do in a small encounter, and check its answers.

    Args:
        adversary: the one to check.
        source: whose images it poisons, if it does, here drawn at random; by default digits.

    Raises:
        PluginError: at the first thing that would break a run.

    Warns:
        UserWarning: the adversary does nothing that an honest participant would not do.
    """
    if not isinstance(adversary, Participant):
        raise PluginError(f"{type(adversary).__name__} is no Participant: subclass idml.Participant")
    with keeps_nothing(adversary):
        _check_kind(adversary)
        if adversary.poison is not None:
            _check_poison(adversary.poison, source or Digits())
        _check_work(adversary)
        _check_votes(adversary)
        _check_conduct(adversary)
    if adversary.poison is None and not any(_overrides(adversary, deed) for deed in _deeds()):
        warnings.warn(f"{type(adversary).__name__} overrides nothing: it is honest", stacklevel=2)


def _check_kind(adversary: Participant) -> None:
    kind = adversary.kind
    require_name("kind", kind)
    if kind == Participant.kind:
        raise PluginError(f"kind is {kind!r}: that is what honest devices are, set another class attribute kind")
    if kind in ADVERSARIES.built_in and not ADVERSARIES.ships(adversary):
        raise PluginError(f"kind is {kind!r}: there is such an adversary, choose another kind")


def _check_poison(poison: Poison, source: DataSource) -> None:
    share = getattr(poison, "share", None)
    if not is_number(share) or not 0 < share <= 1:  # type: ignore[operator]
        raise PluginError(f"poison has share {share!r}: set a number above 0, at most 1")
    images, labels = _draw(source)

    def apply() -> tuple[FloatImages, Labels]:
        given: list[npt.NDArray[Any]] = [images, labels]
        answer = call(poison, "apply", images, labels, source, given=given)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise PluginError(f"poison.apply() returned {type(answer).__name__}: return images and labels")
        for what, found, array in zip(("images", "labels"), answer, given, strict=True):
            if not isinstance(found, np.ndarray) or (found.dtype, found.shape) != (array.dtype, array.shape):
                raise PluginError(f"poison.apply() returned other {what}: return {array.dtype} of {array.shape}")
        shown, wanted = answer
        if not 0 <= wanted.min() <= wanted.max() < source.classes:
            raise PluginError(f"poison.apply() returned labels in {wanted.min()}..{wanted.max()}: classes end before")
        return shown, wanted

    first, again = ([array.tobytes() for array in apply()] for _ in range(2))
    if first != again:
        raise PluginError("poison.apply() gave two results for equal arguments: it must be deterministic")


def _check_work(adversary: Participant) -> None:
    means = _means()
    engine = means.settings.engine
    received, own = engine.initial(1), engine.initial(2)

    def contribute() -> bytes:
        assignment = means.assignment(EncounterKey(1, b"l" * 20, 0), received, own, votes=_VOTES, goal=None)
        result = call(adversary, "contribute", assignment, given=[received, own])
        if not isinstance(result, np.ndarray):
            raise PluginError(f"contribute() returned {type(result).__name__}: return a numpy array")
        if (result.dtype, result.shape) != (received.dtype, received.shape):
            raise PluginError(
                f"contribute() returned {result.dtype} of shape {result.shape}: return float32 of {received.shape}"
            )
        return result.tobytes()

    if contribute() != contribute():
        raise PluginError(
            "contribute() gave two results for equal assignments: draw only from assignment.training.generator(purpose)"
        )


def _check_votes(adversary: Participant) -> None:
    honest = Participant()
    for learner, neighbor in ((honest, honest), (adversary, honest), (honest, adversary)):
        for cast in ((), (True,), (False, True), (False, False)):
            ballot = Ballot(learner, neighbor, cast)
            _answer(adversary, "blind_vote", ballot, valid=_is_vote_or_none, wanted="True, False or None")
    for seen in (True, False):
        _answer(adversary, "verdict", seen, valid=lambda vote: isinstance(vote, bool), wanted="True or False")


def _check_conduct(adversary: Participant) -> None:
    """What it does with the actions of its roles, with messages, and with its own name."""
    report = Report(b"e" * 32, b"n" * 20, _RESULT, b"s" * 32)
    actions = (Contribute(_RECEIVED), Judge(_RECEIVED, _RESULT), Adopt(_RESULT), Submit(Finalize()))
    sent: tuple[Message, ...] = (ModelSent(_RECEIVED), ResultSent(_RESULT, report, b"signed"))
    for part, action in itertools.product(_PARTS, (*actions, *(Send(b"a" * 20, message) for message in sent))):
        _answer(adversary, "act", action, part, valid=_is_action_or_none, wanted="an action or None")
    for part, message in itertools.product(_PARTS, sent):
        _answer(adversary, "hear", message, part, valid=_are_actions, wanted="a list of actions")
    choices = (_RECEIVED, _RESULT, None)
    _answer(
        adversary, "hand_over", _RECEIVED, _RESULT, valid=lambda handed: handed in choices, wanted="one of both or None"
    )
    for part in _PARTS:
        _answer(adversary, "asks_first", part, valid=_is_text_or_none, wanted="a kind or None")
    _answer(adversary, "comes_back", valid=lambda back: isinstance(back, bool), wanted="True or False")


def _answer(adversary: Participant, method: str, *arguments: Any, valid: Callable[[Any], bool], wanted: str) -> None:
    """Ask twice, and check the answer."""
    first, again = (call(adversary, method, *arguments) for _ in range(2))
    if not valid(first):
        raise PluginError(f"{method}() returned {brief(first)}: return {wanted}")
    if first != again:
        raise PluginError(f"{method}() gave two answers for equal arguments: it must be deterministic")


def _is_vote_or_none(answer: object) -> bool:
    return answer is None or isinstance(answer, bool)


def _is_text_or_none(answer: object) -> bool:
    return answer is None or isinstance(answer, str)


def _is_action_or_none(answer: object) -> bool:
    return answer is None or isinstance(answer, Action)


def _are_actions(answer: object) -> bool:
    return isinstance(answer, Sequence) and all(isinstance(action, Action) for action in answer)


def _deeds() -> list[str]:
    """All that a participant is asked for."""
    return [name for name in dir(Participant) if not name.startswith("_") and callable(getattr(Participant, name))]


def _overrides(adversary: Participant, deed: str) -> bool:
    return getattr(type(adversary), deed) is not getattr(Participant, deed)


def _draw(source: DataSource) -> tuple[FloatImages, Labels]:
    """Random images of a data set, prepared, and random labels."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((_IMAGES, *source.image_shape), dtype=np.float32)
    return images, generator.integers(0, source.classes, _IMAGES)


def _means() -> Means:
    """A device that holds random images."""
    source = Digits()
    network = Linear().build(image_shape=source.image_shape, classes=source.classes)
    engine = make_engine("torch" if why_not_native(network) else "native", network)
    images, labels = _draw(source)
    settings = Settings(
        seed=1,
        engine=engine,
        adapter=OppCL(),
        rule=Paper(),
        learning_rate=0.05,
        learning_rate_decay=0.0,
        batch=8,
        local_epochs=0,
        validation_images=_IMAGES,
        tolerance_bps=500,
        source=source,
    )
    return Means(settings, LocalData(images, np.arange(_IMAGES), labels), b"n" * 20)
