"""The adversaries that there are, by the names under which a configuration's `adversaries` table asks for them."""

from typing import TYPE_CHECKING, Final

from idml.registry import Registry

if TYPE_CHECKING:  # to know names costs nothing
    from idml.simulation.adversaries.base import Participant

_HERE: Final = "idml.simulation.adversaries"

ADVERSARIES: "Final[Registry[Participant]]" = Registry(
    "adversary",
    base=f"{_HERE}.base:Participant",
    built_in={
        "label_flip": f"{_HERE}.data:LabelFlip",
        "label_flip_target": f"{_HERE}.data:LabelFlipTarget",
        "label_flip_all": f"{_HERE}.data:LabelFlipAll",
        "random_weights": f"{_HERE}.work:RandomWeights",
        "free_rider": f"{_HERE}.work:FreeRider",
        "sign_flip": f"{_HERE}.work:SignFlip",
        "scaling": f"{_HERE}.work:Scaling",
        "noise": f"{_HERE}.work:Noise",
        "backdoor": f"{_HERE}.data:Backdoor",
        "drift": f"{_HERE}.data:Drift",
        "sybil": f"{_HERE}.data:Sybil",
        "withhold": f"{_HERE}.breaches:Withhold",
        "swap": f"{_HERE}.breaches:Swap",
        "no_show": f"{_HERE}.breaches:NoShow",
        "deny": f"{_HERE}.breaches:Deny",
        "silent_learner": f"{_HERE}.breaches:SilentLearner",
        "always_yes": f"{_HERE}.votes:AlwaysYes",
        "always_no": f"{_HERE}.votes:AlwaysNo",
        "invert": f"{_HERE}.votes:Invert",
        "copy_votes": f"{_HERE}.votes:CopyVotes",
        "collude_neighbor": f"{_HERE}.votes:ColludeWithNeighbor",
        "collude_learner": f"{_HERE}.votes:ColludeWithLearner",
    },
    check=f"{_HERE}.checker:check_adversary",
    group="idml.adversaries",
)
