"""What became of an encounter that was opened and is over; of those settled from signatures there is none."""

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
        votes: who voted what, in the order of voting.
        settlement: who got what, if it was settled.
        earned_wei: net earnings by role ("learner", "neighbor", "validator"), then by address.
    """

    encounter: Encounter
    status: str
    votes: Mapping[bytes, bool]
    settlement: Settlement | None
    earned_wei: Mapping[str, Mapping[bytes, int]]
