"""Configurations: whatever is wrong gets one line that names the key, the value and the valid range."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.adapters.oppcl import OppCL
from idml.protocol.task import preset_task
from idml.simulation.config import Config, ConfigError, load_config, make_config, to_wei
from idml.simulation.setup import resolve


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("devicess=3", "devicess is 3: unknown key; did you mean devices?"),
        ("zzz=1", "zzz is 1: unknown key; keys are seed, algorithm, "),
        ("neighbor_share=1.2", "neighbor_share is 1.2: must be a number at least 0 and at most 1"),
        ("tolerance=-0.1", "tolerance is -0.1: must be a number at least 0 and at most 1"),
        ("learning_rate=0", "learning_rate is 0: must be a number more than 0 and at most 10"),
        ("devices=4", "validators is 3: with 4 devices at most 2: learner and neighbor do not judge themselves"),
        ("devices=many", "devices is 'many': must be a whole number at least 2 and at most 1000000"),
        ("preset=foo", "preset is 'foo': choose safe or paper"),
        ("executor=gpu", "executor is 'gpu': choose processes, ray or cuda"),
        ("incentive=maybe", "incentive is 'maybe': must be true or false"),
        ("adversaries.label_flip=abc", "adversaries.label_flip is 'abc': must be a whole number at least 0"),
        ("stake=50", "stake is 50.0: must be at least stake_threshold (100)"),
        ("reward=201", "reward is 201.0: must be at most stake and tokens - stake (200)"),
        ("adversaries=3", "adversaries is 3: must be a table, kind = count"),
        ("adversaries.label_flip=51", "adversaries.label_flip is 51: must be between 0 and 49, below devices"),
        ("adversaries={label_flip=25, invert=25}", "adversaries is 50: must leave an honest one among 50 devices"),
        ("adversaries.lable_flip=5", "adversary is 'lable_flip': choose label_flip, label_flip_target, "),
        ("rule=accuracy", "rule is 'accuracy': choose paper, loss, f1, precision, recall, balanced, mcnemar, FILE.py:"),
        ("defence=median", "defence is 'median': choose none, norm, krum, FILE.py:NAME or PACKAGE.MODULE:NAME"),
        ("committee=2", "committee is 2: must be 0 or at least validators (3)"),
        ("quorum=4", "quorum is 4: must be at most validators (3)"),
        ("good_faith_share=0.00001", "good_faith_share is 1e-05: must be a multiple of 0.0001 (one basis point)"),
        ("stake=2e6", "stake is 2000000.0: must be at most tokens (1e+06)"),
        ("reward=nan", "reward is nan: must be a number at least 0 and at most 1000000000"),
        ("alpha=0.3", "alpha is 0.3: only the partition 'dirichlet' takes it"),
        ("alpha=0", "alpha is 0: must be a number more than 0 and at most 1000000"),
        ("completion_window_s=200000", "at most 518400 s allowed"),
    ],
)
def test_what_is_wrong_gets_one_line(setting: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [setting])
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_problem_gets_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        make_config({"preset": "foo", "seed": -1})
    assert len(str(caught.value).splitlines()) == 2


def test_a_run_without_a_ledger_needs_no_node() -> None:
    with pytest.raises(ConfigError, match=r"rpc is 'http://localhost': leave it out where incentive is false"):
        make_config({"incentive": False, "rpc": "http://localhost"})


def test_settings_come_over_the_file_and_overrides_over_settings(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('devices = 20\nreward = 5\npreset = "paper"\n[adversaries]\nlabel_flip = 2\n')
    config = load_config(path, ["reward=6", "adversaries.free_rider=1", "preset=safe"], reward=7)
    assert (config.devices, config.reward, config.preset) == (20, 7, "safe")
    assert config.adversaries == {"label_flip": 2, "free_rider": 1}


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("devices = ", [], "not valid TOML"),
        ("", ["devices"], "write it as key=value"),
        ("", ["=3"], "write it as key=value"),
        ("", ["devices=8", "devices.x=3"], "devices is no table"),
    ],
)
def test_what_cannot_be_read_says_so(tmp_path: Path, text: str, settings: list[str], message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path, settings)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: No such file"):
        load_config(tmp_path / "none.toml")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "seed": st.integers(0, 2**63 - 1),
            "devices": st.integers(5, 1000),
            "tolerance": st.integers(0, 10_000).map(lambda bps: bps / 10_000),
            "tie": st.sampled_from(["accept", "reject"]),
            "adversaries": st.dictionaries(st.sampled_from(["label_flip", "invert"]), st.integers(0, 2)),
            "incentive": st.booleans(),
        },
    )
)
def test_toml_round_trips(values: dict[str, object]) -> None:
    import tomllib

    config = make_config(values)
    assert make_config(tomllib.loads(config.to_toml())) == config


def test_the_task_is_the_presets_unless_changed() -> None:
    assert make_config({"rule": "paper"}).task() == preset_task("safe")
    assert make_config({"preset": "paper"}).task() == preset_task("paper")
    changed = make_config(
        {
            "good_faith_share": 0.5,
            "no_vote_share": 0.25,
            "reject_pot_share": 1,
            "committee": 5,
            "quorum": 1,
            "tie": "reject",
        }
    ).task()
    assert (changed.good_faith_bps, changed.no_vote_bps, changed.reject_pot_bps) == (5_000, 2_500, 10_000)
    assert (changed.committee_size, changed.quorum, changed.tie_accepts) == (5, 1, False)


def test_a_rule_brings_its_tolerance_and_its_number_into_the_task() -> None:
    assert (Config().judged_by.name, Config().task().metric, Config().task().tolerance_bps) == ("loss", 1, 3_000)
    paper = make_config({"preset": "paper"})
    assert (paper.judged_by.name, paper.task().metric, paper.task().tolerance_bps) == ("paper", 0, 500)
    chosen = make_config({"preset": "paper", "rule": "mcnemar", "tolerance": 0.02}).task()
    assert (chosen.metric, chosen.tolerance_bps) == (6, 200)


def test_defaults_are_the_mechanisms_table() -> None:
    config = Config()
    assert (config.tokens, config.stake, config.stake_threshold, config.reward) == (1_000_000, 200, 100, 10)
    assert (config.target_wei, make_config({"preset": "paper"}).target_wei) == (200 * 10**18, 0)
    assert make_config({"stake_target": 50}).target_wei == 50 * 10**18
    assert config.contact_count == 30 * 50
    assert make_config({"encounters": 7}).contact_count == 7


@given(st.integers(0, 10**15))
def test_token_amounts_are_exact_to_the_micro_token(micro_tokens: int) -> None:
    assert to_wei(micro_tokens / 10**6) == micro_tokens * 10**12


@pytest.mark.parametrize(
    ("dataset", "keys", "tolerance"),
    [
        ("digits", {}, 0.3),
        ("cifar10", {}, 0.1),
        ("cifar10", {"tolerance": 0.3}, 0.3),
        ("cifar10", {"rule": "f1"}, 0.05),
        ("cifar10", {"preset": "paper"}, 0.05),
    ],
)
def test_where_losses_stay_near_chance_they_may_rise_by_less(
    dataset: str, keys: dict[str, object], tolerance: float
) -> None:
    resolved = resolve(make_config({"dataset": dataset, **keys}), OppCL())
    assert resolved.tolerance == tolerance
    assert resolved.task().tolerance_bps == round(tolerance * 10_000)


def test_alpha_is_of_dirichlet_alone_and_else_not_in_a_configuration() -> None:
    def resolved(**values: object) -> Config:
        return resolve(make_config({"dataset": "digits", **values}), OppCL())

    assert resolved(partition="dirichlet").alpha == 0.5
    assert resolved(partition="dirichlet", alpha=2).alpha == 2
    assert "alpha" not in resolved().model_dump(exclude_none=True)
