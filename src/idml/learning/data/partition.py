"""How a data set is dealt out to devices."""

from typing import Literal

import numpy as np

from idml.learning.arrays import Indices, Labels
from idml.learning.errors import LearningError

Kind = Literal["iid", "two-class"]


def partition(
    labels: Labels,
    *,
    devices: int,
    kind: Kind,
    seed: int,
    images_per_device: int | None = None,
    share: bool = False,
) -> list[Indices]:
    """Choose the images of each device: as many for each, drawn at random, the same for the same arguments.

    "iid" draws from all images. "two-class" gives each device images of exactly two classes, half of each (one more of
    the first if the number is odd), and uses all classes equally often, give or take one device.

    Args:
        labels: int64 (N,), the class of each image.
        devices: number of devices.
        kind: "iid" or "two-class".
        seed: at least 0.
        images_per_device: how many each device gets; as many as there are for all when None.
        share: draw for each device on its own, so that two may hold the same image; for small data sets, and needs
            `images_per_device`. Otherwise no image goes to two devices.

    Returns:
        For each device, ascending positions in `labels`.

    Raises:
        LearningError: a value is out of range or there are too few images.
    """
    if devices < 1:
        raise LearningError(f"devices is {devices}: it must be at least 1")
    if seed < 0:
        raise LearningError(f"seed is {seed}: it must be at least 0")
    if images_per_device is not None and images_per_device < 1:
        raise LearningError(f"images_per_device is {images_per_device}: it must be at least 1")
    if share and images_per_device is None:
        raise LearningError("share needs images_per_device: say how many images each device draws")
    rng = np.random.default_rng(seed)
    if kind == "iid":
        pools = [np.arange(len(labels))]
        hands: list[tuple[int, ...]] = [(0,)] * devices
    elif kind == "two-class":
        pools = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        if len(pools) < 2:
            raise LearningError(f"there are {len(pools)} classes of images: two-class needs at least 2")
        hands = _pair_classes(len(pools), devices, rng)
    else:
        raise LearningError(f"partition {kind!r} is unknown: choose iid or two-class")
    per_hand = len(hands[0])
    uses = np.bincount(np.concatenate(hands), minlength=len(pools))
    most = per_hand * min(len(pool) // (1 if share else n) for pool, n in zip(pools, uses.tolist(), strict=True) if n)
    size = most if images_per_device is None else images_per_device
    if not per_hand <= size <= most:
        raise LearningError(f"{size} images for each of {devices} devices cannot be drawn: there are {most} at most")
    return _deal(pools, hands, size, rng, share=share)


def _pair_classes(classes: int, devices: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Choose two classes for each device; picking the two least used keeps all uses within one of each other."""
    uses = np.zeros(classes, np.int64)
    pairs = []
    for _ in range(devices):
        least_used_first = np.lexsort((rng.random(classes), uses))
        pair = least_used_first[:2]
        uses[pair] += 1
        pairs.append(tuple(pair.tolist()))
    return pairs


def _deal(
    pools: list[Indices], hands: list[tuple[int, ...]], size: int, rng: np.random.Generator, *, share: bool
) -> list[Indices]:
    decks = [rng.permutation(pool) for pool in pools]
    dealt = [0] * len(decks)
    result = []
    for hand in hands:
        drawn = []
        for place, pool in enumerate(hand):
            count = size // len(hand) + (place < size % len(hand))
            if share:
                drawn.append(rng.choice(pools[pool], count, replace=False))
            else:
                drawn.append(decks[pool][dealt[pool] : dealt[pool] + count])
                dealt[pool] += count
        result.append(np.sort(np.concatenate(drawn)))
    return result


def draw_owners(owners: Indices, *, devices: int, seed: int) -> Indices:
    """Draw whom each device stands for: another person each.

    Args:
        owners: int64 (N,), whose each image is.
        devices: number of devices.
        seed: at least 0.

    Returns:
        int64 (devices,): values of `owners`.

    Raises:
        LearningError: there are too few persons.
    """
    persons = np.random.default_rng(seed).permutation(np.unique(owners))
    if devices > len(persons):
        raise LearningError(f"there are {len(persons)} persons, one a device")
    return persons[:devices]


def by_owner(owners: Indices, chosen: Indices, *, seed: int, images_per_device: int | None = None) -> list[Indices]:
    """Choose the images of each device as life dealt them: those of its person, as many as there are.

    Args:
        owners: int64 (N,), whose each image is.
        chosen: int64 (devices,), the person of each device.
        seed: at least 0.
        images_per_device: so many of them, drawn at random; all when None.

    Returns:
        For each device, ascending positions in `owners`.

    Raises:
        LearningError: somebody has too few images.
    """
    rng = np.random.default_rng(seed)
    shares = [np.flatnonzero(owners == person) for person in chosen]
    if images_per_device is None:
        return shares
    fewest = min(len(share) for share in shares)
    if not 1 <= images_per_device <= fewest:
        raise LearningError(f"{images_per_device} images for each device cannot be drawn: somebody has {fewest}")
    return [np.sort(rng.choice(share, images_per_device, replace=False)) for share in shares]
