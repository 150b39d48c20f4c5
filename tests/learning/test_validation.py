"""The rule of acceptance is exact in integers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.learning.errors import LearningError
from idml.learning.validation import accuracy_within_tolerance, find_rule


@given(st.integers(1, 10**6), st.integers(0, 10_000), st.data())
def test_a_contribution_may_lose_the_tolerance_and_not_more(
    images: int, tolerance_bps: int, data: st.DataObject
) -> None:
    old, new = (data.draw(st.integers(0, images)) for _ in range(2))
    accepted = accuracy_within_tolerance(old, new, images, tolerance_bps)
    assert accepted == (Fraction(new - old, images) >= -Fraction(tolerance_bps, 10_000))
    assert accepted or new < old


def test_five_percent_of_200_images_are_ten() -> None:
    assert accuracy_within_tolerance(150, 140, 200, 500)
    assert not accuracy_within_tolerance(150, 139, 200, 500)
    assert accuracy_within_tolerance(150, 150, 200, 0)


@pytest.mark.parametrize(
    "arguments", [(0, 0, 0, 500), (-1, 0, 10, 500), (0, 11, 10, 500), (0, 0, 10, -1), (0, 0, 10, 10_001)]
)
def test_impossible_counts_are_refused(arguments: tuple[int, int, int, int]) -> None:
    with pytest.raises(LearningError):
        accuracy_within_tolerance(*arguments)


def test_rules_are_found_by_name() -> None:
    assert find_rule("accuracy") is accuracy_within_tolerance
    with pytest.raises(LearningError, match="'loss' is unknown: choose one of accuracy"):
        find_rule("loss")
