"""The same networks in PyTorch's float64, with the masks of dropout given: what the native engine is held against."""

import ctypes

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from idml.learning.architectures import Architecture, Convolution
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.models import build_module
from idml.learning.native.library import load_library

Doubles = npt.NDArray[np.float64]


def network(
    shape: tuple[int, int, int], *outputs: int, pools: tuple[int, ...] = (), classes: int = 10, dropout: float = 0.0
) -> Architecture:
    """An architecture; `pools` are the places of the convolutions that a pool follows."""
    convolutions = tuple(Convolution(count, place in pools) for place, count in enumerate(outputs))
    return Architecture(shape, classes, convolutions, dropout)


def random_batch(architecture: Architecture, count: int, seed: int) -> tuple[FloatImages, Labels]:
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((count, *architecture.image_shape), np.float32)
    return images, rng.integers(0, architecture.classes, count)


def random_vector(architecture: Architecture, seed: int) -> FloatVector:
    """Weights that keep the signal's size, and biases that are not zero."""
    rng = np.random.default_rng(seed)
    parts = []
    for _, shape in architecture.layout:
        scale = 0.1 if len(shape) == 1 else np.sqrt((2 if len(shape) == 4 else 1) / np.prod(shape[1:]))
        parts.append((rng.standard_normal(shape) * scale).astype(np.float32).ravel())
    return np.concatenate(parts)


def masks(architecture: Architecture, seed: int, count: int) -> dict[int, npt.NDArray[np.bool_]]:
    """What dropout keeps after each pooled convolution: (image, channel, row, column)."""
    library, kept = load_library(), {}
    _, height, width = architecture.image_shape
    for layer, convolution in enumerate(architecture.convolutions):
        if not convolution.pooled:
            continue
        height, width = height // 2, width // 2
        filled = -(-convolution.outputs // 8) * 8
        drawn = np.empty((count, height, width, filled), np.uint8)
        for image in range(count):
            address = ctypes.c_void_p(drawn[image].ctypes.data)
            library.idml_dropout(architecture.dropout, seed, layer, image, height * width * filled, address)
        kept[layer] = drawn[..., : convolution.outputs].transpose(0, 3, 1, 2).astype(bool)
    return kept


class Reference:
    """A network in float64.

    Args:
        architecture: the network.
        vector: its parameters.
    """

    def __init__(self, architecture: Architecture, vector: FloatVector) -> None:
        self.architecture = architecture
        self.module = build_module(architecture).double()
        assert isinstance(self.module, nn.Sequential)
        self.layers = self.module
        offset = 0
        for parameter in self.module.parameters():
            values = vector[offset : offset + parameter.numel()]
            parameter.data = torch.tensor(values, dtype=torch.float64).view(parameter.shape)
            offset += parameter.numel()
        self.margin = np.inf

    @property
    def vector(self) -> Doubles:
        return np.concatenate([p.detach().numpy().ravel() for p in self.module.parameters()])

    def logits(self, images: FloatImages, kept: dict[int, npt.NDArray[np.bool_]] | None = None) -> torch.Tensor:
        """Compute logits, and with them `margin`: how near the nearest ReLU or pool is to deciding otherwise."""
        x, convolution = torch.tensor(images, dtype=torch.float64), -1
        for layer in self.layers:
            convolution += isinstance(layer, nn.Conv2d)
            if isinstance(layer, nn.Dropout):
                if kept is not None:
                    x = x * torch.tensor(kept[convolution]) / (1 - self.architecture.dropout)
                continue
            if isinstance(layer, nn.MaxPool2d):
                best = nn.functional.unfold(x.detach().flatten(0, 1)[:, None], 2, stride=2).topk(2, dim=1).values
                self.margin = min(self.margin, float((best[:, 0] - best[:, 1]).min()))
            if isinstance(layer, nn.ReLU):
                self.margin = min(self.margin, float(x.detach().abs().min()))
                x = x.clone()  # it works in place
            x = layer(x)
        return x

    def gradient(
        self, images: FloatImages, labels: Labels, kept: dict[int, npt.NDArray[np.bool_]] | None = None
    ) -> Doubles:
        """Of the mean loss."""
        self.module.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(self.logits(images, kept), torch.tensor(labels)))
        return np.concatenate([p.grad.numpy().ravel() for p in self.module.parameters() if p.grad is not None])

    def steps(
        self,
        images: FloatImages,
        labels: Labels,
        batch: int,
        seed: int,
        *,
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> Doubles:
        """Train an epoch with the masks of the native engine; returns the parameters."""
        sgd = torch.optim.SGD(self.module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
        order = np.random.default_rng(seed).permutation(len(labels))
        kept = masks(self.architecture, seed, len(labels)) if self.architecture.dropout else None
        for start in range(0, len(labels), batch):
            chosen = order[start : start + batch]
            own = {layer: mask[start : start + batch] for layer, mask in kept.items()} if kept else None
            self.gradient(images[chosen], labels[chosen], own)
            sgd.step()
        return self.vector


def difference(ours: npt.NDArray[np.float32], exact: Doubles) -> float:
    """Relative L2 distance."""
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))
