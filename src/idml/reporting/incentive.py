"""A run beside the same run without its incentive: what the incentive is for."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from typing import Any

from idml.reporting import series
from idml.reporting.estimates import Estimate
from idml.reporting.style import kind_label
from idml.reporting.tables import Column, TableView
from idml.store import HONEST, RunStore
from idml.store.run_reader import SUMMARY, WITHOUT_INCENTIVE


@dataclass(frozen=True, slots=True)
class IncentiveView:
    """What the incentive changed, ready to be shown.

    Args:
        finding: in one or two sentences.
        table: the numbers side by side.
    """

    finding: str
    table: TableView


def incentive_view(run: RunStore) -> IncentiveView | None:
    """Set a finished run beside the same run without its incentive; None where that has not been played.

    Args:
        run: the run with the incentive.
    """
    directory = run.directory / WITHOUT_INCENTIVE
    if run.read_summary() is None or not os.path.exists(directory / SUMMARY):
        return None
    summary = run.require_summary()
    with RunStore.open(directory) as other:
        unpaid = other.require_summary()
        honest = series.Cohorts.of(run.devices()).honest
        scores = [series.last_accuracy(one, honest) for one in (run, other)]
    return IncentiveView(_finding(scores, (summary, unpaid)), _table(scores, (summary, unpaid)))


def incentive_command(run: RunStore) -> str | None:
    """The command that plays a finished run without its incentive; None where there would be nothing to learn.

    Args:
        run: the run.
    """
    summary = run.read_summary() or {}
    config: Mapping[str, Any] = summary.get("config") or {}
    if not config.get("incentive", False) or not sum((config.get("adversaries") or {}).values()):
        return None
    return f"idml run --resume {shlex.quote(str(run.directory))} --without-incentive"


def _finding(scores: Sequence[Mapping[int, float]], both: Sequence[Mapping[str, Any]]) -> str:
    paid, unpaid = (summary["accuracy"]["mean"] for summary in both)
    text = f"Without the incentive, honest devices reach {unpaid:.1%} accuracy instead of {paid:.1%}"
    # The same devices in both, most often on the same images, so that much of what differs cancels.
    common = [device for device in scores[0] if device in scores[1]]
    if len(common) > 1:
        values = [[one[device] for device in common] for one in (scores[1], scores[0])]
        difference = Estimate.of_differences(*values).text(scale=100, signed=True).replace("-", "−")
        text += f" (difference {difference} points, 95% interval over {len(common)} devices)"
    for kind, shares in _successes(both).items():
        if None not in shares:
            text += f". The attack {kind_label(kind)} works on {shares[1]:.0%} of the images that it aims at"
            text += f" instead of {shares[0]:.0%}"
    return text + "."


def _table(scores: Sequence[Mapping[int, float]], both: Sequence[Mapping[str, Any]]) -> TableView:
    rows = [["Accuracy of honest devices", *map(_accuracy, both, scores)]]
    for kind, shares in _successes(both).items():
        cells = ("–" if share is None else f"{share:.1%}" for share in shares)
        rows.append([f"Success of the attack {kind_label(kind)} on honest devices", *cells])
    for who, honest in (("attackers", False), ("honest devices", True)):
        accepted = (_accepted(summary, honest=honest) for summary in both)
        rows.append([f"Contributions of {who} that were accepted", *accepted])
    out = both[0]["expelled"]
    rows.append(["Attackers expelled", f"{len(out['attackers'])} of {_devices(both[0], honest=False)}", "–"])
    rows.append(["Honest devices expelled", f"{len(out['honest'])} of {_devices(both[0], honest=True)}", "–"])
    columns = [Column("", number=False), Column("With the incentive"), Column("Without it")]
    return TableView("The same devices, data, contacts and attackers, with the incentive and without it", columns, rows)


def _accuracy(summary: Mapping[str, Any], scores: Mapping[int, float]) -> str:
    half = Estimate.of(list(scores.values())).half if scores else inf
    mean = f"{summary['accuracy']['mean']:.1%}"
    return mean if isinf(half) else f"{mean} ± {100 * half:.1f} points"


def _successes(both: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """How often the attack of each kind works in each run, 0 to 1; None where no image could be tried."""
    return {kind: [summary["attack_success"].get(kind) for summary in both] for kind in both[0]["attack_success"]}


def _accepted(summary: Mapping[str, Any], *, honest: bool) -> str:
    kinds = [numbers for kind, numbers in summary["kinds"].items() if (kind == HONEST) == honest]
    accepted, rejected = (sum(numbers[key] for numbers in kinds) for key in ("accepted", "rejected"))
    return f"{accepted:,} of {accepted + rejected:,}"


def _devices(summary: Mapping[str, Any], *, honest: bool) -> int:
    return sum(numbers["devices"] for kind, numbers in summary["kinds"].items() if (kind == HONEST) == honest)
