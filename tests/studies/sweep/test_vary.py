"""What is varied as it is written, and the cells that it makes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.simulation.config import ConfigError
from idml.studies.sweep.vary import MOST_CELLS, CellPlan, make_plans, read_vary, value_text


@pytest.mark.parametrize(
    ("option", "key", "values"),
    [
        ("seed=1..4", "seed", [1, 2, 3, 4]),
        ("seed=3..3", "seed", [3]),
        ("seed=1..3,7", "seed", [1, 2, 3, 7]),
        ("encounters=100..300:100", "encounters", [100, 200, 300]),
        ("tolerance=0.1..0.5:0.1", "tolerance", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("reward = 10, 20.5", "reward", [10, 20.5]),
        ("adversaries.label_flip=0,5,10", "adversaries.label_flip", [0, 5, 10]),
        ("adversaries.my_file.py:Mine=1", "adversaries.my_file.py:Mine", [1]),
        ("model=small,examples/custom_model.py:Wide", "model", ["small", "examples/custom_model.py:Wide"]),
        ("contacts=../a.csv,even", "contacts", ["../a.csv", "even"]),
        ("incentive=true,false", "incentive", [True, False]),
        ('partition="iid"', "partition", ["iid"]),
    ],
)
def test_what_is_varied_is_read_as_it_is_written(option: str, key: str, values: list[Any]) -> None:
    assert read_vary([option]) == {key: values}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["seed"], "--vary 'seed': write it as KEY=VALUE,VALUE,... or KEY=FIRST..LAST"),
        (["=1"], "--vary '=1': write it as"),
        (["seed="], "--vary 'seed=': write it as"),
        (["seed=1,,2"], "--vary seed: a value is missing between two commas"),
        (["seed=1,2", "seed=3"], "--vary 'seed=3': seed is varied already"),
        (["seed=4..1"], "--vary seed=4..1: a range goes from the least to the greatest"),
        (["seed=1..4:0"], "--vary seed=1..4:0: a range goes from"),
        (["tolerance=0.1..0.3"], "--vary tolerance=0.1..0.3: say the step, for instance 0.1..0.3:0.1"),
        (["seed=1..99999999999"], "--vary seed=1..99999999999: are 99,999,999,999 values; a sweep has at most 10,000"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(options: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_vary(options)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@given(st.integers(-50, 50), st.integers(0, 40), st.integers(1, 9))
def test_a_range_holds_both_ends_and_nothing_else(first: int, steps: int, step: int) -> None:
    last = first + steps * step
    wanted = list(range(first, last + 1, step))
    assert read_vary([f"k={first}..{last}:{step}"])["k"] == wanted
    assert read_vary([f"k={first / 10}..{last / 10}:{step / 10}"])["k"] == [value / 10 for value in wanted]


def test_cells_are_all_combinations() -> None:
    plans = make_plans({"devices": 12}, {"reward": [10, 20], "adversaries.noise": "0..2", "seed": range(1, 4)})
    assert len(plans) == 18
    assert plans[0].values == {"reward": 10.0, "adversaries.noise": 0, "seed": 1}
    assert plans[1].name == "reward=10,adversaries.noise=0,seed=2"
    assert plans[-1].settings == {"devices": 12, "reward": 20, "adversaries": {"noise": 2}, "seed": 3}
    assert all(plan.config is not None and plan.config.devices == 12 for plan in plans)


def test_a_table_keeps_what_is_not_varied_and_a_varied_key_goes_before_one_that_is_set() -> None:
    base = {"adversaries": {"noise": 1, "invert": 2}, "seed": 9}
    plans = make_plans(base, {"adversaries.noise": [0, 3], "seed": [1]})
    assert [plan.settings["adversaries"] for plan in plans] == [{"noise": 0, "invert": 2}, {"noise": 3, "invert": 2}]
    assert base == {"adversaries": {"noise": 1, "invert": 2}, "seed": 9}
    assert {plan.settings["seed"] for plan in plans} == {1}


def test_equal_values_make_one_cell() -> None:
    assert [plan.name for plan in make_plans({}, {"reward": [10, 10.0, 20]})] == ["reward=10", "reward=20"]


def test_a_value_that_can_be_nowhere_is_refused_and_a_combination_that_cannot_be_is_a_failed_cell() -> None:
    with pytest.raises(ConfigError, match=r"^validators is 99: "):
        make_plans({}, {"validators": [3, 99], "seed": [1, 2]})
    with pytest.raises(ConfigError, match=r"^sede is 1: unknown key; did you mean seed\?$"):
        make_plans({}, {"sede": [1, 2]})
    with pytest.raises(ConfigError, match=r"^10,001 runs are too many: a sweep has at most 10,000$"):
        make_plans({}, {"seed": range(MOST_CELLS + 1)})
    with pytest.raises(ConfigError, match=r"^nothing is varied"):
        make_plans({}, {})
    plans = make_plans({}, {"committee": [3, 5], "validators": [3, 5]})
    assert [plan.problem for plan in plans] == ["", "committee is 3: must be 0 or at least validators (5)", "", ""]


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=90)


@given(texts, texts)
def test_names_of_cells_are_names_of_folders_and_tell_cells_apart(one: str, other: str) -> None:
    names = {CellPlan({"model": value, "seed": 1}, {}, None).name for value in (one, other)}
    assert len(names) == len({one, other})
    for name in names:
        assert not set(name) & set('/\\:*?"<>|\0 ')
        assert len(name.encode()) < 256


def test_values_are_written_as_on_the_command_line() -> None:
    assert [value_text(value) for value in (10.0, 0.1, True, 3, "small")] == ["10", "0.1", "true", "3", "small"]
