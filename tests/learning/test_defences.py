"""Defences: a learner's own takes what is like the rest, and leaves out what is not."""

from collections.abc import Sequence

import numpy as np
import pytest

from idml.learning.arrays import FloatVector
from idml.learning.judging.checker import check_defence
from idml.learning.judging.defences import Defence, Krum, Norm
from idml.learning.judging.registry import DEFENCES
from idml.registry import PluginError


def updates(count: int, seed: int = 0) -> list[FloatVector]:
    """Steps in one direction, with some noise."""
    rng = np.random.default_rng(seed)
    return [(1 + 0.1 * rng.standard_normal(100)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("defence", [Norm(), Krum()])
def test_what_is_far_longer_than_the_rest_is_left_out(defence: Defence) -> None:
    *recent, last = updates(9)
    assert not defence.takes(10 * last, recent)
    assert defence.takes(updates(1)[0] * np.float32(1), [*recent[:-1], 10 * recent[-1]])


def test_only_krum_sees_that_a_step_goes_the_other_way() -> None:
    *recent, last = updates(9)
    assert Norm().takes(-last, recent)
    assert not Krum().takes(-last, recent)


@pytest.mark.parametrize("defence", [Norm(), Krum()])
def test_with_too_few_to_compare_with_everything_is_taken(defence: Defence) -> None:
    *recent, last = updates(3)
    assert defence.takes(100 * last, recent)


@pytest.mark.parametrize("defence", [Norm(), Krum()])
def test_what_is_no_number_is_left_out_and_spoils_nothing(defence: Defence) -> None:
    *recent, last = updates(9)
    lost = np.full(100, np.nan, np.float32)
    assert not defence.takes(lost, recent)
    assert not defence.takes(np.full(100, np.inf, np.float32), recent)
    assert defence.takes(last, [lost, *recent[:4], lost])
    assert not defence.takes(10 * last, [lost, *recent[:4], lost])


def test_krum_leaves_out_a_quarter_of_those_that_are_alike() -> None:
    """Among nine that differ by chance alone, the two farthest."""
    taken = [Krum().takes(last, recent) for seed in range(400) for *recent, last in [updates(9, seed)]]
    assert np.mean(taken) == pytest.approx(7 / 9, abs=0.06)


def test_norm_takes_what_is_at_most_twice_as_long() -> None:
    recent = [np.ones(4, np.float32)] * 4
    assert Norm().takes(np.full(4, 2, np.float32), recent)
    assert not Norm().takes(np.full(4, 2.001, np.float32), recent)


class Own(Defence):
    """Takes what is not zero."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        return bool(np.any(update))


class Chatty(Own):
    """Remembers on its own what it was shown."""

    def __init__(self) -> None:
        self.seen: list[FloatVector] = []

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        self.seen.append(update)
        return super().takes(update, recent)


class Moody(Own):
    """Tosses a coin."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        return bool(np.random.default_rng().random() < 0.5)


class Careless(Own):
    """Changes what it is shown."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        for one in recent:
            one /= 2
        return True


class Fails(Own):
    """Cannot do without recent updates."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        return bool(recent[-1] @ update > 0)


class Vague(Own):
    """Answers by how much."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> float:  # type: ignore[override]
        return float(np.linalg.norm(update))


class Strict(Own):
    """Takes nothing."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        return False


class Lenient(Own):
    """Takes everything."""

    def takes(self, update: FloatVector, recent: Sequence[FloatVector]) -> bool:
        return True


class Forgetful(Own):
    """Remembers nothing."""

    remembers = 0


@pytest.mark.parametrize("name", DEFENCES.built_in)
def test_the_defences_that_ship_pass_the_check(name: str) -> None:
    check_defence(DEFENCES.find(name))


def test_a_defence_of_ones_own_passes_the_check() -> None:
    check_defence(Own())


@pytest.mark.parametrize(
    ("defence", "message"),
    [
        (Forgetful(), "remembers is 0: set a whole number from 1 to 1000"),
        (Chatty(), "Chatty keeps something from one call to the next"),
        (Moody(), r"takes\(\) gave two answers for equal arguments: it must be deterministic"),
        (Careless(), r"takes\(\) changed one of its arguments: work on a copy"),
        (Fails(), r"takes\(\) raised IndexError"),
        (Vague(), r"takes\(\) returned .*: return True or False"),
    ],
)
def test_the_check_says_what_is_wrong_with_a_defence(defence: Defence, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_defence(defence)


@pytest.mark.parametrize(
    ("defence", "message"), [(Strict(), "refuses every update"), (Lenient(), "takes every update")]
)
def test_a_defence_without_effect_gets_a_warning(defence: Defence, message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        check_defence(defence)
