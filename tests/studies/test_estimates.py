"""Means and their intervals."""

import math

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from idml.studies.estimates import Estimate, span

values = st.lists(st.floats(-1, 1), min_size=2, max_size=6).filter(lambda some: max(some) - min(some) > 1e-6)


@given(values)
def test_an_interval_excludes_zero_where_a_t_test_rejects_it(some: list[float]) -> None:
    value = Estimate.of(some)
    p_value = ttest_1samp(some, 0).pvalue
    if abs(p_value - 0.05) > 1e-9:
        assert (value.low > 0 or value.high < 0) == (p_value < 0.05)


def test_one_value_has_no_interval() -> None:
    value = Estimate.of([0.25])
    assert math.isinf(value.half)
    assert value.points() == "25.00"
    assert Estimate.of_differences([1, 2, 3], [0, 1, 3]).count == 3


def test_spans_are_written_short() -> None:
    assert [span([]), span([3]), span([3, 3]), span([5, 3])] == ["–", "3", "3", "3 to 5"]
