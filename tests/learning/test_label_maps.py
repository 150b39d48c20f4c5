"""Look-alike classes are relabeled, all at once, in a copy."""

import numpy as np
import pytest

from idml.learning.data.datasets import Dataset
from idml.learning.data.label_maps import map_labels, require_look_alikes
from idml.learning.data.registry import DATASETS
from idml.learning.errors import LearningError


def test_the_pairs_are_those_of_the_published_attack() -> None:
    sources = [DATASETS.find(name) for name in ("fashion-mnist", "cifar10")]
    named = {
        source.name: {(source.class_names[old], source.class_names[new]) for old, new in source.look_alikes.items()}
        for source in sources
    }
    assert named["fashion-mnist"] == {("Sneaker", "Sandal"), ("Dress", "Trouser")}
    assert named["cifar10"] == {("truck", "airplane"), ("deer", "dog")}


def test_the_pairs_of_digits_are_the_most_alike(digits: Dataset) -> None:
    images, labels = digits.train_images.astype(float), digits.train_labels
    means = np.stack([images[labels == digit].mean(axis=0).ravel() for digit in range(10)])
    distances = {frozenset((a, b)): float(np.linalg.norm(means[a] - means[b])) for a in range(10) for b in range(a)}
    nearest = sorted(distances, key=distances.__getitem__)[:2]
    assert {frozenset(pair) for pair in digits.source.look_alikes.items()} == set(nearest)


@pytest.mark.parametrize("dataset", DATASETS.built_in)
def test_flipped_labels_lack_two_classes_and_leave_the_others(dataset: str) -> None:
    source = DATASETS.find(dataset)
    labels = np.arange(source.classes).repeat(3)
    before = labels.copy()
    flipped = map_labels(labels, require_look_alikes(source))
    np.testing.assert_array_equal(labels, before)
    assert flipped.dtype == np.int64
    changed = flipped != labels
    assert set(labels[changed].tolist()) == set(source.look_alikes)
    assert len(np.unique(flipped)) == source.classes - 2


def test_a_mapping_may_swap() -> None:
    assert map_labels(np.array([0, 1, 2]), {0: 1, 1: 0}).tolist() == [1, 0, 2]


def test_a_data_set_without_look_alikes_is_named(monkeypatch: pytest.MonkeyPatch, digits: Dataset) -> None:
    monkeypatch.setattr(digits.source, "look_alikes", {}, raising=False)
    with pytest.raises(LearningError, match=r"^the data set digits names no look_alikes, .*: set them on its class$"):
        require_look_alikes(digits.source)
