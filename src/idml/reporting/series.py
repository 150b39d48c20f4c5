"""The numbers that figures and tables show, computed from a run's records. Nothing is drawn here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean

from idml.reporting.estimates import Estimate
from idml.store import HONEST, AccuracyPoint, DeviceRecord, EncounterRecord, RunStore, StakePoint

TOKEN_WEI = 10**18
"""Number of base units in one token."""

OUTCOMES = ("accepted", "taken without a vote", "rejected by vote", "no verdict", "not completed", "skipped")
"""All that can become of a contribution, in the order in which figures and tables show it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, minimum and maximum over some devices.

    Args:
        at: the round, or the block, that they are of.
        mean, low, high: mean, minimum and maximum.
    """

    at: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RoundScores:
    """The accuracy of each of some devices at the end of a round.

    Args:
        at: the round.
        accuracy: of each device, 0 to 1; at least one.
        images: number of test images that each was measured on; None if it was not recorded.
    """

    at: int
    accuracy: Sequence[float]
    images: int | None

    @property
    def mean(self) -> float:
        """The mean over the devices."""
        return fmean(self.accuracy)

    @property
    def estimate(self) -> Estimate:
        """The mean with its 95 % interval, which covers how devices differ and how few their images are.

        Equal scores are one measurement, such as that of the model that all devices start from. Its interval is that of
        a share of its images.
        """
        if len(set(self.accuracy)) > 1:
            return Estimate.of(self.accuracy)
        share = self.accuracy[0]
        half = 1.96 * sqrt(share * (1 - share) / self.images) if self.images else inf
        return Estimate(share, half, len(self.accuracy))

    def less(self, other: RoundScores) -> Estimate | None:
        """The mean less another mean, with the interval of the difference; None where one is a single measurement."""
        if min(len(set(self.accuracy)), len(set(other.accuracy))) < 2:
            return None
        return Estimate.of_groups(self.accuracy, other.accuracy)


@dataclass(frozen=True, slots=True)
class Cohorts:
    """Which devices of a run are honest, and which are attackers.

    Args:
        kinds: the kind of each device by its number, as in `DeviceRecord.kind`.
    """

    kinds: dict[int, str]

    @classmethod
    def of(cls, devices: Iterable[DeviceRecord]) -> Cohorts:
        """Make cohorts from the records of the devices."""
        return cls({record.device: record.kind for record in devices})

    @property
    def honest(self) -> list[int]:
        """Devices that follow the rules."""
        return [device for device, kind in self.kinds.items() if kind == HONEST]

    @property
    def attackers(self) -> list[int]:
        """Devices that do not."""
        return [device for device, kind in self.kinds.items() if kind != HONEST]

    def is_attacker(self, device: int) -> bool:
        """Whether a device is known as an adversary."""
        return self.kinds.get(device, HONEST) != HONEST


def accuracy_by_round(run: RunStore, devices: Iterable[int]) -> list[RoundScores]:
    """Collect the accuracy of some devices after each measured round.

    Args:
        run: the run.
        devices: the devices.

    Returns:
        One element for each round in which at least one of them was measured, in order.
    """
    chosen, by_round = set(devices), dict[int, dict[int, AccuracyPoint]]()
    for point in run.accuracy():
        if point.device in chosen:
            by_round.setdefault(point.round, {})[point.device] = point
    return [
        RoundScores(round_, [point.accuracy for point in points.values()], min(p.images for p in points.values()))
        for round_, points in sorted(by_round.items())
    ]


def baselines_by_round(run: RunStore) -> dict[str, list[RoundScores]]:
    """Collect the accuracy of each baseline by its name, as `accuracy_by_round` does for devices.

    Where each device of a baseline has its own curve, it was measured on as many images as the run's devices.
    """
    images = max((point.images for point in run.accuracy()), default=None)
    curves: dict[str, dict[int, list[float]]] = {}
    for point in run.baselines():
        curves.setdefault(point.name, {}).setdefault(point.round, []).append(point.accuracy)
    return {
        name: [
            RoundScores(round_, scores, images if len(scores) > 1 else None)
            for round_, scores in sorted(by_round.items())
        ]
        for name, by_round in curves.items()
    }


def last_accuracy(run: RunStore, devices: Iterable[int]) -> dict[int, float]:
    """The accuracy of some devices in the last measured round, 0 to 1, by device."""
    chosen, points = set(devices), run.accuracy()
    last = max((point.round for point in points), default=0)
    return {point.device: point.accuracy for point in points if point.round == last and point.device in chosen}


def final_accuracy(run: RunStore) -> dict[int, float]:
    """The last measured accuracy of each measured device, 0 to 1, by device."""
    return {point.device: point.accuracy for point in run.accuracy()}


def final_stakes(run: RunStore) -> dict[int, int]:
    """The stake of each device at the end, in base units of the token, by device."""
    return {point.device: point.stake_wei for point in run.stakes()}


def stakes_by_block(
    points: Sequence[StakePoint], devices: Iterable[int], last_block: int, samples: int = 240
) -> list[Spread]:
    """Compute the spread of stakes over some devices at a number of blocks.

    Args:
        points: the changes of stakes.
        devices: the devices. Those that have not staked yet are left out.
        last_block: the last block to show.
        samples: into how many steps the blocks are divided at most.

    Returns:
        At most `samples` + 1 spreads, in tokens. The mean is that at the block; minimum and maximum are those since the
        sample before, so that no extreme is lost.
    """
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
    """Compute a line for the stake of each of some devices.

    Args:
        points: the changes of stakes.
        devices: the devices.
        last_block: the block up to which lines are prolonged.
        samples: how many positions can be told apart. Of several changes at one position, the last is kept.

    Returns:
        Points (block, stake in tokens), by device.
    """
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
    """Say what became of the neighbor's contribution: one of `OUTCOMES`."""
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
    """Count contributions by (round, whether the neighbor is an attacker, outcome).

    Args:
        encounters: the contacts.
        cohorts: which devices are honest.
    """
    return Counter((e.round, cohorts.is_attacker(e.neighbor), outcome(e)) for e in encounters)


def case_counts(encounters: Iterable[EncounterRecord]) -> dict[str, int]:
    """Count the encounters by how they ended: in settlement case "1" to "5", "rejected" or "incomplete"."""
    counts = Counter(str(e.case) if e.status == "settled" else e.status for e in encounters)
    return {name: counts[name] for name in ("1", "2", "3", "4", "5", "rejected", "incomplete")}


def tokens(wei: int) -> float:
    """Turn base units into tokens, rounded. Use it to show amounts, not to compute with them."""
    return wei / TOKEN_WEI
