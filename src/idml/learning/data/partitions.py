"""The partitions that ship. Each draws from one random generator in a fixed order, on which results depend."""

from abc import abstractmethod
from typing import Final

import numpy as np

from idml.learning.arrays import Indices, Labels
from idml.learning.data.datasets import Dataset
from idml.learning.data.partition import Partition, Shares, require_range
from idml.learning.errors import LearningError

DEFAULT_ALPHA: Final = 0.5


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
        return Shares(_draw_some(train, images_per_device, seed), test)


class Dirichlet(Partition):
    """Devices have classes in unequal shares, drawn from a Dirichlet distribution (Hsu et al. 2019).

    Args:
        alpha: above 0; the smaller, the fewer classes make up most of what a device has.
    """

    def __init__(self, alpha: float = DEFAULT_ALPHA) -> None:
        self._alpha = alpha

    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        """See `Partition.deal`; positions ascend. Each device has at least one image.

        If all images are dealt out, each class is shared between devices by a draw of its own. Else each device draws
        how much it has of each class.
        """
        require_range(devices, seed, images_per_device)
        labels = dataset.train_labels
        rng = np.random.default_rng(seed)
        decks = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
        if images_per_device is None:
            if devices > len(labels):
                raise LearningError(f"there are {len(labels)} images, and each device needs one")
            shares = self._split(decks, devices, rng)
        else:
            if images_per_device > len(labels):
                raise LearningError(
                    f"{images_per_device} images for each device cannot be drawn: there are {len(labels)}"
                )
            shares = [self._pick(decks, images_per_device, rng) for _ in range(devices)]
        return Shares([np.sort(share) for share in shares])

    def _split(self, decks: list[Indices], devices: int, rng: np.random.Generator) -> list[Indices]:
        """Deal all images out; a device that got none takes one of whoever has most."""
        parts: list[list[Indices]] = [[] for _ in range(devices)]
        for deck in decks:
            ends = np.cumsum(rng.dirichlet(np.full(devices, self._alpha)))[:-1]
            cuts = np.minimum((ends * len(deck)).astype(np.int64), len(deck))
            for part, piece in zip(parts, np.split(deck, cuts), strict=True):
                part.append(piece)
        shares = [np.concatenate(part) for part in parts]
        for device in range(devices):
            if not len(shares[device]):
                richest = max(range(devices), key=lambda other: len(shares[other]))
                shares[device], shares[richest] = shares[richest][-1:], shares[richest][:-1]
        return shares

    def _pick(self, decks: list[Indices], size: int, rng: np.random.Generator) -> Indices:
        """Draw the images of one device; what a class has not enough of comes from the others."""
        preference = rng.dirichlet(np.full(len(decks), self._alpha))
        counts, room = np.zeros(len(decks), np.int64), np.array([len(deck) for deck in decks])
        while (left := size - counts.sum()) > 0:
            # A class that is next to never preferred must be possible where it alone has images left.
            weights = np.where(counts < room, preference + 1e-9, 0)
            counts = np.minimum(counts + rng.multinomial(left, weights / weights.sum()), room)
        return np.concatenate(
            [rng.choice(deck, count, replace=False) for deck, count in zip(decks, counts.tolist(), strict=True)]
        )


class Owners(Partition):
    """Each device holds what some owners of the data set own: with n devices, the d-th has owners d, d + n, d + 2n."""

    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        """See `Partition.deal`; a device has all images of its owners, or some of them drawn at random."""
        require_range(devices, seed, images_per_device)
        if dataset.train_owners is None:
            raise LearningError("nobody says whose its images are: give owners, or choose iid, two-class or dirichlet")
        owners, places = np.unique(dataset.train_owners, return_inverse=True)
        if devices > len(owners):
            raise LearningError(f"there are {len(owners)} owners, and each device needs one")
        train = [np.flatnonzero(places % devices == device) for device in range(devices)]
        return Shares(train if images_per_device is None else _draw_some(train, images_per_device, seed))


def _draw_some(shares: list[Indices], size: int, seed: int) -> list[Indices]:
    """As many images of each share, drawn at random."""
    rng = np.random.default_rng(seed)
    fewest = min(len(share) for share in shares)
    if size > fewest:
        raise LearningError(f"{size} images for each device cannot be drawn: somebody has {fewest}")
    return [np.sort(rng.choice(share, size, replace=False)) for share in shares]


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
