"""Label flippers among the devices, with and without iDML: the runs behind Fig. 8 and Fig. 9."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from idml.simulation.config import make_config
from idml.simulation.setup import cast_parts
from idml.store import StakePoint
from idml.store.run_store import RunStore
from idml.studies.batch import RunBatch, WantedRun
from idml.studies.paper.table_one import TABLE_I
from idml.studies.scales import Learned, PaperSize

ALGORITHMS = {"oppcl": "OppCL", "gossip": "Gossip"}
"""As people write them."""
FLIP = "label_flip"
NO_SHOW = "no_show"
LAST_ROUNDS = 10
"""The final accuracy is the mean over so many rounds at the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A way to meet attackers.

    Args:
        key: in names of runs.
        attackers: none (0), few (1) or many (2) of them.
        kind: of adversary.
        rules: configuration keys, without an incentive if there are none.
        how: what sets it apart, for a legend.
    """

    key: str
    attackers: int
    kind: str = FLIP
    rules: Mapping[str, Any] | None = None
    how: str = ""

    def count(self, size: PaperSize) -> int:
        """Attackers at a size."""
        return (0, *size.attackers)[self.attackers]

    def label(self, size: PaperSize) -> str:
        """For a legend."""
        count = self.count(size)
        who = "no attackers" if count == 0 else "1 attacker" if count == 1 else f"{count} attackers"
        return f"{who}, {self.how}" if self.how else who


NONE, FEW, MANY = Variant("none", 0), Variant("few", 1), Variant("many", 2)
PAPER = Variant("paper", 2, rules=TABLE_I, how="iDML as in the paper")
SAFE = Variant("safe", 2, rules={"preset": "safe"}, how="iDML (preset safe)")
AWAY = Variant("away", 2, kind=NO_SHOW, how="who never help")
VARIANTS = (NONE, FEW, MANY, PAPER, SAFE, AWAY)
WITH_OWN_EPOCH = (NONE, MANY, PAPER)
"""What is compared where devices train after a merge: each costs twice as much."""


@dataclass(frozen=True)
class Attack:
    """One attack experiment: a data set and a network, with or without own training after each merge.

    Args:
        size: how much.
        learned: data set and network.
        local_epochs: own epochs after each encounter. The paper's text has one; its Fig. 8 is only seen without.
        algorithm: by which devices learn.
        settings: configuration keys that differ from those of other experiments.
        files: see `idml.studies.batch.WantedRun`.
        shown: what it compares, if not what Fig. 8 does.
        alone: the variant whose runs also measure what honest devices reach that never meet anyone; None: no run does.
    """

    size: PaperSize
    learned: Learned
    local_epochs: int
    algorithm: str = "oppcl"
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    shown: Sequence[Variant] = ()
    alone: Variant | None = None

    @property
    def name(self) -> str:
        """In names of runs and files."""
        by = "" if self.algorithm == "oppcl" else f"-{self.algorithm}"
        return f"{self.learned.name}{by}-own{self.local_epochs}"

    @property
    def title(self) -> str:
        """In words."""
        own = "without own training after a merge" if not self.local_epochs else "with an own epoch after each merge"
        return f"{ALGORITHMS[self.algorithm]}, {self.learned.title}, {own}"

    @property
    def seeds(self) -> range:
        """Of its runs."""
        return range(1, self.learned.seeds + 1)

    def run(self, variant: Variant, seed: int) -> WantedRun:
        """One of its runs."""
        size, count = self.size, variant.count(self.size)
        settings: dict[str, Any] = {
            **size.settings,
            "algorithm": self.algorithm,
            "dataset": self.learned.dataset,
            "model": self.learned.network,
            "local_epochs": self.local_epochs,
            "devices": size.devices,
            "encounters": size.devices * size.rounds,
            "baseline_devices": self.size.devices if variant is self.alone else 0,
            "seed": seed,
            "incentive": variant.rules is not None,
            **self.settings,
            **(variant.rules or {}),
        }
        if self.learned.width:
            settings["width"] = self.learned.width
        if count:
            settings["adversaries"] = {variant.kind: count}
        return WantedRun(f"{self.name}-{variant.key}-{seed}", settings, files=self.files)

    @property
    def variants(self) -> Sequence[Variant]:
        """What it compares."""
        if self.shown:
            return self.shown
        return WITH_OWN_EPOCH if self.local_epochs else VARIANTS

    def runs(self, variants: Sequence[Variant] | None = None) -> Iterator[WantedRun]:
        """Its runs, seed by seed: of all variants, unless some are chosen."""
        return (self.run(variant, seed) for seed in self.seeds for variant in variants or self.variants)


@dataclass(frozen=True)
class Outcomes:
    """What the runs of an experiment gave; all of them must be done.

    Args:
        attack: the experiment.
        batch: has the runs.
    """

    attack: Attack
    batch: RunBatch
    _curves: dict[tuple[str, int], dict[int, float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def compared(self) -> Mapping[int, Sequence[int]]:
        """By seed, the devices that are honest where there are many attackers: the same in all variants."""
        chosen = {}
        for seed in self.attack.seeds:
            parts = cast_parts(make_config(self.attack.run(MANY, seed).settings))
            chosen[seed] = [index for index, part in enumerate(parts) if part.kind == "honest"]
        return chosen

    def curve(self, variant: Variant, seed: int) -> dict[int, float]:
        """Mean accuracy of the compared devices after each measured round; each run is read once."""
        known = variant.key, seed
        if known not in self._curves:
            self._curves[known] = self._read_curve(variant, seed)
        return self._curves[known]

    def _read_curve(self, variant: Variant, seed: int) -> dict[int, float]:
        chosen = set(self.compared[seed])
        by_round: dict[int, list[float]] = defaultdict(list)
        with RunStore.open(self.batch.path(self.attack.run(variant, seed))) as run:
            for point in run.accuracy():
                if point.device in chosen:
                    by_round[point.round].append(point.accuracy)
        return {number: fmean(values) for number, values in sorted(by_round.items())}

    def final(self, variant: Variant) -> list[float]:
        """Mean accuracy over the last rounds, by seed."""
        after = self.attack.size.rounds - min(LAST_ROUNDS, self.attack.size.rounds // 2)
        curves = (self.curve(variant, seed) for seed in self.attack.seeds)
        return [fmean(value for number, value in curve.items() if number > after) for curve in curves]

    def expulsions(self, variant: Variant, seed: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Round and block of each expulsion, of attackers and of honest devices."""
        honest = set(self.compared[seed])
        attackers_out, honest_out = list[tuple[int, int]](), list[tuple[int, int]]()
        with RunStore.open(self.batch.path(self.attack.run(variant, seed))) as run:
            for record in run.expulsions():
                (honest_out if record.device in honest else attackers_out).append((record.round, record.block))
        return attackers_out, honest_out

    def alone(self) -> list[float]:
        """Accuracy that the compared devices reach if they never meet anyone: one value for each seed."""
        assert self.attack.alone is not None
        return [float(self._summary(self.attack.alone, seed)["baseline"]["accuracy"]) for seed in self.attack.seeds]

    def _summary(self, variant: Variant, seed: int) -> Mapping[str, Any]:
        with RunStore.open(self.batch.path(self.attack.run(variant, seed))) as run:
            return run.require_summary()

    def earned(self, variant: Variant, seed: int) -> tuple[float, float]:
        """Mean net earnings of an honest device and of an attacker over the run, in tokens."""
        groups = self._summary(variant, seed)["earnings"]
        return sum(groups["honest"].values()), sum(groups["attackers"].values())

    def stakes(self, variant: Variant, seed: int) -> tuple[list[StakePoint], int]:
        """All stakes as they changed, and the last block."""
        with RunStore.open(self.batch.path(self.attack.run(variant, seed))) as run:
            points = run.stakes()
            return points, max(record.block for record in run.encounters())
