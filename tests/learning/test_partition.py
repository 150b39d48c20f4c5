"""Every partition gives each device as much, without overlap unless asked, and the same for the same arguments."""

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idml.learning.arrays import Indices, Labels, Samples
from idml.learning.data.datasets import Dataset
from idml.learning.data.partition import Partition, Shares, deal_out
from idml.learning.data.partitions import Dirichlet
from idml.learning.data.registry import PARTITIONS
from idml.learning.data.source import DataSource
from idml.learning.errors import LearningError
from idml.registry import PluginError

KINDS = st.sampled_from(["iid", "two-class"])


class Labelled(DataSource):
    """Is about labels alone."""

    name = "labelled"
    image_shape = (1, 1, 1)
    class_names = tuple("0123456789")
    licence = "none needed"

    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        raise NotImplementedError


def dataset(labels: Labels, owners: Indices | None = None) -> Dataset:
    images = np.zeros((len(labels), 1, 1, 1), np.uint8)
    return Dataset(Labelled(), images, labels, images, labels, owners, owners)


def deal(kind: str, labels: Labels, *, devices: int, seed: int = 0, size: int | None = None) -> list[Indices]:
    shares = PARTITIONS.find(kind).deal(dataset(labels), devices=devices, seed=seed, images_per_device=size)
    assert shares.test is None
    return list(shares.train)


@st.composite
def label_arrays(draw: st.DrawFn) -> Labels:
    """Labels of 2 to 6 classes of unequal sizes, shuffled."""
    sizes = draw(st.lists(st.integers(10, 40), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(draw(st.integers(0, 9))).permutation(labels)


@given(labels=label_arrays(), devices=st.integers(1, 12), kind=KINDS, seed=st.integers(0, 2**64), data=st.data())
def test_partitions_hold_what_they_promise(
    labels: Labels, devices: int, kind: str, seed: int, data: st.DataObject
) -> None:
    # In the worst case every device needs the smallest class, of which there are ten.
    assume(10 // devices)
    size = data.draw(st.none() | st.integers(2, 10), "size")
    parts = deal(kind, labels, devices=devices, seed=seed, size=size)
    again = deal(kind, labels, devices=devices, seed=seed, size=size)
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
    if size is None:
        assert len(np.unique(np.concatenate(parts))) == devices * len(parts[0])
    if kind == "two-class":
        held = [np.unique(labels[part], return_counts=True) for part in parts]
        assert all(len(classes) == 2 and abs(counts[0] - counts[1]) <= 1 for classes, counts in held)
        uses = np.bincount(np.concatenate([classes for classes, _ in held]), minlength=labels.max() + 1)
        assert uses.max() - uses.min() <= 1


@pytest.mark.parametrize(
    ("kind", "size", "digest"),
    [
        ("iid", None, "020040024118e80e"),
        ("iid", 37, "4c6df16e2eaa0a5a"),
        ("two-class", None, "590ae57b059a534e"),
        ("two-class", 37, "edc3f8d00e3b882f"),
        ("natural", None, "40c87d7f466e0aed"),
        ("natural", 20, "b10b4d1e34f6cc28"),
    ],
)
def test_the_draws_are_those_of_the_runs_on_record(kind: str, size: int | None, digest: str) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 60))
    owners = np.random.default_rng(1).permutation(np.repeat(np.arange(12), 50))
    shares = PARTITIONS.find(kind).deal(dataset(labels, owners), devices=7, seed=5, images_per_device=size)
    drawn = b"".join(part.tobytes() for part in (*shares.train, *(shares.test or ())))
    assert hashlib.sha256(drawn).hexdigest()[:16] == digest


@pytest.mark.parametrize("kind", ["iid", "two-class"])
def test_fifty_devices_share_out_all_of_sixty_thousand_images(kind: str) -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6000))
    parts = deal(kind, labels, devices=50, seed=1)
    assert [len(part) for part in parts] == [1200] * 50
    assert len(np.unique(np.concatenate(parts))) == 60_000


def test_odd_numbers_of_devices_and_images_work() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6000))
    parts = deal("two-class", labels, devices=7, seed=1, size=5999)
    assert all(sorted(np.unique(labels[p], return_counts=True)[1].tolist()) == [2999, 3000] for p in parts)


