"""Data sets behind one reader: found on disk or downloaded, and always checked against their official digests."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from idml.learning.arrays import Indices, Labels, RawImages, Samples
from idml.learning.data import cifar10, fashion_mnist, hapt
from idml.learning.errors import DataError, LearningError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a classification task.

    Attributes:
        name: as given to `load_dataset`.
        train_images: uint8 (N, channels, height, width), or float32 if they are signals.
        train_labels: int64 (N,), indices into `class_names`.
        test_images: of the same type, (M, channels, height, width).
        test_labels: int64 (M,).
        class_names: one a class.
        train_owners, test_owners: int64 (N,) and (M,), whose each image is, from 0; None where nobody says.
    """

    name: str
    train_images: RawImages
    train_labels: Labels
    test_images: RawImages
    test_labels: Labels
    class_names: tuple[str, ...]
    train_owners: Indices | None = None
    test_owners: Indices | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        _, channels, height, width = self.train_images.shape
        return channels, height, width

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


class _Reader(Protocol):
    """What each module of a data set in files offers."""

    @property
    def CLASS_NAMES(self) -> tuple[str, ...]: ...  # noqa: N802
    def find(self, root: Path) -> Path | None: ...
    def missing(self, source: Path) -> list[Path]: ...
    def download(self, folder: Path) -> Path: ...
    def read(self, source: Path, cache: Path) -> Samples: ...


_READERS: Final[dict[str, _Reader]] = {"fashion-mnist": fashion_mnist, "cifar10": cifar10, "hapt": hapt}

DATASETS: Final = (*_READERS, "digits")
IMAGE_SHAPES: Final = {"fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32), "hapt": (6, 1, 128), "digits": (1, 8, 8)}
"""Channels, height and width of each data set's images, known before it is read."""
CLASSES: Final = {"fashion-mnist": 10, "cifar10": 10, "hapt": 6, "digits": 10}
"""Of each of them."""


def load_dataset(name: str, data_dir: Path | None = None, *, download: bool = True) -> Dataset:
    """Load a data set from `data_dir`, else $IDML_DATA, else the user cache, else download it into the user cache.

    Args:
        name: "fashion-mnist", "cifar10", "hapt" (which nobody downloads for you) or "digits" (8x8, bundled with
            scikit-learn, so found everywhere).
        data_dir: folder that holds the official files or one of their usual folders, torchvision's among them.
        download: whether the network may be used.

    Raises:
        DataError: a file is missing, damaged or out of reach.
        LearningError: the name is unknown.
    """
    _check_name(name)
    if name == "digits":
        return _digits()
    if data_dir is not None and not data_dir.is_dir():
        raise DataError(f"the data folder {data_dir} does not exist: correct its path")
    reader, cache = _READERS[name], user_cache()
    root, source = _find(reader, data_dir)
    lacking = reader.missing(source) if source is not None else []
    if source is None or (lacking and root == cache and download):
        if not download:
            searched = ", ".join(str(place) for place in _roots(data_dir))
            raise DataError(f"{name} is not in {searched}: put it there, or allow the download")
        source = reader.download(cache / name)
    elif lacking:
        raise DataError(f"{lacking[0]} is missing beside the other files of {name}: add it or remove them")
    samples = reader.read(source, cache)
    return Dataset(name, *samples[:4], reader.CLASS_NAMES, samples.train_owners, samples.test_owners)


def find_dataset(name: str, data_dir: Path | None = None) -> bool:
    """Say whether `load_dataset` would find all files on disk; it looks at names only, not at their content.

    Raises:
        LearningError: the name is unknown.
    """
    _check_name(name)
    if name == "digits":
        return True
    reader = _READERS[name]
    _, source = _find(reader, data_dir)
    return source is not None and not reader.missing(source)


def find_file(name: str, data_dir: Path | None = None) -> Path | None:
    """Find a file beside the data sets, by its name relative to the places where `load_dataset` looks."""
    paths = (root / name for root in _roots(data_dir))
    return next((path.resolve() for path in paths if path.is_file()), None)


def user_cache() -> Path:
    """Return the folder for downloads: $XDG_CACHE_HOME/idml, or ~/.cache/idml."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~/.cache"))) / "idml"


def _check_name(name: str) -> None:
    if name not in DATASETS:
        raise LearningError(f"data set {name!r} is unknown: choose one of {', '.join(DATASETS)}")


def _roots(data_dir: Path | None) -> list[Path]:
    named = os.environ.get("IDML_DATA")
    return [root for root in (data_dir, Path(named) if named else None, user_cache()) if root is not None]


def _find(reader: _Reader, data_dir: Path | None) -> tuple[Path | None, Path | None]:
    """Return the first place that holds anything of the data set, and where in it."""
    for root in _roots(data_dir):
        source = reader.find(root)
        if source is not None:
            return root, source
    return None, None


def _digits() -> Dataset:
    """Return the UCI handwritten digits: values 0..16 scaled to 0..255, 1,437 training and 360 test images.

    Every fifth image in the order of the classes is a test image, so that each class has its share.
    """
    from sklearn.datasets import load_digits  # here, as it takes a second to import

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = bunch.target.astype(np.int64)
    tested = np.zeros(len(labels), bool)
    tested[np.argsort(labels, kind="stable")[::5]] = True
    names = tuple(str(digit) for digit in range(10))
    return Dataset("digits", images[~tested], labels[~tested], images[tested], labels[tested], names)
