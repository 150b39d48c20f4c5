"""How much is computed. What is computed, and how it is judged, is the same at every scale."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from idml.studies.scales import NATURAL_TRACE

TABLE_I: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "preset": "paper",
        "rule": "paper",
        "stake_threshold": 100,
        "validators": 3,
        "voting_window_s": 50_000,
        "tokens": 1_000_000,
        "stake": 200,
        "tolerance": 0.03,
    }
)
"""The paper's Table I, as configuration keys, with its rules of payment (the preset) and of validation."""


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
class Natural:
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
class Scale:
    """A size of the evaluation.

    Args:
        name: as on the command line.
        purpose: in a few words.
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

    name: str
    purpose: str
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
    natural: Natural | None = None


SCALES: Final[Mapping[str, Scale]] = MappingProxyType(
    {
        scale.name: scale
        for scale in (
            Scale(
                name="smoke",
                purpose="whether it works: bundled digits, a minute; figures too small for verdicts to mean anything",
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
            Scale(
                name="laptop",
                purpose="small networks, real data: hours on two cores",
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
                natural=Natural(),
            ),
            Scale(
                name="paper",
                purpose="the paper's networks and both data sets: days",
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
                natural=Natural(contacts=6_000),
            ),
        )
    }
)