def test_sharing_devices_draw_from_all_images(digits: Dataset) -> None:
    parts = deal("iid", digits.train_labels, devices=30, size=300)
    assert all(len(np.unique(part)) == 300 for part in parts)
    assert len(np.unique(np.concatenate(parts))) > 1400
    assert len({part.tobytes() for part in parts}) == 30


def test_the_seed_and_only_the_seed_changes_the_draw() -> None:
    labels = np.repeat(np.arange(10), 50)
    one, two = (np.concatenate(deal("iid", labels, devices=5, seed=seed)) for seed in (1, 2))
    assert (one != two).any()


@pytest.mark.parametrize("kind", PARTITIONS.built_in)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devices": 0}, "devices is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"images_per_device": 0}, "images_per_device is 0"),
    ],
)
def test_numbers_out_of_range_are_named(kind: str, change: dict[str, int], message: str) -> None:
    arguments: dict[str, int | None] = {"devices": 5, "seed": 0, "images_per_device": None, **change}
    labels = np.repeat(np.arange(10), 10)
    with pytest.raises(LearningError, match=message):
        PARTITIONS.find(kind).deal(dataset(labels, labels), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "labels", "devices", "size", "message"),
    [
        ("iid", np.repeat(np.arange(10), 10), 5, 101, "101 images for each of 5 devices .* 100 at most"),
        ("iid", np.repeat(np.arange(10), 10), 101, None, "0 images for each of 101 devices"),
        ("two-class", np.repeat(np.arange(10), 10), 5, 1, "1 images"),
        ("two-class", np.zeros(9, np.int64), 5, None, "1 classes"),
        ("natural", np.repeat(np.arange(10), 10), 5, None, "nobody says whose its images are: choose iid or"),
    ],
)
def test_what_cannot_be_dealt_is_named(kind: str, labels: Labels, devices: int, size: int | None, message: str) -> None:
    with pytest.raises(LearningError, match=message):
        deal(kind, labels, devices=devices, size=size)


@given(owners=st.lists(st.integers(0, 6), min_size=1, max_size=60), seed=st.integers(0, 2**64), data=st.data())
def test_a_device_has_what_its_person_has(owners: list[int], seed: int, data: st.DataObject) -> None:
    people, held = len(set(owners)), dataset(np.zeros(len(owners), np.int64), np.array(owners))
    devices, natural = data.draw(st.integers(1, people), "devices"), PARTITIONS.find("natural")
    whole = natural.deal(held, devices=devices, seed=seed, images_per_device=None)
    persons = [owners[share[0]] for share in whole.train]
    assert len(set(persons)) == devices
    assert whole.test is not None
    for shares in (whole.train, whole.test):
        for person, share in zip(persons, shares, strict=True):
            assert share.tolist() == [place for place, owner in enumerate(owners) if owner == person]
    fewest = min(len(share) for share in whole.train)
    size = data.draw(st.integers(1, fewest), "size")
    some = natural.deal(held, devices=devices, seed=seed, images_per_device=size)
    assert some.test is not None
    assert [share.tolist() for share in some.test] == [share.tolist() for share in whole.test]
    for share, part in zip(whole.train, some.train, strict=True):
        assert len(part) == size
        assert set(part.tolist()) <= set(share.tolist())
        assert part.tolist() == sorted(set(part.tolist()))
    with pytest.raises(LearningError, match=rf"^{fewest + 1} images .* cannot be drawn: somebody has {fewest}$"):
        natural.deal(held, devices=devices, seed=seed, images_per_device=fewest + 1)
    with pytest.raises(LearningError, match=rf"^there are {people} persons, one a device$"):
        natural.deal(held, devices=people + 1, seed=seed, images_per_device=None)


def test_which_person_a_device_is_depends_on_the_seed() -> None:
    held = dataset(np.zeros(30, np.int64), np.arange(30))
    natural = PARTITIONS.find("natural")
    drawn = {
        np.concatenate(natural.deal(held, devices=30, seed=seed, images_per_device=None).train).tobytes()
        for seed in range(20)
    }
    assert len(drawn) == 20


class Given(Partition):
    """Deals what it is told to."""

    def __init__(self, shares: object) -> None:
        self.shares = shares

    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        return self.shares  # type: ignore[return-value]


