"""Runs and replays of a study: done once, taken again only where they were made alike, and never lost."""

import json
import shutil
import sqlite3
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from idml.cli.main import main
from idml.simulation import setup
from idml.simulation.config import Config, ConfigError, make_config
from idml.simulation.totals import HOW
from idml.store.run_reader import CONFIG, DATABASE, SUMMARY
from idml.studies.batch import JudgedReplay, RunBatch, WantedRun
from idml.studies.error_rates import replay
from idml.studies.errors import StudyError
from idml.studies.fingerprint import fingerprint, fingerprint_of_run
from idml.studies.replays import fingerprint_of_replay, read_judged, replay_fingerprint

TINY: dict[str, Any] = {
    "devices": 6,
    "encounters": 10,
    "dataset": "digits",
    "model": "linear",
    "images_per_device": 20,
    "validation_images": 10,
    "baseline_devices": 0,
    "seed": 1,
}
RUN = WantedRun("run", TINY)
REPLAY = WantedRun("replay.csv", TINY, JudgedReplay(5, ("label_flip", "noise")))


def silent(done: int, total: int) -> None:
    del done, total


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a replay; not to be changed."""
    directory = tmp_path_factory.mktemp("batch")
    RunBatch(directory).play([RUN, REPLAY], 1, silent)
    return directory


@pytest.fixture
def kept(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    directory = tmp_path / "kept"
    subprocess.run(["cp", "-r", str(made), str(directory)], check=True)
    return directory


def spoil(directory: Path, wanted: WantedRun, key: str, value: Any) -> None:
    """Have a kept result say that something else made it."""
    path = RunBatch(directory).path(wanted)
    if wanted.judged is not None:
        beside = path.with_suffix(".toml")
        beside.write_text(tomli_w.dumps({**tomllib.loads(beside.read_text()), key: value}))
    elif key in Config.model_fields:
        config = path / CONFIG
        config.write_text(tomli_w.dumps({**tomllib.loads(config.read_text()), key: value}))
    else:
        with closing(sqlite3.connect(path / DATABASE)) as database, database:
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


@pytest.mark.slow
def test_what_made_it_is_kept_with_it(made: Path) -> None:
    batch, config = RunBatch(made), make_config(TINY)
    assert fingerprint_of_run(batch.path(RUN)) == fingerprint(config)
    assert fingerprint_of_replay(batch.path(REPLAY)) == replay_fingerprint(
        config, every=5, attacks=("label_flip", "noise")
    )
    judged = read_judged(batch.path(REPLAY))
    assert {one.contact for one in judged} == {0, 5}
    assert judged == replay(config, attacks=("label_flip", "noise"), every=5)  # to the last bit


@pytest.mark.parametrize("wanted", [RUN, REPLAY], ids=["run", "replay"])
def test_whatever_does_not_matter_is_no_part_of_it(made: Path, wanted: WantedRun, tmp_path: Path) -> None:
    changes = {"workers": 2, "checkpoint_s": 7, "data_dir": str(tmp_path)}
    assert RunBatch(made).is_done(replace(wanted, settings={**TINY, **changes}))
    assert RunBatch(made, changes).is_done(wanted)


OTHERS: dict[str, Any] = {
    "seed": 2,
    "algorithm": "gossip",
    "dataset": "fashion-mnist",
    "partition": "two-class",
    "images_per_device": 21,
    "model": "small",
    "width": 8,
    "dropout": 0.1,
    "batch": 5,
    "test_images": 17,
    "learning_rate": 0.01,
    "learning_rate_decay": 0.1,
    "local_epochs": 1,
    "devices": 7,
    "encounters": 11,
    "adversaries": {"noise": 1},
    "contacts": "random",
    "link_bytes_s": 1e6,
    "compute_images_s": 50.0,
    "heterogeneity": 0.5,
    "defence": "norm",
    "incentive": False,
    "preset": "paper",
    "reward": 11.0,
    "validators": 2,
    "committee": 4,
    "quorum": 3,
    "rule": "paper",
    "goal": "own",
    "tolerance": 0.2,
    "validation_images": 11,
    "neighbor_share": 0.7,
    "good_faith_share": 0.1,
    "no_vote_share": 0.7,
    "reject_pot_share": 0.3,
    "tie": "reject",
    "completion_window_s": 3601,
    "voting_window_s": 50_001,
    "tokens": 2e6,
    "stake": 201.0,
    "stake_target": 201.0,
    "stake_threshold": 90.0,
    "evm": "pyevm",
    "rpc": "http://localhost:8545",
    "contact_interval_s": 61,
    "baseline_devices": 1,
    "backend": "torch",
    "threads": 2,
    "definition": "another engine",
    "rules_version": "0",
    "plugins": "{}",
}
"""All that a fingerprint may hold, otherwise than in what is wanted."""


def test_all_that_a_fingerprint_may_hold_is_tried_below(made: Path) -> None:
    assert set(OTHERS) == {*Config.model_fields, "definition", "rules_version", "plugins"} - HOW - {"alpha"}
    assert set(fingerprint(make_config(TINY))) <= set(OTHERS)
    assert set(fingerprint_of_replay(RunBatch(made).path(REPLAY))) <= {*OTHERS, "every", "attacks"}


@pytest.mark.parametrize("wanted", [RUN, REPLAY], ids=["run", "replay"])
@pytest.mark.parametrize("key", OTHERS)
def test_what_was_made_otherwise_is_refused(kept: Path, wanted: WantedRun, key: str) -> None:
    spoil(kept, wanted, key, OTHERS[key])
    batch = RunBatch(kept)
    assert not batch.is_done(wanted)
    with pytest.raises(StudyError) as caught:
        batch.play([wanted], 1, silent)
    path = batch.path(wanted)
    assert str(caught.value).startswith(f"{path} was made with {key} = {OTHERS[key]!r}, not ")
    assert str(caught.value).endswith(": choose another --out, or delete it")


@pytest.mark.parametrize("wanted", [RUN, REPLAY], ids=["run", "replay"])
@pytest.mark.parametrize("key", [key for key in OTHERS if key in Config.model_fields])
def test_nothing_is_taken_for_the_result_of_other_settings(made: Path, wanted: WantedRun, key: str) -> None:
    batch = RunBatch(made)
    assert batch.is_done(wanted)
    assert not batch.is_done(replace(wanted, settings={**TINY, key: OTHERS[key]}))


USERS = {
    "evaluate rules": ("judged-digits-iid-oppcl-1.csv", REPLAY),
    "evaluate attacks": ("table/nobody-none-1", RUN),
    "evaluate adaptive": ("runs/nobody-none-1", RUN),
    "reproduce fig7": ("replays/digits-gossip-iid-small-1.csv", REPLAY),
    "reproduce fig8": ("runs/digits-small-own0-none-1", RUN),
}
"""Commands that do many runs, and a run or replay that each wants."""


@pytest.mark.parametrize("command", USERS)
def test_all_that_do_many_runs_refuse_alike(
    made: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, other = USERS[command]
    out = tmp_path / "out"
    path = out / name
    path.parent.mkdir(parents=True)
    there = RunBatch(made).path(other)
    subprocess.run(["cp", "-r", str(there), str(path)], check=True)
    if other.judged is not None:
        shutil.copy(there.with_suffix(".toml"), path.with_suffix(".toml"))
    before = set(out.rglob("*"))
    assert main([*command.split(), "--out", str(out), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"idml: {path} was made with ")
    assert error.endswith(": choose another --out, or delete it\n")
    assert error.count("\n") == 1
    assert set(out.rglob("*")) == before


def test_what_idml_has_to_say_of_each_run_it_says_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "why_not_native", lambda _network: "there is no compiled engine")
    assert main(["reproduce", "fig8", "--out", str(tmp_path / "out"), "--cost"]) == 0
    assert (
        capsys.readouterr().err == "idml: there is no compiled engine; PyTorch trains instead, several times slower\n"
    )


@pytest.mark.parametrize("judged", [JudgedReplay(3, ("label_flip", "noise")), JudgedReplay(5, ("noise",))])
def test_a_replay_that_judged_otherwise_is_refused(made: Path, judged: JudgedReplay) -> None:
    with pytest.raises(StudyError, match=r"was made with (every = 5, not 3|attacks = )"):
        RunBatch(made).check([replace(REPLAY, judged=judged)])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Path.unlink, "has no replay.toml beside it to say what made it: choose another --out, or delete it"),
        (lambda beside: beside.write_text("= 1"), "replay.toml says not what made replay.csv, "),
        (lambda beside: beside.write_bytes(b"\xff"), "replay.toml says not what made replay.csv, "),
    ],
)
def test_a_replay_that_nothing_tells_of_is_refused(kept: Path, change: Callable[[Path], None], line: str) -> None:
    change(RunBatch(kept).path(REPLAY).with_suffix(".toml"))
    assert not RunBatch(kept).is_done(REPLAY)
    with pytest.raises(StudyError) as caught:
        RunBatch(kept).check([REPLAY])
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["seed", "definition", "rules_version"])
def test_what_was_begun_otherwise_is_not_gone_on_with(kept: Path, key: str) -> None:
    (RunBatch(kept).path(RUN) / SUMMARY).unlink()
    RunBatch(kept).check([RUN])
    spoil(kept, RUN, key, OTHERS[key])
    with pytest.raises(StudyError, match=f"was made with {key} = "):
        RunBatch(kept).play([RUN], 1, silent)


def test_a_run_with_settings_that_nobody_knows_any_more_is_refused(kept: Path) -> None:
    config = RunBatch(kept).path(RUN) / CONFIG
    config.write_text(f"long_gone = 1\n{config.read_text()}")
    assert not RunBatch(kept).is_done(RUN)
    with pytest.raises(StudyError) as caught:
        RunBatch(kept).check([RUN])
    assert str(caught.value).startswith(f"{config.parent} has settings that cannot be read here (long_gone is 1: ")
    assert str(caught.value).endswith("): choose another --out, or delete it")


@pytest.mark.slow
def test_a_trace_is_another_by_what_it_holds_and_not_by_where_it_lies(tmp_path: Path) -> None:
    def folder(name: str, second: int) -> dict[str, str]:
        trace = tmp_path / name / "met.csv"
        trace.parent.mkdir()
        trace.write_text(f"time_start,client1,client2,time_end\n0,0,1,10\n{second},2,3,40\n50,4,5,60\n")
        return {"data_dir": str(tmp_path / name)}

    wanted = [replace(one, settings={**TINY, "encounters": 3}, files={"contacts": "met.csv"}) for one in (RUN, REPLAY)]
    out = tmp_path / "out"
    RunBatch(out, folder("here", 20)).play(wanted, 1, silent)
    there, other = RunBatch(out, folder("there", 20)), RunBatch(out, folder("other", 30))
    assert all(map(there.is_done, wanted))
    assert not any(map(other.is_done, wanted))
    for one in wanted:
        with pytest.raises(StudyError, match="was made with contacts = "):
            other.check([one])
    # Where the trace is not at hand, what was made with it is still there, but more cannot be made.
    nowhere = RunBatch(out, {"data_dir": str(out)})
    assert all(map(nowhere.is_done, wanted))
    with pytest.raises(StudyError, match=r"^met\.csv is in none of the data folders"):
        nowhere.play([replace(wanted[0], name="more")], 1, silent)


@pytest.mark.slow
def test_a_plugged_in_file_that_has_changed_makes_another_result(tmp_path: Path) -> None:
    own, other = tmp_path / "own.py", tmp_path / "other.py"
    own.write_text(
        "from idml import Adapter\n\nclass Own(Adapter):\n    name = 'own'\n"
        "    def contribute(self, received, own, training):\n        return training.epoch(received)\n"
        "    def merge(self, current, result):\n        return result\n"
    )
    wanted = [replace(one, settings={**TINY, "algorithm": f"{own}:Own"}) for one in (RUN, REPLAY)]
    batch = RunBatch(tmp_path / "out")
    batch.play(wanted, 1, silent)
    assert all(map(batch.is_done, wanted))
    text = own.read_text()
    own.write_text(f"{text}# and more\n")
    for one in wanted:
        with pytest.raises(StudyError, match="was made with plugins = "):
            batch.check([one])
    own.write_text(text)
    assert all(map(batch.is_done, wanted))
    other.write_text(text)
    with pytest.raises(StudyError, match="was made with algorithm = "):
        batch.check([replace(RUN, settings={**TINY, "algorithm": f"{other}:Own"})])


def test_runs_are_done_once(made: Path) -> None:
    told: list[tuple[int, int]] = []
    before = (made / "runs" / "run" / SUMMARY).stat().st_mtime_ns
    RunBatch(made).play([RUN, REPLAY], 2, lambda done, total: told.append((done, total)))
    assert told == [(2, 2)]
    assert (made / "runs" / "run" / SUMMARY).stat().st_mtime_ns == before


def test_what_cannot_be_is_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="devices is 1: "):
        RunBatch(tmp_path).play([RUN, WantedRun("bad", {**TINY, "devices": 1})], 1, silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_that_fails_leaves_the_others_to_be_gone_on_with(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from idml import Adapter\n\nclass Broken(Adapter):\n    name = 'broken'\n    calls = 0\n"
        "    def contribute(self, received, own, training):\n        type(self).calls += 1\n"
        "        if type(self).calls > 40:\n            raise RuntimeError('out of luck')\n"
        "        return training.epoch(received)\n    def merge(self, current, result):\n        return result\n"
    )
    bad = WantedRun("bad", {**TINY, "encounters": 60, "algorithm": f"{broken}:Broken"})
    long = WantedRun("long", {**TINY, "encounters": 4_000, "checkpoint_s": 0})
    with pytest.raises(StudyError, match=r"^the run bad failed: .*out of luck.* \(.*log\.txt\)$"):
        RunBatch(tmp_path / "a").play([long, bad], 2, silent)
    assert "RuntimeError: out of luck" in (tmp_path / "a" / "log.txt").read_text()
    shorter = {**long.settings, "encounters": 300}
    runs = [WantedRun("one", shorter), WantedRun("two", {**shorter, "seed": 2})]
    RunBatch(tmp_path / "a").play(runs, 2, silent)  # the folder is as good as before


@pytest.mark.slow
def test_a_killed_process_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = WantedRun("long", {**TINY, "encounters": 600, "checkpoint_s": 0})
    batch, database = RunBatch(tmp_path / "a"), tmp_path / "a" / "runs" / "long" / DATABASE

    players: list[subprocess.Popen[str]] = []

    class Popen(subprocess.Popen[str]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            players.append(self)

    def kill() -> None:
        while not database.exists():
            time.sleep(0.02)
        time.sleep(1)
        players[0].kill()

    monkeypatch.setattr(subprocess, "Popen", Popen)

    threading.Thread(target=kill).start()
    with pytest.raises(StudyError, match="the run long failed: its process ended with -9"):
        batch.play([wanted], 1, silent)
    assert not batch.is_done(wanted)
    batch.play([wanted], 1, silent)
    whole = RunBatch(tmp_path / "b")
    whole.play([wanted], 1, silent)
    first, second = (json.loads((one.path(wanted) / SUMMARY).read_text()) for one in (batch, whole))
    changing = {"wall_s": 0, "made_by": {}}
    assert {**first, **changing} == {**second, **changing}
