"""The `Engine` that PyTorch computes: any module, on flat float32 vectors."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from idml.learning.arrays import FloatImages, FloatVector, Indices, Labels
from idml.learning.checks import check_batch, check_images, check_pairs, check_rates, check_seed, check_vector
from idml.learning.engine import Layout
from idml.learning.errors import LearningError

EVALUATED_AT_ONCE: Final = 100
"""Images in one pass of an evaluation. More leave a processor's cache: measured, 50 to 100 are fastest.

Images of different samples never share a pass. That would be no faster, and the last bits of a logit, on which a
verdict can hang, may depend on the size of its pass.
"""


class TorchEngine:
    """An `Engine` for any `torch.nn.Module` that maps images to logits.

    Parameters and gradients are views into one contiguous buffer each, so that a step of the optimizer is one operation
    whatever the number of layers. Not for use from several threads at once: dropout draws from torch's global
    generator, which is put back as it was found.
    """

    def __init__(self, factory: Callable[[], nn.Module], *, threads: int = 1) -> None:
        """Build the module once and move its parameters into one buffer.

        Args:
            factory: builds the module; called again by each `initial`, with torch's generator seeded.
            threads: torch threads to work with; results are equal only among equal numbers.

        Raises:
            LearningError: the module holds what a float32 vector of trained values cannot carry.
        """
        if threads < 1:
            raise LearningError(f"threads is {threads}: it must be at least 1")
        self._factory = factory
        self._threads = threads
        with self._fenced(0):
            self._module = factory()
        _check_module(self._module)
        named = list(self._module.named_parameters())
        self._layout: Layout = tuple((name, tuple(parameter.shape)) for name, parameter in named)
        self._size = sum(parameter.numel() for _, parameter in named)
        self._values = torch.empty(self._size)
        self._gradient = torch.zeros(self._size)
        offset = 0
        for _, parameter in named:
            end = offset + parameter.numel()
            parameter.data = self._values[offset:end].view(parameter.shape)
            parameter.grad = self._gradient[offset:end].view(parameter.shape)
            offset = end

    def __reduce__(self) -> tuple[Callable[[], "TorchEngine"], tuple[()]]:
        """Pickle and copy by building anew: plain copies of tensors would no longer be views of one buffer."""
        return partial(TorchEngine, self._factory, threads=self._threads), ()

    @property
    def layout(self) -> Layout:
        """Name and shape of each parameter, in the order of `named_parameters`."""
        return self._layout

    @property
    def size(self) -> int:
        """Number of values in a vector."""
        return self._size

    def initial(self, seed: int) -> FloatVector:
        """Return the vector of a new module, built with torch's generator seeded by `seed`."""
        with self._fenced(seed):
            module = self._factory()
        with torch.no_grad():
            vector: FloatVector = torch.cat([parameter.flatten() for parameter in module.parameters()]).numpy()
        return vector

    def train_epoch(
        self,
        vector: FloatVector,
        images: FloatImages,
        labels: Labels,
        *,
        learning_rate: float,
        batch: int,
        seed: int,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> FloatVector:
        """Train one epoch: see `Engine.train_epoch`."""
        check_batch(batch)
        check_seed(seed)
        check_rates(learning_rate, momentum, weight_decay)
        check_pairs(images, labels)
        self._load(vector)
        order = np.random.default_rng(seed).permutation(len(labels))
        inputs, targets = _gather(images, order), torch.from_numpy(labels[order])
        velocity = torch.zeros_like(self._gradient) if momentum else self._gradient
        if not self._module.training:
            self._module.train()
        with self._fenced(seed), torch.enable_grad():
            for start in range(0, len(order), batch):
                x, y = inputs[start : start + batch], targets[start : start + batch]
                self._gradient.zero_()
                functional.cross_entropy(self._module(x), y).backward()  # type: ignore[no-untyped-call]
                if weight_decay:
                    self._gradient.add_(self._values, alpha=weight_decay)
                if momentum:
                    velocity.mul_(momentum).add_(self._gradient)
                self._values.add_(velocity, alpha=-learning_rate)
        return self._values.numpy().copy()

    def evaluate(self, vectors: Sequence[FloatVector], images: FloatImages, labels: Labels) -> list[int]:
        """Count correct images for each vector: see `Engine.evaluate`."""
        check_pairs(images, labels)
        counts = [0] * len(vectors)
        for place, chosen, logits in self._passes(vectors, images):
            counts[place] += _count_correct(logits, labels[chosen])
        return counts

    def logits(self, vectors: Sequence[FloatVector], images: FloatImages) -> list[npt.NDArray[np.float32]]:
        """Return the logits of each vector: see `Engine.logits`."""
        check_images(images)
        parts: list[list[npt.NDArray[np.float32]]] = [[] for _ in vectors]
        for place, _, logits in self._passes(vectors, images):
            parts[place].append(logits)
        return [np.concatenate(part) for part in parts]

    def _passes(
        self, vectors: Sequence[FloatVector], images: FloatImages
    ) -> Iterator[tuple[int, Indices, npt.NDArray[np.float32]]]:
        """Run models forward: the place of a vector, the places of some images, and their logits."""
        if self._module.training:
            self._module.eval()
        with self._fenced(0), torch.inference_mode():
            for start in range(0, len(images), EVALUATED_AT_ONCE):
                chosen = np.arange(start, min(start + EVALUATED_AT_ONCE, len(images)))
                inputs = _gather(images, chosen)
                for place, vector in enumerate(vectors):
                    self._load(vector)
                    yield place, chosen, self._module(inputs).numpy()

    def _load(self, vector: FloatVector) -> None:
        check_vector(vector, self._size)
        self._values.numpy()[:] = vector

    @contextmanager
    def _fenced(self, seed: int) -> Iterator[None]:
        """Run with torch's generator seeded and this engine's number of threads; then put both back."""
        check_seed(seed)
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        # Not torch.manual_seed: it also queues work for every other kind of device on each call.
        torch.default_generator.manual_seed(seed)
        torch.set_num_threads(self._threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_rng_state(state)


def _count_correct(logits: npt.NDArray[np.float32], labels: Labels) -> int:
    hits = logits.argmax(axis=1) == labels
    own = logits[np.arange(len(labels)), labels]
    return int(np.count_nonzero(hits & (own == own)))  # NaN, the greatest to argmax, differs from itself


def _gather(images: FloatImages, order: Indices) -> torch.Tensor:
    """Copy images in this order into torch's memory, 4-dimensional ones channels-last, which convolves twice as fast.

    The copy also gives every call the same memory alignment, on which the last bits of a matrix product may depend.
    """
    source = images.transpose(0, 2, 3, 1) if images.ndim == 4 else images
    target = torch.empty((len(order), *source.shape[1:]))
    np.take(source, order, axis=0, out=target.numpy(), mode="clip")
    return target.permute(0, 3, 1, 2) if images.ndim == 4 else target


def _check_module(module: nn.Module) -> None:
    """Refuse a module that holds what a float32 vector of trained values cannot carry.

    A buffer may be a constant, which every module has alike. That it is one, only training can tell: `check_model`.
    """
    for name, layer in module.named_modules():
        for kept in ("running_mean", "running_var"):
            if kept in dict(layer.named_buffers(recurse=False)):
                where = f"layer {name!r} ({type(layer).__name__})" if name else f"the module ({type(layer).__name__})"
                raise LearningError(
                    f"{where} keeps {kept!r} beside its parameters, which devices would never exchange: "
                    "use GroupNorm in its place"
                )
    named = list(module.named_parameters())
    if not named:
        raise LearningError("the module has no parameters: there is nothing to train")
    for name, parameter in named:
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise LearningError(f"{name!r} has no shape yet: use no lazy layers")
        if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            raise LearningError(f"{name!r} is {parameter.dtype} on {parameter.device}: use float32 on cpu")
    frozen = [name for name, parameter in named if not parameter.requires_grad]
    if frozen:
        more = f" and {len(frozen) - 1} more are" if len(frozen) > 1 else " is"
        raise LearningError(
            f"{frozen[0]!r}{more} frozen (requires_grad is False), but devices train and exchange every parameter: "
            "train it too, or hold it as a constant buffer"
        )
