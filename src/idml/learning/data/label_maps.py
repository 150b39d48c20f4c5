"""Label maps: data sets in which some classes carry the label of a class that looks alike."""

from collections.abc import Mapping

from idml.learning.arrays import Labels
from idml.learning.data.source import DataSource
from idml.learning.errors import LearningError


def map_labels(labels: Labels, mapping: Mapping[int, int]) -> Labels:
    """Return a copy of the labels in which each key of the mapping is replaced by its value, all at once."""
    mapped = labels.copy()
    for old, new in mapping.items():
        mapped[labels == old] = new
    return mapped


def require_look_alikes(source: DataSource) -> Mapping[int, int]:
    """Return which classes of a data set pass for which.

    Raises:
        LearningError: none are known for this data set.
    """
    if not source.look_alikes:
        raise LearningError(
            f"the data set {source.name} names no look_alikes, classes to pass off for others: set them on its class"
        )
    return source.look_alikes
