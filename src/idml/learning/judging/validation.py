"""When a validator votes yes: rules that compare a model before and after an encounter on its own images.

A rule turns what it sees into one number, the harm, and accepts up to a limit that follows from the task's tolerance.
So all rules can be compared at all limits, and a rule of your own is one class:

    class MedianLoss(Rule):
        name = "median_loss"
        default_tolerance = 0.2

        def harm(self, before, after, goal):
            return float(np.median(after.losses) - np.median(before.losses))

    register_rule(MedianLoss())
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.errors import LearningError
from idml.learning.judging.evidence import View, Weights

if TYPE_CHECKING:  # it loads PyTorch, which takes a second
    from idml.learning.engine import Engine

FULL_BPS: Final = 10_000
DEFAULT_RULE: Final = "loss"
"""The rule that rejects the least honest work where it detects as much; docs/validation.md has the figures."""
RULES_VERSION: Final = 2
"""What the rules that ship find, as a number: raise it whenever one of them finds another harm, or gets another default
tolerance. What was judged under another version is not taken for a result of this one. 1: whatever bears no number."""
OTHER_METRIC: Final = 255
"""The `metric` in a task whose rule is none of those that ship."""


class Rule(ABC):
    """A rule of acceptance. It knows the two models by their logits alone, and equal logits give equal verdicts.

    Class attributes:
        name: in configurations and reports, lower case.
        default_tolerance: unless configured, from 0 to 1.
        tolerances: the same on data sets, by name, that need another.
        metric: its number in a task on the ledger, 0 to 255.
    """

    name: ClassVar[str]
    default_tolerance: ClassVar[float]
    tolerances: ClassVar[Mapping[str, float]] = MappingProxyType({})
    metric: ClassVar[int] = OTHER_METRIC

    @abstractmethod
    def harm(self, before: View, after: View, goal: Weights | None) -> float:
        """How much worse the contribution is; NaN if that cannot be said, which no limit accepts.

        Args:
            before: the model before the encounter.
            after: the contribution, on the same images.
            goal: how much each class counts to the learner, float64 (classes,); all alike if None.
        """

    def tolerance_on(self, dataset: str) -> float:
        """The tolerance on a data set, unless configured."""
        return self.tolerances.get(dataset, self.default_tolerance)

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


_RULES: Final[dict[str, Rule]] = {}


def register_rule(rule: Rule) -> None:
    """Let configurations name a rule; register it before a run does. A process that only resumes must do so too.

    Raises:
        LearningError: its name is taken by another, or an attribute is not what it has to be.
    """
    name = getattr(rule, "name", None)
    if not isinstance(name, str) or not name or name != name.lower():
        raise LearningError(f"the rule's name is {name!r}: set a class attribute name to a short lower-case string")
    tolerance = getattr(rule, "default_tolerance", None)
    if not isinstance(tolerance, int | float) or not 0 <= tolerance <= 1:
        raise LearningError(f"the rule {name!r} has default_tolerance {tolerance!r}: set a number from 0 to 1")
    if not 0 <= rule.metric <= OTHER_METRIC:
        raise LearningError(f"the rule {name!r} has metric {rule.metric!r}: set a number from 0 to 255")
    if type(_RULES.get(name, rule)) is not type(rule):
        raise LearningError(f"there is a rule {name!r} already: choose another name")
    _RULES[name] = rule


def rule_names() -> tuple[str, ...]:
    """The rules there are, in the order of their registration."""
    from idml.learning.judging import rules  # noqa: F401  those that ship register themselves

    return tuple(_RULES)


def find_rule(name: str) -> Rule:
    """Return the rule of this name, or raise `LearningError` with those there are."""
    names = rule_names()
    if name not in names:
        raise LearningError(f"validation rule {name!r} is unknown: choose one of {', '.join(names)}")
    return _RULES[name]


def measure_harm(
    rule: Rule,
    engine: "Engine",
    before: FloatVector,
    candidate: FloatVector,
    images: FloatImages,
    labels: Labels,
    goal: Weights | None = None,
) -> float:
    """How much worse a candidate is than the model before, by a rule, on a validator's images.

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
        return rule.harm_of_counts(old, new, len(labels))
    old_logits, new_logits = engine.logits([before, candidate], images)
    return float(rule.harm(View(old_logits, labels), View(new_logits, labels), goal))
