"""Tells the author of a network what is wrong with it before a run does."""

import os
import pickle
import warnings
from collections.abc import Callable
from itertools import accumulate, pairwise
from math import prod
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from idml.checks import is_number
from idml.extras import hint
from idml.learning.architectures import Architecture
from idml.learning.arrays import FloatImages, FloatVector
from idml.learning.backends import make_engine, why_not_native, why_not_torch
from idml.learning.engine import Engine, prepare
from idml.learning.errors import LearningError
from idml.learning.networks import Blueprint, FunctionNetwork, Network, adopt_function, draw_blueprint
from idml.learning.pass_record import PassRecord
from idml.registry import PluginError

_IMAGES: Final = 31
"""The last batch of an epoch is smaller than others."""
_EPOCHS: Final = 3
"""Layers behind one that starts from zeros learn nothing in the first step."""
_NAMED: Final = 3

Answer = TypeVar("Answer")


def check_model(
    network: Network | Callable[[tuple[int, int, int], int], object],
    *,
    image_shape: tuple[int, int, int] = (1, 8, 8),
    classes: int = 10,
    width: int = 16,
    dropout: float | None = None,
    learning_rate: float = 0.01,
    devices: int = 1,
    images: FloatImages | None = None,
    vocabulary: int = 0,
) -> None:
    """Build a network, train and evaluate it on random images, and check all that iDML relies on.

    Args:
        network: the one to check, or a function that builds it: see `FunctionNetwork`.
        image_shape, classes, width, dropout: see `Network.build`; by default the network's own dropout.
        learning_rate: of a few steps of training, after which all must be finite.
        devices: how many of a run's devices hold a model, for the memory that this takes.
        images: what to train on, float32 (N, *image_shape) with N at least 3; by default random pixels.
        vocabulary: number of different tokens, if it takes sequences of tokens.

    Raises:
        PluginError: at the first thing that would break a run.
        LearningError: the network says that there is none for these numbers, or it cannot be exchanged.

    Warns:
        UserWarning: for what runs but is probably not meant.
    """
    adopted = network if isinstance(network, Network) else adopt_function(network)
    if not isinstance(adopted, Network):
        raise PluginError(f"{type(network).__name__} is no Network: subclass idml.Network")
    network = adopted
    usual = network.default_dropout
    if not is_number(usual) or not 0 <= usual < 1:
        raise PluginError(f"default_dropout is {usual!r}: set a number of at least 0 and below 1")
    given = usual if dropout is None else dropout
    call = f"{getattr(network.function, '__name__', 'it')}()" if isinstance(network, FunctionNetwork) else "build()"
    blueprint = _build(call, network, image_shape, classes, width, given, vocabulary)
    engine = _try(call, lambda: make_engine("torch" if why_not_native(blueprint) else "native", blueprint))
    start = _try(call, lambda: engine.initial(1))
    if start.tobytes() != engine.initial(1).tobytes():
        raise PluginError(f"{call} gave two networks for one seed: draw first weights from torch's generator alone")
    if not np.isfinite(start).all():
        raise PluginError(f"{call} gave values that are not finite in {_parameters(engine, ~np.isfinite(start))}")
    if images is None:
        generator, shape = np.random.default_rng(0), (_IMAGES, *image_shape)
        if vocabulary:
            images = generator.integers(0, vocabulary, shape).astype(np.float32)
        else:
            images = prepare(generator.integers(0, 256, shape, dtype=np.uint8))
    checked = _Checked(blueprint, engine, start, images, classes)
    checked.passes()
    if not isinstance(blueprint, Architecture):
        checked.state()
        _warn_unless_sendable(call, blueprint)
    checked.training()
    checked.steps(learning_rate)
    _warn_of_memory(engine.size, devices)


