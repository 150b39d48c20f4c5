"""The draw: nobody judges itself, nobody sits twice, and only who was seated at `as_of` may be drawn."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from idml.protocol.committee import STILL_ACTIVE, Seat, draw_committee
from idml.protocol.messages import Terms

ZERO = bytes(32)


def address(number: int) -> bytes:
    return number.to_bytes(20, "big")


def terms(seats: int, as_of: int = 100) -> Terms:
    return Terms(ZERO, address(1), address(2), 1, ZERO, ZERO, ZERO, seats, as_of, as_of + 10, 0)


seat_tables = st.lists(
    st.tuples(st.integers(50, 150), st.one_of(st.just(STILL_ACTIVE), st.integers(50, 150))), max_size=12
).map(lambda rows: [Seat(address(i + 1), 0, since, until) for i, (since, until) in enumerate(rows)])


@given(seat_tables, st.binary(min_size=32, max_size=32), st.integers(0, 5))
def test_members_are_distinct_active_and_no_party(seats: list[Seat], seed: bytes, size: int) -> None:
    drawn = draw_committee(terms(len(seats)), seed, size, seats)
    assert len(drawn) <= size
    assert len(set(drawn)) == len(drawn)
    assert not {address(1), address(2)} & set(drawn)
    active = {seat.member for seat in seats if seat.active_from < 100 <= seat.inactive_from}
    assert set(drawn) <= active


@given(seat_tables, st.binary(min_size=32, max_size=32), st.integers(1, 5))
def test_later_changes_do_not_change_the_committee(seats: list[Seat], seed: bytes, size: int) -> None:
    before = draw_committee(terms(len(seats)), seed, size, seats)
    later = [
        dataclasses.replace(seat, inactive_from=100) if seat.inactive_from == STILL_ACTIVE else seat for seat in seats
    ]
    assert draw_committee(terms(len(seats)), seed, size, [*later, Seat(address(99), 100, 100)]) == before


def test_a_large_table_gives_a_full_committee_and_every_seat_its_turn() -> None:
    seats = [Seat(address(i + 1), 0, 0) for i in range(20)]
    counts = dict.fromkeys((seat.member for seat in seats[2:]), 0)
    for draw in range(900):
        drawn = draw_committee(terms(20), draw.to_bytes(32, "big"), 3, seats)
        assert len(drawn) == 3
        for member in drawn:
            counts[member] += 1
    # Chi-square over 18 members, 2,700 places, 150 expected each: 17 degrees of freedom, p = .0001 at 46.
    assert sum((count - 150) ** 2 / 150 for count in counts.values()) < 46
