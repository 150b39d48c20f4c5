"""How a data set is dealt out to devices: the base class of every partition."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from idml.learning.arrays import Indices
from idml.learning.data.datasets import Dataset
from idml.learning.errors import LearningError
from idml.registry import PluginError


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What each device holds, one after another.

    Args:
        train: for each device, positions of its training images in the data set, integers (N,), at least one.
        test: for each device, positions of the test images that are its own; None: all devices are tested on all.
    """

    train: Sequence[Indices]
    test: Sequence[Indices] | None = None


class Partition(ABC):
    """A way to deal a data set out to devices. Subclass it and write `deal`."""

    @abstractmethod
    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        """Choose the images of each device, the same for the same arguments.

        Args:
            dataset: the images, which must not be changed, and their labels.
            devices: how many there are, at least 1.
            seed: at least 0; every random draw must derive from it.
            images_per_device: how many each device gets, drawn for it alone, so that two may hold the same image; None:
                it is up to the partition, such as all images dealt out evenly, each to one device.

        Raises:
            LearningError: the data set cannot be dealt out like this.
        """


def deal_out(
    partition: Partition, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None
) -> Shares:
    """Deal a data set out, and check what each device got; see `Partition.deal` for the arguments.

    Returns:
        The shares, as int64.

    Raises:
        LearningError: the data set cannot be dealt out like this.
        PluginError: what `deal` returned are no shares of these devices.
    """
    shares = partition.deal(dataset, devices=devices, seed=seed, images_per_device=images_per_device)
    if not isinstance(shares, Shares):
        raise PluginError(f"deal() returned {type(shares).__name__}: return Shares(train)")
    train = _checked(shares.train, "train", len(dataset.train_labels), devices)
    test = None if shares.test is None else _checked(shares.test, "test", len(dataset.test_labels), devices)
    return Shares(train, test)


def _checked(shares: Sequence[Indices], what: str, images: int, devices: int) -> list[Indices]:
    if len(shares) != devices:
        raise PluginError(f"deal() returned {len(shares)} {what} shares: return one for each of {devices} devices")
    found = []
    for device, share in enumerate(shares):
        positions = np.asarray(share)
        if not len(positions):
            raise PluginError(f"deal() gave device {device} no {what} images: each needs at least one")
        if positions.ndim != 1 or positions.dtype.kind not in "iu":
            raise PluginError(
                f"deal() gave device {device} {positions.dtype} of shape {positions.shape} as its {what} share: "
                "give positions, integers (N,)"
            )
        if not 0 <= positions.min() <= positions.max() < images:
            raise PluginError(
                f"deal() gave device {device} {what} positions {positions.min()}..{positions.max()}: "
                f"there are {images} images, counted from 0"
            )
        found.append(positions.astype(np.int64, copy=False))
    return found


def require_range(devices: int, seed: int, images_per_device: int | None) -> None:
    """Refuse numbers with which nothing can be dealt out.

    Raises:
        LearningError: one is out of range.
    """
    if devices < 1:
        raise LearningError(f"devices is {devices}: it must be at least 1")
    if seed < 0:
        raise LearningError(f"seed is {seed}: it must be at least 0")
    if images_per_device is not None and images_per_device < 1:
        raise LearningError(f"images_per_device is {images_per_device}: it must be at least 1")
