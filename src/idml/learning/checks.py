"""What an engine refuses before it trains or evaluates: each check raises a `LearningError` of one line."""

import numpy as np

from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.errors import LearningError


def check_rates(learning_rate: float, momentum: float, weight_decay: float) -> None:
    """Refuse a step size or penalty below 0, and a momentum outside [0, 1)."""
    if not (learning_rate >= 0 and 0 <= momentum < 1 and weight_decay >= 0):
        raise LearningError(
            f"learning_rate {learning_rate} and weight_decay {weight_decay} must be at least 0, "
            f"momentum {momentum} in [0, 1)"
        )


def check_seed(seed: int) -> None:
    """Refuse a seed outside [0, 2**64)."""
    if not 0 <= seed < 2**64:
        raise LearningError(f"seed is {seed}: it must lie in [0, 2**64)")


def check_batch(batch: int) -> None:
    """Refuse a batch that is no whole number in [1, 2**63)."""
    if not (isinstance(batch, int | np.integer) and 1 <= batch < 2**63):
        raise LearningError(f"batch is {batch}: it must be a whole number, at least 1 and below 2**63")


def check_images(images: FloatImages) -> None:
    """Refuse images that are not prepared, and an empty set of them."""
    if images.dtype != np.float32:
        raise LearningError(f"the images are {images.dtype}: prepare() makes float32 of them")
    if not len(images):
        raise LearningError("there are 0 images: at least one is needed")


def check_pairs(images: FloatImages, labels: Labels) -> None:
    """Refuse images that are not prepared, and labels that are not one class for each of them."""
    check_images(images)
    if labels.dtype != np.int64 or labels.ndim != 1:
        raise LearningError(f"the labels are {labels.dtype} {labels.shape}: int64 (N,) is needed")
    if len(images) != len(labels) or not len(labels):
        raise LearningError(f"{len(images)} images and {len(labels)} labels: one label an image is needed")
    # cross_entropy would skip the label -100 in silence.
    if labels.min() < 0:
        raise LearningError(f"a label is {labels.min()}: classes count from 0")


def check_vector(vector: FloatVector, size: int) -> None:
    """Refuse a vector that is not float32 (size,)."""
    if vector.dtype != np.float32 or vector.shape != (size,):
        raise LearningError(f"the vector is {vector.dtype} {vector.shape}: this model takes float32 ({size},)")
