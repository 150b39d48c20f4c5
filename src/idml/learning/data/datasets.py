"""A data set once it is loaded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from inspect import isfunction
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from idml.errors import IdmlError
from idml.learning.arrays import Indices, Labels, RawImages, Samples
from idml.learning.data.arrays import ArraySource, source_of_arrays
from idml.learning.data.registry import DATASETS
from idml.learning.data.source import DataSource
from idml.registry import PluginError


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

    @classmethod
    def from_arrays(
        cls,
        train_x: npt.ArrayLike,
        train_y: npt.ArrayLike,
        test_x: npt.ArrayLike,
        test_y: npt.ArrayLike,
        *,
        owners: npt.ArrayLike | None = None,
        test_owners: npt.ArrayLike | None = None,
        class_names: Sequence[str] | None = None,
        name: str = "arrays",
        kind: str | None = None,
    ) -> Self:
        """Make a data set of arrays.

        Pixels of uint8 are scaled as those of every data set. Tokens stay whole numbers. All other numbers are
        standardized by mean and deviation of the training part: each column of a table, each channel of images and
        signals. What is constant becomes 0.

        Args:
            train_x: what devices train on. The number of dimensions says what it is. (N, height, width) of uint8,
                (N, height, width, channels) and (N, channels, height, width): images, uint8 from 0 to 255 or floats;
                four dimensions are channels first, unless only the last counts 1, 3 or 4. (N, channels, samples) of
                floats: signals. (N, features): rows of a table, floats or whole numbers.
            train_y: the class of each, (N,): whole numbers from 0, or texts.
            test_x, test_y: what all devices are tested on, likewise, (M, ...) and (M,).
            owners: whose each training entry is, (N,): whole numbers from 0, or texts.
            test_owners: whose each test entry is, (M,), if the partition `natural` is to be used.
            class_names: one for each class, in the order of the labels; by default the numbers, or the texts sorted.
            name: of the data set, short and in lower case.
            kind: "images", "signals", "rows" or "tokens", where the dimensions do not say it. Tokens are whole numbers
                from 0, (N, tokens). Signals of one channel may be (N, samples).

        Raises:
            DataError: something is wrong with an argument; the message says what, in one line.
        """
        source = source_of_arrays(
            train_x,
            train_y,
            test_x,
            test_y,
            owners=owners,
            test_owners=test_owners,
            class_names=class_names,
            name=name,
            kind=kind,
        )
        return cls(source, *source.load(None, download=False))

    @classmethod
    def from_folder(cls, folder: Path | str, *, resize: tuple[int, int] | None = None) -> Self:
        """Make a data set of pictures in folders of classes. It needs Pillow, the extra `images`.

        Args:
            folder: holds train/CLASS/ and test/CLASS/; or CLASS/, and then every fifth picture of each class is a test
                picture, in the order of their names.
            resize: height and width to bring all pictures to; None: they must have one size.

        Raises:
            DataError: something is missing or damaged, or the pictures do not fit together.
        """
        from idml.learning.data.folders import read_folder

        source = read_folder(Path(folder), resize=resize)
        return cls(source, *source.load(None, download=False))

    @classmethod
    def from_torchvision(
        cls,
        train: Any,
        test: Any,
        *,
        class_names: Sequence[str] | None = None,
        name: str = "torchvision",
        kind: str | None = None,
    ) -> Self:
        """Make a data set of two of torchvision, or of any two that PyTorch's DataLoader reads. Each item is read once.

        Args:
            train, test: have a length, and items of a value and its class: a picture of Pillow's, a tensor or an array,
                all of one shape, and a whole number from 0.
            class_names: by default the attribute `classes` of `train`, if there is one, else the numbers.
            name, kind: see `from_arrays`.

        Raises:
            DataError: something is wrong with an item; the message says what, in one line.
        """
        from idml.learning.data.libraries import source_of_torchvision

        source = source_of_torchvision(train, test, name=name, kind=kind, class_names=class_names)
        return cls(source, *source.load(None, download=False))

    @classmethod
    def from_huggingface(
        cls,
        splits: Any,
        *,
        x: str | Sequence[str] | None = None,
        y: str | None = None,
        owners: str | None = None,
        train: str = "train",
        test: str = "test",
        name: str = "huggingface",
        kind: str | None = None,
    ) -> Self:
        """Make a data set of a `DatasetDict` of the library `datasets`.

        Args:
            splits: the `DatasetDict`.
            x: the column that is learned from, of pictures, lists or arrays, or several of numbers; by default the only
                one of the former, else all numbers.
            y: the column of the class; by default the only one of type ClassLabel, else `label`.
            owners: the column that says whose each is, if any does.
            train, test: names of the splits.
            name, kind: see `from_arrays`.

        Raises:
            DataError: something is wrong with a column; the message says what, in one line.
        """
        from idml.learning.data.libraries import source_of_huggingface

        source = source_of_huggingface(splits, x=x, y=y, owners=owners, train=train, test=test, name=name, kind=kind)
        return cls(source, *source.load(None, download=False))

    @property
    def name(self) -> str:
        """Its source's, by which the record of a run tells it apart."""
        return self.source.name

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


def adopt_dataset(found: object) -> object:
    """The source of a `Dataset`, or of the one that a function without arguments returns; anything else as it is.

    Raises:
        PluginError: the function failed, or returned something else.
    """
    if isfunction(found):
        made = _call(found)
        if not isinstance(made, Dataset):
            raise PluginError(f"{found.__name__}() returned {type(made).__name__}: return Dataset.from_arrays(...)")
        found = made
    if not isinstance(found, Dataset):
        return found
    return require_arrays(found)


def require_arrays(dataset: Dataset) -> ArraySource:
    """The source of a data set that was made of arrays.

    Raises:
        PluginError: it was not; its source can be named, and the object need not be given.
    """
    if not isinstance(dataset.source, ArraySource):
        raise PluginError(f"the Dataset {dataset.source.name} is not made of arrays: use Dataset.from_arrays(...)")
    return dataset.source


@lru_cache(maxsize=2)
def _call(function: Callable[[], Any]) -> Any:
    """What a function returns, asked once: a configuration asks often for its data set."""
    try:
        return function()
    except IdmlError as error:
        raise PluginError(f"{function.__name__}(): {error}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"{function.__name__}() failed: {error!r}") from error
