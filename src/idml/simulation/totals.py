"""The totals of a run: what it counts as it goes, and the summary that it ends with."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from idml.learning.backends import definition_of
from idml.origin import made_by
from idml.protocol.task import TOKEN_WEI
from idml.simulation.config import Config
from idml.simulation.devices import Device
from idml.simulation.measure import Measure
from idml.simulation.work.effort import Effort
from idml.store.records import EarningsRecord

HOW = {"workers", "executor", "ray_address", "checkpoint_s", "data_dir"}
"""Keys of a configuration that do not change what happens in a run, except by rounding on a GPU."""
LOADING, DEPLOYING, JOINING = "loading data", "deploying contracts", "joining"
"""Stages of a run before its first contact."""
ROLES = ("learner", "neighbor", "validator")
_ENDINGS = ("1", "2", "3", "4", "5", "rejected", "incomplete")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a run has come, for those who watch it.

    Sequences and mappings in it go on changing with the run, so copy what you keep.

    Args:
        contact: number of contacts so far.
        contacts: number of contacts in the whole run.
        round: round of the last contact.
        encounters, skipped: how many contacts led to an encounter, and how many were skipped.
        accuracy: mean accuracy of honest devices at the end of each round, from round 0 on; 0 to 1.
        stakes_wei: stake of each device by number; empty without an incentive.
        expelled: devices whose stake fell below the threshold.
        adversaries: devices that are not honest.
        title: what run it is, in a few words.
        stage: what is being done now, in a few words.
    """

    contact: int
    contacts: int
    round: int
    encounters: int
    skipped: int
    accuracy: Sequence[float]
    stakes_wei: Mapping[int, int]
    expelled: Sequence[int]
    adversaries: frozenset[int]
    title: str
    stage: str


Observer = Callable[[Snapshot], None]


def snapshot_before(config: Config, stage: str) -> Snapshot:
    """What there is to see of a run before its first contact.

    Args:
        config: of the run.
        stage: what is being prepared, in a few words.
    """
    return Snapshot(0, config.contact_count, 0, 0, 0, (), {}, (), frozenset(), title_of(config), stage)


def title_of(config: Config) -> str:
    """What run it is, in a few words."""
    ending = "" if config.incentive else ", without an incentive"
    return f"{config.devices} devices, {config.algorithm} on {config.dataset}{ending}"


class Stopped(Exception):  # noqa: N818
    """An observer raises this to stop the run. The run writes a checkpoint and can be resumed."""


