"""The arrays that pass between the parts of this room, by name."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatVector = npt.NDArray[np.float32]
"""(size,): all parameters of a model, one after another."""
FloatImages = npt.NDArray[np.float32]
"""(N, C, H, W), scaled for training."""
ByteImages = npt.NDArray[np.uint8]
"""(N, C, H, W), as a data set of pictures holds them."""
RawImages = ByteImages | FloatImages
"""(N, C, H, W), as a data set holds them: pixels, or signals that are scaled already, one row high."""
Labels = npt.NDArray[np.int64]
"""(N,): the class of each image."""
Indices = npt.NDArray[np.int64]
"""(N,): positions in a data set."""


class Samples(NamedTuple):
    """All that a data set holds: what `DataSource.load` returns.

    Attributes:
        train_images: uint8 (N, channels, height, width), pixels from 0 to 255; or float32, scaled for training already.
        train_labels: int64 (N,), each class from 0.
        test_images: of the same type, (M, channels, height, width); nobody trains on them.
        test_labels: int64 (M,).
        train_owners, test_owners: int64 (N,) and (M,), whose each image is, from 0; None where nobody says.
    """

    train_images: RawImages
    train_labels: Labels
    test_images: RawImages
    test_labels: Labels
    train_owners: Indices | None = None
    test_owners: Indices | None = None
