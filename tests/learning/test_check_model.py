"""What the check of a network finds in modules of PyTorch: each complaint names the layer and what to do."""

import random
import re
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from idml.errors import IdmlError
from idml.learning.checker import check_model
from idml.learning.networks import FunctionNetwork, adopt_function
from idml.learning.registry import MODELS
from idml.registry import PluginError

Shape = tuple[int, int, int]


def dense(shape: Shape, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


class Dense(nn.Module):
    """One dense layer, to be changed."""

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(64, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layer(images.flatten(1))
        return logits


class Counting(Dense):
    calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(images)


class Caching(Dense):
    """Keeps a mask for the size of a batch, which is no harm."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.mask = torch.ones(len(images), 1)
        return super().forward(images) * self.mask


class Squeezing(Dense):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).squeeze()


class Chancy(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * random.random()


class Fixed(Dense):
    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__(shape, classes)
        self.register_buffer("places", torch.linspace(-1, 1, 64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.flatten(1) + self.get_buffer("places"))


class Drawn(Fixed):
    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__(shape, classes)
        self.places = torch.randn(64)


def frozen(shape: Shape, classes: int) -> nn.Module:
    module = dense(shape, classes)
    module[1].requires_grad_(False)
    return module


def spectral(shape: Shape, classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.utils.parametrizations.spectral_norm(nn.Linear(64, classes)))


def with_norm(norm: Callable[[], nn.Module]) -> Callable[[Shape, int], nn.Module]:
    def build(shape: Shape, classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(shape[0], 4, 3, padding=1, bias=False), norm(), nn.ReLU(), nn.Flatten(), nn.Linear(256, classes)
        )

    return build


def ending(*layers: nn.Module) -> Callable[[Shape, int], nn.Module]:
    return lambda shape, classes: nn.Sequential(*dense(shape, classes), *layers)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (with_norm(lambda: nn.BatchNorm2d(4)), "layer '1' (BatchNorm2d) keeps 'running_mean' beside its parameters"),
        (
            with_norm(lambda: nn.BatchNorm2d(4, track_running_stats=False)),
            "depend on the others of its batch, in layer '1' (BatchNorm2d): treat each image by itself, with GroupNorm",
        ),
        (spectral, "the buffer '_u' of layer '1.parametrizations.weight.0' (_SpectralNorm) is no constant"),
        (Drawn, "the buffer 'places' of the module itself is no constant"),
        (Counting, "the attribute 'calls' of the module itself (Counting) changes with every pass"),
        (Squeezing, "the network maps 1 image to shape (10,): return (1, 10), and use no squeeze()"),
        (frozen, "'1.weight' and 1 more are frozen (requires_grad is False)"),
        (ending(Chancy()), "two results for equal images, in layer '2' (Chancy): draw nothing outside training"),
        (lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(64, 9)), "(31, 10); the last is layer '1' (Line"),
        (lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(65, 9)), "cannot be multiplied (31x64 and 65x9)"),
        (lambda shape, classes: nn.Sequential(nn.Flatten(), nn.Linear(65, 9)), "), in layer '1' (Linear)"),
        (lambda shape, classes: dense(shape, classes).double(), "'1.weight' is torch.float64 on cpu: use float32"),
        (lambda shape, classes: 3, "() returned int: return an Architecture or a torch.nn.Module"),
    ],
)
@pytest.mark.filterwarnings("ignore:other processes cannot have")
def test_what_is_wrong_names_the_layer_and_the_remedy(build: Callable[[Shape, int], Any], line: str) -> None:
    with pytest.raises(IdmlError, match=re.escape(line)) as error:
        check_model(build)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "build",
    [
        dense,
        Dense,
        Caching,
        Fixed,
        ending(nn.LogSoftmax(1)),
        *(
            with_norm(norm)
            for norm in (
                lambda: nn.GroupNorm(2, 4),
                lambda: nn.InstanceNorm2d(4, affine=True),
                lambda: nn.LayerNorm([4, 8, 8]),
            )
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:other processes cannot have")
def test_what_is_no_harm_passes(build: Callable[[Shape, int], nn.Module]) -> None:
    check_model(build)


def test_probabilities_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"returns probabilities \(layer '2' \(Softmax\)\): leave the softmax out"):
        check_model(with_softmax)


def with_softmax(shape: Shape, classes: int) -> nn.Module:
    return nn.Sequential(*dense(shape, classes), nn.Softmax(1))


def test_a_rate_at_which_nothing_stays_finite_is_named() -> None:
    check_model(dense, learning_rate=10)
    with pytest.raises(
        PluginError, match=r"^a few steps at learning_rate 1e\+38 give values that are not finite in '1.w"
    ):
        check_model(explosive, learning_rate=1e38)


def explosive(shape: Shape, classes: int) -> nn.Module:
    module = dense(shape, classes)
    nn.init.normal_(next(module.parameters()), std=100.0)
    return module


def test_a_function_that_workers_cannot_have_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"^other processes cannot have <lambda>\(\): keep workers at 1, or write it"):
        check_model(lambda shape, classes: dense(shape, classes))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_model(dense)


def test_models_that_no_machine_holds_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"the network has 650 parameters: 1,?0+ devices hold some .* GiB of models"):
        check_model(dense, devices=1_000_000_000_000)


def test_only_functions_and_classes_of_modules_are_made_networks() -> None:
    for found in (dense, Dense, lambda shape, classes: dense(shape, classes)):
        assert isinstance(adopt_function(found), FunctionNetwork)
    for other in (3, "dense", dict, nn, object()):
        assert adopt_function(other) is other
    with MODELS.given(dense) as name:
        assert MODELS.find(name).build(image_shape=(1, 8, 8), classes=3, width=1, dropout=0.5)[1].out_features == 3  # type: ignore[index]


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 12), st.integers(2, 12), st.integers(0, 3), st.booleans())
def test_every_plain_stack_of_dense_layers_passes(hidden: int, classes: int, depth: int, bias: bool) -> None:
    """No false alarm, whatever the sizes: activations that never die have every parameter learn."""

    def build(shape: Shape, classes: int) -> nn.Module:
        sizes = [int(np.prod(shape)), *[hidden] * depth, classes]
        layers = [
            part for inputs, outputs in pairwise(sizes) for part in (nn.Linear(inputs, outputs, bias=bias), nn.Tanh())
        ]
        return nn.Sequential(nn.Flatten(), *layers)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "other processes cannot have")
        check_model(build, classes=classes)
