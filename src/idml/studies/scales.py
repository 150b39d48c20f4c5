"""How much a study does: the same three scales for whatever is studied."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

NATURAL_TRACE: Final = "contacts/highschool_2012.csv.gz"
"""Who meets whom where devices are people: a file, sought where data are."""


@dataclass(frozen=True, slots=True)
class EvaluationSize:
    """How much `idml evaluate` does.

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
    def for_table(self) -> "EvaluationSize":
        """The size of the table of attacks."""
        attackers = self.attackers if self.table_attackers is None else self.table_attackers
        return replace(self, config={**self.config, **self.table}, attackers=attackers)


@dataclass(frozen=True, slots=True)
class Learned:
    """What devices learn in an attack experiment.

    Args:
        dataset: a name that `idml run` knows.
        network: likewise.
        seeds: runs of each setting; those with equal seeds share data, start and contacts, and are compared in pairs.
        width: channels of the network's first stage; None: as usual.
        own_epoch: whether the experiment is done with an own epoch after each merge too.
    """

    dataset: str
    network: str
    seeds: int = 5
    width: int | None = None
    own_epoch: bool = True

    @property
    def name(self) -> str:
        """In names of runs and files."""
        return f"{self.dataset}-{self.network}" + (f"-width{self.width}" if self.width else "")

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.dataset}, {self.network}" + (f" at width {self.width}" if self.width else "")


@dataclass(frozen=True, slots=True)
class NaturalSize:
    """The experiment on natural data: each device is a person of HAPT, and contacts are those of a real trace.

    Args:
        seeds: runs of each setting.
        contacts: of a run.
        devices: people, those of the trace who meet most.
        attackers: of them.
        trace: file of contacts, sought where data are.
        network: a name that `idml run` knows; one-dimensional on signals.
        algorithms: each compared.
    """

    seeds: int = 5
    contacts: int = 1_500
    devices: int = 30
    attackers: int = 6
    trace: str = NATURAL_TRACE
    network: str = "small"
    algorithms: tuple[str, ...] = ("oppcl", "gossip")


@dataclass(frozen=True, slots=True)
class PaperSize:
    """How much `idml reproduce` does. What is computed, and how it is judged, is the same at every size.

    Args:
        devices: in every run.
        attackers: few and many of them (the paper: 3 and 10).
        rounds: contacts of each device in the attack experiments.
        attacked: what is learned in each attack experiment; stakes are shown of the first.
        voted: data sets whose votes are looked at.
        networks: by algorithm, for that.
        vote_rounds: contacts of each device there.
        vote_seeds: likewise.
        judged_every: one contact in so many is judged there.
        settings: configuration keys in common.
        natural: on natural data; None: not at this scale.
    """

    devices: int
    attackers: tuple[int, int]
    rounds: int
    attacked: tuple[Learned, ...]
    voted: tuple[str, ...]
    networks: Mapping[str, str]
    vote_rounds: int
    vote_seeds: int
    judged_every: int
    settings: Mapping[str, Any]
    natural: NaturalSize | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """How much each kind of study does.

    Args:
        name: as on the command line.
        purpose: in a few words.
        evaluation: of rules, adversaries and defences.
        paper: of the paper's figures.
        judges: whether its runs are enough to judge claims by.
    """

    name: str
    purpose: str
    evaluation: EvaluationSize
    paper: PaperSize
    judges: bool = True


_COMMON: Final = {"reward": 20.0, "baseline_devices": 0, "checkpoint_s": 600}

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

SCALES: Final[Mapping[str, Scale]] = MappingProxyType(
    {
        scale.name: scale
        for scale in (
            Scale(
                name="smoke",
                purpose="whether it works: bundled digits, a minute; too small to judge a claim",
                judges=False,
                evaluation=EvaluationSize(
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
                paper=PaperSize(
                    devices=10,
                    attackers=(1, 2),
                    rounds=6,
                    attacked=(Learned("digits", "small", seeds=2),),
                    voted=("digits",),
                    networks={"oppcl": "small", "gossip": "small"},
                    vote_rounds=4,
                    vote_seeds=2,
                    judged_every=2,
                    settings={"images_per_device": 100, "validation_images": 50},
                ),
            ),
            Scale(
                name="laptop",
                purpose="small networks, real data: hours on two cores",
                evaluation=EvaluationSize(
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
                paper=PaperSize(
                    devices=50,
                    attackers=(3, 10),
                    rounds=40,
                    attacked=(
                        Learned("fashion-mnist", "small"),
                        Learned("fashion-mnist", "cnn6", seeds=3, width=8, own_epoch=False),
                    ),
                    voted=("fashion-mnist", "cifar10"),
                    networks={"oppcl": "small", "gossip": "small"},
                    vote_rounds=10,
                    vote_seeds=3,
                    judged_every=4,
                    settings={},
                    natural=NaturalSize(),
                ),
            ),
            Scale(
                name="paper",
                purpose="the paper's networks and both data sets: days",
                evaluation=EvaluationSize(
                    config={**_COMMON, "model": "cnn6", "width": 32, "devices": 50, "encounters": 5_000},
                    datasets=("fashion-mnist", "cifar10"),
                    attackers=10,
                    seeds=5,
                    every=10,
                    final_rounds=10,
                    algorithms=("oppcl", "gossip"),
                    natural=_NATURAL,
                ),
                paper=PaperSize(
                    devices=50,
                    attackers=(3, 10),
                    rounds=100,
                    attacked=tuple(
                        Learned(dataset, network)
                        for dataset in ("fashion-mnist", "cifar10")
                        for network in ("cnn6", "cnn10", "cnn14")
                    ),
                    voted=("fashion-mnist", "cifar10"),
                    networks={"oppcl": "cnn6", "gossip": "cnn10"},
                    vote_rounds=40,
                    vote_seeds=5,
                    judged_every=4,
                    settings={},
                    natural=NaturalSize(contacts=6_000),
                ),
            ),
        )
    }
)
"""`idml evaluate` takes less than a minute at `smoke`, hours on two cores at `laptop`, days at `paper`."""