class _Checked:
    """A network under check, from its first weights.

    Args:
        blueprint: of the network.
        engine: that computes it.
        start: its first weights.
        images: to train and evaluate on.
        classes: number of outputs.
    """

    def __init__(
        self, blueprint: Blueprint, engine: Engine, start: FloatVector, images: FloatImages, classes: int
    ) -> None:
        self._blueprint = blueprint
        self._engine = engine
        self._start = start
        self._images = images
        self._labels = np.random.default_rng(1).integers(0, classes, len(images))
        self._classes = classes

    def passes(self) -> None:
        """What it makes of images: of the right kind, the same twice, and of each image alone."""
        images, count = self._images, len(self._images)
        (logits,) = _try("the network", lambda: self._engine.logits([self._start], images), self._failed_layer)
        last = self._pass(images).last
        if logits.dtype != np.float32 or logits.shape != (count, self._classes):
            raise PluginError(
                f"the network maps {count} images to {logits.dtype} of shape {logits.shape}: "
                f"return float32 of shape ({count}, {self._classes})" + (f"; the last is {last}" if last else "")
            )
        if not np.isfinite(logits).all():
            where = _in(self._pass(images).not_finite_in)
            raise PluginError(f"the network returns logits that are not finite{where}: scale its first weights")
        if logits.tobytes() != self._engine.logits([self._start], images)[0].tobytes():
            where = _in(self._pass(images).differs_in(self._pass(images)))
            raise PluginError(
                f"the network gave two results for equal images{where}: draw nothing outside training, keep nothing"
            )
        (alone,) = _try("the network", lambda: self._engine.logits([self._start], images[:1]), self._failed_layer)
        if alone.shape != (1, self._classes):
            raise PluginError(
                f"the network maps 1 image to shape {alone.shape}: return (1, {self._classes}), and use no squeeze()"
            )
        others = np.concatenate([images[:1], np.repeat(images[1:2], count - 1, axis=0)])
        (among_others,) = self._engine.logits([self._start], others)
        if not np.allclose(logits[0], among_others[0], rtol=1e-3, atol=1e-4):
            where = _in(self._pass(images).differs_in(self._pass(others), first_row=True))
            raise PluginError(
                f"the logits of one image depend on the others of its batch{where}: treat each image by itself, "
                "with GroupNorm in place of batch normalization"
            )
        rows = logits.sum(axis=1)
        if (logits >= 0).all() and np.allclose(rows, 1, atol=1e-3):
            warnings.warn(
                f"the network returns probabilities ({last or 'a softmax'}): leave the softmax out, as training expects"
                " logits and takes their softmax itself; a log_softmax does no harm",
                stacklevel=3,
            )

    def training(self) -> None:
        """Some epochs: the same twice, and without a parameter that stays as it is."""
        trained = _try("training", self._train)
        if trained.tobytes() != self._train().tobytes():
            one, two = self._pass(self._images, training=True), self._pass(self._images, training=True)
            raise PluginError(
                f"training gave two results for equal arguments{_in(one.differs_in(two))}: draw from torch's generator "
                "alone, and keep nothing from pass to pass"
            )
        still = self._start == trained
        idle = [name for name, part in _parts(self._engine) if still[part].all()]
        if idle:
            mask = np.zeros(len(still), bool)
            for name, part in _parts(self._engine):
                mask[part] = name in idle
            raise PluginError(
                f"training leaves {_parameters(self._engine, mask)} as "
                f"{'they are' if len(idle) > 1 else 'it is'}: have the logits depend on it, or leave it out"
            )

    def steps(self, learning_rate: float) -> None:
        """Some steps at the learning rate of a run leave all finite."""
        stepped = self._engine.train_epoch(
            self._start, self._images, self._labels, learning_rate=learning_rate, batch=8, seed=0
        )
        broken = ~np.isfinite(stepped)
        where = _parameters(self._engine, broken) if broken.any() else "the logits"
        if broken.any() or not np.isfinite(self._engine.logits([stepped], self._images)[0]).all():
            raise PluginError(
                f"a few steps at learning_rate {learning_rate:g} give values that are not finite in {where}: "
                "lower learning_rate, or scale the first weights"
            )

    def state(self) -> None:
        """A module of PyTorch holds nothing that learns or counts beside its parameters."""
        from idml.learning.diagnosis import build_from, changing_attribute, changing_buffers

        assert not isinstance(self._blueprint, Architecture)
        if buffer := changing_buffers(self._blueprint, self._images):
            raise PluginError(
                f"the buffer {buffer} is no constant, and devices would never exchange it: make it a parameter, "
                "or fill it with the same numbers in every module"
            )
        if attribute := changing_attribute(build_from(self._blueprint, 1), self._images):
            raise PluginError(
                f"the attribute {attribute} changes with every pass: answer by the images and parameters alone"
            )

    def _train(self) -> FloatVector:
        vector = self._start
        for epoch in range(_EPOCHS):
            vector = self._engine.train_epoch(
                vector, self._images, self._labels, learning_rate=0.01, batch=6, seed=epoch
            )
        return vector

    def _pass(self, images: FloatImages, *, training: bool = False) -> PassRecord:
        """A pass through a new module, layer by layer; of a described network there is nothing to look into."""
        if isinstance(self._blueprint, Architecture):
            return PassRecord()
        from idml.learning.diagnosis import build_from, run_once

        return run_once(build_from(self._blueprint, 1), images, training=training)

    def _failed_layer(self) -> str:
        return self._pass(self._images).last


