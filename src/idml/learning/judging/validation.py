"""When a validator votes yes: rules that compare a model before and after an encounter on its own images.

A rule turns what it sees into one number, the harm, and accepts up to a limit that follows from the task's tolerance.
So all rules can be compared at all limits. A rule of your own is one class, which a configuration names as
`rule = "my_file.py:MedianLoss"`; `check_rule` says what is wrong with it:

    class MedianLoss(Rule):
        name = "median_loss"
        default_tolerance = 0.2

        def harm(self, before, after, goal):
            return float(np.median(after.losses) - np.median(before.losses))
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.errors import LearningError
from idml.learning.judging.evidence import View, Weights

if TYPE_CHECKING:  # it loads PyTorch, which takes a second
    from idml.learning.data.source import DataSource
    from idml.learning.engine import Engine

FULL_BPS: Final = 10_000
RULES_VERSION: Final = 2
"""What the rules that ship find, as a number: raise it whenever one of them finds another harm, or gets another default
tolerance. What was judged under another version is not taken for a result of this one. 1: whatever bears no number."""
OTHER_METRIC: Final = 255
"""The `metric` in a task whose rule is none of those that ship."""


class Rule(ABC):
    """A rule of acceptance. It knows the two models by their logits alone, and equal logits give equal verdicts.

    Class attributes:
        name: for reports, lower case; no other rule has it.
        default_tolerance: unless configured, from 0 to 1.
        metric: its number in a task on the ledger, 0 to 255; 255 says that the rule is none of those that ship.
    """

    name: ClassVar[str]
    default_tolerance: ClassVar[float]
    metric: ClassVar[int] = OTHER_METRIC

    @abstractmethod
    def harm(self, before: View, after: View, goal: Weights | None) -> float:
        """How much worse the contribution is; NaN if that cannot be said, which no limit accepts.

        Args:
            before: the model before the encounter.
            after: the contribution, on the same images.
            goal: how much each class counts to the learner, float64 (classes,); all alike if None.
        """

    def tolerance_on(self, source: "DataSource | None") -> float:
        """The tolerance on a data set, unless configured; None: on one that needs no other than the usual."""
        return self.default_tolerance if source is None else source.tolerances.get(self.name, self.default_tolerance)

    def limit(self, tolerance_bps: int) -> float:
        """The greatest harm that is accepted: by default the tolerance, as a fraction."""
        return tolerance_bps / FULL_BPS

    def accepts(self, harm: float, tolerance_bps: int) -> bool:
        """Whether a harm is within the limit; ties are accepted.

        Args:
            harm: see `harm`.
            tolerance_bps: tau, in 1/10,000.

        Raises:
            LearningError: the tolerance is not in 0..10,000.
        """
        if not 0 <= tolerance_bps <= FULL_BPS:
            raise LearningError(f"tolerance_bps is {tolerance_bps}: it must lie in 0..10,000")
        return harm <= self.limit(tolerance_bps)


class CountRule(Rule):
    """A rule that looks at nothing but how many images each model has right, which is cheaper to find out."""

    def harm(self, before: View, after: View, goal: Weights | None) -> float:
        """See `Rule.harm`."""
        del goal
        return self.harm_of_counts(before.correct, after.correct, len(before.labels))

    @abstractmethod
    def harm_of_counts(self, before: int, after: int, images: int) -> float:
        """The harm, of the number of images that each model has right, out of so many.

        Raises:
            LearningError: a count is not between 0 and images, or there is no image.
        """


@dataclass(frozen=True, slots=True)
class Finding:
    """What a validator found out about a contribution, on its own images.

    Args:
        harm: how much worse the contribution is, by the rule.
        before, after: how many of the images the model before and the contribution have right.
        images: how many images there were.
    """

    harm: float
    before: int
    after: int
    images: int

    def to_numbers(self) -> tuple[int, ...]:
        """The finding as whole numbers of at most 64 bits, from which it is made again to the last bit."""
        return (self.before, self.after, self.images, *struct.unpack("<q", struct.pack("<d", self.harm)))

    @classmethod
    def of_numbers(cls, numbers: Sequence[int]) -> Self:
        """The finding that `to_numbers` gave these numbers for."""
        before, after, images, bits = numbers
        (harm,) = struct.unpack("<d", struct.pack("<q", bits))
        return cls(harm, before, after, images)


def examine(
    rule: Rule,
    engine: "Engine",
    before: FloatVector,
    candidate: FloatVector,
    images: FloatImages,
    labels: Labels,
    goal: Weights | None = None,
) -> Finding:
    """Compare a candidate with the model before, by a rule, on a validator's images.

    Args:
        rule: see `Rule`.
        engine: runs the models.
        before, candidate: float32 (size,).
        images: float32 (N, C, H, W), prepared.
        labels: int64 (N,).
        goal: see `Rule.harm`.
    """
    if isinstance(rule, CountRule):
        old, new = engine.evaluate([before, candidate], images, labels)
        return Finding(rule.harm_of_counts(old, new, len(labels)), old, new, len(labels))
    first, second = (View(logits, labels) for logits in engine.logits([before, candidate], images))
    return Finding(float(rule.harm(first, second, goal)), first.correct, second.correct, len(labels))