def test_positions_of_any_whole_type_are_taken() -> None:
    shares = Shares([np.array([3, 1], np.uint8), [2]], [[0], [4]])  # type: ignore[list-item]
    dealt = deal_out(Given(shares), dataset(np.arange(5)), devices=2, seed=0, images_per_device=None)
    assert dealt.test is not None
    assert [share.tolist() for share in (*dealt.train, *dealt.test)] == [[3, 1], [2], [0], [4]]
    assert all(share.dtype == np.int64 for share in (*dealt.train, *dealt.test))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (None, r"deal\(\) returned NoneType: return Shares\(train\)"),
        (Shares([np.arange(2)]), r"returned 1 train shares: return one for each of 2 devices"),
        (Shares([np.arange(2)] * 2, [np.arange(2)]), r"returned 1 test shares"),
        (Shares([np.arange(2), np.arange(0)]), r"gave device 1 no train images: each needs at least one"),
        (Shares([np.arange(2), np.array([0.5])]), r"gave device 1 float64 of shape \(1,\) as its train share: give"),
        (Shares([np.arange(2), np.zeros((1, 1), int)]), r"int64 of shape \(1, 1\)"),
        (Shares([np.array([-1, 2])] * 2), r"gave device 0 train positions -1..2: there are 5 images, counted from 0"),
        (Shares([np.arange(2)] * 2, [np.arange(6)] * 2), r"gave device 0 test positions 0..5"),
    ],
)
def test_shares_that_are_none_are_named(shares: object, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        deal_out(Given(shares), dataset(np.arange(5)), devices=2, seed=0, images_per_device=None)


@given(
    labels=label_arrays(),
    devices=st.integers(1, 20),
    alpha=st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**64),
    data=st.data(),
)
def test_dirichlet_deals_each_image_once_or_to_each_device_as_many_as_it_asks_for(
    labels: Labels, devices: int, alpha: float, seed: int, data: st.DataObject
) -> None:
    size = data.draw(st.none() | st.integers(1, len(labels)), "size")
    held, dirichlet = dataset(labels), Dirichlet(alpha)
    dealt = [deal_out(dirichlet, held, devices=devices, seed=seed, images_per_device=size) for _ in range(2)]
    parts, again = (shares.train for shares in dealt)
    assert [part.tolist() for part in parts] == [part.tolist() for part in again]
    assert dealt[0].test is None
    for part in parts:
        assert part.tolist() == sorted(set(part.tolist()))
    if size is None:
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    else:
        assert [len(part) for part in parts] == [size] * devices


def test_the_smaller_alpha_the_fewer_classes_make_up_most_of_a_device() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 500))
    for size in (None, 200):
        largest = []
        for alpha in (0.05, 0.5, 5.0, 5_000.0):
            shares = Dirichlet(alpha).deal(dataset(labels), devices=20, seed=1, images_per_device=size).train
            largest.append(np.mean([np.bincount(labels[share]).max() / len(share) for share in shares]))
        assert largest == sorted(largest, reverse=True)
        assert largest[0] > 0.6
        assert largest[-1] < 0.2


@given(owners=st.lists(st.integers(0, 9), min_size=1, max_size=60), seed=st.integers(0, 2**64), data=st.data())
def test_a_device_has_all_that_its_owners_own(owners: list[int], seed: int, data: st.DataObject) -> None:
    there = sorted(set(owners))
    held = replace(dataset(np.zeros(len(owners), np.int64), np.array(owners)), test_owners=None)
    devices, partition = data.draw(st.integers(1, len(there)), "devices"), PARTITIONS.find("owners")
    whole = partition.deal(held, devices=devices, seed=seed, images_per_device=None)
    assert whole.test is None
    for device, share in enumerate(whole.train):
        own = there[device::devices]
        assert share.tolist() == [place for place, owner in enumerate(owners) if owner in own]
    fewest = min(len(share) for share in whole.train)
    some = partition.deal(held, devices=devices, seed=seed, images_per_device=fewest).train
    for share, part in zip(whole.train, some, strict=True):
        assert len(part) == fewest
        assert set(part.tolist()) <= set(share.tolist())
    with pytest.raises(LearningError, match=rf"^{fewest + 1} images .* cannot be drawn: somebody has {fewest}$"):
        partition.deal(held, devices=devices, seed=seed, images_per_device=fewest + 1)
    with pytest.raises(LearningError, match=rf"^there are {len(there)} owners, and each device needs one$"):
        partition.deal(held, devices=len(there) + 1, seed=seed, images_per_device=None)
