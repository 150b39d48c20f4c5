"""The draw of the committee that judges an encounter (docs/mechanism.md)."""

from collections.abc import Sequence
from dataclasses import dataclass

from idml.protocol.hashing import keccak256, words
from idml.protocol.messages import Terms

MAX_DRAWS = 64
STILL_ACTIVE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Seat:
    """One place in the table from which committees are drawn; the contract's `Seat`.

    Args:
        member: address of the member, 20 bytes.
        created_at: when this seat was added to the table, in seconds.
        active_from: the time from which the member may be drawn, in seconds.
        inactive_from: when the member left, in seconds; `STILL_ACTIVE` as long as it has not.
    """

    member: bytes
    created_at: int
    active_from: int
    inactive_from: int = STILL_ACTIVE

    def active(self, as_of: int) -> bool:
        """Whether the member may be drawn for Terms with this `as_of`.

        It must have become active before `as_of`, and must not have left before it. Because the first comparison is
        strict and the second is not, no transaction in the block at `as_of` changes the answer.
        """
        return self.active_from < as_of <= self.inactive_from


def draw_committee(terms: Terms, seed: bytes, size: int, seats: Sequence[Seat]) -> tuple[bytes, ...]:
    """Draw the committee of an encounter.

    For j = 0, 1, ... 63 it takes the seat with number keccak256(seed, j) mod `terms.seats`, until it has `size`
    different members. It skips both parties and seats that were not active at `terms.as_of`. If 64 draws do not find
    enough members, the committee is smaller.

    Args:
        terms: the encounter's Terms.
        seed: the committee seed, 32 bytes.
        size: number of members (K). With 0 voting is open and nobody is drawn.
        seats: the seat table, at least `terms.seats` long.

    Returns:
        Addresses in the order drawn.
    """
    drawn: list[bytes] = []
    if terms.seats == 0:
        return ()
    for draw in range(MAX_DRAWS):
        if len(drawn) == size:
            break
        seat = seats[int.from_bytes(keccak256(words((seed, draw))), "big") % terms.seats]
        if seat.member in drawn or seat.member in (terms.learner, terms.neighbor) or not seat.active(terms.as_of):
            continue
        drawn.append(seat.member)
    return tuple(drawn)
