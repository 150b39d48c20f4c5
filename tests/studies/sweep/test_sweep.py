"""Sweeps that are really played: kept, killed, gone on with, and failed."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.cli.main import main
from idml.store.false_start import clear_false_start
from idml.store.run_reader import CONFIG, DATABASE, MODELS, SUMMARY

TINY: dict[str, Any] = {
    "devices": 6,
    "encounters": 10,
    "dataset": "digits",
    "model": "linear",
    "images_per_device": 20,
    "validation_images": 10,
    "baseline_devices": 0,
}
BROKEN = """
from torch import nn
import idml

class Broken(idml.Network):
    def build(self, *, image_shape, classes, width, dropout):
        if width == 7:
            raise RuntimeError("out of luck")
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
"""


def options(out: Path, *vary: str, **settings: Any) -> list[str]:
    words = ["sweep", "--out", str(out), "--quiet"]
    words += [word for option in vary for word in ("--vary", option)]
    return words + [word for key, value in {**TINY, **settings}.items() for word in ("--set", f"{key}={value}")]


def table(out: Path) -> list[dict[str, str]]:
    with (out / "sweep.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def results(out: Path) -> list[dict[str, str]]:
    """The table without what differs from one time to the other."""
    return [{key: value for key, value in row.items() if key not in ("wall_s", "directory")} for row in table(out)]


def written(out: Path) -> dict[str, int]:
    """When each run that is done ended."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/summary.json")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep; not to be changed."""
    out = tmp_path_factory.mktemp("swept") / "out"
    sweep = idml.sweep(out, vary={"seed": [1, 2], "reward": "10,20"}, jobs=2, **TINY)
    assert [cell.values for cell in sweep.cells] == [{"seed": s, "reward": r} for s in (1, 2) for r in (10.0, 20.0)]
    assert not sweep.failed
    return out


@pytest.fixture
def kept(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "kept"))


@pytest.mark.slow
def test_a_sweep_leaves_a_row_for_each_run_in_all_its_tables(made: Path) -> None:
    import pandas

    rows = table(made)
    assert [(row["seed"], row["reward"], row["status"]) for row in rows] == [
        (seed, reward, "done") for seed in "12" for reward in ("10.0", "20.0")
    ]
    for row in rows:
        summary = json.loads((made / "runs" / Path(row["directory"]).name / SUMMARY).read_text())
        assert float(row["accuracy_mean"]) == summary["accuracy"]["mean"]
        assert float(row["honest_net_tokens"]) == sum(summary["earnings"]["honest"].values())
        assert summary["config"]["seed"] == int(row["seed"])
    frame = idml.sweep(made, vary={"seed": [1, 2], "reward": [10, 20]}, **TINY).frame()
    parquet = pandas.read_parquet(made / "sweep.parquet")
    for column in frame:
        assert [None if pandas.isna(value) else value for value in frame[column]] == [
            None if pandas.isna(value) else value for value in parquet[column]
        ]
    assert list(frame.columns) == list(parquet.columns)
    assert list(frame.columns) == list(rows[0])
    assert list(frame["accuracy_mean"]) == [float(row["accuracy_mean"]) for row in rows]
    assert "reward 20 less 10" in (made / "sweep.html").read_text()


def test_the_same_again_plays_nothing(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(kept)
    assert main([*options(kept, "seed=1,2", "reward=10,20"), "--json"]) == 0
    assert written(kept) == before
    facts = json.loads(capsys.readouterr().out)
    assert [cell["status"] for cell in facts["cells"]] == ["done"] * 4
    assert facts["differences"][0]["pairs"] == 2


@pytest.mark.slow
def test_more_values_keep_what_is_done(kept: Path) -> None:
    before = written(kept)
    assert main(options(kept, "seed=1..3", "reward=10")) == 0
    assert {name: when for name, when in written(kept).items() if name in before} == before
    assert [row["seed"] for row in table(kept)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("vary", "settings", "line"),
    [
        (["seed=1,2", "reward=10,20"], {"devices": 7}, "holds a sweep with devices = 6, not 7: choose another --out"),
        (["seed=8,9"], {"width": 8}, "holds a sweep with width = 16, not 8: "),
        (["reward=30"], {"seed": 1, "adversaries.noise": 1}, "holds a sweep with adversaries.noise = 0, not 1: "),
    ],
)
def test_another_configuration_is_refused_in_a_line(
    kept: Path, vary: list[str], settings: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("*")}
    assert main(options(kept, *vary, **settings)) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"idml: {kept} {line}")
    assert error.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*")} == before


def test_a_folder_of_something_else_is_refused(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (kept / "sweep.toml").unlink()
    assert main(options(kept, "seed=1,2", "reward=10,20")) == 1
    assert main(options(kept / "runs" / "seed=1,reward=10", "seed=1,2")) == 1
    assert capsys.readouterr().err == (
        f"idml: {kept} holds runs, but no sweep: choose another --out\n"
        f"idml: {kept / 'runs' / 'seed=1,reward=10'} holds runs, but no sweep: choose another --out\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--vary", "seed=1,2", "--set", "devices=1"], "idml: devices is 1: must be a whole number at least 2"),
        (["--vary", "devices=1,2"], "idml: devices is 1: must be"),
        (["--vary", "seed=2..1"], "idml: --vary seed=2..1: a range goes"),
        ([], "idml: nothing is varied: give --vary KEY=VALUE,VALUE,..."),
    ],
)
def test_what_can_be_nowhere_is_said_before_anything_runs(
    tmp_path: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert capsys.readouterr().err.startswith(line)
    assert not (tmp_path / "out").exists()


def test_objects_cannot_be_swept(tmp_path: Path) -> None:
    with pytest.raises(idml.ConfigError, match="dataset is "):
        idml.sweep(tmp_path / "out", vary={"seed": [1]}, dataset=object())


@pytest.mark.slow
def test_a_cell_that_fails_is_named_and_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    command = options(
        tmp_path / "out", "width=7,8", "committee=3,5", "validators=3,4", model=tmp_path / "broken.py:Broken"
    )
    assert main(command) == 1
    said = capsys.readouterr()
    failed = [line for line in said.err.splitlines() if " failed: " in line]
    assert len(failed) == 5
    assert any("width=7,committee=3,validators=3 failed: " in line and "out of luck" in line for line in failed)
    assert (
        "idml: width=8,committee=3,validators=4 failed: committee is 3: must be 0 or at least validators (4)" in failed
    )
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows] == ["failed"] * 4 + ["done", "failed", "done", "done"]
    assert all(bool(row["error"]) == (row["status"] == "failed") for row in rows)
    assert all(bool(row["accuracy_mean"]) == (row["status"] == "done") for row in rows)
    assert "5 of 8 runs failed." in (tmp_path / "out" / "sweep.html").read_text()
    before = written(tmp_path / "out")
    assert main(command) == 1
    assert written(tmp_path / "out") == before


LONG = {"encounters": 200, "checkpoint_s": 0}
VARY = ("seed=1..5", "reward=10,20")


def players(of: int) -> list[int]:
    """The processes that a sweep plays in."""
    found = Path(f"/proc/{of}/task/{of}/children").read_text().split()
    return [int(child) for child in found]


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "idml.cli.main", *options(out, *VARY, **LONG), "--jobs", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(out: Path, process: subprocess.Popen[bytes], done: int) -> None:
    """Wait until so many runs are done, and one more is half played."""

    def halfway() -> bool:
        under_way = [path for path in out.glob(f"runs/*/{DATABASE}") if not (path.parent / SUMMARY).exists()]
        return len(written(out)) >= done and any(path.stat().st_size > 50_000 for path in under_way)

    while not halfway():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_a_sweep_that_is_killed_ends_with_the_numbers_of_one_that_was_not(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main([*options(whole, *VARY, **LONG), "--jobs", "2"]) == 0

    # The sweep itself is killed, twice, and typed again at once.
    before: dict[str, int] = {}
    for done in (1, 4):
        process = start(out)
        wait_for(out, process, done)
        playing = players(process.pid)
        assert playing
        process.kill()
        process.communicate()
        assert {name: when for name, when in written(out).items() if name in before} == before
        before = written(out)
        assert done <= len(before) < 10

    # A player is killed: its run has failed, and the others go on.
    process = start(out)
    wait_for(out, process, len(before) + 1)
    os.kill(players(process.pid)[0], signal.SIGKILL)
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.decode().count(" failed: its process ended with -9\n") == 1
    assert sorted(row["status"] for row in table(out)) == ["done"] * 9 + ["failed"]

    assert main([*options(out, *VARY, **LONG), "--jobs", "2"]) == 0
    assert {name: when for name, when in written(out).items() if name in before} == before
    assert len(written(out)) == 10
    assert results(out) == results(whole)
    page = (out / "sweep.html").read_text()
    assert page.replace("out", "") == (whole / "sweep.html").read_text().replace("whole", "")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes in /proc")
def test_a_sweep_that_is_interrupted_says_how_to_go_on_and_none_goes_on_without_its_parent(tmp_path: Path) -> None:
    process = start(tmp_path / "out")
    wait_for(tmp_path / "out", process, 0)
    playing = players(process.pid)
    second = subprocess.run(
        [sys.executable, "-m", "idml.cli.main", *options(tmp_path / "out", *VARY, **LONG)],
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert second.stderr.endswith("is being written by another process: wait for it, or stop it\n")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert "idml: interrupted; go on with: idml sweep --vary seed=1..5 --vary reward=10,20 " in error.decode()
    process = start(tmp_path / "out")
    wait_for(tmp_path / "out", process, 0)
    playing = players(process.pid)
    process.kill()
    process.communicate()
    give_up_at = time.monotonic() + 5
    while any(Path(f"/proc/{player}/cmdline").exists() for player in playing):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_what_a_run_left_that_was_killed_while_it_started_is_cleared(made: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    clear_false_start(run)
    for files in (
        [],
        [DATABASE],
        [DATABASE, CONFIG],
        [DATABASE, f".{CONFIG}.x7"],
        [DATABASE, CONFIG, f"{DATABASE}-wal"],
    ):
        (run / MODELS).mkdir(parents=True)
        for name in files:
            (run / name).touch()
        clear_false_start(run)
        assert not run.exists()
    (run / "mine").mkdir(parents=True)
    clear_false_start(run)
    assert (run / "mine").exists()
    shutil.rmtree(run)
    shutil.copytree(made / "runs" / "seed=1,reward=10", run)
    shutil.rmtree(run / MODELS)
    (run / SUMMARY).unlink()
    clear_false_start(run)
    assert (run / DATABASE).exists()
