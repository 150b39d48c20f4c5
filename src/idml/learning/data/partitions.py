"""The partitions that ship. Each draws from one random generator in a fixed order, on which results depend."""

from abc import abstractmethod

import numpy as np

from idml.learning.arrays import Indices, Labels
from idml.learning.data.datasets import Dataset
from idml.learning.data.partition import Partition, Shares, require_range
from idml.learning.errors import LearningError


class _Pooled(Partition):
    """Sorts images into pools, and gives each device as many images as every other, from one pool or several."""

    @abstractmethod
    def pools(self, labels: Labels) -> list[Indices]:
        """Positions of images in `labels`, pool by pool."""

    @abstractmethod
    def hands(self, pools: int, devices: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
        """The pools from which each device gets equal parts, as many for each."""

    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        """See `Partition.deal`; positions ascend."""
        require_range(devices, seed, images_per_device)
        rng = np.random.default_rng(seed)
        pools = self.pools(dataset.train_labels)
        hands = self.hands(len(pools), devices, rng)
        shared, per_hand = images_per_device is not None, len(hands[0])
        uses = np.bincount(np.concatenate(hands), minlength=len(pools)).tolist()
        most = per_hand * min(len(pool) // (1 if shared else n) for pool, n in zip(pools, uses, strict=True) if n)
        size = most if images_per_device is None else images_per_device
        if not per_hand <= size <= most:
            raise LearningError(
                f"{size} images for each of {devices} devices cannot be drawn: there are {most} at most, "
                "set images_per_device"
            )
        return Shares(_draw(pools, hands, size, rng, shared=shared))


class Iid(_Pooled):
    """Each device draws from all images alike."""

    def pools(self, labels: Labels) -> list[Indices]:
        """All images in one."""
        return [np.arange(len(labels))]

    def hands(self, pools: int, devices: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
        """That one."""
        del pools, rng
        return [(0,)] * devices


class TwoClass(_Pooled):
    """Each device has images of exactly two classes, half of each; the first has one more if their number is odd."""

    def pools(self, labels: Labels) -> list[Indices]:
        """One for each class.

        Raises:
            LearningError: there is only one class.
        """
        pools = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        if len(pools) < 2:
            raise LearningError(f"there are {len(pools)} classes of images: two-class needs at least 2")
        return pools

    def hands(self, pools: int, devices: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
        """Two classes for each device. Picking the two least used keeps all uses within one of each other."""
        uses = np.zeros(pools, np.int64)
        pairs = []
        for _ in range(devices):
            least_used_first = np.lexsort((rng.random(pools), uses))
            pair = least_used_first[:2]
            uses[pair] += 1
            pairs.append(tuple(pair.tolist()))
        return pairs


class Natural(Partition):
    """Each device is one person of the data set, and is to be good at that person's own test images."""

    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        """See `Partition.deal`; a device has all images of its person, or some of them drawn at random."""
        require_range(devices, seed, images_per_device)
        if dataset.train_owners is None or dataset.test_owners is None:
            raise LearningError("nobody says whose its images are: choose iid or two-class, or the data set hapt")
        persons = _draw_persons(dataset.train_owners, devices, seed)
        train = [np.flatnonzero(dataset.train_owners == person) for person in persons]
        test = [np.flatnonzero(dataset.test_owners == person) for person in persons]
        if images_per_device is None:
            return Shares(train, test)
        rng = np.random.default_rng(seed)
        fewest = min(len(share) for share in train)
        if images_per_device > fewest:
            raise LearningError(f"{images_per_device} images for each device cannot be drawn: somebody has {fewest}")
        return Shares([np.sort(rng.choice(share, images_per_device, replace=False)) for share in train], test)


def _draw(
    pools: list[Indices], hands: list[tuple[int, ...]], size: int, rng: np.random.Generator, *, shared: bool
) -> list[Indices]:
    """Draw `size` images for each hand: from whole pools if images may be shared, else each image once."""
    decks = [rng.permutation(pool) for pool in pools]
    dealt = [0] * len(decks)
    result = []
    for hand in hands:
        drawn = []
        for place, pool in enumerate(hand):
            count = size // len(hand) + (place < size % len(hand))
            if shared:
                drawn.append(rng.choice(pools[pool], count, replace=False))
            else:
                drawn.append(decks[pool][dealt[pool] : dealt[pool] + count])
                dealt[pool] += count
        result.append(np.sort(np.concatenate(drawn)))
    return result


def _draw_persons(owners: Indices, devices: int, seed: int) -> Indices:
    """Another person for each device, int64 (devices,)."""
    persons = np.random.default_rng(seed).permutation(np.unique(owners))
    if devices > len(persons):
        raise LearningError(f"there are {len(persons)} persons, one a device")
    return persons[:devices]
