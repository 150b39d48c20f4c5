"""Means, intervals and differences, against SciPy's own; and how they are shown."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy import stats

from idml.studies.sweep.cells import Sweep, SweepCell
from idml.studies.sweep.effects import effects, half_width, setting_means
from idml.studies.sweep.files import columns_of
from idml.studies.sweep.page import write_page
from idml.studies.sweep.quantities import numbers_of
from idml.studies.sweep.texts import facts, sweep_text

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda some: max(some) - min(some) > 1e-6)


@given(accuracies, st.data())
def test_intervals_are_those_of_scipy(some: list[float], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.floats(0, 1), min_size=len(some), max_size=len(some)))
    cells = [
        ({"reward": reward, "seed": seed}, {"accuracy_mean": value})
        for reward, values in ((10, some), (20, others))
        for seed, value in enumerate(values)
    ]
    mean = setting_means(cells)[0].means["accuracy_mean"]
    low, high = stats.ttest_1samp(some, 0).confidence_interval(0.95)
    assert mean.count == len(some)
    assert (mean.low, mean.high) == pytest.approx((low, high), abs=1e-9)
    (effect,) = effects(cells)
    changes = [after - before for before, after in zip(some, others, strict=True)]
    difference = effect.differences["accuracy_mean"]
    assert difference.mean == pytest.approx(math.fsum(changes) / len(changes), abs=1e-12)
    if max(changes) - min(changes) > 1e-6:
        low, high = stats.ttest_rel(others, some).confidence_interval(0.95)
        assert (difference.low, difference.high) == pytest.approx((low, high), abs=1e-9)


def test_pairs_are_of_one_seed_and_all_else_equal() -> None:
    def cell(reward: int, devices: int, seed: int, accuracy: float | None) -> Any:
        values = {"seed": seed, "reward": reward, "devices": devices}
        return values, None if accuracy is None else {"accuracy_mean": accuracy}

    cells = [
        cell(10, 8, 1, 0.1), cell(10, 8, 2, 0.2), cell(10, 8, 3, None),
        cell(20, 8, 2, 0.5), cell(20, 8, 1, 0.3), cell(20, 8, 3, 0.9),
        cell(10, 9, 1, 0.7), cell(10, 9, 2, None),
        cell(20, 9, 1, 0.6), cell(20, 9, 4, 0.0),
    ]  # fmt: skip
    found = {one.words: (one.pairs, round(one.differences["accuracy_mean"].mean, 9)) for one in effects(cells)}
    assert found == {
        "reward 20 less 10 at devices 8": (2, 0.25),
        "reward 20 less 10 at devices 9": (1, -0.1),
        "devices 9 less 8 at reward 10": (1, 0.6),
        "devices 9 less 8 at reward 20": (1, 0.3),
    }


def test_what_varies_in_its_seed_alone_is_compared_with_nothing() -> None:
    cells = [({"seed": seed}, {"accuracy_mean": 0.5 + seed / 10}) for seed in range(3)]
    assert effects(cells) == []
    (one,) = setting_means(cells)
    assert (one.setting, one.runs, one.means["accuracy_mean"].count) == ({}, 3, 3)


def swept(directory: Path, *cells: tuple[dict[str, Any], dict[str, float] | None]) -> Sweep:
    return Sweep(
        directory,
        [
            SweepCell(values, directory / str(place), "done", None, numbers)
            if numbers is not None
            else SweepCell(values, directory / str(place), "failed", "out of <luck>", {})
            for place, (values, numbers) in enumerate(cells)
        ],
    )


def shown(sweep: Sweep) -> str:
    """All that a person sees of a sweep: the terminal and the page."""
    console = Console(width=120)
    with console.capture() as capture:
        console.print(sweep_text(sweep))
    return capture.get() + write_page(sweep.directory, sweep.cells, {"devices": 8}).read_text("utf-8")


def test_one_run_has_no_interval_and_nothing_is_ever_nan(tmp_path: Path) -> None:
    one = {"accuracy_mean": 0.5, "attack_success_label_flip": 0.1, "gas_per_encounter": 1e5}
    sweep = swept(
        tmp_path, ({"reward": 10.0}, one), ({"reward": 20.0}, {"accuracy_mean": 0.75}), ({"reward": 30.0}, None)
    )
    text = shown(sweep)
    assert "50.00 ± –" in text
    assert "+25.00 ± –" in text
    assert '<td class="n">50.00</td><td class="n">–</td>' in text
    assert "reward 30: out of &lt;luck&gt;" in text
    assert "<luck>" not in text
    assert not [word for word in ("nan", "inf ", "NaN", "Infinity", "None") if word in text]
    means = facts(sweep)["means"]
    assert means[0]["quantities"]["accuracy_mean"] == {"mean": 0.5, "half": None, "low": None, "high": None, "count": 1}
    assert half_width(setting_means([({}, one)])[0].means["accuracy_mean"]) is None


def test_a_sweep_in_which_all_failed_is_shown(tmp_path: Path) -> None:
    text = shown(swept(tmp_path, ({"reward": 10.0}, None), ({"reward": 20.0}, None)))
    assert "No run is done, so there is nothing to compare." in text
    assert "2 of 2 runs failed." in text


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    cells: list[tuple[dict[str, Any], dict[str, float] | None]] = [
        ({"seed": seed, "reward": reward}, {"accuracy_mean": seed / reward}) for seed in (1, 2) for reward in (10, 20)
    ]
    text = write_page(tmp_path, swept(tmp_path, *cells).cells, {}).read_text("utf-8")
    assert "reward 20 less 10" in text
    assert not [word for word in ("http", "<script", "@import", "url(") if word in text]


def test_columns_hold_one_type_each(tmp_path: Path) -> None:
    cells: list[tuple[dict[str, Any], dict[str, float] | None]] = [
        ({"model": "small", "tolerance": 0.1, "quorum": 2}, {"encounters": 3, "accuracy_mean": 1.0}),
        ({"model": 3, "tolerance": 1, "quorum": None}, None),
    ]
    columns = columns_of(swept(tmp_path, *cells).cells)
    assert columns["model"] == ["small", "3"]
    assert [type(value) for value in columns["tolerance"]] == [float, float]
    assert columns["quorum"] == [2, None]
    assert (columns["encounters"], columns["accuracy_mean"]) == ([3, None], [1.0, None])
    assert (columns["status"], columns["error"]) == (["done", "failed"], [None, "out of <luck>"])


def test_what_a_run_has_no_number_for_is_left_out() -> None:
    assert numbers_of({"encounters": 3, "accuracy": None, "wall_s": math.nan}) == {"encounters": 3}
    unpaid = {"config": {"incentive": False}, "earnings": {"honest": {"learner": 0.0}}, "gas": {"per_encounter": 0.0}}
    assert numbers_of(unpaid) == {}
    paid = {
        "kinds": {
            "honest": {"devices": 3, "accepted": 3, "rejected": 1},
            "noise": {"devices": 1, "accepted": 0, "rejected": 0},
        },
        "earnings": {"honest": {"learner": -3.0, "neighbor": 1.0}, "attackers": {"learner": 1.5}},
        "expelled": {"honest": [], "attackers": [7]},
        "attack_success": {"noise": None, "backdoor": 0.5},
    }
    found = numbers_of(paid)
    assert (found["honest_net_tokens"], found["attackers_net_tokens"]) == (-2.0, 1.5)
    assert (found["expelled_honest"], found["expelled_attackers"]) == (0, 1)
    assert found["honest_rejected_share"] == 0.25
    assert found["attack_success_backdoor"] == 0.5
    assert not {"attackers_rejected_share", "attack_success_noise"} & set(found)
