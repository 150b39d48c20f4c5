"""The paper's evaluation, tiny: real runs, really stopped, and verdicts that follow from numbers."""

import json
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.cli.main import main
from idml.learning.judging.registry import RULES
from idml.simulation.config import make_config
from idml.studies import batch as batch_module
from idml.studies import rates
from idml.studies.batch import RunBatch
from idml.studies.error_rates import JudgedContribution
from idml.studies.paper import accuracy, natural, stakes, votes
from idml.studies.paper.attacks import MANY, NONE, PAPER, VARIANTS, Attack, Outcomes
from idml.studies.paper.section import Verdict
from idml.studies.paper.table_one import TABLE_I
from idml.studies.paper.work import TARGETS, reproduce, wanted
from idml.studies.replays import read_judged
from idml.studies.scales import SCALES, Learned, NaturalSize

from ..conftest import Stopping


def silent(done: int, total: int) -> None:
    del done, total


@pytest.mark.parametrize("name", SCALES)
def test_every_run_of_every_scale_is_a_valid_configuration_of_its_own(name: str) -> None:
    runs = wanted(list(TARGETS), SCALES[name])
    settings = [json.dumps(dict(run.settings), sort_keys=True) for run in runs]
    assert len(set(settings)) == len(runs) > 0
    for run in runs:
        make_config(run.settings)


def test_table_one_is_the_file_that_ships() -> None:
    path = Path(__file__).parents[3] / "experiments" / "paper" / "table1.toml"
    assert tomllib.loads(path.read_text("utf-8")) == dict(TABLE_I)


def test_the_laptop_scale_is_the_paper_s_setting_where_it_has_a_number() -> None:
    scale = SCALES["laptop"].paper
    assert (scale.devices, scale.attackers) == (50, (3, 10))
    run = Attack(scale, Learned("fashion-mnist", "small"), 0).run(PAPER, 1)
    assert run.settings["adversaries"] == {"label_flip": 10}
    assert {key: run.settings[key] for key in TABLE_I} == TABLE_I


def test_few_attackers_are_some_of_the_many(tmp_path: Path) -> None:
    scale = SCALES["laptop"].paper
    outcomes = Outcomes(Attack(scale, Learned("digits", "small", seeds=2), 0), RunBatch(tmp_path))
    for seed, devices in outcomes.compared.items():
        assert len(devices) == scale.devices - scale.attackers[1], seed


def first(judged: list[JudgedContribution], voters: int) -> list[JudgedContribution]:
    """What the first validators of each contact found of each kind."""
    seen: Counter[tuple[int, str]] = Counter()
    chosen = []
    for one in judged:
        seen[one.contact, one.kind] += 1
        if seen[one.contact, one.kind] <= voters:
            chosen.append(one)
    return chosen


