"""Economics: what voting pays, against values worked out by hand from the five cases."""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.protocol.economics import (
    Strategy,
    best_strategy,
    honesty_threshold,
    neighbor_value,
    tables,
    vote_value,
)
from idml.protocol.task import TaskParams, preset_task

PAPER, SAFE = preset_task("paper"), preset_task("safe")
HONEST, YES, NO, INVERTED = Strategy.HONEST, Strategy.YES, Strategy.NO, Strategy.INVERTED
DOC = Path(__file__).parents[2] / "docs" / "economics.md"
shares = st.fractions(0, 1, max_denominator=1_000)


def by_hand(kappa: Fraction, q: Fraction) -> tuple[Fraction, Fraction]:
    """What a yes and a no gain on honest work among two others of accuracy q: V = 3, the validators' share a fifth."""
    both, one, none = q**2, 2 * q * (1 - q), (1 - q) ** 2
    fifth = Fraction(1, 5)
    # 3:0 pays a third of the pot, 2:1 half of the pot and the loser's third, 1:2 costs a third.
    yes = both * fifth / 3 + one * (fifth + fifth / 3) / 2 - none * kappa / 3
    no = -both * fifth / 3 + one * (kappa + kappa / 3) / 2 + none * kappa / 3
    return yes, no


@given(shares, shares)
def test_a_vote_is_worth_what_the_cases_say(q: Fraction, junk: Fraction) -> None:
    for task, kappa in ((PAPER, Fraction(1)), (SAFE, Fraction(2, 5))):
        yes, no = by_hand(kappa, q)
        junk_yes, junk_no = by_hand(kappa, 1 - q)
        values = {own: vote_value(task, own, HONEST, q, junk=junk) for own in Strategy}
        assert values[YES] == (1 - junk) * yes + junk * junk_yes
        assert values[NO] == (1 - junk) * no + junk * junk_no
        honest = (1 - junk) * (q * yes + (1 - q) * no) + junk * (q * junk_no + (1 - q) * junk_yes)
        assert values[HONEST] == honest
        assert values[INVERTED] == values[YES] + values[NO] - honest


@pytest.mark.parametrize(("task", "no_share"), [(PAPER, Fraction(1, 3)), (SAFE, Fraction(2, 15))])
def test_herds_are_equilibria(task: TaskParams, no_share: Fraction) -> None:
    q = Fraction(9, 10)
    for junk in (Fraction(0), Fraction(1)):
        assert vote_value(task, NO, NO, q, junk=junk) == no_share
        assert vote_value(task, YES, NO, q, junk=junk) == -no_share
        assert vote_value(task, YES, YES, q, junk=junk) == Fraction(1, 15)
        assert vote_value(task, NO, YES, q, junk=junk) == -Fraction(1, 15)


def test_below_these_accuracies_always_no_beats_honest_voting() -> None:
    # The roots of 4 q^2 + 2 q = 5 and of q^2 + 2 q = 2.
    paper, safe = float(honesty_threshold(PAPER)), float(honesty_threshold(SAFE))
    assert paper == pytest.approx((sqrt(21) - 1) / 4, abs=1e-8)
    assert safe == pytest.approx(sqrt(3) - 1, abs=1e-8)


@settings(max_examples=20)
@given(st.fractions(Fraction(1, 2), 1, max_denominator=200), st.fractions(0, Fraction(9, 10), max_denominator=50))
def test_the_threshold_separates(q: Fraction, junk: Fraction) -> None:
    for task in (PAPER, SAFE):
        honest, no = (vote_value(task, own, HONEST, q, junk=junk) for own in (HONEST, NO))
        threshold = honesty_threshold(task, junk=junk, bits=12)
        if abs(q - threshold) > Fraction(1, 1_000):
            assert (q > threshold) is (honest > no)


def test_a_coin_is_enough_where_rejecting_pays_less_than_accepting() -> None:
    assert honesty_threshold(replace(SAFE, reject_pot_bps=1_000)) == Fraction(1, 2)


def test_where_nobody_is_paid_no_accuracy_is_enough() -> None:
    assert honesty_threshold(preset_task("safe", neighbor_share_bps=10_000)) == 1


def test_the_best_answer_to_honest_voters() -> None:
    assert best_strategy(PAPER, Fraction(8, 10), junk=Fraction(0)) is NO
    assert best_strategy(SAFE, Fraction(8, 10), junk=Fraction(0)) is YES
    assert best_strategy(SAFE, Fraction(8, 10), junk=Fraction(1, 10)) is HONEST
    assert best_strategy(SAFE, Fraction(1), junk=Fraction(0)) is HONEST  # A tie with always yes.


@given(shares)
def test_a_neighbor_lives_on_being_accepted(q: Fraction) -> None:
    accepted = q**3 + 3 * q**2 * (1 - q)
    for task in (PAPER, SAFE):
        assert neighbor_value(task, HONEST, q, good_work=True) == accepted * Fraction(9, 5) - 1
        assert neighbor_value(task, HONEST, q, good_work=False) == (1 - accepted) * Fraction(9, 5) - 1
        assert neighbor_value(task, NO, q, good_work=True) == -1


def test_a_single_judge_always_wins() -> None:
    lonely = preset_task("safe", votes=1)
    assert vote_value(lonely, YES, NO, Fraction(1)) == Fraction(1, 5)
    assert vote_value(lonely, NO, YES, Fraction(1)) == Fraction(2, 5)


def test_the_document_shows_what_the_module_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "idml.protocol.economics"], check=True, capture_output=True, text=True
    ).stdout
    assert printed.strip() == tables()
    assert tables() in DOC.read_text()
