"""Alternative roles: what a participant does with its turn instead of what the protocol and honest work ask for.

Each adversary is one small class. Those of `work`, `data` and `votes` follow the protocol, so that only judging can
find them out; those of `breaches` act on the protocol itself, through the same roles and the same contract.
"""

from idml.adapters.means import Assignment
from idml.simulation.adversaries.base import Ballot, Participant
from idml.simulation.adversaries.breaches import Deny, NoShow, SilentLearner, Swap, Withhold
from idml.simulation.adversaries.data import Backdoor, Drift, LabelFlip, LabelFlipAll, LabelFlipTarget, Sybil
from idml.simulation.adversaries.votes import (
    AlwaysNo,
    AlwaysYes,
    ColludeWithLearner,
    ColludeWithNeighbor,
    CopyVotes,
    Invert,
)
from idml.simulation.adversaries.work import FreeRider, Noise, RandomWeights, Scaling, SignFlip

ADVERSARIES: dict[str, type[Participant]] = {
    role.kind: role
    for role in (
        LabelFlip,
        LabelFlipTarget,
        LabelFlipAll,
        RandomWeights,
        FreeRider,
        SignFlip,
        Scaling,
        Noise,
        Backdoor,
        Drift,
        Sybil,
        Withhold,
        Swap,
        NoShow,
        Deny,
        SilentLearner,
        AlwaysYes,
        AlwaysNo,
        Invert,
        CopyVotes,
        ColludeWithNeighbor,
        ColludeWithLearner,
    )
}
"""By the name under which a configuration's `adversaries` table asks for them."""

__all__ = ["ADVERSARIES", "Assignment", "Ballot", "Participant"]
