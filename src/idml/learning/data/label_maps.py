"""Label maps: data sets in which some classes carry the label of a class that looks alike."""

from collections.abc import Mapping
from typing import Final

from idml.learning.arrays import Labels
from idml.learning.errors import LearningError

LOOK_ALIKE: Final[Mapping[str, Mapping[int, int]]] = {
    "fashion-mnist": {7: 5, 3: 1},  # sneaker to sandal, dress to trouser
    "cifar10": {9: 0, 4: 5},  # truck to airplane, deer to dog
    "hapt": {3: 4, 0: 1},  # sitting to standing, walking to walking upstairs
    "digits": {8: 1, 9: 3},  # the two pairs whose mean images are nearest
}


def map_labels(labels: Labels, mapping: Mapping[int, int]) -> Labels:
    """Return a copy of the labels in which each key of the mapping is replaced by its value, all at once."""
    mapped = labels.copy()
    for old, new in mapping.items():
        mapped[labels == old] = new
    return mapped


def find_look_alikes(dataset_name: str) -> Mapping[int, int]:
    """Return which classes of a data set pass for which.

    Raises:
        LearningError: none are known for this data set.
    """
    mapping = LOOK_ALIKE.get(dataset_name)
    if mapping is None:
        raise LearningError(f"no look-alike classes are known for {dataset_name!r}: use map_labels with your own")
    return mapping
