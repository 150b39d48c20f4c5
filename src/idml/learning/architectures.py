"""The networks that devices train, described: PyTorch builds modules from it, the native engine computes it.

All but the linear one are plain stacks of 3x3 convolutions with 2x2 max pooling, without batch normalization: its
running statistics are state beside the parameters, and what devices exchange is a parameter vector. Where images are
signals, which are one row high, the same stacks are one-dimensional: convolutions of 3 samples, pools of 2.
"""

from dataclasses import dataclass
from typing import Final

from idml.learning.engine import Layout
from idml.learning.errors import LearningError

Stages = tuple[tuple[int, int], ...]

# Convolutions and channel factor (times the width) of each stage; a stage ends in a pool that halves height and width.
_STAGES: Final[dict[str, Stages]] = {
    "linear": (),
    "small": ((1, 1), (1, 1), (1, 2)),
    "cnn6": ((2, 1), (2, 2), (2, 4)),
    "cnn10": ((3, 1), (3, 2), (4, 4)),
    "cnn14": ((4, 1), (5, 2), (5, 4)),
}

MODELS: Final = tuple(_STAGES)


@dataclass(frozen=True, slots=True)
class Convolution:
    """A 3x3 convolution (of signals, 1x3) with bias, of as many pixels as it gets, and a ReLU.

    Args:
        outputs: channels.
        pooled: whether a 2x2 max pool (1x2) comes before the ReLU, and dropout after it.
    """

    outputs: int
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """A stack of convolutions and one dense layer.

    Args:
        image_shape: channels, height and width.
        classes: number of outputs.
        convolutions: from the first one on; none for the dense layer alone.
        dropout: probability in [0, 1) of dropping a value after each pool.
        one_dimensional: whether convolutions and pools are of one row, as for signals.
    """

    image_shape: tuple[int, int, int]
    classes: int
    convolutions: tuple[Convolution, ...]
    dropout: float = 0.0
    one_dimensional: bool = False

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the convolutions."""
        return (1, 3) if self.one_dimensional else (3, 3)

    @property
    def pool(self) -> tuple[int, int]:
        """Height and width of the pools."""
        return (1, 2) if self.one_dimensional else (2, 2)

    @property
    def features(self) -> tuple[int, int, int]:
        """Channels, height and width of what the dense layer gets."""
        channels, height, width = self.image_shape
        for convolution in self.convolutions:
            channels = convolution.outputs
            if convolution.pooled:
                height, width = height // self.pool[0], width // self.pool[1]
        return channels, height, width

    @property
    def layout(self) -> Layout:
        """Names and shapes of the parameters, as `named_parameters` of the module that PyTorch builds has them."""
        shapes: list[tuple[str, tuple[int, ...]]] = []
        place, inputs = 0, self.image_shape[0]
        for convolution in self.convolutions:
            shapes += [
                (f"{place}.weight", (convolution.outputs, inputs, *self.kernel)),
                (f"{place}.bias", (convolution.outputs,)),
            ]
            inputs = convolution.outputs
            # Convolution and ReLU; pool; dropout.
            place += 2 + convolution.pooled + (convolution.pooled and self.dropout > 0)
        channels, height, width = self.features
        dense = place + 1  # after the layer that flattens
        shapes += [(f"{dense}.weight", (self.classes, channels * height * width)), (f"{dense}.bias", (self.classes,))]
        return tuple(shapes)


def find_architecture(
    name: str, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
) -> Architecture:
    """Describe one of the networks.

    "linear" is the dense layer alone, for runs that are about anything but learning.
    "small" has one convolution per stage, width-width-2*width channels; "cnn6", "cnn10" and "cnn14" have 2/2/2, 3/3/4
    and 4/5/5 convolutions of width, 2*width and 4*width channels. Dropout follows each pool; a dense layer ends all.

    Args:
        name: one of `MODELS`.
        image_shape: channels, height, width; at least 8x8 pixels, as three pools leave an eighth of each side; signals
            are one row high and at least 8 samples long.
        classes: number of outputs, at least 2.
        width: channels of the first stage.
        dropout: probability in [0, 1) of dropping a value after each pool, 0 for none.

    Raises:
        LearningError: a value is out of its range.
    """
    stages = _STAGES.get(name)
    if stages is None:
        raise LearningError(f"model {name!r} is unknown: choose one of {', '.join(MODELS)}")
    channels, height, side = image_shape
    if channels < 1 or side < 8 or (height < 8 and height != 1):
        raise LearningError(f"image shape {image_shape} is too small: models need at least 8x8 pixels, or 1x8 samples")
    if classes < 2:
        raise LearningError(f"classes is {classes}: a classifier needs at least 2")
    if width < 1:
        raise LearningError(f"width is {width}: it must be at least 1")
    if not 0 <= dropout < 1:
        raise LearningError(f"dropout is {dropout}: it must lie in [0, 1)")
    convolutions = tuple(
        Convolution(factor * width, pooled=number == count)
        for count, factor in stages
        for number in range(1, count + 1)
    )
    return Architecture(image_shape, classes, convolutions, dropout, one_dimensional=height == 1)
