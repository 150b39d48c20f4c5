"""The `Engine` that the native library computes: any stack of 3x3 convolutions with pools and one dense layer."""

import ctypes
import math
import weakref
from collections.abc import Sequence
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt

from idml.learning.architectures import Architecture
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.checks import check_batch, check_pairs, check_rates, check_seed, check_vector
from idml.learning.engine import Layout
from idml.learning.errors import LearningError
from idml.learning.native.library import Plan, load_library
from idml.learning.native.normal import portable_normal

MOST_CHANNELS: Final = 256
MOST_SIDE: Final = 512
MOST_CONVOLUTIONS: Final = 64
MOST_CLASSES: Final = 65_536

Logits = npt.NDArray[np.float32]


def beyond_limits(architecture: Architecture) -> str | None:
    """Say in a few words which part of a network the native engine cannot compute; None if it can compute all of it."""
    if architecture.one_dimensional and architecture.convolutions:
        return "one-dimensional convolutions"
    channels, height, width = architecture.image_shape
    limits = (
        (max(channels, *(one.outputs for one in architecture.convolutions), 0), MOST_CHANNELS, "channels"),
        (max(height, width), MOST_SIDE, "pixels a side"),
        (len(architecture.convolutions), MOST_CONVOLUTIONS, "convolutions"),
        (architecture.classes, MOST_CLASSES, "classes"),
    )
    for value, most, what in limits:
        if value > most:
            return f"{value} {what}, of at most {most}"
    return None


