"""The rules by which validators judge and the defences of learners, by name."""

from typing import TYPE_CHECKING, Final

from idml.registry import Registry

if TYPE_CHECKING:  # what they are is imported when one of them is asked for
    from idml.learning.judging.defences import Defence
    from idml.learning.judging.validation import Rule

RULES: "Final[Registry[Rule]]" = Registry(
    "rule",
    base="idml.learning.judging.validation:Rule",
    built_in={
        "paper": "idml.learning.judging.rules:Paper",
        "loss": "idml.learning.judging.rules:Loss",
        "f1": "idml.learning.judging.rules:F1",
        "precision": "idml.learning.judging.rules:Precision",
        "recall": "idml.learning.judging.rules:Recall",
        "balanced": "idml.learning.judging.rules:Balanced",
        "mcnemar": "idml.learning.judging.rules:McNemar",
    },
    check="idml.learning.judging.checker:check_rule",
    group="idml.rules",
)
DEFAULT_RULE: Final = "loss"
"""The rule that rejects the least honest work where it detects as much; docs/validation.md has the figures."""
DEFENCES: "Final[Registry[Defence]]" = Registry(
    "defence",
    base="idml.learning.judging.defences:Defence",
    built_in={
        "norm": "idml.learning.judging.defences:Norm",
        "krum": "idml.learning.judging.defences:Krum",
    },
    check="idml.learning.judging.checker:check_defence",
    group="idml.defences",
)
