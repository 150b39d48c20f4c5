"""The main numbers of a run, as the report and the terminal show them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf
from statistics import fmean
from typing import Any

from idml.reporting import series
from idml.reporting.captions import against
from idml.store import RunStore, StakePoint

CASES: Mapping[str, str] = {
    "1": "too few votes for a verdict",
    "2": "accepted by all",
    "3": "rejected by all",
    "4": "accepted by the majority",
    "5": "rejected by the majority",
    "rejected": "refused by the neighbor",
    "incomplete": "not completed in time",
}
"""What each way to end means, by its key in `summary["cases"]`."""


def numbers(run: RunStore) -> dict[str, Any]:
    """The summary of a run. For an unfinished run, only the keys that its records so far give.

    Beside what `summary.json` says of accuracy, `measured` says in words how well it is known.

    Args:
        run: the run, finished or not.
    """
    encounters, cohorts = run.encounters(), series.Cohorts.of(run.devices())
    expelled = {expulsion.device for expulsion in run.expulsions()}
    honest_rounds = series.accuracy_by_round(run, cohorts.honest)
    honest = honest_rounds[-1].accuracy if honest_rounds else []
    so_far = {
        "encounters": sum(encounter.status != "skipped" for encounter in encounters),
        "skipped": sum(encounter.status == "skipped" for encounter in encounters),
        "cases": series.case_counts(encounters),
        "accuracy": {"mean": fmean(honest), "min": min(honest), "max": max(honest)} if honest else None,
        "expelled": {
            "attackers": sorted(expelled.intersection(cohorts.attackers)),
            "honest": sorted(expelled.intersection(cohorts.honest)),
        },
    }
    summary: dict[str, Any] = {**so_far, **(run.read_summary() or {})}
    if honest_rounds and summary["accuracy"]:
        summary["accuracy"] = {**summary["accuracy"], "measured": _measured(run, honest_rounds[-1])}
    if not run.count(StakePoint):
        del summary["expelled"]
    return summary


def headlines(summary: Mapping[str, Any], attackers: int | None = None) -> list[tuple[str, str, str]]:
    """Choose the numbers that are worth reading first.

    Args:
        summary: the summary of a run. What it lacks is left out.
        attackers: number of attackers in the run, if known.

    Returns:
        (name, value, remark) for each.
    """
    rows = []
    if (encounters := summary.get("encounters")) is not None:
        rows.append(("Encounters", f"{encounters:,}", f"{summary.get('skipped') or 0:,} contacts skipped"))
    if accuracy := summary.get("accuracy"):
        remark = accuracy.get("measured") or f"honest devices, {accuracy['min']:.1%} to {accuracy['max']:.1%}"
        rows.append(("Accuracy", f"{accuracy['mean']:.1%}", remark))
    paid = (summary.get("config") or {}).get("incentive", True)
    expelled = (summary.get("expelled") or {}) if paid else {}
    caught, wronged = len(expelled.get("attackers", ())), len(expelled.get("honest", ()))
    if expelled and attackers == 0:
        rows.append(("Devices expelled", f"{wronged}", "there are no attackers in this run"))
    elif expelled:
        of = "" if attackers is None else f" of {attackers}"
        rows.append(("Attackers expelled", f"{caught}{of}", f"honest devices expelled: {wronged}"))
    if paid and (earnings := (summary.get("earnings") or {}).get("honest")):
        parts = ", ".join(f"as {role} {_signed(earnings[role])}" for role in ("learner", "neighbor", "validator"))
        rows.append(("Honest earnings, net", _signed(sum(earnings.values())), f"tokens, mean: {parts}"))
    if paid and (tokens := summary.get("tokens")):
        supply, accounts = int(tokens["supply"]), int(tokens["accounts"])
        remark = f"to the last unit: supply and accounts hold {token_text(supply)} tokens"
        if supply != accounts:
            remark = f"supply {token_text(supply)}, accounts {token_text(accounts)}: {abs(supply - accounts)} wei apart"
        rows.append(("Tokens conserved", "yes" if supply == accounts else "no", remark))
    if gas := (summary.get("gas") or {}).get("per_encounter"):
        rows.append(("Gas per encounter", f"{gas:,.0f}", "mean over the encounters, all transactions"))
    if (wall_s := summary.get("wall_s")) is not None:
        images = [f"{summary[key]:,} images {what}" for key, what in _IMAGES.items() if summary.get(key)]
        rows.append(("Time", duration(wall_s), ", ".join(images)))
    return rows


def _measured(run: RunStore, last: series.RoundScores) -> str:
    """Say how well the last accuracy of honest devices is known, and how it stands to the first baseline."""
    remark = "honest devices"
    if not isinf(last.estimate.half):
        remark += f", ± {100 * last.estimate.half:.1f} points"
    for name, curve in list(series.baselines_by_round(run).items())[:1]:
        difference, alone = last.less(curve[-1]), f"{curve[-1].mean:.1%}"
        remark += f"; {against(difference, name)} ({alone})" if difference else f"; {name} {alone}, without an interval"
    return remark


def _signed(amount: float) -> str:
    return f"{amount:+,.1f}".replace("-", "−")


def case_name(key: str) -> str:
    """Name a key of `summary["cases"]` in words."""
    return f"Case {key}" if key.isdigit() else key.capitalize()


def token_text(wei: int) -> str:
    """Write base units in tokens, exactly and without trailing zeros."""
    whole, rest = divmod(abs(wei), series.TOKEN_WEI)
    fraction = f".{rest:018d}".rstrip("0") if rest else ""
    return f"{'−' if wei < 0 else ''}{whole:,}{fraction}"


def duration(seconds: float) -> str:
    """Write a time in seconds as a person would say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


_IMAGES = {"train_images": "trained on", "eval_images": "evaluated"}
