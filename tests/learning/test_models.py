"""The networks have the promised depth, size and start."""

import numpy as np
import pytest
import torch
from torch import nn

from idml.errors import IdmlError
from idml.learning.models import build_model, model_factory
from idml.learning.native.engine import beyond_limits
from idml.learning.networks import Stack, find_architecture
from idml.learning.registry import MODELS

STACKS = [name for name in MODELS.built_in if isinstance(MODELS.find(name), Stack)]
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (6, 1, 128)]


def layers(module: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def gradients(module: nn.Module) -> list[torch.Tensor]:
    found = [parameter.grad.clone() for parameter in module.parameters() if parameter.grad is not None]
    assert len(found) == len(list(module.parameters()))
    return found


def layer_by_layer(module: nn.Module) -> nn.Sequential:
    assert isinstance(module, nn.Sequential)
    return module


def test_the_small_net_has_10010_weights() -> None:
    module = build_model("small", image_shape=(1, 28, 28), classes=10)
    assert sum(p.numel() for p in module.parameters()) == 10_010
    assert [layer.out_channels for layer in layers(module, nn.Conv2d)] == [16, 16, 32]


def test_the_linear_net_is_one_layer() -> None:
    module = build_model("linear", image_shape=(1, 8, 8), classes=10)
    assert [tuple(p.shape) for p in module.parameters()] == [(10, 64), (10,)]


@pytest.mark.parametrize(("name", "per_stage"), [("cnn6", (2, 2, 2)), ("cnn10", (3, 3, 4)), ("cnn14", (4, 5, 5))])
def test_deep_nets_double_their_channels_at_each_of_three_stages(name: str, per_stage: tuple[int, int, int]) -> None:
    module = build_model(name, image_shape=(3, 32, 32), classes=10, width=4, dropout=0.25)
    expected = [4 * 2**stage for stage, count in enumerate(per_stage) for _ in range(count)]
    convolutions = layers(module, nn.Conv2d)
    assert [layer.out_channels for layer in convolutions] == expected
    assert all(layer.kernel_size == (3, 3) for layer in convolutions)
    assert len(layers(module, nn.ReLU)) == len(convolutions)
    assert len(layers(module, nn.MaxPool2d)) == 3
    assert [layer.p for layer in layers(module, nn.Dropout)] == [0.25] * 3


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_net_takes_every_data_set_and_keeps_the_signal(name: str, shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    module = build_model(name, image_shape=shape, classes=7, width=16)
    logits = module(torch.randn(64, *shape))
    assert logits.shape == (64, 7)
    # Neither vanished nor exploded on the way (on 2x2 pixels, padding takes half of the signal at each layer).
    assert 0.05 < logits.std() < 10
    logits.square().mean().backward()
    found = list(gradients(module))
    first, last = found[0], found[-2]  # the weights of the first and of the last layer
    assert first.abs().max() > 1e-3 * last.abs().max()
    assert not list(module.buffers())


def test_pooling_before_relu_is_the_same_function_with_the_same_gradient() -> None:
    torch.manual_seed(1)
    module = build_model("cnn6", image_shape=(3, 32, 32), classes=10, width=4)
    swapped: list[nn.Module] = []
    for layer in layer_by_layer(module):
        swapped.append(layer)
        if isinstance(layer, nn.ReLU) and isinstance(swapped[-2], nn.MaxPool2d):
            swapped[-2:] = [nn.ReLU(), swapped[-2]]
    textbook = nn.Sequential(*swapped)
    images = torch.randn(8, 3, 32, 32)
    found = []
    for net in (module, textbook):
        net.zero_grad()
        logits = net(images)
        logits.square().sum().backward()
        found.append(gradients(net))
    assert torch.equal(module(images), textbook(images))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_a_model_follows_torchs_seed() -> None:
    factory = model_factory("small", image_shape=(1, 8, 8), classes=10, width=4)
    vectors = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        vectors.append(np.concatenate([p.detach().numpy().ravel() for p in factory().parameters()]))
    assert (vectors[0] == vectors[1]).all()
    assert (vectors[0] != vectors[2]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"name": "cnn7"},
            "^model is 'cnn7': choose linear, small, cnn6, cnn10, cnn14, mlp, embedding, FILE.py:NAME or ",
        ),
        ({"image_shape": (1, 7, 28)}, "at least 8x8"),
        ({"image_shape": (1, 2, 28)}, "at least 8x8"),
        ({"image_shape": (6, 1, 7)}, "or 1x8 samples"),
        ({"image_shape": (6, 0, 128)}, "at least 8x8"),
        ({"image_shape": (0, 8, 8)}, "image shape"),
        ({"classes": 1}, "classes is 1"),
        ({"width": 0}, "width is 0"),
        ({"dropout": 1.0}, r"dropout is 1\.0"),
        ({"dropout": -0.1}, r"dropout is -0\.1"),
    ],
)
def test_values_out_of_range_are_named(change: dict[str, object], message: str) -> None:
    arguments = {"name": "small", "image_shape": (1, 8, 8), "classes": 10} | change
    with pytest.raises(IdmlError, match=message):
        build_model(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["linear", "small", "cnn6"])
def test_on_signals_a_net_is_one_dimensional(name: str) -> None:
    """Against PyTorch's own one-dimensional layers with the same weights."""
    torch.manual_seed(2)
    module = build_model(name, image_shape=(6, 1, 40), classes=5, width=4)
    flat: list[nn.Module] = []
    for layer in layer_by_layer(module):
        if isinstance(layer, nn.Conv2d):
            twin = nn.Conv1d(layer.in_channels, layer.out_channels, 3, padding=1)
            twin.load_state_dict({"weight": layer.weight[:, :, 0], "bias": layer.bias})
            flat.append(twin)
        else:
            flat.append(nn.MaxPool1d(2) if isinstance(layer, nn.MaxPool2d) else layer)
    signals = torch.randn(8, 6, 40)
    described = find_architecture(name, image_shape=(6, 1, 40), classes=5, width=4)
    assert described.layout == tuple((key, tuple(value.shape)) for key, value in module.named_parameters())
    assert (beyond_limits(described) is None) == (name == "linear")
    assert torch.allclose(module(signals[:, :, None]), nn.Sequential(*flat)(signals), atol=1e-5)
