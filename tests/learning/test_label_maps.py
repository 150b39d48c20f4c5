"""Look-alike classes are relabeled, all at once, in a copy."""

import numpy as np
import pytest

from idml.learning.data import cifar10, fashion_mnist
from idml.learning.data.datasets import Dataset
from idml.learning.data.label_maps import LOOK_ALIKE, find_look_alikes, map_labels
from idml.learning.errors import LearningError

NAMES = {"fashion-mnist": fashion_mnist.CLASS_NAMES, "cifar10": cifar10.CLASS_NAMES}


def test_the_pairs_are_those_of_the_published_attack() -> None:
    named = {
        dataset: {(names[old], names[new]) for old, new in LOOK_ALIKE[dataset].items()}
        for dataset, names in NAMES.items()
    }
    assert named["fashion-mnist"] == {("Sneaker", "Sandal"), ("Dress", "Trouser")}
    assert named["cifar10"] == {("truck", "airplane"), ("deer", "dog")}


def test_the_pairs_of_digits_are_the_most_alike(digits: Dataset) -> None:
    images, labels = digits.train_images.astype(float), digits.train_labels
    means = np.stack([images[labels == digit].mean(axis=0).ravel() for digit in range(10)])
    distances = {frozenset((a, b)): float(np.linalg.norm(means[a] - means[b])) for a in range(10) for b in range(a)}
    nearest = sorted(distances, key=distances.__getitem__)[:2]
    assert {frozenset(pair) for pair in LOOK_ALIKE["digits"].items()} == set(nearest)


@pytest.mark.parametrize("dataset", LOOK_ALIKE)
def test_flipped_labels_lack_two_classes_and_leave_the_others(dataset: str) -> None:
    labels = np.arange(10).repeat(3)
    before = labels.copy()
    flipped = map_labels(labels, find_look_alikes(dataset))
    np.testing.assert_array_equal(labels, before)
    assert flipped.dtype == np.int64
    changed = flipped != labels
    assert set(labels[changed].tolist()) == set(LOOK_ALIKE[dataset])
    assert len(np.unique(flipped)) == 8


def test_a_mapping_may_swap() -> None:
    assert map_labels(np.array([0, 1, 2]), {0: 1, 1: 0}).tolist() == [1, 0, 2]


def test_unknown_data_sets_are_named() -> None:
    with pytest.raises(LearningError, match="'mnist'"):
        find_look_alikes("mnist")