class NativeEngine:
    """The `Engine` that computes with the native library.

    Results have the same bits on every machine; docs/determinism.md says on which ones. Vectors and their layout are
    those of `TorchEngine` for the same network.

    Threads that share an engine wait for each other. Threads with an engine each do not, because the library releases
    the interpreter's lock while it computes.

    Args:
        architecture: the network.

    Raises:
        NativeError: if the library cannot be used here.
        LearningError: if the network is beyond the library's limits, or has more pools than its images can be halved.
    """

    def __init__(self, architecture: Architecture) -> None:
        self._library = load_library()
        self._architecture = architecture
        if beyond := beyond_limits(architecture):
            raise LearningError(f"the native engine cannot compute a network of {beyond}: use PyTorch")
        channels, height, width = architecture.image_shape
        outputs = [convolution.outputs for convolution in architecture.convolutions]
        pools = [convolution.pooled for convolution in architecture.convolutions]
        count = len(outputs)
        plan = Plan(
            *(channels, height, width, architecture.classes, count),
            *((ctypes.c_int32 * count)(*outputs), (ctypes.c_uint8 * count)(*pools), architecture.dropout),
        )
        self._network = self._library.idml_create(ctypes.byref(plan))
        if not self._network:
            raise LearningError(f"the native engine cannot have {architecture}: its numbers or the memory do not do")
        weakref.finalize(self, self._library.idml_destroy, self._network)
        self._lock = Lock()
        self._layout = architecture.layout
        self._size: int = self._library.idml_parameters(self._network)

    def __reduce__(self) -> tuple[type["NativeEngine"], tuple[Architecture]]:
        """Pickle and copy an engine by making it anew."""
        return NativeEngine, (self._architecture,)

    @property
    def layout(self) -> Layout:
        """See `Engine.layout`."""
        return self._layout

    @property
    def size(self) -> int:
        """See `Engine.size`."""
        return self._size

    def initial(self, seed: int) -> FloatVector:
        """Draw the vector of a new model, from the same distribution as `TorchEngine`.

        Weights are normal, in convolutions with variance 2/fan-in (He et al. 2015), in the dense layer with variance
        1/fan-in. Biases are zero.
        """
        check_seed(seed)
        generator = np.random.default_rng(seed)
        parts: list[FloatVector] = []
        for _, shape in self._layout:
            fan_in, gain = math.prod(shape[1:]), 2 if len(shape) == 4 else 1
            values = np.zeros(shape[0]) if len(shape) == 1 else portable_normal(generator, math.prod(shape))
            parts.append((values * math.sqrt(gain / fan_in)).astype(np.float32))
        return np.concatenate(parts)

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
        self._check(images, labels)
        check_vector(vector, self._size)
        order = np.random.default_rng(seed).permutation(len(labels))
        trained = vector.copy()
        with self._lock:
            code = self._library.idml_train(
                *(self._network, trained.ctypes.data, images.ctypes.data, labels.ctypes.data, order.ctypes.data),
                *(
                    len(labels),
                    int(batch),
                    learning_rate,
                    momentum,
                    weight_decay,
                    seed,
                    ctypes.byref(ctypes.c_double()),
                ),
            )
        _check_code(code)
        return trained

    def evaluate(self, vectors: Sequence[FloatVector], images: FloatImages, labels: Labels) -> list[int]:
        """Count correct images for each vector: see `Engine.evaluate`."""
        self._check(images, labels)
        return [self._score(vector, images, labels) for vector in vectors]

    def loss(self, vector: FloatVector, images: FloatImages, labels: Labels) -> float:
        """Return the mean cross entropy of a model on images (N, C, H, W) and labels (N,)."""
        self._check(images, labels)
        loss = ctypes.c_double()
        self._score(vector, images, labels, loss)
        return loss.value

    def logits(self, vectors: Sequence[FloatVector], images: FloatImages) -> list[Logits]:
        """Return the logits (N, classes) of images (N, C, H, W), one array for each vector.

        Each row depends only on its vector and its image.
        """
        self._check_images(images)
        answers = []
        for vector in vectors:
            self._check_vector(vector)
            answer = np.empty((len(images), self._architecture.classes), np.float32)
            with self._lock:
                self._library.idml_logits(
                    self._network, vector.ctypes.data, images.ctypes.data, len(images), answer.ctypes.data
                )
            answers.append(answer)
        return answers

    def gradient(self, vector: FloatVector, images: FloatImages, labels: Labels) -> FloatVector:
        """Return the gradient of the mean loss over images (N, C, H, W) and labels (N,), without dropout."""
        self._check(images, labels)
        self._check_vector(vector)
        gradient = np.empty(self._size, np.float32)
        with self._lock:
            code = self._library.idml_gradient(
                *(self._network, vector.ctypes.data, images.ctypes.data, labels.ctypes.data, len(labels)),
                *(gradient.ctypes.data, ctypes.byref(ctypes.c_double())),
            )
        _check_code(code)
        return gradient / np.float32(len(labels))

    def _score(
        self, vector: FloatVector, images: FloatImages, labels: Labels, loss: ctypes.c_double | None = None
    ) -> int:
        self._check_vector(vector)
        correct = ctypes.c_int64()
        with self._lock:
            code = self._library.idml_score(
                *(self._network, vector.ctypes.data, images.ctypes.data, labels.ctypes.data, len(labels)),
                *(ctypes.byref(correct), None if loss is None else ctypes.byref(loss)),
            )
        _check_code(code)
        return correct.value

    def _check(self, images: FloatImages, labels: Labels) -> None:
        check_pairs(images, labels)
        self._check_images(images)
        _check_memory("labels are", labels)
        if labels.max() >= self._architecture.classes:
            raise LearningError(f"a label is {labels.max()}: this model has {self._architecture.classes} classes")

    def _check_images(self, images: FloatImages) -> None:
        shape = self._architecture.image_shape
        if images.dtype != np.float32 or images.shape[1:] != shape:
            takes = ", ".join(str(side) for side in shape)
            raise LearningError(f"the images are {images.dtype} {images.shape}: this model takes float32 (N, {takes})")
        _check_memory("images are", images)

    def _check_vector(self, vector: FloatVector) -> None:
        check_vector(vector, self._size)
        _check_memory("vector is", vector)


def _check_code(code: int) -> None:
    """Raise an error if the library refused a call. It returns a code of idml_native.h that says what it refused."""
    if code:
        refused = {1: "a label", 2: "the order of the images", 3: "the batch"}.get(code, "something")
        raise LearningError(f"the native library refuses {refused} (code {code}): nothing was computed")


def _check_memory(what: str, array: npt.NDArray[np.generic]) -> None:
    """Refuse an array whose numbers do not lie one after another in memory, as the library needs them."""
    if not (array.flags.c_contiguous and array.flags.aligned):
        raise LearningError(f"the {what} not contiguous in memory: take numpy.ascontiguousarray of it")
