"""The rows behind the figures agree with a reckoning that is slow and plain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from idml.reporting import series
from idml.reporting.captions import against, of_accuracy
from idml.reporting.series import RoundScores
from idml.store import (
    HONEST,
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EncounterRecord,
    RunStore,
    StakePoint,
)

TOKEN = 10**18

STAKES = st.lists(
    st.builds(
        StakePoint, st.integers(1, 500), st.integers(0, 4), st.integers(0, 300).map(lambda tokens: tokens * TOKEN)
    ),
    min_size=1,
    max_size=60,
).map(lambda points: sorted(points, key=lambda point: point.block))


@given(STAKES, st.integers(0, 200), st.integers(1, 40))
def test_sampled_stakes_hide_no_extreme_and_end_at_the_final_stakes(
    points: list[StakePoint], after: int, samples: int
) -> None:
    chosen = {0, 1, 2}
    mine = [point for point in points if point.device in chosen]
    last_block = points[-1].block + after
    rows = series.stakes_by_block(points, chosen, last_block, samples)
    if not mine:
        assert rows == []
        return
    assert len(rows) <= samples + 1
    assert [row.at for row in rows] == sorted({row.at for row in rows})
    assert (rows[0].at, rows[-1].at) == (mine[0].block, last_block)
    amounts = [point.stake_wei / TOKEN for point in mine]
    assert (min(row.low for row in rows), max(row.high for row in rows)) == (min(amounts), max(amounts))
    for row in rows:
        held = {point.device: point.stake_wei / TOKEN for point in mine if point.block <= row.at}
        assert row.mean == pytest.approx(fmean(held.values()))
        assert row.low <= min(held.values()) <= max(held.values()) <= row.high


@given(STAKES, st.integers(1, 40))
def test_lines_of_stakes_begin_and_end_where_the_stakes_do(points: list[StakePoint], samples: int) -> None:
    last_block = points[-1].block + 10
    lines = series.stake_lines(points, range(5), last_block, samples)
    assert set(lines) == {point.device for point in points}
    for device, line in lines.items():
        mine = [point for point in points if point.device == device]
        assert line[0] == (mine[0].block, mine[0].stake_wei / TOKEN)
        assert line[-1] == (last_block, mine[-1].stake_wei / TOKEN)
        assert all(before[0] <= after[0] for before, after in pairwise(line))
        assert len(line) <= last_block // max(1, last_block // samples) + 3


def test_fine_lines_of_stakes_hold_every_change() -> None:
    points = [StakePoint(block, 0, block * TOKEN) for block in range(1, 100)]
    assert series.stake_lines(points, [0], 99) == {0: [(block, float(block)) for block in range(1, 100)]}


def test_a_round_is_of_those_who_were_measured_in_it(tmp_path: Path) -> None:
    measured = [(0, 0, 0.1), (0, 1, 0.3), (0, 9, 0.9), (2, 1, 0.5), (2, 1, 0.7), (3, 0, 0.9)]
    with RunStore.create(tmp_path / "run", "") as run:
        run.append(*(AccuracyPoint(round_, 0, device, accuracy, 100) for round_, device, accuracy in measured))
        rows = series.accuracy_by_round(run, [0, 1])
        final = series.final_accuracy(run)
    assert rows == [RoundScores(0, [0.1, 0.3], 100), RoundScores(2, [0.7], 100), RoundScores(3, [0.9], 100)]
    assert rows[0].mean == pytest.approx(0.2)
    assert final == {0: 0.9, 1: 0.7, 9: 0.9}


def test_each_curve_of_a_baseline_is_a_device(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "") as run:
        run.append(AccuracyPoint(1, 0, 0, 0.5, 77))
        run.append(*(BaselinePoint("alone", at, score) for score in (0.25, 0.75) for at in (0, 1)))
        run.append(*(BaselinePoint("all data", at, 0.9) for at in (0, 1)))
        baselines = series.baselines_by_round(run)
    assert baselines == {
        "alone": [RoundScores(at, [0.25, 0.75], 77) for at in (0, 1)],
        "all data": [RoundScores(at, [0.9], None) for at in (0, 1)],
    }


def test_equal_scores_are_one_measurement() -> None:
    """All devices begin with one model: forty equal scores are no surer than one."""
    start = RoundScores(0, [0.25] * 40, 400).estimate
    assert start.mean == 0.25
    assert start.half == pytest.approx(1.96 * (0.25 * 0.75 / 400) ** 0.5)
    assert RoundScores(0, [0.25], None).estimate.band == (0.25, 0.25)
    assert RoundScores(0, [0.25], 400).less(RoundScores(0, [0.5, 0.25], 400)) is None


@pytest.mark.parametrize(("devices", "images"), [(40, 20), (40, 250), (3, 66), (10, 250)])
def test_intervals_hold_the_truth_nineteen_times_in_twenty(devices: int, images: int) -> None:
    """Devices differ, and each is measured on few images: the interval of their mean covers both."""
    random = np.random.default_rng(devices + images)
    repeats, truth, hits = 1_000, 0.8, 0
    for _ in range(repeats):
        skill = random.normal(truth, 0.02, devices)
        scores = RoundScores(1, list(random.binomial(images, skill) / images), images)
        hits += scores.estimate.low <= truth <= scores.estimate.high
    assert 0.925 < hits / repeats < 0.975


def test_a_clear_difference_is_rare_where_there_is_none() -> None:
    random = np.random.default_rng(5)
    repeats, clear = 1_000, 0
    for _ in range(repeats):
        one, other = (random.binomial(250, random.normal(0.8, 0.02, n)) / 250 for n in (40, 10))
        difference = RoundScores(1, list(one), 250).less(RoundScores(1, list(other), 250))
        assert difference is not None
        clear += "no clear difference" not in against(difference, "one device alone")
    assert 0.025 < clear / repeats < 0.08


SCORES = st.lists(st.integers(0, 250).map(lambda correct: correct / 250), min_size=2, max_size=12)


@settings(max_examples=50)
@given(SCORES, SCORES)
def test_a_title_claims_what_a_t_test_finds(ours: list[float], alone: list[float]) -> None:
    assume(len({*ours}) > 1 and len({*alone}) > 1)
    rounds, curve = [RoundScores(0, [0.1] * 2, 250), RoundScores(9, ours, 250)], [RoundScores(9, alone, 250)]
    cohorts = series.Cohorts(dict.fromkeys(range(len(ours)), HONEST))
    title = of_accuracy(rounds, {"one device alone": curve}, [], cohorts).title
    p_value = ttest_ind(ours, alone, equal_var=False).pvalue
    assume(abs(p_value - 0.05) > 1e-9)
    assert ("no clear difference" in title) == (p_value > 0.05)
    if p_value < 0.05:
        assert (" above " if fmean(ours) > fmean(alone) else " below ") in title


def test_a_caption_says_where_the_baseline_was_ahead_and_what_a_point_rests_on() -> None:
    low, high = [0.2, 0.21, 0.22], [0.7, 0.71, 0.72]
    rounds = [RoundScores(at, scores, 50) for at, scores in enumerate((low, low, low, high, high))]
    curve = [RoundScores(at, scores, 50) for at, scores in enumerate((low, high, high, high, low))]
    cohorts = series.Cohorts(dict.fromkeys(range(3), HONEST))
    caption = of_accuracy(rounds, {"one device alone": curve}, [], cohorts)
    assert caption.title == "Honest devices reach 71.0% accuracy, 50.0 ± 2.3 points above one device alone"
    assert "It is clearly ahead in 2 of 3 rounds on the way." in caption.subtitle
    assert "each on 50 test images" in caption.subtitle
    rounds[-1] = RoundScores(4, high, 360)
    caption = of_accuracy(rounds, {}, [], cohorts)
    assert "each on 50 test images on the way and 360 in the end" in caption.subtitle


@pytest.mark.parametrize(
    ("status", "case", "accepted", "outcome"),
    [
        ("settled", 2, True, "accepted"),
        ("settled", 4, True, "accepted"),
        ("settled", 3, False, "rejected by vote"),
        ("settled", 5, False, "rejected by vote"),
        ("settled", 1, False, "no verdict"),
        ("settled", 1, None, "no verdict"),
        ("rejected", None, None, "not completed"),
        ("incomplete", None, None, "not completed"),
        ("skipped", None, None, "skipped"),
        ("unincentivized", None, True, "taken without a vote"),
    ],
)
def test_what_became_of_a_contribution(status: str, case: int | None, accepted: bool | None, outcome: str) -> None:
    encounter = EncounterRecord(0, 1, 0, 0, 1, 2, status, case=case, accepted=accepted)
    assert series.outcome(encounter) == outcome
    assert outcome in series.OUTCOMES


def test_outcomes_count_each_contact_once_on_the_side_of_its_neighbor(run_directory: Path) -> None:
    with RunStore.open(run_directory) as run:
        encounters, cohorts, summary = run.encounters(), series.Cohorts.of(run.devices()), run.read_summary()
    counts = series.outcomes_by_round(encounters, cohorts)
    assert sum(counts.values()) == len(encounters) == 1000
    assert sum(count for key, count in counts.items() if key[1]) == sum(
        e.neighbor in cohorts.attackers for e in encounters
    )
    assert summary is not None
    assert series.case_counts(encounters) == summary["cases"]


def test_cohorts_divide_the_devices() -> None:
    cohorts = series.Cohorts.of(
        [DeviceRecord(0, "", HONEST, 1), DeviceRecord(1, "", "invert", 1), DeviceRecord(2, "", HONEST, 1)]
    )
    assert (cohorts.honest, cohorts.attackers) == ([0, 2], [1])
    assert [cohorts.is_attacker(device) for device in range(4)] == [False, True, False, False]


def test_equal_arguments_give_equal_runs(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    runs = [write_run(tmp_path / name, devices=8, attackers=2, rounds=3) for name in ("a", "b")]
    summaries = [(run / "summary.json").read_bytes() for run in runs]
    assert summaries[0] == summaries[1]
