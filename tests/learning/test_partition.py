"""Every partition gives each device as much, without overlap unless asked, and the same for the same arguments."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idml.learning.arrays import Labels
from idml.learning.data.datasets import Dataset
from idml.learning.data.partition import Kind, by_owner, draw_owners, partition
from idml.learning.errors import LearningError

KINDS = st.sampled_from(["iid", "two-class"])


@st.composite
def label_arrays(draw: st.DrawFn) -> Labels:
    """Labels of 2 to 6 classes of unequal sizes, shuffled."""
    sizes = draw(st.lists(st.integers(10, 40), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(draw(st.integers(0, 9))).permutation(labels)


@given(labels=label_arrays(), devices=st.integers(1, 12), kind=KINDS, seed=st.integers(0, 2**64), data=st.data())
def test_partitions_hold_what_they_promise(
    labels: Labels, devices: int, kind: Kind, seed: int, data: st.DataObject
) -> None:
    share = data.draw(st.booleans(), "share")
    # In the worst case every device needs the smallest class, of which there are ten.
    limit = 20 if share else 2 * (10 // devices)
    assume(limit >= 2)
    size = data.draw(st.integers(2, limit) if share else st.none() | st.integers(2, limit), "size")
    parts = partition(labels, devices=devices, kind=kind, seed=seed, images_per_device=size, share=share)
    again = partition(labels, devices=devices, kind=kind, seed=seed, images_per_device=size, share=share)
    assert [part.tolist() for part in parts] == [part.tolist() for part in again]
    assert len(parts) == devices
    assert len({len(part) for part in parts}) == 1
    if size is not None:
        assert len(parts[0]) == size
    elif kind == "iid":
        assert len(parts[0]) == len(labels) // devices
    for part in parts:
        assert part.dtype == np.int64
        assert all(a < b for a, b in pairwise(part.tolist()))
        assert part[0] >= 0
        assert part[-1] < len(labels)
    if not share:
        assert len(np.unique(np.concatenate(parts))) == devices * len(parts[0])
    if kind == "two-class":
        held = [np.unique(labels[part], return_counts=True) for part in parts]
        assert all(len(classes) == 2 and abs(counts[0] - counts[1]) <= 1 for classes, counts in held)
        uses = np.bincount(np.concatenate([classes for classes, _ in held]), minlength=labels.max() + 1)
        assert uses.max() - uses.min() <= 1


@pytest.mark.parametrize("kind", ["iid", "two-class"])
def test_fifty_devices_share_out_all_of_sixty_thousand_images(kind: Kind) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6000))
    parts = partition(labels, devices=50, kind=kind, seed=1)
    assert [len(part) for part in parts] == [1200] * 50
    assert len(np.unique(np.concatenate(parts))) == 60_000


def test_odd_numbers_of_devices_and_images_work() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6000))
    parts = partition(labels, devices=7, kind="two-class", seed=1, images_per_device=5999)
    assert all(sorted(np.unique(labels[p], return_counts=True)[1].tolist()) == [2999, 3000] for p in parts)


def test_sharing_devices_draw_from_all_images(digits: Dataset) -> None:
    parts = partition(digits.train_labels, devices=30, kind="iid", seed=0, images_per_device=300, share=True)
    assert all(len(np.unique(part)) == 300 for part in parts)
    assert len(np.unique(np.concatenate(parts))) > 1400
    assert len({part.tobytes() for part in parts}) == 30


def test_the_seed_and_only_the_seed_changes_the_draw() -> None:
    labels = np.repeat(np.arange(10), 50)
    one, two = (np.concatenate(partition(labels, devices=5, kind="iid", seed=seed)) for seed in (1, 2))
    assert (one != two).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devices": 0}, "devices is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"kind": "dirichlet"}, "'dirichlet' is unknown"),
        ({"images_per_device": 0}, "images_per_device is 0"),
        ({"share": True}, "share needs images_per_device"),
        ({"share": True, "images_per_device": 101}, "101 images for each of 5 devices .* 100 at most"),
        ({"images_per_device": 21}, "21 images for each of 5 devices .* 20 at most"),
        ({"devices": 101}, "0 images for each of 101 devices"),
        ({"kind": "two-class", "images_per_device": 1}, "1 images"),
        ({"kind": "two-class", "labels": np.zeros(9, np.int64)}, "1 classes"),
    ],
)
def test_what_cannot_be_dealt_is_named(change: dict[str, object], message: str) -> None:
    arguments = {"labels": np.repeat(np.arange(10), 10), "devices": 5, "kind": "iid", "seed": 0} | change
    with pytest.raises(LearningError, match=message):
        partition(**arguments)  # type: ignore[arg-type]


@given(owners=st.lists(st.integers(0, 6), min_size=1, max_size=60), seed=st.integers(0, 2**64), data=st.data())
def test_a_device_has_what_its_person_has(owners: list[int], seed: int, data: st.DataObject) -> None:
    held = np.array(owners)
    people = len(set(owners))
    devices = data.draw(st.integers(1, people), "devices")
    chosen = draw_owners(held, devices=devices, seed=seed)
    assert len(set(chosen.tolist())) == devices
    assert draw_owners(held, devices=devices, seed=seed).tolist() == chosen.tolist()
    shares = by_owner(held, chosen, seed=seed)
    for person, share in zip(chosen.tolist(), shares, strict=True):
        assert share.tolist() == [place for place, owner in enumerate(owners) if owner == person]
    fewest = min(len(share) for share in shares)
    size = data.draw(st.integers(1, fewest), "size")
    some = by_owner(held, chosen, seed=seed, images_per_device=size)
    for share, part in zip(shares, some, strict=True):
        assert len(part) == size
        assert set(part.tolist()) <= set(share.tolist())
        assert part.tolist() == sorted(set(part.tolist()))
    with pytest.raises(LearningError, match=rf"^{fewest + 1} images .* cannot be drawn: somebody has {fewest}$"):
        by_owner(held, chosen, seed=seed, images_per_device=fewest + 1)
    with pytest.raises(LearningError, match=rf"^there are {people} persons, one a device$"):
        draw_owners(held, devices=people + 1, seed=seed)


def test_which_person_a_device_is_depends_on_the_seed() -> None:
    drawn = {tuple(draw_owners(np.arange(30), devices=30, seed=seed).tolist()) for seed in range(20)}
    assert len(drawn) == 20
