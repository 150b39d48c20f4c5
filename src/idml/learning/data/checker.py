"""Tells the author of a data set or a partition what is wrong with it before a run does."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from idml.checks import is_number, require_name
from idml.errors import IdmlError
from idml.learning.arrays import Samples
from idml.learning.data.datasets import Dataset
from idml.learning.data.partition import Partition, Shares, deal_out
from idml.learning.data.source import KINDS, DataSource, TrainingDefaults
from idml.learning.errors import LearningError
from idml.registry import PluginError

_CLASSES: Final = 10
_IMAGES: Final = 600
_TESTED: Final = 100


def check_traits(source: DataSource) -> None:
    """Check what is known of a data set before it is loaded.

    Raises:
        PluginError: at the first attribute that is missing or not what it must be.
    """
    if not isinstance(source, DataSource):
        raise PluginError(f"{type(source).__name__} is no DataSource: subclass idml.DataSource")
    require_name("name", getattr(source, "name", None))
    shape = getattr(source, "image_shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 3 and all(_is_count(side) for side in shape)):
        raise PluginError(f"image_shape is {shape!r}: set (channels, height, width), whole numbers of at least 1")
    names = getattr(source, "class_names", None)
    if not (isinstance(names, tuple) and len(names) >= 2 and all(isinstance(name, str) and name for name in names)):
        raise PluginError(f"class_names is {names!r}: set a tuple of texts, at least two")
    licence = getattr(source, "licence", None)
    if not isinstance(licence, str) or not licence or "\n" in licence:
        raise PluginError(f"licence is {licence!r}: set one line, its licence and where it comes from")
    if source.kind not in KINDS:
        raise PluginError(f"kind is {source.kind!r}: set one of {', '.join(KINDS)}")
    if source.kind == "tokens" and not _is_count(source.vocabulary):
        raise PluginError(f"vocabulary is {source.vocabulary!r}: set the number of different tokens")
    pairs, classes = source.look_alikes, range(source.classes)
    if not isinstance(pairs, Mapping) or any(old not in classes or new not in classes for old, new in pairs.items()):
        raise PluginError(f"look_alikes is {pairs!r}: set classes for classes, each from 0 to {len(names) - 1}")
    tolerances = source.tolerances
    if not isinstance(tolerances, Mapping) or not all(is_number(v) and 0 <= v <= 1 for v in tolerances.values()):
        raise PluginError(f"tolerances is {tolerances!r}: set numbers from 0 to 1 by the names of rules")
    _check_defaults(source.defaults)


def check_dataset(source: DataSource, data_dir: Path | None = None, *, download: bool = True) -> None:
    """Load a data set twice and check all that iDML relies on.

    Args:
        source: the one to check.
        data_dir, download: see `DataSource.load`.

    Raises:
        PluginError: at the first thing that would break a run.
        DataError: a file is missing, damaged or out of reach.
    """
    check_traits(source)
    samples = _load(source, data_dir, download)
    _check_samples(source, samples)
    digest = _digest(samples)
    del samples  # it may be large
    if _digest(_load(source, data_dir, download)) != digest:
        raise PluginError("load() returned other images or labels in a second call: seed every random draw")


def check_partition(
    partition: Partition, dataset: Dataset | None = None, *, devices: int = 5, images_per_device: int | None = None
) -> None:
    """Deal a data set out several times and check all that iDML relies on.

    Args:
        partition: the one to check.
        dataset: to be dealt out; by default 500 random images of 10 classes and of 10 persons, and 100 to test on.
        devices, images_per_device: see `Partition.deal`.

    Raises:
        PluginError: at the first thing that would break a run.
        LearningError: the partition says that this data set cannot be dealt out like this.
    """
    if not isinstance(partition, Partition):
        raise PluginError(f"{type(partition).__name__} is no Partition: subclass idml.Partition")
    if dataset is None:
        dataset = Dataset(_Random(), *_Random().load(None, download=False))
    held = (dataset.train_labels, dataset.test_labels, dataset.train_images, dataset.test_images)
    before = [_digest_of(array) for array in held]

    def deal(seed: int) -> Shares:
        try:
            return deal_out(partition, dataset, devices=devices, seed=seed, images_per_device=images_per_device)
        except IdmlError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"deal() raised {error!r}") from error

    first, again = deal(1), deal(1)
    if [_digest_of(array) for array in held] != before:
        raise PluginError("deal() changed the data set: work on a copy")
    if not _equal(first, again):
        raise PluginError("deal() gave two results for equal arguments: draw only from numpy.random.default_rng(seed)")


def _check_defaults(defaults: TrainingDefaults) -> None:
    if not isinstance(defaults, TrainingDefaults):
        raise PluginError(f"defaults is {defaults!r}: set TrainingDefaults(...)")
    if not _is_count(defaults.batch):
        raise PluginError(f"defaults has batch {defaults.batch!r}: set a whole number of at least 1")
    if not is_number(defaults.learning_rate) or not 0 < defaults.learning_rate <= 10:
        raise PluginError(f"defaults has learning_rate {defaults.learning_rate!r}: set a number above 0, at most 10")
    if not is_number(defaults.learning_rate_decay) or not 0 <= defaults.learning_rate_decay <= 100:
        raise PluginError(
            f"defaults has learning_rate_decay {defaults.learning_rate_decay!r}: set a number from 0 to 100"
        )
    if defaults.images_per_device is not None and not _is_count(defaults.images_per_device):
        raise PluginError(
            f"defaults has images_per_device {defaults.images_per_device!r}: set a whole number of at least 1, or None"
        )


def _load(source: DataSource, data_dir: Path | None, download: bool) -> Samples:
    try:
        samples = source.load(data_dir, download=download)
    except LearningError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"load() raised {error!r}") from error
    if not isinstance(samples, Samples):
        raise PluginError(f"load() returned {type(samples).__name__}: return Samples(...)")
    return samples


def _check_samples(source: DataSource, samples: Samples) -> None:
    for part in ("train", "test"):
        images, labels, owners = (getattr(samples, f"{part}_{what}") for what in ("images", "labels", "owners"))
        _check_images(f"{part}_images", images, source.image_shape)
        _check_numbers(f"{part}_labels", labels, len(images), f"0..{source.classes - 1}", source.classes)
        if owners is not None:
            _check_numbers(f"{part}_owners", owners, len(images), "0 and up", None)
    if samples.train_images.dtype != samples.test_images.dtype:
        raise PluginError(
            f"train_images is {samples.train_images.dtype}, test_images {samples.test_images.dtype}: use one type"
        )
    if samples.train_owners is None and samples.test_owners is not None:
        raise PluginError("load() returned owners of the test part only: return those of the training part as well")


def _check_images(what: str, images: npt.NDArray[Any], shape: tuple[int, int, int]) -> None:
    if not isinstance(images, np.ndarray):
        raise PluginError(f"{what} is {type(images).__name__}: return a numpy array")
    if images.dtype not in (np.uint8, np.float32):
        raise PluginError(f"{what} is {images.dtype}: return uint8 from 0 to 255, or float32 scaled for training")
    if images.shape[1:] != shape:
        raise PluginError(f"{what} has shape {images.shape}: image_shape asks for (N, {', '.join(map(str, shape))})")
    if not len(images):
        raise PluginError(f"{what} is empty: return at least one image")
    if images.dtype == np.float32 and not np.isfinite(images).all():
        raise PluginError(f"{what} has values that are not finite")


def _check_numbers(what: str, numbers: npt.NDArray[Any], images: int, valid: str, limit: int | None) -> None:
    if not isinstance(numbers, np.ndarray):
        raise PluginError(f"{what} is {type(numbers).__name__}: return a numpy array")
    if numbers.dtype != np.int64 or numbers.shape != (images,):
        raise PluginError(f"{what} is {numbers.dtype} of shape {numbers.shape}: return int64 of shape ({images},)")
    if numbers.min() < 0 or (limit is not None and numbers.max() >= limit):
        raise PluginError(f"{what} lies in {numbers.min()}..{numbers.max()}: it must lie in {valid}")


class _Random(DataSource):
    """Random images of ten classes and ten persons."""

    name = "random"
    image_shape = (1, 8, 8)
    class_names = tuple(str(number) for number in range(_CLASSES))
    licence = "none needed; drawn at random"

    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        """See `DataSource.load`."""
        del data_dir, download
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (_IMAGES, *self.image_shape), dtype=np.uint8)
        labels, owners = (generator.permutation(np.arange(_IMAGES) % _CLASSES) for _ in range(2))
        test, train = slice(_TESTED), slice(_TESTED, None)
        return Samples(images[train], labels[train], images[test], labels[test], owners[train], owners[test])


def _equal(one: Shares, other: Shares) -> bool:
    pairs = [(one.train, other.train), (one.test or (), other.test or ())]
    return all(len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in pairs)


def _digest(samples: Samples) -> list[str | None]:
    return [None if array is None else _digest_of(array) for array in samples]


def _digest_of(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
