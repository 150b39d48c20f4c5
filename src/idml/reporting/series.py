"""What the figures and tables show, as plain rows computed from a run's records; no drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from idml.store import HONEST, DeviceRecord, EncounterRecord, RunStore, StakePoint

TOKEN_WEI = 10**18
"""Base units to the token."""

OUTCOMES = ("accepted", "taken without a vote", "rejected by vote", "no verdict", "not completed", "skipped")
"""What can become of a contribution, in the order in which figures and tables show it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, minimum and maximum of some devices at one position: a round or a block."""

    at: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cohorts:
    """The devices of a run by what they are."""

    kinds: dict[int, str]

    @classmethod
    def of(cls, devices: Iterable[DeviceRecord]) -> Cohorts:
        """Sort `devices`."""
        return cls({record.device: record.kind for record in devices})

    @property
    def honest(self) -> list[int]:
        """Devices that follow the rules."""
        return [device for device, kind in self.kinds.items() if kind == HONEST]

    @property
    def attackers(self) -> list[int]:
        """All others."""
        return [device for device, kind in self.kinds.items() if kind != HONEST]

    def is_attacker(self, device: int) -> bool:
        """Whether `device` is known as an adversary."""
        return self.kinds.get(device, HONEST) != HONEST


def accuracy_by_round(run: RunStore, devices: Iterable[int]) -> list[Spread]:
    """Accuracy (0..1) over `devices` after each measured round; a device that was not measured in a round keeps its
    last value, since a model changes only where it learns."""
    chosen, latest = set(devices), dict[int, float]()
    by_round: dict[int, dict[int, float]] = {}
    for point in run.accuracy():
        if point.device in chosen:
            by_round.setdefault(point.round, {})[point.device] = point.accuracy
    rows = []
    for round_, measured in sorted(by_round.items()):
        latest.update(measured)
        rows.append(_spread(round_, latest.values()))
    return rows


def final_accuracy(run: RunStore) -> dict[int, float]:
    """The last measured accuracy (0..1) of each measured device."""
    return {point.device: point.accuracy for point in run.accuracy()}


def final_stakes(run: RunStore) -> dict[int, int]:
    """The stake in wei of each device at the end."""
    return {point.device: point.stake_wei for point in run.stakes()}


def stakes_by_block(
    points: Sequence[StakePoint], devices: Iterable[int], last_block: int, samples: int = 240
) -> list[Spread]:
    """Stakes in tokens over those of `devices` that have staked, at no more than `samples` + 1 blocks up to
    `last_block`. Mean at the block; minimum and maximum since the sample before, so that none is lost."""
    chosen, current = set(devices), dict[int, float]()
    changes = [point for point in points if point.device in chosen]
    if not changes:
        return []
    first, rows, next_change = changes[0].block, list[Spread](), 0
    step = max(1, -(-(last_block - first) // samples))
    for block in [*range(first, last_block, step), last_block]:
        low, high = min(current.values(), default=float("inf")), max(current.values(), default=0.0)
        while next_change < len(changes) and changes[next_change].block <= block:
            change = changes[next_change]
            current[change.device] = change.stake_wei / TOKEN_WEI
            low, high = min(low, current[change.device]), max(high, current[change.device])
            next_change += 1
        rows.append(Spread(block, fmean(current.values()), low, high))
    return rows


def stake_lines(
    points: Sequence[StakePoint], devices: Iterable[int], last_block: int, samples: int = 960
) -> dict[int, list[tuple[int, float]]]:
    """The stake of each of `devices` as (block, tokens), prolonged to `last_block`; of changes too close for `samples`
    positions to tell apart, the last."""
    lines: dict[int, list[tuple[int, float]]] = {}
    chosen, step = set(devices), max(1, last_block // samples)
    for point in points:
        if point.device in chosen:
            line = lines.setdefault(point.device, [])
            if len(line) > 1 and line[-1][0] // step == point.block // step:
                line.pop()
            line.append((point.block, point.stake_wei / TOKEN_WEI))
    for line in lines.values():
        if line[-1][0] < last_block:
            line.append((last_block, line[-1][1]))
    return lines


def outcome(encounter: EncounterRecord) -> str:
    """What became of the neighbor's contribution: one of `OUTCOMES`."""
    match encounter.status:
        case "skipped":
            return "skipped"
        case "unincentivized":
            return "taken without a vote"
        case "settled" if encounter.case == 1 or encounter.accepted is None:
            return "no verdict"
        case "settled":
            return "accepted" if encounter.accepted else "rejected by vote"
        case _:
            return "not completed"


def outcomes_by_round(encounters: Iterable[EncounterRecord], cohorts: Cohorts) -> Counter[tuple[int, bool, str]]:
    """How many contributions of a round, by (round, whether the neighbor is an attacker, outcome)."""
    return Counter((e.round, cohorts.is_attacker(e.neighbor), outcome(e)) for e in encounters)


def case_counts(encounters: Iterable[EncounterRecord]) -> dict[str, int]:
    """How many encounters ended in each settlement case, "1".."5", or were "rejected" or "incomplete"."""
    counts = Counter(str(e.case) if e.status == "settled" else e.status for e in encounters)
    return {name: counts[name] for name in ("1", "2", "3", "4", "5", "rejected", "incomplete")}


def tokens(wei: int) -> float:
    """`wei` in tokens, for showing, not for reckoning."""
    return wei / TOKEN_WEI


def _spread(at: int, values: Iterable[float]) -> Spread:
    values = list(values)
    return Spread(at, fmean(values), min(values), max(values))
