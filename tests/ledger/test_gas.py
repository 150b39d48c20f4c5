"""What encounters cost: the goals that hold, and that nothing is counted twice."""

import pytest

from idml.ledger.gas import PAPER_TOTAL, GasReport, measure_gas


@pytest.fixture(scope="module")
def report() -> GasReport:
    return measure_gas()


def test_the_papers_total_is_that_of_three_votes() -> None:
    assert PAPER_TOTAL == 43_919 + 96_172 + 46_921 + 3 * 78_869 + 191_344


def test_step_by_step_meets_its_goal(report: GasReport) -> None:
    steps = report.stepwise
    assert list(steps) == ["open", "report", "vote_1", "vote_2", "vote_3", "total"]
    assert steps["total"].gas == pytest.approx(sum(cost.gas for name, cost in steps.items() if name != "total"))
    assert steps["total"].gas <= 275_000
    assert steps["total"].gas < report.apart["total"].gas < PAPER_TOTAL / 2


def test_signatures_cost_less_and_batches_less_still(report: GasReport) -> None:
    alone, ten, hundred = report.signed, report.batch[10], report.batch[100]
    assert alone.gas <= 95_000
    assert ten.gas <= 60_000
    assert hundred.gas <= 38_000
    assert report.cosigned.gas < hundred.gas < ten.gas < alone.gas < report.stepwise["total"].gas
    assert report.cosigned.data_bytes < hundred.data_bytes < alone.data_bytes
    # Two words for each of five signatures, four for the encounter; the rest is the call's frame.
    assert 14 * 32 < alone.data_bytes < 20 * 32


def test_measuring_again_gives_the_same(report: GasReport) -> None:
    assert measure_gas() == report
