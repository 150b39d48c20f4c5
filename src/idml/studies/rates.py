"""From harms to error rates: what single validators and committees get wrong, at one tolerance and at all of them."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from idml.learning.data.registry import DATASETS
from idml.learning.judging.registry import RULES
from idml.learning.judging.validation import FULL_BPS, Rule
from idml.store import HONEST
from idml.studies.error_rates import JudgedContribution

OTHER_TOLERANCES: Final[Mapping[str, tuple[float, ...]]] = {
    "paper": (0.03, 0.05, 0.1),
    "loss": (0.05, 0.1, 0.15, 0.3, 1.0),
    "f1": (0.05, 0.1),
    "precision": (0.05, 0.1),
    "recall": (0.05, 0.1),
    "balanced": (0.05, 0.1),
    "mcnemar": (0.001, 0.01, 0.05),
}
"""Tolerances of the rules that ship, to compare: about the defaults, and the paper's own 0.03."""

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """The share, 0 to 1; NaN of nothing."""
        return self.count / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of Wilson (1927), which holds near 0 and 1 too."""
        if not self.of:
            return 0.0, 1.0
        n, p, z2 = self.of, self.share, _Z**2
        middle, half = p + z2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z2 / n)), min(1.0, (middle + half) / (1 + z2 / n))


@dataclass(frozen=True, slots=True)
class Errors:
    """What a rule gets wrong about one kind of contribution.

    Args:
        rule: its name.
        tolerance: at which it was counted.
        kind: `HONEST`, whose errors are rejections, or an adversary, whose errors are acceptances.
        votes: of single validators.
        verdicts: of committees that decide by majority, a tie accepting.
    """

    rule: str
    tolerance: float
    kind: str
    votes: Rate
    verdicts: Rate


def errors_of(judged: Iterable[JudgedContribution], rule: Rule, tolerance_bps: int) -> list[Errors]:
    """Count a rule's errors at a tolerance, by kind of contribution, in the order in which kinds first appear."""
    votes: dict[str, list[bool]] = defaultdict(list)
    committees: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for one in judged:
        accepted = rule.accepts(one.harms[rule.name], tolerance_bps)
        votes[one.kind].append(accepted)
        committees[one.kind, one.contact].append(accepted)
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for (kind, _), cast in committees.items():
        verdicts[kind].append(2 * sum(cast) >= len(cast))
    tolerance = tolerance_bps / FULL_BPS
    return [
        Errors(rule.name, tolerance, kind, _errors(kind, votes[kind]), _errors(kind, verdicts[kind])) for kind in votes
    ]


def _errors(kind: str, accepted: Sequence[bool]) -> Rate:
    return Rate(sum(accepted) if kind != HONEST else len(accepted) - sum(accepted), len(accepted))


@dataclass(frozen=True, slots=True)
class Curve:
    """A rule against an attack at all tolerances: a committee's errors, float64 (limits,) each, from strict to lenient.

    Args:
        limits: greatest harm that is accepted.
        false_rejections: share of honest contributions that are rejected.
        detections: share of attacks that are.
    """

    limits: npt.NDArray[np.float64]
    false_rejections: npt.NDArray[np.float64]
    detections: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """The area under the curve: how probable it is that of an attack and honest work the attack looks worse."""
        x, y = self.false_rejections[::-1], self.detections[::-1]
        return float(np.sum((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2))

    def at_detection(self, share: float) -> float:
        """The least share of false rejections at which at least this share of attacks is detected."""
        return float(self.false_rejections[self.detections >= share].min())


def curve(judged: Iterable[JudgedContribution], rule: str, attacks: Sequence[str]) -> Curve:
    """How a committee errs under a rule at every limit, over these attacks together.

    A majority accepts at a limit if the harm in the middle is within it: so one number stands for a committee.
    """
    harms: dict[tuple[bool, str, int], list[float]] = defaultdict(list)
    for one in judged:
        if one.kind == HONEST or one.kind in attacks:
            harm = one.harms[rule]
            harms[one.kind == HONEST, one.kind, one.contact].append(math.inf if math.isnan(harm) else harm)
    sides = [
        np.sort([sorted(found)[(len(found) + 1) // 2 - 1] for (honest, *_), found in harms.items() if honest is side])
        for side in (True, False)
    ]
    finite = np.unique(np.concatenate(sides))
    limits = np.concatenate([[-math.inf], finite[np.isfinite(finite)]])
    rejected = [1 - np.searchsorted(side, limits, side="right") / max(1, len(side)) for side in sides]
    # No limit at all comes last: nothing is rejected.
    ends = [np.append(side, 0.0) for side in rejected]
    return Curve(np.append(limits, math.inf), ends[0], ends[1])


def compare(
    judged: Sequence[JudgedContribution], rules: Sequence[str], attacks: Sequence[str], dataset: str
) -> list[Errors]:
    """Count the errors of rules, each at all of its `tolerances` on a data set."""
    wanted = [one for one in judged if one.kind == HONEST or one.kind in attacks]
    return [
        row
        for rule in map(RULES.find, rules)
        for tolerance in tolerances(rule, dataset)
        for row in errors_of(wanted, rule, round(tolerance * FULL_BPS))
    ]


def tolerances(rule: Rule, dataset: str) -> list[float]:
    """Those at which a rule is compared: its default on a data set, and `OTHER_TOLERANCES`."""
    return sorted({rule.tolerance_on(DATASETS.find(dataset)), *OTHER_TOLERANCES.get(rule.name, ())})