@dataclass(slots=True)
class RunTotals:
    """What a run counts as it goes.

    Attributes:
        encounters: number of contacts that led to an encounter.
        skipped: number of contacts that did not.
        cases: number of encounters by how they ended.
        expelled: devices whose stake fell below the threshold, in order; a device that came back may be in it again.
        out: devices that are expelled now.
        rejoined: how often each device came back with a new account.
        first_out: for each expelled device, the round in which it was expelled first.
        accepted, rejected: number of contributions of each device as a neighbor, by the verdict.
        discarded: number of accepted contributions of each device that the learner's own defence left out.
        accuracy: mean accuracy of the measured devices at the end of each round, 0 to 1.
        gas: gas of all transactions, by step.
        encounter_gas: gas of each encounter.
        earnings_wei: net earnings of each device, by role.
    """

    encounters: int = 0
    skipped: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    expelled: list[int] = field(default_factory=list)
    out: set[int] = field(default_factory=set)
    rejoined: Counter[int] = field(default_factory=Counter)
    first_out: dict[int, int] = field(default_factory=dict)
    accepted: Counter[int] = field(default_factory=Counter)
    rejected: Counter[int] = field(default_factory=Counter)
    discarded: Counter[int] = field(default_factory=Counter)
    accuracy: list[float] = field(default_factory=list)
    gas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    encounter_gas: list[int] = field(default_factory=list)
    earnings_wei: dict[str, Counter[int]] = field(default_factory=lambda: {role: Counter() for role in ROLES})

    def expel(self, device: int, round_number: int) -> None:
        """Count a device whose stake fell below the threshold."""
        self.expelled.append(device)
        self.out.add(device)
        self.first_out.setdefault(device, round_number)

    def judged(self, neighbor: int, *, accepted: bool) -> None:
        """Count the verdict on a device's contribution."""
        (self.accepted if accepted else self.rejected)[neighbor] += 1

    def earnings(self, devices: int) -> list[EarningsRecord]:
        """The net earnings of each device in each role.

        Args:
            devices: number of devices.
        """
        return [
            EarningsRecord(device, *(self.earnings_wei[role][device] for role in ROLES)) for device in range(devices)
        ]

    def summary(
        self,
        config: Config,
        devices: Sequence[Device],
        *,
        final: Sequence[float],
        baseline: Mapping[str, float] | None,
        attack_success: Mapping[str, float | None],
        tokens: Mapping[str, str],
        effort: Effort,
        measure: Measure,
        trained_on: str,
        wall_s: float,
    ) -> dict[str, Any]:
        """Make the summary of the run. If the run is repeated, everything but `wall_s` and `made_by` is the same.

        Args:
            config: the configuration, with every default filled in.
            devices: all devices.
            final: accuracy of each honest device on the test set, 0 to 1.
            baseline: accuracy that a device reaches alone.
            attack_success: for each kind of adversary, how often its attack works on the models of honest devices.
            tokens: the supply, and the sum over all accounts.
            effort: the images that the devices trained and scored.
            measure: the images that measuring and the baseline trained and scored.
            trained_on: the hardware.
            wall_s: how long the run took, in seconds.
        """
        assert config.backend != "auto"
        honest = {device.index for device in devices if device.honest}
        means = [_mean(values) for values in self.gas.values()]
        return {
            "encounters": self.encounters,
            "skipped": self.skipped,
            "cases": {ending: self.cases[ending] for ending in _ENDINGS},
            "accuracy": {"mean": float(np.mean(final)), "min": min(final), "max": max(final)},
            "baseline": baseline,
            "expelled": {
                "attackers": sorted(set(self.expelled) - honest),
                "honest": sorted(honest.intersection(self.expelled)),
            },
            "earnings": {
                group: {
                    role: _mean([self.earnings_wei[role][device] / TOKEN_WEI for device in members]) for role in ROLES
                }
                for group, members in (
                    ("honest", sorted(honest)),
                    ("attackers", [device.index for device in devices if device.index not in honest]),
                )
            },
            "kinds": {kind: self._of_kind(members) for kind, members in _by_kind(devices).items()},
            "attack_success": dict(attack_success),
            "tokens": dict(tokens),
            "gas": {
                "per_step": dict(zip(self.gas, means, strict=True)),
                "per_encounter": _mean(self.encounter_gas),
            },
            "wall_s": round(wall_s, 3),
            "train_images": measure.trained_images + effort.trained_images.total(),
            "eval_images": measure.scored_images + effort.scored_images.total(),
            "trained_on": trained_on,
            "made_by": made_by(),
            "definition": definition_of(config.backend),
            "config": config.model_dump(exclude_none=True, exclude=HOW - {"data_dir"}),
        }

    def _of_kind(self, members: Sequence[int]) -> dict[str, Any]:
        """The part of the summary about the devices of one kind.

        `expelled_round` counts only the first expulsion of a device. `accepted` and `rejected` count contributions as
        neighbors by the verdict; without an incentive, by whether they were merged. `discarded` counts those that were
        accepted but left out by the learner's own defence. Earnings are means over devices, in tokens.
        """
        rounds = [self.first_out[device] for device in members if device in self.first_out]
        return {
            "devices": len(members),
            "expelled": len(rounds),
            "expelled_round": {"first": min(rounds), "mean": _mean(rounds), "last": max(rounds)} if rounds else None,
            "rejoined": sum(self.rejoined[device] for device in members),
            "earnings": {
                role: _mean([self.earnings_wei[role][device] / TOKEN_WEI for device in members]) for role in ROLES
            },
            "accepted": sum(self.accepted[device] for device in members),
            "rejected": sum(self.rejected[device] for device in members),
            "discarded": sum(self.discarded[device] for device in members),
        }


def _by_kind(devices: Sequence[Device]) -> dict[str, list[int]]:
    """Device numbers by kind of participant."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for device in devices:
        kinds[device.participant.kind].append(device.index)
    return dict(sorted(kinds.items()))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
