"""Poisons: they change what they should, in a copy, and say what they want."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.learning.data.poisons import Relabel, Trigger, aims, taint
from idml.learning.data.registry import DATASETS

IMAGES = np.random.default_rng(0).standard_normal((30, 1, 28, 28), dtype=np.float32)
LABELS = np.arange(10).repeat(3)
CLOTHES = DATASETS.find("fashion-mnist")


@pytest.mark.parametrize("dataset", ["fashion-mnist", "cifar10", "digits"])
def test_relabelling(dataset: str) -> None:
    changed, source = {}, DATASETS.find(dataset)
    for which in ("look_alike", "target", "all"):
        images, labels = Relabel(which).apply(IMAGES, LABELS, source)
        assert np.array_equal(images, IMAGES)
        changed[which] = {(int(old), int(new)) for old, new in zip(LABELS, labels, strict=True) if old != new}
    assert changed["look_alike"] == set(source.look_alikes.items())
    assert len(changed["target"]) == 1
    assert changed["target"] < changed["look_alike"]
    assert changed["all"] == {(label, (label + 1) % 10) for label in range(10)}


def test_a_trigger_is_a_square_in_the_corner_of_an_otherwise_equal_image() -> None:
    before = IMAGES.copy()
    images, labels = Trigger().apply(IMAGES, LABELS, CLOTHES)
    assert np.array_equal(IMAGES, before)
    assert labels.tolist() == [0] * 30
    differs = (images != IMAGES).any(axis=(0, 1))
    assert differs[-3:, -3:].all()
    assert differs.sum() == 9
    assert np.unique(images[..., -3:, -3:]).tolist() == pytest.approx([(1 - 0.35) / 0.33], abs=1e-6)


@given(st.integers(1, 30), st.sampled_from([0.1, 0.25, 0.3, 0.5, 1.0]))
def test_a_share_of_the_images_is_tainted(count: int, share: float) -> None:
    images, labels = taint(Trigger(share), IMAGES[:count], LABELS[:count], DATASETS.find("digits"))
    tainted = (images != IMAGES[:count]).any(axis=(1, 2, 3))
    assert abs(int(tainted.sum()) - share * count) <= 1
    assert tainted[0]
    assert labels[tainted].tolist() == [0] * int(tainted.sum())
    assert np.array_equal(labels[~tainted], LABELS[:count][~tainted])


def test_an_attack_aims_at_images_that_are_something_else() -> None:
    images, wanted = aims(Trigger(), IMAGES, LABELS, DATASETS.find("digits"))
    assert len(images) == 27
    assert set(wanted.tolist()) == {0}
    images, wanted = aims(Relabel("target"), IMAGES, LABELS, CLOTHES)
    assert wanted.tolist() == [5] * 3
    assert np.array_equal(images, IMAGES[LABELS == 7])
