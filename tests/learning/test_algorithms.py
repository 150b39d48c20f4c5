"""Merging is exact and symmetric; training and its rate follow an encounter's number and seed."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from idml.learning.algorithms import learning_rate, mean
from idml.learning.arrays import FloatVector
from idml.learning.errors import LearningError

FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)
PAIRS = st.integers(0, 20).flatmap(lambda n: st.tuples(*[hnp.arrays(np.float32, n, elements=FLOATS)] * 2))


@given(PAIRS)
def test_the_mean_is_symmetric_and_right_to_the_last_bit(pair: tuple[FloatVector, FloatVector]) -> None:
    a, b = pair
    copies = a.copy(), b.copy()
    merged = mean(a, b)
    assert merged.dtype == np.float32
    np.testing.assert_array_equal(merged, mean(b, a))
    np.testing.assert_array_equal(a, copies[0])
    np.testing.assert_array_equal(b, copies[1])
    for x, y, m in zip(a.tolist(), b.tolist(), merged.tolist(), strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            assert not np.isfinite(m)
        elif min(abs(x), abs(y)) > 1e-30:
            exact = (Fraction(x) + Fraction(y)) / 2
            assert abs(Fraction(m) - exact) <= max(abs(exact) / 2**24, Fraction(1, 2**150))


def test_the_largest_values_do_not_overflow() -> None:
    top = np.full(3, np.finfo(np.float32).max, np.float32)
    np.testing.assert_array_equal(mean(top, top), top)


@pytest.mark.parametrize("other", [np.zeros(2, np.float32), np.zeros(3), np.zeros((1, 3), np.float32)])
def test_vectors_of_different_kinds_are_not_averaged(other: np.ndarray) -> None:
    for pair in ((np.zeros(3, np.float32), other), (other, np.zeros(3, np.float32))):
        with pytest.raises(LearningError, match="cannot average"):
            mean(*pair)


def test_the_learning_rate_falls_with_the_encounters() -> None:
    assert learning_rate(0.02, 0.05, 1) == 0.02
    assert learning_rate(0.02, 0.05, 21) == pytest.approx(0.01)
    assert learning_rate(0.02, 0.0, 1000) == 0.02


@pytest.mark.parametrize("arguments", [(0.1, 0.1, 0), (-0.1, 0.1, 1), (0.1, -0.1, 1)])
def test_impossible_rates_are_refused(arguments: tuple[float, float, int]) -> None:
    with pytest.raises(LearningError):
        learning_rate(*arguments)
