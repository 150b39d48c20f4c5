"""The base class of every data set: what is known of it before it is read, and how it is read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

from idml.learning.arrays import Samples

Kind = Literal["images", "signals", "rows", "tokens"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class TrainingDefaults:
    """What lets devices learn a data set steadily, so that honest work is rarely rejected. A configuration may differ.

    Args:
        batch: images a step.
        learning_rate: of a device's first encounter.
        learning_rate_decay: rate / (1 + decay (k - 1)) at the k-th.
        images_per_device: drawn by each device; None: all images are dealt out evenly.
    """

    batch: int = 16
    learning_rate: float = 0.05
    learning_rate_decay: float = 0.05
    images_per_device: int | None = None


class DataSource(ABC):
    """A data set for classification. Subclass it, set the attributes, and write `load`.

    Attributes:
        name: short, lower case.
        image_shape: channels, height and width. Signals are one row high: (channels, 1, samples). So are rows of a
            table, (1, 1, features), and sequences of tokens, (1, 1, tokens).
        class_names: one for each class, in the order of the labels.
        licence: one line: under which licence it stands, and where it comes from.
        look_alikes: classes that some adversaries pass off for others, such as {7: 5}; empty if none are known.
        kind: what its images are: "images", "signals", "rows" of a table, or sequences of "tokens"; it decides which
            models take them.
        vocabulary: number of different tokens, which are whole numbers from 0; 0 where there are none.
        defaults: see `TrainingDefaults`.
        tolerances: by the name of a validation rule, the tolerance that it needs here; else the rule's own counts.
    """

    name: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    licence: str
    look_alikes: Mapping[int, int] = MappingProxyType({})
    kind: Kind = "images"
    vocabulary: int = 0
    defaults: TrainingDefaults = TrainingDefaults()
    tolerances: Mapping[str, float] = MappingProxyType({})

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @abstractmethod
    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        """Return all images and labels, the same in every call.

        Args:
            data_dir: folder to look in first, as the configuration has it; None if it has none.
            download: whether the network may be used.

        Raises:
            DataError: a file is missing, damaged or out of reach.
        """

    def is_there(self, data_dir: Path | None) -> bool:
        """Whether `load` would find all files on disk; as it stands, for a data set that needs none."""
        del data_dir
        return True

    def why_not_there(self, data_dir: Path | None) -> str | None:
        """What is missing, in words that follow "because"; None if `is_there`."""
        return None if self.is_there(data_dir) else f"{self.name} is not there"
