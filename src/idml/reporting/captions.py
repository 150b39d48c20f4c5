"""The captions of figures: a title that tells the finding, and a subtitle that explains the marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from idml.reporting import series
from idml.reporting.estimates import Estimate
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
    rounds: Sequence[series.RoundScores],
    baselines: Mapping[str, Sequence[series.RoundScores]],
    expulsions: Sequence[ExpulsionRecord],
    cohorts: series.Cohorts,
) -> Caption:
    """The caption of the accuracy figure.

    Args:
        rounds: accuracy of honest devices after each measured round, at least one.
        baselines: that of each baseline, by name.
        expulsions: the devices that were expelled.
        cohorts: which devices are honest.
    """
    last = rounds[-1]
    title = f"Honest devices reach {last.mean:.1%} accuracy"
    for name, curve in list(baselines.items())[:1]:
        if (difference := last.less(curve[-1])) is not None:
            title += f", {against(difference, name)}"
    subtitle = f"Mean of {count(len(last.accuracy), 'device')} after each round, {_measured_on(rounds)}"
    subtitle += "; bands are 95% intervals."
    for name, curve in baselines.items():
        devices = len(curve[-1].accuracy)
        subtitle += f" {name.capitalize()}: "
        if devices > 1:
            subtitle += f"{devices} devices measured alike, each with as many gradient steps on its own data."
        else:
            subtitle += "as many gradient steps; measured on few images, so without an interval."
        if ahead := _clearly_ahead(rounds, curve):
            subtitle += f" {ahead}"
    expelled = {cohorts.is_attacker(expulsion.device) for expulsion in expulsions}
    who = [name for name, attacking in (("attackers", True), ("honest devices", False)) if attacking in expelled]
    if who:
        subtitle += f" Vertical lines: {' and '.join(who)} expelled in that round."
    return Caption(title, subtitle)


def against(difference: Estimate, name: str) -> str:
    """Say by how much accuracy is above or below that of something else, if that is clear.

    Args:
        difference: of the means, with its interval.
        name: of the other.
    """
    if difference.low <= 0 <= difference.high:
        return f"no clear difference from {name}"
    side = "above" if difference.mean > 0 else "below"
    return f"{abs(100 * difference.mean):.1f} ± {100 * difference.half:.1f} points {side} {name}"


def _measured_on(rounds: Sequence[series.RoundScores]) -> str:
    """Say on how many test images the devices of each round were measured; what they start from aside."""
    images = [scores.images or 0 for scores in rounds[1:] or rounds]
    if min(images) == max(images):
        return f"each on {images[-1]:,} test images"
    return f"each on {min(images[:-1]):,} test images on the way and {images[-1]:,} in the end"


def _clearly_ahead(rounds: Sequence[series.RoundScores], curve: Sequence[series.RoundScores]) -> str:
    """Say in how many rounds before the last one a baseline was clearly above the devices; empty if in none."""
    by_round = {scores.at: scores for scores in curve}
    common = [(scores, by_round[scores.at]) for scores in rounds[1:-1] if scores.at in by_round]
    differences = [difference for one, other in common if (difference := one.less(other)) is not None]
    ahead = sum(difference.high < 0 for difference in differences)
    return f"It is clearly ahead in {ahead} of {count(len(differences), 'round')} on the way." if ahead else ""


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
    """The caption of the earnings figure: what honest devices and attackers gained net, in all roles together.

    Args:
        earnings: net earnings of each device.
        cohorts: which devices are honest.
    """
    parts: list[str] = []
    for members, who in ((set(cohorts.honest), "honest devices"), (set(cohorts.attackers), "attackers")):
        earned = [e.total_wei for e in earnings if e.device in members]
        if earned:
            mean = series.tokens(sum(earned)) / len(earned)
            unit = "" if parts else " tokens on average"
            parts.append(f"{who} {'earn' if mean >= 0 else 'lose'} {abs(mean):,.1f}{unit}")
    return Caption(
        f"Net of what they paid for training, {', '.join(parts)}",
        "Net: earned as neighbor and as validator, less what was paid as learner. A dot is a device; the tick and the "
        "number on the right are the mean of its group.",
    )


def mean_text(amounts: Sequence[float]) -> str:
    """Write the mean of amounts with its sign and one decimal."""
    return f"{fmean(amounts):+,.1f}".replace("-", "−")


def count(number: int, noun: str) -> str:
    """Write a number with its noun, which is in the plural unless the number is one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
