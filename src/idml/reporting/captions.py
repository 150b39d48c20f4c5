"""The captions of figures: a title that tells the finding, and a subtitle that explains the marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from idml.reporting import series
from idml.store import EarningsRecord, ExpulsionRecord


class Caption(NamedTuple):
    """The caption of a figure.

    Args:
        title: the finding.
        subtitle: what the marks mean.
    """

    title: str
    subtitle: str


def of_accuracy(
    mean: float, baselines: Mapping[str, float], expulsions: Sequence[ExpulsionRecord], cohorts: series.Cohorts
) -> Caption:
    """The caption of the accuracy figure.

    Args:
        mean: final mean accuracy of honest devices, 0 to 1.
        baselines: final accuracy of each baseline by name, 0 to 1.
        expulsions: the devices that were expelled.
        cohorts: which devices are honest.
    """
    title = f"Honest devices reach {mean:.1%} accuracy"
    for name, accuracy in list(baselines.items())[:1]:
        difference = 100 * (mean - accuracy)
        title += f", {abs(difference):.1f} points {'above' if difference >= 0 else 'below'} {name}"
    subtitle = "Mean after each round; the band runs from the worst honest device to the best."
    expelled = {cohorts.is_attacker(expulsion.device) for expulsion in expulsions}
    who = [name for name, attacking in (("attackers", True), ("honest devices", False)) if attacking in expelled]
    if who:
        subtitle += f" Vertical lines: {' and '.join(who)} expelled in that round."
    return Caption(title, subtitle)


def of_stakes(threshold: float, expulsions: Sequence[ExpulsionRecord], cohorts: series.Cohorts) -> Caption:
    """The caption of the stakes figure.

    Args:
        threshold: stake that neighbors and validators need, in tokens.
        expulsions: the devices that were expelled.
        cohorts: which devices are honest.
    """
    expelled = {expulsion.device for expulsion in expulsions}
    honest = f"{len(expelled & set(cohorts.honest))} of {count(len(cohorts.honest), 'honest device')}"
    attackers = f"{len(expelled & set(cohorts.attackers))} of {count(len(cohorts.attackers), 'attacker')}"
    return Caption(
        f"{attackers} and {honest} expelled" if cohorts.attackers else f"{honest} expelled",
        f"A device whose stake falls below {threshold:g} tokens may no longer act as neighbor or validator.",
    )


def of_cases(counts: Mapping[tuple[int, bool, str], int]) -> Caption:
    """The caption of the figure of outcomes.

    Args:
        counts: number of contributions by (round, whether the neighbor is an attacker, outcome); see
            `series.outcomes_by_round`.
    """
    shares = []
    for attacking, whose in ((False, "honest"), (True, "attackers’")):
        accepted, rejected = (
            sum(number for (_, attacker, outcome), number in counts.items() if (attacker, outcome) == (attacking, name))
            for name in ("accepted", "rejected by vote")
        )
        if accepted + rejected:
            shares.append(f"{rejected / (accepted + rejected):.0%} of {whose}")
    return Caption(
        f"Validators rejected {' and '.join(shares)} contributions" if shares else "What became of the contributions",
        "Contributions per round"
        + (
            "; skipped: one of the two devices could not take part."
            if any(key[2] == "skipped" for key in counts)
            else "."
        ),
    )


def of_earnings(earnings: Sequence[EarningsRecord], cohorts: series.Cohorts) -> Caption:
    """The caption of the earnings figure.

    It tells what honest devices and attackers earned as neighbors and validators. What devices paid as learners is left
    out, because it bought them training.

    Args:
        earnings: net earnings of each device.
        cohorts: which devices are honest.
    """
    parts: list[str] = []
    for members, who in ((set(cohorts.honest), "honest devices"), (set(cohorts.attackers), "attackers")):
        earned = [e.as_neighbor_wei + e.as_validator_wei for e in earnings if e.device in members]
        if earned:
            mean = series.tokens(sum(earned)) / len(earned)
            unit = "" if parts else " tokens on average"
            parts.append(f"{who} {'earn' if mean >= 0 else 'lose'} {abs(mean):,.1f}{unit}")
    return Caption(
        f"As neighbors and validators {', '.join(parts)}",
        "A dot is a device; the tick and the number on the right are the mean of its group.",
    )


def mean_text(amounts: Sequence[float]) -> str:
    """Write the mean of amounts with its sign and one decimal."""
    return f"{fmean(amounts):+,.1f}".replace("-", "−")


def count(number: int, noun: str) -> str:
    """Write a number with its noun, which is in the plural unless the number is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
