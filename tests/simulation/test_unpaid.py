"""A run beside the same run without its incentive: the same but for what the incentive does, stopped or not."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import ttest_rel

import idml
from idml.reporting import write_report
from idml.reporting.incentive import incentive_command, incentive_view
from idml.simulation.config import ConfigError
from idml.simulation.totals import Snapshot
from idml.store.errors import StoreError
from idml.store.run_reader import SUMMARY, WITHOUT_INCENTIVE
from idml.store.run_store import RunStore

SETTINGS: dict[str, Any] = {
    "dataset": "digits",
    "model": "linear",
    "devices": 10,
    "encounters": 60,
    "reward": 40,
    "adversaries": {"label_flip": 3},
    "test_images": 100,
    "baseline_devices": 2,
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("both") / "run"
    idml.run(directory, without_incentive=True, **SETTINGS)
    return directory


def summary_of(directory: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((directory / SUMMARY).read_text())
    return {key: value for key, value in summary.items() if key != "wall_s"}


@pytest.mark.slow
def test_the_same_devices_meet_in_both(both: Path) -> None:
    with RunStore.open(both) as paid, RunStore.open(both / WITHOUT_INCENTIVE) as unpaid:
        kinds = [[(one.device, one.kind, one.images) for one in run.devices()] for run in (paid, unpaid)]
        contacts = [[(e.contact, e.learner, e.neighbor) for e in run.encounters()] for run in (paid, unpaid)]
        assert not unpaid.stakes()
        assert not unpaid.transactions()
        assert paid.accuracy()[:7] == unpaid.accuracy()[:7], "all begin with one model"
    assert kinds[0] == kinds[1]
    assert contacts[0] == contacts[1]
    configs = [summary_of(directory)["config"] for directory in (both, both / WITHOUT_INCENTIVE)]
    assert {key for key in configs[0] if configs[0][key] != configs[1][key]} == {"incentive", "baseline_devices"}


def test_the_report_sets_them_side_by_side(both: Path) -> None:
    paid, unpaid = summary_of(both), summary_of(both / WITHOUT_INCENTIVE)
    with RunStore.open(both) as run, RunStore.open(both / WITHOUT_INCENTIVE) as other:
        view = incentive_view(run)
        scores = [[point.accuracy for point in one.accuracy() if point.round == 6] for one in (other, run)]
        assert incentive_view(other) is None
    assert view is not None
    assert f"{unpaid['accuracy']['mean']:.1%} accuracy instead of {paid['accuracy']['mean']:.1%}" in view.finding
    ends = ttest_rel(*scores).confidence_interval()
    assert f"± {50 * (ends.high - ends.low):.1f} points" in view.finding
    cells = {row[0]: row[1:] for row in view.table.rows}
    success = [f"{one['attack_success']['label_flip']:.1%}" for one in (paid, unpaid)]
    assert cells["Success of the attack label flip on honest devices"] == success
    taken = unpaid["kinds"]["label_flip"]["accepted"]
    assert cells["Contributions of attackers that were accepted"][1] == f"{taken} of {taken}"
    page = (both / "report.html").read_text(encoding="utf-8")
    assert "What the incentive is for" in page
    assert view.finding in page
    assert "--without-incentive" not in page


def test_a_finished_pair_is_not_played_again(both: Path) -> None:
    with pytest.raises(StoreError, match="finished run"):
        idml.resume(both, without_incentive=True)


def test_a_run_without_an_incentive_has_no_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="incentive is False"):
        idml.run(tmp_path / "run", without_incentive=True, **SETTINGS, incentive=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_second_run_goes_on_where_it_was_stopped(tmp_path: Path, both: Path) -> None:
    """The first one is finished by then, and offers what is missing."""

    def stop(snapshot: Snapshot) -> None:
        if "without" in snapshot.title and snapshot.contact == 30:
            raise idml.Stopped

    run = tmp_path / "run"
    with pytest.raises(idml.Stopped):
        idml.run(run, observer=stop, without_incentive=True, **SETTINGS)
    with RunStore.open(run) as store:
        assert incentive_view(store) is None
        command = incentive_command(store)
    assert command == f"idml run --resume {run} --without-incentive"
    assert command in write_report(run).read_text(encoding="utf-8")
    resumed = idml.resume(run, without_incentive=True)
    assert dataclasses.asdict(resumed)["summary"] == json.loads((both / SUMMARY).read_text()) | {
        "wall_s": resumed.summary["wall_s"]
    }
    assert summary_of(run / WITHOUT_INCENTIVE) == summary_of(both / WITHOUT_INCENTIVE)
