"""Tells the author of a rule or a defence what is wrong with it before a run does."""

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from idml.checks import brief, call, is_number, keeps_nothing, require_name
from idml.learning.arrays import FloatVector
from idml.learning.judging.defences import Defence
from idml.learning.judging.evidence import Logits, View, Weights, label_shares
from idml.learning.judging.registry import RULES
from idml.learning.judging.validation import FULL_BPS, OTHER_METRIC, CountRule, Rule
from idml.registry import PluginError

_CLASSES: Final = 5
_IMAGES: Final = 60
_SIZE: Final = 40
_MOST_REMEMBERED: Final = 1_000
_UPDATES: Final = 12


def check_rule(rule: Rule) -> None:
    """Have a rule judge small random models and check all that iDML relies on.

    Args:
        rule: the one to check.

    Raises:
        PluginError: at the first thing that would break a run.

    Warns:
        UserWarning: the rule accepts whatever it is shown.
    """
    if not isinstance(rule, Rule):
        raise PluginError(f"{type(rule).__name__} is no Rule: subclass idml.Rule")
    with keeps_nothing(rule):
        check_rule_traits(rule)
        _check_limit(rule)
        tolerance_bps = round(rule.default_tolerance * FULL_BPS)
        harms = []
        for models, goal in itertools.product(_models(), _goals()):
            before, after = models
            harms.append(_harm(rule, before, after, goal))
            unchanged = _harm(rule, before, before, goal)
            if np.isfinite(before.logits).all() and not rule.accepts(unchanged, tolerance_bps):
                raise PluginError(
                    f"harm() of a model that did not change is {unchanged}, which default_tolerance does not accept: "
                    "equal logits must pass"
                )
    if all(rule.accepts(harm, tolerance_bps) for harm in harms):
        warnings.warn("harm() accepts every model that it is shown, also random ones", stacklevel=2)


def check_defence(defence: Defence) -> None:
    """Show a defence random updates and check all that iDML relies on.

    Args:
        defence: the one to check.

    Raises:
        PluginError: at the first thing that would break a run.

    Warns:
        UserWarning: the defence takes nothing, or takes whatever it is shown.
    """
    if not isinstance(defence, Defence):
        raise PluginError(f"{type(defence).__name__} is no Defence: subclass idml.Defence")
    remembers = defence.remembers
    if not isinstance(remembers, int) or isinstance(remembers, bool) or not 1 <= remembers <= _MOST_REMEMBERED:
        raise PluginError(f"remembers is {remembers!r}: set a whole number from 1 to {_MOST_REMEMBERED}")
    generator = np.random.default_rng(0)
    *usual, last = (1 + generator.standard_normal((_UPDATES, _SIZE), dtype=np.float32) / 10).astype(np.float32)
    recent = usual[-remembers:]
    lost = np.full(_SIZE, np.nan, np.float32)
    with keeps_nothing(defence):
        taken = [_takes(defence, last, recent[:count]) for count in range(len(recent) + 1)]
        unusual = [
            _takes(defence, update, recent) for update in (100 * last, -last, np.zeros_like(last), lost, np.inf * last)
        ]
        _takes(defence, last, [lost, *recent[1:]])
    if not any(taken):
        warnings.warn("takes() refuses every update, also one like all recent ones", stacklevel=2)
    if all(taken) and all(unusual):
        warnings.warn("takes() takes every update that it is shown, also one that is not finite", stacklevel=2)


def check_rule_traits(rule: Rule) -> None:
    """Check what is known of a rule before it judges anything.

    Raises:
        PluginError: at the first attribute that is missing or not what it must be.
    """
    require_name("name", getattr(rule, "name", None))
    tolerance, metric = getattr(rule, "default_tolerance", None), rule.metric
    if not is_number(tolerance) or not 0 <= tolerance <= 1:  # type: ignore[operator]
        raise PluginError(f"default_tolerance is {tolerance!r}: set a number from 0 to 1")
    if not isinstance(metric, int) or isinstance(metric, bool) or not 0 <= metric <= OTHER_METRIC:
        raise PluginError(f"metric is {metric!r}: leave it out, or set a whole number from 0 to {OTHER_METRIC}")
    if RULES.ships(rule):
        return
    for shipped in map(RULES.find, RULES.built_in):
        if rule.name == shipped.name:
            raise PluginError(f"name is {rule.name!r}: there is such a rule, choose another name")
        if metric == shipped.metric:
            raise PluginError(f"metric is {metric}: that is the number of the rule {shipped.name!r}, leave it out")


def _check_limit(rule: Rule) -> None:
    """A number at every tolerance."""
    for tolerance_bps in (0, round(rule.default_tolerance * FULL_BPS), FULL_BPS):
        limit = call(rule, "limit", tolerance_bps)
        if not is_number(limit) or math.isnan(limit):
            raise PluginError(f"limit() returned {brief(limit)}: return a number")


def _models() -> Iterator[tuple[View, View]]:
    """Models before and after an encounter: usual ones, and what a run may bring as well."""
    generator = np.random.default_rng(0)

    def logits(images: int) -> Logits:
        return generator.standard_normal((images, _CLASSES), dtype=np.float32)

    every, few = generator.integers(0, _CLASSES, _IMAGES), generator.integers(0, 2, _IMAGES)
    right = np.zeros((_IMAGES, _CLASSES), np.float32)
    right[np.arange(_IMAGES), every] = 200
    lost, huge = logits(_IMAGES), logits(_IMAGES)
    lost[::7, 0], huge[::5, 1], huge[::3, 2] = np.nan, np.inf, -np.inf
    yield View(right, every), View(logits(_IMAGES), every)
    yield View(logits(_IMAGES), every), View(right, every)
    yield View(logits(_IMAGES), few), View(logits(_IMAGES), few)  # no images of most classes
    yield View(logits(1), every[:1]), View(logits(1), every[:1])
    for broken in (lost, huge, np.full_like(lost, np.nan)):
        yield View(right, every), View(broken, every)
        yield View(broken, every), View(right, every)


def _goals() -> Iterator[Weights | None]:
    """What a learner may care for."""
    yield None
    yield label_shares(np.arange(_CLASSES), _CLASSES)
    yield label_shares(np.full(3, _CLASSES - 1), _CLASSES)  # a class that a validator may have no images of


def _harm(rule: Rule, before: View, after: View, goal: Weights | None) -> float:
    """The harm that a rule finds, asked twice."""
    given: list[npt.NDArray[Any]] = [before.logits, before.labels, after.logits]
    if goal is not None:
        given.append(goal)
    found = [call(rule, "harm", before, after, goal, given=given) for _ in range(2)]
    if isinstance(rule, CountRule):  # this is what it is asked in a run
        counts = before.correct, after.correct, len(before.labels)
        found.append(call(rule, "harm_of_counts", *counts))
    for harm in found:
        if not is_number(harm):
            raise PluginError(f"harm() returned {brief(harm)}: return one number, such as a float")
        if harm != found[0] and not (math.isnan(harm) and math.isnan(found[0])):
            raise PluginError(f"harm() found {found[0]} and {harm} for equal arguments: it must be deterministic")
    return float(found[0])


def _takes(defence: Defence, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
    """Whether a defence takes an update, asked twice."""
    found = [call(defence, "takes", update, list(recent), given=[update, *recent]) for _ in range(2)]
    for taken in found:
        if not isinstance(taken, bool | np.bool_):
            raise PluginError(f"takes() returned {brief(taken)}: return True or False")
    if found[0] != found[1]:
        raise PluginError("takes() gave two answers for equal arguments: it must be deterministic")
    return bool(found[0])