@given(
    st.lists(st.lists(st.floats(-0.5, 0.5), min_size=9, max_size=9), min_size=1, max_size=5), st.sampled_from([0, 300])
)
def test_a_lenient_tolerance_accepts_no_less(harms: list[list[float]], bps: int) -> None:
    judged = [
        JudgedContribution(contact, 0, "honest", validator, {"paper": harm})
        for contact, found in enumerate(harms)
        for validator, harm in enumerate(found)
    ]
    for voters in (3, 5, 9):
        share = votes.accepted(judged, "honest", voters, bps, accepts=True)
        assert share <= votes.accepted(judged, "honest", voters, bps + 100, accepts=True)
        assert share + votes.accepted(judged, "honest", voters, bps, accepts=False) == pytest.approx(1)
        middle = [sorted(found[:voters])[voters // 2] for found in harms]
        assert share == pytest.approx(sum(harm <= bps / 10_000 for harm in middle) / len(harms))


@pytest.mark.slow
def test_everything_is_reproduced_at_the_smallest_scale_though_it_is_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stop: Stopping
) -> None:
    out, size = tmp_path / "out", SCALES["smoke"].paper
    done = stop(out, "reproduce", "all")
    assert main(["reproduce", "all", "--out", str(out), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{out / 'index.html'}\n"
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in done.items())
    results = json.loads((out / "results.json").read_text())
    assert set(TARGETS) - {"natural"} == set(results) - {"scale", "facts"}
    for key in set(results) - {"scale", "facts"}:
        for claim in results[key]["claims"]:
            # Runs of this size show nothing about the paper; what is counted or computed needs none.
            is_judged = key in ("table1", "table2")
            assert (claim["verdict"] != Verdict.UNJUDGED.value) is is_judged
            assert claim["verdict"] in {verdict.value for verdict in Verdict}
            assert bool(claim["reason"]) is (claim["verdict"] != "confirmed")
    for name in ("fig7-digits", "fig8-digits-small-own0", "fig8-digits-small-own1", "fig9-paper", "fig9-safe"):
        assert (out / f"{name}.svg").read_text().startswith("<svg")
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    # Again: nothing is computed, and the same comes out.
    monkeypatch.setattr(batch_module, "_Player", None)
    before = {path.name: path.read_bytes() for kind in ("csv", "json", "png") for path in out.glob(f"*.{kind}")}
    assert main(["reproduce", "all", "--out", str(out), "--quiet"]) == 0
    assert {name: (out / name).read_bytes() for name in before} == before
    # What was asked for last does not take from the page what earlier calls were for.
    assert main(["reproduce", "fig9", "--out", str(out), "--quiet"]) == 0
    assert set(json.loads((out / "results.json").read_text())) == set(results)

    # The numbers are those of the runs and replays.
    setting = votes.settings(size)[0]
    judged = read_judged(RunBatch(out).path(setting.run(size, 1)))
    for voters in (3, 9):
        (row,) = [
            row for row in rates.errors_of(first(judged, voters), RULES.find("paper"), 300) if row.kind == "honest"
        ]
        assert votes.accepted(judged, "honest", voters, 300, accepts=True) == pytest.approx(1 - row.verdicts.share)
    outcomes = Outcomes(Attack(size, Learned("digits", "small", seeds=2), 0), RunBatch(out))
    for seed in outcomes.attack.seeds:
        summary = json.loads((out / "runs" / f"digits-small-own0-none-{seed}" / "summary.json").read_text())
        assert outcomes.curve(NONE, seed)[size.rounds] == pytest.approx(summary["accuracy"]["mean"], abs=0.1)
        assert not any(outcomes.expulsions(MANY, seed))
    shown = accuracy.section(size, RunBatch(out))
    assert [row[0] for row in shown.tables[0].rows] == [variant.label(size) for variant in VARIANTS]
    assert {run.name for run in stakes.wanted(size)} <= {run.name for run in accuracy.wanted(size)}


def test_what_natural_data_need_is_said_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("IDML_DATA", str(tmp_path))
    assert main(["reproduce", "natural", "--out", str(tmp_path / "out")]) == 2
    assert "natural data are not part of the scale smoke: choose laptop or paper" in capsys.readouterr().err
    assert main(["reproduce", "natural", "--scale", "laptop", "--out", str(tmp_path / "out")]) == 2
    assert "natural data need the data set hapt, which is in none of the data folders" in capsys.readouterr().err
    labels = tmp_path / "hapt" / "RawData" / "labels.txt"
    labels.parent.mkdir(parents=True)
    labels.touch()
    reason = natural.why_not(SCALES["laptop"].paper, None)
    assert reason is not None
    assert reason.startswith("natural data need contacts/highschool_2012.csv.gz, which is in none of the data folders")
    (tmp_path / "contacts").mkdir()
    (tmp_path / "contacts" / "highschool_2012.csv.gz").touch()
    assert natural.why_not(SCALES["laptop"].paper, None) is None
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_people_learn_from_each_other_at_a_tiny_scale(tmp_path: Path) -> None:
    tiny = NaturalSize(seeds=2, contacts=24, devices=6, attackers=1, algorithms=("gossip",))
    laptop = SCALES["laptop"]
    scale = replace(laptop, paper=replace(laptop.paper, natural=tiny))
    if reason := natural.why_not(scale.paper, None):
        pytest.skip(reason)
    page = reproduce(["natural"], scale, tmp_path, data_dir=None, processes=2, progress=silent)
    assert "Natural data: " in page.read_text()
    assert (tmp_path / "natural-gossip.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads((tmp_path / "results.json").read_text())["natural"]["data"]["gossip"]
    for variant in (one.key for one in natural.SHOWN):
        assert len(data[variant]["final"]) == 2
        for seed in (1, 2):
            summary = json.loads((tmp_path / f"runs/hapt-small-gossip-own1-{variant}-{seed}/summary.json").read_text())
            assert summary["encounters"] + summary["skipped"] == 24
            assert (summary["baseline"] is not None) == (variant == "many")
            if variant == "many":
                assert data["alone"][seed - 1] == summary["baseline"]["accuracy"]
