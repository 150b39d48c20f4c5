"""The networks that devices train: their base class, and those that ship."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, ClassVar, cast

from idml.learning.architectures import Architecture, Convolution
from idml.learning.data.source import KINDS, Kind
from idml.learning.errors import LearningError
from idml.learning.registry import MODELS

if TYPE_CHECKING:  # it takes a second to load
    from torch import nn

Blueprint = Architecture | Callable[[], "nn.Module"]
"""What an engine is made of: a description, or a function that builds a new module of PyTorch and can be pickled."""


class Network(ABC):
    """A kind of network. Subclass it and write `build`.

    Attributes:
        default_dropout: the `dropout` that `build` gets unless a configuration has another.
        kinds: of data that it takes, see `DataSource.kind`.
    """

    default_dropout: float = 0.0
    kinds: tuple[Kind, ...] = KINDS

    @abstractmethod
    def build(
        self, *, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float
    ) -> "Architecture | nn.Module":
        """Describe a network, or build a new one as a module of PyTorch.

        An `Architecture` is computed by the native engine where it can, which is several times faster. A module is
        trained by PyTorch. It maps float32 (N, *image_shape) to logits, float32 (N, classes). All that it learns must
        be parameters, and all parameters must learn: a buffer may be a constant and nothing else, so there is no batch
        normalization. It draws its first weights from torch's global generator, which is seeded before each call, and
        from nothing else.

        A network for tokens has one more parameter, `vocabulary: int = 0`. It gets the number of different tokens.

        Args:
            image_shape: channels, height and width.
            classes: number of outputs, at least 2.
            width: how wide the network is, at least 1; what that means is up to it.
            dropout: probability in [0, 1) of dropping a value in training.

        Raises:
            LearningError: there is no such network.
        """


class FunctionNetwork(Network):
    """A network that a plain function builds.

    Args:
        function: takes the shape of an image (channels, height, width) and the number of classes, and returns what
            `Network.build` does; also a class of modules that is made with these two.
    """

    def __init__(self, function: "Callable[[tuple[int, int, int], int], Architecture | nn.Module]") -> None:
        self.function = function

    def build(
        self, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
    ) -> "Architecture | nn.Module":
        """Call the function. It knows no width and no dropout of the configuration's."""
        del width, dropout
        return self.function(image_shape, classes)


def adopt_function(found: object) -> object:
    """A network of a function, or of a class of modules; anything else as it is."""
    torch = sys.modules.get("torch")
    is_module = torch is not None and isinstance(found, type) and issubclass(found, torch.nn.Module)
    return FunctionNetwork(found) if callable(found) and (is_module or not isinstance(found, type)) else found


class Stack(Network):
    """Stages of convolutions, each of which ends in a pool that halves height and width, and a dense layer.

    Class attributes:
        stages: convolutions and channels of each stage, the latter as multiples of the width.
    """

    kinds: tuple[Kind, ...] = ("images", "signals")
    stages: ClassVar[tuple[tuple[int, int], ...]]

    def build(
        self, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
    ) -> Architecture:
        """Describe the network.

        Args:
            image_shape: at least 8x8 pixels for three stages, as three pools leave an eighth of each side; signals are
                one row high and at least 8 samples long.
            classes: at least 2.
            width: channels of the first stage.
            dropout: after each pool.

        Raises:
            LearningError: a value is out of its range.
        """
        channels, height, side = image_shape
        least = 2 ** len(self.stages)
        if channels < 1 or side < least or (height < least and height != 1):
            raise LearningError(
                f"image shape {image_shape} is too small: "
                f"this model needs at least {least}x{least} pixels, or 1x{least} samples"
            )
        if classes < 2:
            raise LearningError(f"classes is {classes}: a classifier needs at least 2")
        if width < 1:
            raise LearningError(f"width is {width}: it must be at least 1")
        if not 0 <= dropout < 1:
            raise LearningError(f"dropout is {dropout}: it must lie in [0, 1)")
        convolutions = tuple(
            Convolution(factor * width, pooled=number == count)
            for count, factor in self.stages
            for number in range(1, count + 1)
        )
        return Architecture(image_shape, classes, convolutions, dropout, one_dimensional=height == 1)


class Linear(Stack):
    """The dense layer alone, for runs that are about anything but learning."""

    kinds = ("images", "signals", "rows")
    stages = ()


class Small(Stack):
    """Three convolutions of width, width and 2 width channels, a pool after each."""

    stages = ((1, 1), (1, 1), (1, 2))


class Cnn6(Stack):
    """Six convolutions, two a stage, of width, 2 width and 4 width channels."""

    default_dropout = 0.25
    stages = ((2, 1), (2, 2), (2, 4))


class Cnn10(Stack):
    """Ten convolutions, 3, 3 and 4 a stage, of width, 2 width and 4 width channels."""

    default_dropout = 0.25
    stages = ((3, 1), (3, 2), (4, 4))


class Cnn14(Stack):
    """Fourteen convolutions, 4, 5 and 5 a stage, of width, 2 width and 4 width channels."""

    default_dropout = 0.25
    stages = ((4, 1), (5, 2), (5, 4))


def draw_blueprint(
    network: Network,
    *,
    image_shape: tuple[int, int, int],
    classes: int,
    width: int,
    dropout: float,
    vocabulary: int = 0,
) -> Blueprint:
    """What an engine for a network is made of; see `Network.build` for the arguments and what it raises."""
    build = partial(network.build, image_shape=image_shape, classes=classes, width=width, dropout=dropout)
    if "vocabulary" in signature(network.build).parameters:
        build = partial(build, vocabulary=vocabulary)
    built = build()
    return built if isinstance(built, Architecture) else cast("Callable[[], nn.Module]", build)


def find_architecture(
    name: str, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
) -> Architecture:
    """Describe one of the networks that ship: see `Stack.build` for the arguments.

    Raises:
        PluginError: there is no network of this name.
        LearningError: it is no stack of convolutions, or a value is out of its range.
    """
    network = MODELS.find(name)
    if not isinstance(network, Stack):
        raise LearningError(f"model {name!r} is no stack of convolutions")
    return network.build(image_shape=image_shape, classes=classes, width=width, dropout=dropout)
