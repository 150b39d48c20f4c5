"""Screens: a learner's own defence takes what is like the rest, and leaves out what is not."""

import numpy as np
import pytest

from idml.learning.arrays import FloatVector
from idml.learning.judging.defences import SCREENS


def updates(count: int, seed: int = 0) -> list[FloatVector]:
    """Steps in one direction, with some noise."""
    rng = np.random.default_rng(seed)
    return [(1 + 0.1 * rng.standard_normal(100)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("name", SCREENS)
def test_what_is_far_longer_than_the_rest_is_left_out(name: str) -> None:
    *recent, last = updates(9)
    assert not SCREENS[name](10 * last, recent)
    assert SCREENS[name](updates(1)[0] * np.float32(1), [*recent[:-1], 10 * recent[-1]])


def test_only_krum_sees_that_a_step_goes_the_other_way() -> None:
    *recent, last = updates(9)
    assert SCREENS["norm"](-last, recent)
    assert not SCREENS["krum"](-last, recent)


@pytest.mark.parametrize("name", SCREENS)
def test_with_too_few_to_compare_with_everything_is_taken(name: str) -> None:
    *recent, last = updates(3)
    assert SCREENS[name](100 * last, recent)


@pytest.mark.parametrize("name", SCREENS)
def test_what_is_no_number_is_left_out_and_spoils_nothing(name: str) -> None:
    *recent, last = updates(9)
    lost = np.full(100, np.nan, np.float32)
    assert not SCREENS[name](lost, recent)
    assert not SCREENS[name](np.full(100, np.inf, np.float32), recent)
    assert SCREENS[name](last, [lost, *recent[:4], lost])
    assert not SCREENS[name](10 * last, [lost, *recent[:4], lost])


def test_krum_leaves_out_a_quarter_of_those_that_are_alike() -> None:
    """Among nine that differ by chance alone, the two farthest."""
    taken = [SCREENS["krum"](last, recent) for seed in range(400) for *recent, last in [updates(9, seed)]]
    assert np.mean(taken) == pytest.approx(7 / 9, abs=0.06)


def test_norm_takes_what_is_at_most_twice_as_long() -> None:
    recent = [np.ones(4, np.float32)] * 4
    assert SCREENS["norm"](np.full(4, 2, np.float32), recent)
    assert not SCREENS["norm"](np.full(4, 2.001, np.float32), recent)
