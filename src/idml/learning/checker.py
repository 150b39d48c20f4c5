"""Tells the author of a network what is wrong with it before a run does."""

from collections.abc import Callable
from itertools import accumulate, pairwise
from math import prod
from typing import Final, TypeVar

import numpy as np

from idml.checks import is_number
from idml.extras import hint
from idml.learning.architectures import Architecture
from idml.learning.arrays import FloatVector
from idml.learning.backends import make_engine, why_not_native, why_not_torch
from idml.learning.engine import Engine, prepare
from idml.learning.errors import LearningError
from idml.learning.networks import Blueprint, Network, draw_blueprint
from idml.registry import PluginError

_IMAGES: Final = 32
_EPOCHS: Final = 3
"""Layers behind one that starts from zeros learn nothing in the first step."""

Answer = TypeVar("Answer")


def check_model(
    network: Network,
    *,
    image_shape: tuple[int, int, int] = (1, 8, 8),
    classes: int = 10,
    width: int = 16,
    dropout: float | None = None,
) -> None:
    """Build a network, train and evaluate it on random images, and check all that iDML relies on.

    Args:
        network: the one to check.
        image_shape, classes, width, dropout: see `Network.build`; by default the network's own dropout.

    Raises:
        PluginError: at the first thing that would break a run.
        LearningError: the network says that there is none for these numbers.
    """
    if not isinstance(network, Network):
        raise PluginError(f"{type(network).__name__} is no Network: subclass idml.Network")
    usual = network.default_dropout
    if not is_number(usual) or not 0 <= usual < 1:
        raise PluginError(f"default_dropout is {usual!r}: set a number of at least 0 and below 1")
    blueprint = _build(network, image_shape, classes, width, usual if dropout is None else dropout)
    engine = _try("build()", lambda: make_engine("torch" if why_not_native(blueprint) else "native", blueprint))
    start = _try("build()", lambda: engine.initial(1))
    if start.tobytes() != engine.initial(1).tobytes():
        raise PluginError("build() gave two networks for one seed: draw first weights from torch's generator alone")
    if not np.isfinite(start).all():
        raise PluginError("build() gave values that are not finite")
    generator = np.random.default_rng(0)
    images = prepare(generator.integers(0, 256, (_IMAGES, *image_shape), dtype=np.uint8))
    labels = generator.integers(0, classes, _IMAGES)
    (logits,) = _try("the network", lambda: engine.logits([start], images))
    if logits.dtype != np.float32 or logits.shape != (_IMAGES, classes):
        raise PluginError(
            f"the network maps {_IMAGES} images to {logits.dtype} of shape {logits.shape}: "
            f"return float32 of shape ({_IMAGES}, {classes})"
        )
    if not np.isfinite(logits).all():
        raise PluginError("the network returns logits that are not finite")
    if logits.tobytes() != engine.logits([start], images)[0].tobytes():
        raise PluginError("the network gave two results for equal images: draw nothing outside training")

    def train() -> FloatVector:
        vector = start
        for epoch in range(_EPOCHS):
            vector = engine.train_epoch(vector, images, labels, learning_rate=0.01, batch=8, seed=epoch)
        return vector

    trained = _try("training", train)
    if trained.tobytes() != train().tobytes():
        raise PluginError("training gave two results for equal arguments: draw from torch's generator alone")
    _check_gradient(engine, start, trained)


def _build(network: Network, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float) -> Blueprint:
    def draw() -> Blueprint:
        return draw_blueprint(network, image_shape=image_shape, classes=classes, width=width, dropout=dropout)

    blueprint = _try("build()", draw)
    if isinstance(blueprint, Architecture):
        if (blueprint.image_shape, blueprint.classes) != (image_shape, classes):
            raise PluginError(
                f"build() described a network of {blueprint.classes} classes for images {blueprint.image_shape}: "
                f"it was asked for {classes} and {image_shape}"
            )
        return blueprint
    if (problem := why_not_torch()) is not None:
        raise LearningError(f"build() describes no Architecture, and {problem}")
    from torch import nn

    built = blueprint()
    if not isinstance(built, nn.Module):
        raise PluginError(f"build() returned {type(built).__name__}: return an Architecture or a torch.nn.Module")
    again = blueprint()
    shared = {parameter.data_ptr() for parameter in built.parameters()}
    if again is built or any(parameter.data_ptr() in shared for parameter in again.parameters()):
        raise PluginError("build() returned one network twice: make a new one in each call")
    return blueprint


def _check_gradient(engine: Engine, start: FloatVector, trained: FloatVector) -> None:
    ends = accumulate((prod(shape) for _, shape in engine.layout), initial=0)
    for (name, _), (begin, end) in zip(engine.layout, pairwise(ends), strict=True):
        if np.array_equal(start[begin:end], trained[begin:end]):
            raise PluginError(f"training leaves {name!r} as it is: have the logits depend on it, or leave it out")


def _try(what: str, call: Callable[[], Answer]) -> Answer:
    try:
        return call()
    except LearningError as error:
        raise type(error)(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} raised {error!r}{hint(error)}") from error
