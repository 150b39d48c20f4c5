"""The numbers that are taken of a run, by name: of all that `summary.json` says, what is worth comparing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from idml.reporting.style import kind_label
from idml.store import HONEST

Summary = Mapping[str, Any]
Numbers = Mapping[str, float]
"""By name; what a run has no number for is left out."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of a run.

    Args:
        name: of its column; ends with its unit, if it has one.
        label: what it is, in words.
        short: the same in few words.
        scale: by which it is multiplied where it is shown.
        unit: that it is then shown in.
        digits: after the point.
    """

    name: str
    label: str
    short: str
    scale: float = 1.0
    unit: str = ""
    digits: int = 1

    def text(self, value: float | None, *, signed: bool = False) -> str:
        """Write a value without its unit; what is not known as "–"."""
        if value is None or not math.isfinite(value):
            return NONE
        return f"{self.scale * value:{'+' if signed else ''},.{self.digits}f}".replace("-", "−")

    def with_unit(self, *, points: bool = False) -> str:
        """What it is in few words, with the unit; that of a difference of percentages is points."""
        unit = "points" if points and self.unit == "%" else self.unit
        return f"{self.short}, {unit}" if unit else self.short


NONE: Final = "–"
_ATTACK: Final = "attack_success_"
HEADLINES: Final = (
    Quantity("accuracy_mean", "Accuracy of honest devices", "Accuracy", scale=100, unit="%", digits=2),
    Quantity("honest_net_tokens", "Net earnings of an honest device", "Honest net", unit="tokens"),
    Quantity("attackers_net_tokens", "Net earnings of an attacker", "Attacker net", unit="tokens"),
    Quantity("expelled_attackers", "Attackers expelled", "Attackers expelled"),
    Quantity("expelled_honest", "Honest devices expelled", "Honest expelled"),
    Quantity("honest_rejected_share", "Honest work rejected", "Honest rejected", scale=100, unit="%"),
    Quantity("attackers_rejected_share", "Attackers’ work rejected", "Attacks rejected", scale=100, unit="%"),
    Quantity("gas_per_encounter", "Gas per encounter", "Gas per encounter", digits=0),
)
"""Those that are shown first, in this order; how often attacks succeed comes after the accuracy."""


def quantities(cells: Sequence[Numbers]) -> list[Quantity]:
    """The headlines that any of these runs has a number for."""
    names = {name for numbers in cells for name in numbers}
    attacks = [
        Quantity(name, f"Success of attacks by {kind}", f"Success of {kind}", scale=100, unit="%")
        for name in sorted(names)
        if name.startswith(_ATTACK) and (kind := kind_label(name.removeprefix(_ATTACK)))
    ]
    first, *rest = HEADLINES
    return [one for one in (first, *attacks, *rest) if one.name in names]


def varying(shown: Sequence[Quantity], cells: Sequence[Numbers]) -> tuple[list[Quantity], list[Quantity]]:
    """Part quantities in those that differ between runs, and those that are the same in all that have one."""
    same = [
        one
        for one in shown
        if len(cells) > 1 and len({numbers[one.name] for numbers in cells if one.name in numbers}) == 1
    ]
    return [one for one in shown if one not in same], same


def numbers_of(summary: Summary) -> dict[str, float]:
    """The flat numbers of a run. Shares and accuracies are from 0 to 1.

    Args:
        summary: what `summary.json` holds. Of an unfinished run, what it would hold so far.
    """
    found: dict[str, float | None] = {name: summary.get(name) for name in ("encounters", "skipped")}
    for key in ("mean", "min", "max"):
        found[f"accuracy_{key}"] = (summary.get("accuracy") or {}).get(key)
    found["baseline_accuracy"] = (summary.get("baseline") or {}).get("accuracy")
    for kind, share in (summary.get("attack_success") or {}).items():
        found[f"{_ATTACK}{kind}"] = share
    kinds: Mapping[str, Any] = summary.get("kinds") or {}
    attackers = [facts for kind, facts in kinds.items() if kind != HONEST]
    found["honest_rejected_share"] = _rejected([kinds[HONEST]] if HONEST in kinds else [])
    found["attackers_rejected_share"] = _rejected(attackers)
    if (summary.get("config") or {}).get("incentive", True):
        found |= _paid(summary, any(facts["devices"] for facts in attackers))
    for name in ("wall_s", "train_images", "eval_images"):
        found[name] = summary.get(name)
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}


def _paid(summary: Summary, attacked: bool) -> dict[str, float | None]:
    """What only a run with an incentive has."""
    found: dict[str, float | None] = {}
    for group in ("honest", "attackers") if attacked else ("honest",):
        earned: Mapping[str, float] = (summary.get("earnings") or {}).get(group) or {}
        found[f"{group}_net_tokens"] = sum(earned.values()) if earned else None
        found |= {f"{group}_as_{role}_tokens": amount for role, amount in earned.items()}
        if (expelled := summary.get("expelled")) is not None:
            found[f"expelled_{group}"] = len(expelled[group])
    found["gas_per_encounter"] = (summary.get("gas") or {}).get("per_encounter")
    return found


def _rejected(kinds: Sequence[Mapping[str, Any]]) -> float | None:
    rejected = sum(facts["rejected"] for facts in kinds)
    judged = rejected + sum(facts["accepted"] for facts in kinds)
    return rejected / judged if judged else None
