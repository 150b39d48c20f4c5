"""The outcome of an encounter. Encounters that are settled from signatures alone, without being opened, have none."""

from collections.abc import Mapping
from dataclasses import dataclass

from idml.protocol.encounter import Encounter
from idml.protocol.settlement import Settlement


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an encounter ended, and who won or lost what by it.

    Args:
        encounter: as it stood last, with all its votes.
        status: "settled", "rejected" (the neighbor refused) or "incomplete".
        votes: the verdict of each voter by address (20 bytes), in the order of voting.
        settlement: how the money was split; None if the encounter was not settled.
        earned_wei: net earnings in base units of the token, by role ("learner", "neighbor", "validator") and then by
            address.
    """

    encounter: Encounter
    status: str
    votes: Mapping[bytes, bool]
    settlement: Settlement | None
    earned_wei: Mapping[str, Mapping[bytes, int]]
