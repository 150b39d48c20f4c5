"""Described networks as modules of PyTorch."""

from collections.abc import Callable
from functools import partial

from torch import nn

from idml.learning.architectures import Architecture
from idml.learning.networks import Blueprint, find_architecture


def build_module(architecture: Architecture) -> nn.Module:
    """Build a network, freshly initialized from torch's global generator.

    Convolutions start from He et al. 2015 (normal, variance 2/fan-in), so that the signal keeps its size through 14
    layers of ReLU; the dense layer from variance 1/fan-in; biases from zero.

    Returns:
        A module from float32 (N, C, H, W) to logits (N, classes).
    """
    layers: list[nn.Module] = []
    channels = architecture.image_shape[0]
    for convolution in architecture.convolutions:
        layers.append(_convolution(channels, convolution.outputs, architecture.kernel))
        channels = convolution.outputs
        if not convolution.pooled:
            layers.append(nn.ReLU(inplace=True))
            continue
        # ReLU and maximum commute, gradients included, and after the pool there is a quarter of the work.
        layers += [nn.MaxPool2d(architecture.pool), nn.ReLU(inplace=True)]
        if architecture.dropout:
            layers.append(nn.Dropout(architecture.dropout))
    channels, height, width = architecture.features
    layers += [nn.Flatten(), _dense(channels * height * width, architecture.classes)]
    return nn.Sequential(*layers)


def build_model(
    name: str, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
) -> nn.Module:
    """Build one of the networks by its name: see `find_architecture` for the arguments, and `build_module`."""
    return build_module(find_architecture(name, image_shape=image_shape, classes=classes, width=width, dropout=dropout))


def module_factory(blueprint: Blueprint) -> Callable[[], nn.Module]:
    """Return a function without arguments that builds the module, for `TorchEngine`; it can be pickled."""
    return partial(build_module, blueprint) if isinstance(blueprint, Architecture) else blueprint


def model_factory(
    name: str, *, image_shape: tuple[int, int, int], classes: int, width: int = 16, dropout: float = 0.0
) -> Callable[[], nn.Module]:
    """Return a function without arguments that calls `build_model` with these, for `TorchEngine`; it can be pickled."""
    return partial(build_model, name, image_shape=image_shape, classes=classes, width=width, dropout=dropout)


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _dense(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    nn.init.zeros_(layer.bias)
    return layer
