"""Error rates: counted as a committee would vote, at one tolerance and at all of them."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from idml.learning.data.registry import DATASETS
from idml.learning.judging.evidence import View, Weights
from idml.learning.judging.registry import RULES
from idml.learning.judging.validation import Rule
from idml.store import HONEST
from idml.studies.error_rates import JudgedContribution
from idml.studies.rates import Rate, compare, curve, errors_of, tolerances

HARM = st.one_of(st.floats(-1, 1, width=16), st.just(math.inf), st.just(math.nan))


def judged(committees: Sequence[tuple[str, Sequence[float]]]) -> list[JudgedContribution]:
    """Contributions of a kind, each judged once by every member of a committee."""
    return [
        JudgedContribution(contact, 0, kind, validator, {"paper": harm})
        for contact, (kind, harms) in enumerate(committees)
        for validator, harm in enumerate(harms)
    ]


COMMITTEES = st.lists(
    st.tuples(st.sampled_from([HONEST, "noise"]), st.lists(HARM, min_size=1, max_size=5)), min_size=2, max_size=20
).filter(lambda committees: len({kind for kind, _ in committees}) == 2)


@given(COMMITTEES, st.integers(0, 10_000))
def test_a_curve_passes_through_what_is_counted_at_each_tolerance(
    committees: list[tuple[str, list[float]]], tolerance_bps: int
) -> None:
    found = judged(committees)
    honest, attack = sorted(errors_of(found, RULES.find("paper"), tolerance_bps), key=lambda row: row.kind != HONEST)
    drawn = curve(found, "paper", ["noise"])
    place = int(np.searchsorted(drawn.limits, tolerance_bps / 10_000, side="right")) - 1
    assert drawn.false_rejections[place] == pytest.approx(honest.verdicts.share)
    assert drawn.detections[place] == pytest.approx(1 - attack.verdicts.share)


@given(COMMITTEES)
def test_a_curve_goes_from_all_rejected_to_nothing_rejected_and_never_back(
    committees: list[tuple[str, list[float]]],
) -> None:
    drawn = curve(judged(committees), "paper", ["noise"])
    for side in (drawn.false_rejections, drawn.detections):
        assert (side[0], side[-1]) == (1, 0)
        assert (np.diff(side) <= 0).all()
    assert 0 <= drawn.area <= 1
    assert drawn.at_detection(1.0) >= drawn.at_detection(0.5) >= drawn.at_detection(0.0) == 0


@given(st.lists(st.floats(-1, 1, width=16), min_size=1), st.lists(st.floats(-1, 1, width=16), min_size=1))
def test_the_area_is_that_of_scikit_learn(honest: list[float], attack: list[float]) -> None:
    found = judged([*((HONEST, [harm]) for harm in honest), *(("noise", [harm]) for harm in attack)])
    expected = roc_auc_score([0] * len(honest) + [1] * len(attack), [*honest, *attack])
    assert curve(found, "paper", ["noise"]).area == pytest.approx(expected)


def test_a_committee_decides_by_majority_and_a_tie_accepts() -> None:
    rows = errors_of(
        judged([(HONEST, [0.1, 0.1, 0]), (HONEST, [0.1, 0]), ("noise", [0.1, 0, 0]), ("noise", [0.1, 0.1])]),
        RULES.find("paper"),
        500,
    )
    assert [(row.kind, row.votes, row.verdicts) for row in rows] == [
        (HONEST, Rate(3, 5), Rate(1, 2)),
        ("noise", Rate(2, 5), Rate(1, 2)),
    ]


@given(st.integers(0, 50), st.integers(1, 50))
def test_intervals_hold_their_share_and_shrink(count: int, of: int) -> None:
    count = min(count, of)
    low, high = Rate(count, of).interval
    assert 0 <= low <= count / of + 1e-12
    assert count / of - 1e-12 <= high <= 1
    wider = Rate(10 * count, 10 * of).interval
    assert wider[1] - wider[0] < high - low
    assert Rate(0, 0).interval == (0, 1)
    assert math.isnan(Rate(0, 0).share)


def test_rules_are_compared_at_their_own_tolerances_and_at_others() -> None:
    harms = {HONEST: {"paper": 0.1, "loss": 0.2}, "noise": {"paper": 0.0, "loss": 0.4}}
    found = [JudgedContribution(0, 0, kind, 0, of_kind) for kind, of_kind in harms.items()]
    rows = {
        (row.rule, row.tolerance, row.kind): row.votes.count
        for row in compare(found, ["paper", "loss"], ["noise"], "digits")
    }
    for rule, tolerance, rejected, missed in (("paper", 0.05, 1, 1), ("loss", 0.3, 0, 0), ("loss", 1, 0, 1)):
        assert (rows[rule, tolerance, HONEST], rows[rule, tolerance, "noise"]) == (rejected, missed)


def test_rules_are_compared_at_their_tolerance_on_the_data_set() -> None:
    for rule in map(RULES.find, RULES.built_in):
        for dataset in ("fashion-mnist", "cifar10"):
            assert rule.tolerance_on(DATASETS.find(dataset)) in tolerances(rule, dataset)

    class Lenient(Rule):
        name = "lenient"
        default_tolerance = 0.5

        def harm(self, before: View, after: View, goal: Weights | None) -> float:
            return 0.0

    assert [tolerances(Lenient(), dataset) for dataset in ("digits", "cifar10")] == [[0.5], [0.5]]
    Lenient.name = "loss"  # of which cifar10 says something
    assert 0.1 in tolerances(Lenient(), "cifar10")
    assert 0.5 not in tolerances(Lenient(), "cifar10")
    assert 0.5 in tolerances(Lenient(), "digits")
