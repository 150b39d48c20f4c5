"""A data set once it is loaded."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idml.learning.arrays import Indices, Labels, RawImages, Samples
from idml.learning.data.registry import DATASETS
from idml.learning.data.source import DataSource


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a classification task.

    Attributes:
        source: where they come from, and what is known of them: shape, classes.
        train_images: uint8 (N, channels, height, width), or float32 if they are signals.
        train_labels: int64 (N,), indices into the source's `class_names`.
        test_images: of the same type, (M, channels, height, width).
        test_labels: int64 (M,).
        train_owners, test_owners: int64 (N,) and (M,), whose each image is, from 0; None where nobody says.
    """

    source: DataSource
    train_images: RawImages
    train_labels: Labels
    test_images: RawImages
    test_labels: Labels
    train_owners: Indices | None = None
    test_owners: Indices | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self.source.image_shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.source.classes


def load_dataset(name: str, data_dir: Path | None = None, *, download: bool = True) -> Dataset:
    """Load the data set of a name: see `DataSource.load` for the other arguments and what it raises.

    Raises:
        PluginError: there is no data set of this name.
    """
    source = DATASETS.find(name)
    samples = source.load(data_dir, download=download)
    # As other processes have them: in one piece of memory, whatever views somebody made of it.
    one_piece = (None if array is None else np.ascontiguousarray(array) for array in samples)
    return Dataset(source, *Samples._make(one_piece))


def find_dataset(name: str, data_dir: Path | None = None) -> bool:
    """Say whether `load_dataset` would find all files on disk: see `DataSource.is_there`.

    Raises:
        PluginError: there is no data set of this name.
    """
    return DATASETS.find(name).is_there(data_dir)