def _build(
    call: str,
    network: Network,
    image_shape: tuple[int, int, int],
    classes: int,
    width: int,
    dropout: float,
    vocabulary: int,
) -> Blueprint:
    def draw() -> Blueprint:
        return draw_blueprint(
            network, image_shape=image_shape, classes=classes, width=width, dropout=dropout, vocabulary=vocabulary
        )

    blueprint = _try(call, draw)
    if isinstance(blueprint, Architecture):
        if (blueprint.image_shape, blueprint.classes) != (image_shape, classes):
            raise PluginError(
                f"{call} described a network of {blueprint.classes} classes for images {blueprint.image_shape}: "
                f"it was asked for {classes} and {image_shape}"
            )
        return blueprint
    if (problem := why_not_torch()) is not None:
        raise LearningError(f"{call} describes no Architecture, and {problem}")
    from torch import nn

    built = _try(call, blueprint)
    if not isinstance(built, nn.Module):
        raise PluginError(f"{call} returned {type(built).__name__}: return an Architecture or a torch.nn.Module")
    again = _try(call, blueprint)
    shared = {parameter.data_ptr() for parameter in built.parameters()}
    if again is built or any(parameter.data_ptr() in shared for parameter in again.parameters()):
        raise PluginError(f"{call} returned one network twice: make a new one in each call")
    return blueprint


def _parts(engine: Engine) -> list[tuple[str, slice]]:
    """Each parameter's name, and its place in a vector."""
    ends = accumulate((prod(shape) for _, shape in engine.layout), initial=0)
    return [(name, slice(*ends)) for (name, _), ends in zip(engine.layout, pairwise(ends), strict=True)]


def _parameters(engine: Engine, chosen: npt.NDArray[np.bool_]) -> str:
    """The names of the parameters of which a value is chosen, the first few."""
    names = [repr(name) for name, part in _parts(engine) if chosen[part].any()]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _warn_unless_sendable(call: str, blueprint: Blueprint) -> None:
    try:
        pickle.dumps(blueprint)
    except Exception as error:
        warnings.warn(
            f"other processes cannot have {call}: keep workers at 1, or write it with def at the top of a file "
            f"({' '.join(str(error).split())})",
            stacklevel=3,
        )


def _warn_of_memory(size: int, devices: int) -> None:
    """Each device holds a model, and an encounter that is open holds another."""
    needed = 2 * devices * size * 4
    try:
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return
    if needed > there:
        warnings.warn(
            f"the network has {size:,} parameters: {devices} devices hold some {needed / 2**30:,.0f} GiB of models, "
            f"and this machine has {there / 2**30:,.0f} GiB; take a smaller network or fewer devices",
            stacklevel=3,
        )


def _in(layer: str) -> str:
    return f", in {layer}" if layer else ""


def _try(what: str, call: Callable[[], Answer], where: Callable[[], str] = lambda: "") -> Answer:
    try:
        return call()
    except LearningError as error:
        raise type(error)(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} raised {' '.join(repr(error).split())[:400]}{_in(where())}{hint(error)}") from error
