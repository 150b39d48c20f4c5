"""The networks that devices train.

All but the linear one are plain stacks of 3x3 convolutions with 2x2 max pooling, without batch normalization: its
running statistics are state beside the parameters, and what devices exchange is a parameter vector.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from torch import nn

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


def build_model(
    name: str, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
) -> nn.Module:
    """Build one of the networks, freshly initialized from torch's global generator.

    "linear" is the dense layer alone, for runs that are about anything but learning.
    "small" has one convolution per stage, width-width-2*width channels; "cnn6", "cnn10" and "cnn14" have 2/2/2, 3/3/4
    and 4/5/5 convolutions of width, 2*width and 4*width channels. Dropout follows each pool; a dense layer ends all.

    Convolutions start from He et al. 2015 (normal, variance 2/fan-in), so that the signal keeps its size through 14
    layers of ReLU; the dense layer from variance 1/fan-in; biases from zero.

    Args:
        name: one of `MODELS`.
        image_shape: channels, height, width; at least 8x8 pixels, as three pools leave an eighth of each side.
        classes: number of outputs, at least 2.
        width: channels of the first stage.
        dropout: probability in [0, 1) of dropping a value after each pool, 0 for none.

    Returns:
        A module from float32 (N, C, H, W) to logits (N, classes).

    Raises:
        LearningError: a value is out of its range.
    """
    stages = _STAGES.get(name)
    if stages is None:
        raise LearningError(f"model {name!r} is unknown: choose one of {', '.join(MODELS)}")
    channels, height, side = image_shape
    if channels < 1 or min(height, side) < 8:
        raise LearningError(f"image shape {image_shape} is too small: models need at least 8x8 pixels")
    if classes < 2:
        raise LearningError(f"classes is {classes}: a classifier needs at least 2")
    if width < 1:
        raise LearningError(f"width is {width}: it must be at least 1")
    if not 0 <= dropout < 1:
        raise LearningError(f"dropout is {dropout}: it must lie in [0, 1)")

    layers: list[nn.Module] = []
    for convolutions, factor in stages:
        for i in range(convolutions):
            layers.append(_convolution(channels, factor * width))
            channels = factor * width
            if i < convolutions - 1:
                layers.append(nn.ReLU(inplace=True))
        # ReLU and maximum commute, gradients included, and after the pool there is a quarter of the work.
        layers += [nn.MaxPool2d(2), nn.ReLU(inplace=True)]
        if dropout:
            layers.append(nn.Dropout(dropout))
    shrink = 2 ** len(stages)
    layers += [nn.Flatten(), _dense(channels * (height // shrink) * (side // shrink), classes)]
    return nn.Sequential(*layers)


def model_factory(
    name: str, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
) -> Callable[[], nn.Module]:
    """Return a function without arguments that calls `build_model` with these, for `TorchEngine`; it can be pickled."""
    return partial(build_model, name, image_shape=image_shape, classes=classes, width=width, dropout=dropout)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _dense(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    nn.init.zeros_(layer.bias)
    return layer
