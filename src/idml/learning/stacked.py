"""Many models trained or evaluated in one call, as a GPU likes it: their parameters lie stacked, one row a model.

Rows do not touch each other: each comes to what `TorchEngine` makes of it, up to rounding. Rounding depends on the
hardware and on how many rows there are, so equal arguments give equal bits only in an equal call on equal hardware.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from idml.learning.arrays import FloatImages, FloatVector, Indices, Labels
from idml.learning.calls import Epoch, Query, Sample
from idml.learning.checks import check_batch, check_images, check_pairs, check_rates, check_seed, check_vector
from idml.learning.engine import Layout
from idml.learning.errors import LearningError
from idml.learning.torch_engine import TorchEngine

_NO_LABEL: Final = -100
"""Of places without an image, in rows that have fewer images than others; `cross_entropy` leaves it out."""
_EVALUATED_AT_ONCE: Final = 200
"""Images of each row in one pass of an evaluation."""


class StackedEngine:
    """An `Engine` that also takes many calls at once, on any device that torch knows.

    The images come in the order in which `TorchEngine` takes them. Dropout draws for all rows together: what it drops
    follows from the seeds of all epochs in a call and their order, so beside `TorchEngine` it agrees only in
    distribution. Not for use from several threads at once.
    """

    def __init__(self, factory: Callable[[], nn.Module], device: str) -> None:
        """Build the module once.

        Args:
            factory: builds the module; its `forward` must be one that `torch.func.vmap` can take.
            device: as torch names it, such as "cuda" or "cpu".

        Raises:
            LearningError: the module holds what a float32 vector of trained values cannot carry.
        """
        self._single = TorchEngine(factory)
        self._device = torch.device(device)
        self._module = factory().to(self._device)  # with constants that it may hold

    @property
    def layout(self) -> Layout:
        """See `Engine.layout`."""
        return self._single.layout

    @property
    def size(self) -> int:
        """See `Engine.size`."""
        return self._single.size

    @property
    def hardware(self) -> str:
        """What it runs on, such as "cuda: NVIDIA H100" or "cpu"."""
        name = self._device.type
        return f"{name}: {torch.cuda.get_device_name(self._device)}" if name == "cuda" else name

    def initial(self, seed: int) -> FloatVector:
        """Return a new model's vector, the same bits as `TorchEngine` gives."""
        return self._single.initial(seed)

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
        """Train one epoch of one model: see `Engine.train_epoch`."""
        epoch = Epoch(vector, images, labels, learning_rate, batch, seed, momentum, weight_decay)
        return self.train_epochs([epoch])[0]

    def evaluate(self, vectors: Sequence[FloatVector], images: FloatImages, labels: Labels) -> list[int]:
        """Count correct images for each vector: see `Engine.evaluate`."""
        return self.evaluate_samples([Sample(vectors, images, labels)])[0]

    def logits(self, vectors: Sequence[FloatVector], images: FloatImages) -> list[npt.NDArray[np.float32]]:
        """Return the logits of each vector: see `Engine.logits`."""
        return self.logits_of([Query(vectors, images)])[0]

    def train_epochs(self, epochs: Sequence[Epoch]) -> list[FloatVector]:
        """Train many models one epoch each, and return their new vectors.

        Epochs may differ in all they hold. Those of equal batches of equally shaped images make one stack, whatever
        the number of their images.

        Raises:
            LearningError: an epoch is not one that `Engine.train_epoch` takes.
        """
        for epoch in epochs:
            self.check_epoch(epoch)
        trained: dict[int, FloatVector] = {}
        for places in _alike([(epoch.batch, *epoch.images.shape[1:]) for epoch in epochs]):
            places.sort(key=lambda place: -len(epochs[place].labels))
            trained |= zip(places, self._train([epochs[place] for place in places]), strict=True)
        return [trained[place] for place in range(len(epochs))]

    def evaluate_samples(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Count, for each vector of each sample, the images that it classifies correctly.

        Raises:
            LearningError: a sample is not one that `Engine.evaluate` takes.
        """
        for sample in samples:
            self.check_sample(sample)
        counts: dict[int, list[int]] = {}
        for places in _alike([sample.images.shape[1:] for sample in samples]):
            places.sort(key=lambda place: -len(samples[place].labels))
            counts |= zip(places, self._evaluate([samples[place] for place in places]), strict=True)
        return [counts[place] for place in range(len(samples))]

    def logits_of(self, queries: Sequence[Query]) -> list[list[npt.NDArray[np.float32]]]:
        """Return, for each vector of each query, its logits on the query's images.

        Raises:
            LearningError: a query is not one that `Engine.logits` takes.
        """
        for query in queries:
            self.check_query(query)
        samples = [Sample(query.vectors, query.images, np.zeros(len(query.images), np.int64)) for query in queries]
        found: dict[int, list[npt.NDArray[np.float32]]] = {}
        for places in _alike([sample.images.shape[1:] for sample in samples]):
            places.sort(key=lambda place: -len(samples[place].labels))
            found |= zip(places, self._collect_logits([samples[place] for place in places]), strict=True)
        return [found[place] for place in range(len(samples))]

    def check_query(self, query: Query) -> None:
        """Refuse with a `LearningError` what `logits_of` would refuse."""
        check_images(query.images)
        for vector in query.vectors:
            check_vector(vector, self.size)

    def check_epoch(self, epoch: Epoch) -> None:
        """Refuse with a `LearningError` what `train_epochs` would refuse."""
        check_batch(epoch.batch)
        check_seed(epoch.seed)
        check_rates(epoch.learning_rate, epoch.momentum, epoch.weight_decay)
        check_pairs(epoch.images, epoch.labels)
        check_vector(epoch.vector, self.size)

    def check_sample(self, sample: Sample) -> None:
        """Refuse with a `LearningError` what `evaluate_samples` would refuse."""
        check_pairs(sample.images, sample.labels)
        for vector in sample.vectors:
            check_vector(vector, self.size)

    def _train(self, epochs: Sequence[Epoch]) -> list[FloatVector]:
        """Train epochs of one batch size, those with the most images first: who still trains is always on top."""
        batch, sizes = epochs[0].batch, np.array([len(epoch.labels) for epoch in epochs])
        orders = [np.random.default_rng(epoch.seed).permutation(len(epoch.labels)) for epoch in epochs]
        inputs, targets = self._stack(epochs, orders)
        values = self._rows([epoch.vector for epoch in epochs])
        rates = self._column([epoch.learning_rate for epoch in epochs])
        momenta = self._column([epoch.momentum for epoch in epochs])
        decays = self._column([epoch.weight_decay for epoch in epochs])
        velocity = torch.zeros_like(values) if any(epoch.momentum for epoch in epochs) else None
        gradients = vmap(grad(self._loss), in_dims=(0, 0, 0, None), randomness="different")
        greatest = max(int(epoch.labels.max()) for epoch in epochs)
        self._module.train()
        with self._fenced([epoch.seed for epoch in epochs]):
            for start in range(0, sizes[0], batch):
                top = int(np.count_nonzero(sizes > start))
                x, y = inputs[:top, start : start + batch], targets[:top, start : start + batch]
                parts = gradients(self._parameters(values[:top]), x, y, greatest)
                step = torch.cat([parts[name].reshape(top, -1) for name, _ in self.layout], dim=1)
                step.addcmul_(values[:top], decays[:top])
                if velocity is not None:
                    step = velocity[:top].mul_(momenta[:top]).add_(step)
                values[:top].addcmul_(step, rates[:top], value=-1)
        # A row of its own for each, so that none keeps all the others alive.
        return [row.copy() for row in values.cpu().numpy()]

    def _evaluate(self, samples: Sequence[Sample]) -> list[list[int]]:
        """Evaluate samples of one shape, those with the most images first."""
        correct = torch.zeros(sum(len(sample.vectors) for sample in samples), dtype=torch.int64, device=self._device)
        for logits, labels in self._passes(samples):
            best, classes = logits.max(dim=2)
            # NaN, the greatest to max, classifies nothing.
            correct[: len(labels)] += ((classes == labels) & ~best.isnan()).sum(dim=1)
        counts = iter(correct.tolist())
        return [[next(counts) for _ in sample.vectors] for sample in samples]

    def _collect_logits(self, samples: Sequence[Sample]) -> list[list[npt.NDArray[np.float32]]]:
        """The logits of samples of one shape, those with the most images first."""
        parts: list[list[npt.NDArray[np.float32]]] = [[] for sample in samples for _ in sample.vectors]
        for logits, labels in self._passes(samples):
            for part, row, present in zip(
                parts, logits.cpu().numpy(), (labels != _NO_LABEL).cpu().numpy(), strict=False
            ):
                part.append(row[present])
        rows = iter(parts)
        return [[np.concatenate(next(rows)) for _ in sample.vectors] for sample in samples]

    def _passes(self, samples: Sequence[Sample]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Run models forward: logits (rows, n, classes) and labels (rows, n) of those that still have images."""
        sizes = np.repeat([len(sample.labels) for sample in samples], [len(sample.vectors) for sample in samples])
        if not len(sizes):
            return
        inputs, targets = self._stack(samples, [np.arange(len(sample.labels)) for sample in samples])
        values = self._rows([vector for sample in samples for vector in sample.vectors])
        owners = torch.tensor(
            [owner for owner, sample in enumerate(samples) for _ in sample.vectors], device=self._device
        )
        self._module.eval()
        with self._fenced([]), torch.inference_mode():
            for start in range(0, sizes[0], _EVALUATED_AT_ONCE):
                top, stop = int(np.count_nonzero(sizes > start)), start + _EVALUATED_AT_ONCE
                x, y = inputs[owners[:top], start:stop], targets[owners[:top], start:stop]
                yield vmap(self._logits)(self._parameters(values[:top]), x), y

    def _loss(
        self, parameters: dict[str, torch.Tensor], images: torch.Tensor, labels: torch.Tensor, greatest: int
    ) -> torch.Tensor:
        """The mean loss over a row's images in a batch; there is at least one."""
        logits = self._logits(parameters, images)
        if greatest >= logits.shape[1]:  # on a GPU, `cross_entropy` would take the whole process down
            raise LearningError(f"a label is {greatest}: this model has {logits.shape[1]} classes")
        total = functional.cross_entropy(logits, labels, reduction="sum")
        return total / (labels != _NO_LABEL).sum()

    def _logits(self, parameters: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = functional_call(self._module, parameters, (images,))
        return logits

    def _parameters(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """The module's parameters, (rows, ...) each, as views into flat rows."""
        parameters, offset = {}, 0
        for name, shape in self.layout:
            end = offset + int(np.prod(shape))
            parameters[name] = values[:, offset:end].view(len(values), *shape)
            offset = end
        return parameters

    def _stack(self, items: Sequence[Epoch | Sample], orders: Sequence[Indices]) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (rows, longest, ...) and labels (rows, longest) of items in their orders, the longest one first."""
        shape = (len(items), len(items[0].labels))
        images = torch.zeros(*shape, *items[0].images.shape[1:])
        labels = torch.full(shape, _NO_LABEL)
        for row, (item, order) in enumerate(zip(items, orders, strict=True)):
            np.take(item.images, order, axis=0, out=images.numpy()[row, : len(order)], mode="clip")
            labels.numpy()[row, : len(order)] = item.labels[order]
        return images.to(self._device), labels.to(self._device)

    def _rows(self, vectors: Sequence[FloatVector]) -> torch.Tensor:
        return torch.from_numpy(np.stack(vectors)).to(self._device)

    def _column(self, numbers: Sequence[float]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=self._device)[:, None]

    @contextmanager
    def _fenced(self, seeds: Sequence[int]) -> Iterator[None]:
        """Run with torch's generators seeded, in one thread and in float32 proper; then put all back."""
        cuda, threads = self._device.type == "cuda", torch.get_num_threads()
        # cuDNN would multiply in TF32, whose 10 bits of mantissa are not what the CPU computes.
        precise = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.random.fork_rng([self._device] if cuda else []), precise:
            torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]))
            torch.set_num_threads(
                1
            )  # a GPU needs no more, and on a CPU with other work more threads wait for each other
            try:
                yield
            finally:
                torch.set_num_threads(threads)


def find_cuda() -> str | None:
    """Return what torch calls its CUDA device, None if it has none."""
    return "cuda" if torch.cuda.is_available() else None


def _alike(kinds: Sequence[object]) -> list[list[int]]:
    """Places of equal kinds."""
    groups: dict[object, list[int]] = defaultdict(list)
    for place, kind in enumerate(kinds):
        groups[kind].append(place)
    return list(groups.values())
