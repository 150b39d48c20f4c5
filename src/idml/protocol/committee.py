"""The draw of the committee that judges an encounter (MECHANISM: Committee)."""

from collections.abc import Sequence
from dataclasses import dataclass

from idml.protocol.hashing import keccak256, words
from idml.protocol.messages import Terms

MAX_DRAWS = 64
STILL_ACTIVE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in the table from which committees are drawn; the contract's `Seat`.

    Args:
        member: address, 20 bytes.
        created_at: when the table grew by this seat, in seconds.
        active_from: since when the member may be drawn, in seconds.
        inactive_from: when it left, in seconds; `STILL_ACTIVE` while it has not.
    """

    member: bytes
    created_at: int
    active_from: int
    inactive_from: int = STILL_ACTIVE

    def active(self, as_of: int) -> bool:
        """Whether the member may be drawn for Terms with this `as_of`.

        Strict below and not above, so that no transaction in the block at `as_of` changes the answer.
        """
        return self.active_from < as_of <= self.inactive_from


def draw_committee(terms: Terms, seed: bytes, size: int, seats: Sequence[Seat]) -> tuple[bytes, ...]:
    """Draw the committee: the first `size` distinct seats of keccak256(seed, j) mod `terms.seats`, j < 64.

    Both parties and seats that were not active at `terms.as_of` are skipped; fewer found make a smaller committee.

    Args:
        terms: the encounter's Terms.
        seed: the committee seed, 32 bytes.
        size: K, 0 for open voting (then nobody is drawn).
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
