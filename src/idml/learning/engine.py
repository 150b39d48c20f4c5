"""Training and evaluation on flat float32 vectors: a model, to everything outside its engine, is one such vector."""

from collections.abc import Sequence
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import FloatImages, FloatVector, Labels, RawImages

Layout = tuple[tuple[str, tuple[int, ...]], ...]

# One fixed scaling for every data set, about the pixels' mean and deviation over the three that we ship: a device must
# not need statistics of data that it does not have.
_MEAN: Final = 0.35
_DEVIATION: Final = 0.33
_SCALED: Final = ((np.arange(256) / 255 - _MEAN) / _DEVIATION).astype(np.float32)


def prepare(images: RawImages) -> FloatImages:
    """Scale images for training: uint8 of any shape to float32, (x / 255 - 0.35) / 0.33; float32 is scaled already."""
    if images.dtype == np.float32:
        return cast(FloatImages, images)
    return _SCALED[images]


class Engine(Protocol):
    """What the rest of iDML needs of a machine-learning framework."""

    @property
    def layout(self) -> Layout:
        """Name and shape of each parameter in the model's own order; their values, one after another, are a vector."""

    @property
    def size(self) -> int:
        """Number of values in a vector."""

    def initial(self, seed: int) -> FloatVector:
        """Return a new model's vector, determined by the seed."""

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
        """Train one epoch of stochastic gradient descent and return the new vector; the given one stays as it is.

        Equal arguments give equal bits, whatever ran before.

        Args:
            vector: float32 (size,), the model to start from.
            images: float32 (N, C, H, W) as `prepare` returns them, or any (N, ...) that the model takes.
            labels: int64 (N,).
            learning_rate: step size.
            batch: images per step; the last step takes what is left.
            seed: in [0, 2**64), decides the order of the images and what dropout drops.
            momentum: share of the previous step that is kept; it starts from zero in every call.
            weight_decay: factor of the L2 penalty's gradient.

        Raises:
            LearningError: vector, images or labels do not fit the model or each other, or a number is out of range.
        """

    def evaluate(self, vectors: Sequence[FloatVector], images: FloatImages, labels: Labels) -> list[int]:
        """Count, for each vector, the images that it classifies correctly (one with a NaN output is never correct).

        A count depends on its vector, the images and their order, and on nothing else: not on the other vectors, and
        not on what else is evaluated at the time.
        """

    def logits(self, vectors: Sequence[FloatVector], images: FloatImages) -> list[npt.NDArray[np.float32]]:
        """Return, for each vector, what it makes of the images: float32 (N, classes).

        They depend on the vector, the images and their order, and on nothing else; the first of the greatest of a row
        is the class that `evaluate` takes the image for.
        """
