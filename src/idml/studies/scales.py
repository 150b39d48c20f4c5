"""How large an evaluation is: what is common to its runs, at each of three scales."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Scale:
    """A size.

    Args:
        config: keys of all runs' configurations.
        datasets, partitions, algorithms: that are combined where error rates are measured; attacks are on the first.
        attackers: adversaries in a run that has any.
        seeds: repetitions.
        every: one contact in so many is judged in a replay.
        final_rounds: over which a final accuracy is the mean.
        variants: of `idml.studies.attacks.VARIANTS`, to compare.
        natural: keys that differ where devices are people of HAPT; None: not at this scale.
        table: keys that differ in the table of attacks, of whose runs there are hundreds.
        table_attackers: adversaries there; None: as elsewhere.
    """

    config: Mapping[str, Any]
    datasets: tuple[str, ...]
    attackers: int
    seeds: int
    every: int
    final_rounds: int
    partitions: tuple[str, ...] = ("iid", "two-class")
    algorithms: tuple[str, ...] = ("oppcl",)
    variants: tuple[str, ...] = ("none", "idml", "paper", "norm", "krum")
    natural: Mapping[str, Any] | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    table_attackers: int | None = None

    @property
    def for_table(self) -> "Scale":
        """The size of the table of attacks."""
        attackers = self.attackers if self.table_attackers is None else self.table_attackers
        return replace(self, config={**self.config, **self.table}, attackers=attackers)


_COMMON: Final = {"reward": 20.0, "baseline_devices": 0, "checkpoint_s": 600}

NATURAL_TRACE: Final = "contacts/highschool_2012.csv.gz"
"""Who meets whom where devices are people: a file, sought where data are."""

_NATURAL: Final = {
    "dataset": "hapt",
    "partition": "natural",
    "backend": "torch",  # the native engine has two dimensions
    "model": "small",
    "width": 16,
    "devices": 30,
    "images_per_device": None,
    "local_epochs": 1,
}

SCALES: Final[Mapping[str, Scale]] = {
    "smoke": Scale(
        config={
            **_COMMON,
            "model": "linear",
            "devices": 10,
            "encounters": 40,
            "images_per_device": 100,
            "validation_images": 50,
        },
        datasets=("digits",),
        attackers=3,
        seeds=1,
        every=6,
        final_rounds=2,
        variants=("none", "idml"),
    ),
    "laptop": Scale(
        config={
            **_COMMON,
            "model": "small",
            "width": 8,
            "devices": 50,
            "images_per_device": 400,
            "encounters": 1_500,
        },
        datasets=("fashion-mnist", "cifar10"),
        attackers=10,
        seeds=3,
        every=12,
        final_rounds=5,
        natural=_NATURAL,
        table={"devices": 20, "images_per_device": 300, "encounters": 400, "validation_images": 150},
        table_attackers=4,
    ),
    "paper": Scale(
        config={**_COMMON, "model": "cnn6", "width": 32, "devices": 50, "encounters": 5_000},
        datasets=("fashion-mnist", "cifar10"),
        attackers=10,
        seeds=5,
        every=10,
        final_rounds=10,
        algorithms=("oppcl", "gossip"),
        natural=_NATURAL,
    ),
}
"""`smoke` takes less than a minute, `laptop` hours on two cores, `paper` days."""
