"""A run is the same wherever it goes on: another folder, hash seed, clock, or little of what a system gives."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Snapshot
from idml.store.run_store import RunStore

from .conftest import tiny
from .test_resume import outcome, posix, stopped_run, whole

IDML = [sys.executable, "-m", "idml.cli.main"]
KEYS = {"dataset": "digits", "devices": 6, "encounters": 24, "images_per_device": 60, "checkpoint_s": 0}
SET = [part for key, value in KEYS.items() for part in ("--set", f"{key}={value}")]
UNTRACED = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
CLOCK = "import time\ntime.time = lambda real=time.time: real() - 790_000_000\n"  # in 2001


def run(*words: str, variables: Mapping[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("COV")},
        **(variables or {}),
    }
    return subprocess.run([*IDML, *words], capture_output=True, text=True, check=False, env=environment, **more)


def test_a_run_that_was_moved_goes_on(tmp_path: Path) -> None:
    moved = stopped_run(tmp_path / "run").rename(tmp_path / "R g#ü%")
    resume(moved)
    assert outcome(moved) == whole(tmp_path / "whole")


def test_a_run_goes_on_with_another_data_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    stopped_run(tmp_path / "run", data_dir=str(tmp_path / "one"))
    resume(tmp_path / "run", {"data_dir": str(tmp_path / "two")})
    expected, found = whole(tmp_path / "whole"), outcome(tmp_path / "run")
    assert found[1:] == expected[1:]


def test_without_its_log_a_killed_run_goes_on_from_an_earlier_state(tmp_path: Path) -> None:
    """Its database has what SQLite had copied into it before: here, once in the middle."""
    directory, copy = tmp_path / "run", tmp_path / "copy"

    def observe(snapshot: Snapshot) -> None:
        if snapshot.contact == 8:
            with sqlite3.connect(directory / "run.sqlite") as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.close()
        if snapshot.contact == 20 and not copy.exists():
            shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("*-shm", "*-wal"))

    simulate(tiny(checkpoint_s=0), directory, observer=observe)
    with RunStore.open(copy) as store:
        assert 0 < len(store.encounters()) < 20
    resume(copy)
    assert outcome(copy) == outcome(directory)


@pytest.mark.slow
@pytest.mark.parametrize("surroundings", ["hash seed", "clock", "two workers", "time zone and language"])
def test_a_run_goes_on_in_other_surroundings(tmp_path: Path, surroundings: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    variables = {
        "hash seed": {"PYTHONHASHSEED": "77"},
        "clock": {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])},
        "time zone and language": {"TZ": "Pacific/Apia", "LC_ALL": "C", "LANG": "C"},
    }.get(surroundings, {})
    stopped_run(tmp_path / "run")
    more = ["--workers", "2"] if surroundings == "two workers" else []
    done = run("run", "--resume", str(tmp_path / "run"), "--quiet", *more, variables=variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert outcome(tmp_path / "run")[1:] == whole(tmp_path / "whole")[1:]


def in_namespace(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script whose mounts nobody else sees."""
    if os.name != "posix" or not shutil.which("unshare"):
        pytest.skip("mounts of one's own are for Linux")
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", str(folder)], capture_output=True).returncode:
        pytest.skip("mounts of one's own are for root")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    return subprocess.run(
        ["unshare", "-m", "bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )


@pytest.mark.slow
def test_64_kilobytes_of_shared_memory_are_enough(tmp_path: Path) -> None:
    command = " ".join([*IDML, "run", *SET, "--workers", "2", "--quiet", "--no-report", "--out", "run"])
    done = in_namespace(f"mount -t tmpfs -o size=64k none /dev/shm && {command}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run" / "summary.json").exists()


@pytest.mark.slow
def test_a_disk_of_250_kilobytes_costs_nothing_that_was_done(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    command = " ".join(IDML)
    script = (
        "mount -t tmpfs -o size=250k none disk\n"
        f"{command} run {' '.join(SET)} --quiet --no-report --out disk/run; echo $?\n"
        "mount -o remount,size=50m disk\n"
        f"{command} run --resume disk/run --quiet --no-report > /dev/null && cp -r disk/run kept\n"
    )
    done = in_namespace(script, tmp_path)
    assert done.stdout == "1\n", done
    assert done.stderr.count("\n") == 1, done.stderr
    assert "disk/run" in done.stderr
    whole_run = run("run", *SET, "--quiet", "--no-report", "--out", str(tmp_path / "whole"))
    assert whole_run.returncode == 0, whole_run.stderr
    assert outcome(tmp_path / "kept")[1:] == outcome(tmp_path / "whole")[1:]


@posix
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "most"), [(resource.RLIMIT_NOFILE, 12), (resource.RLIMIT_NOFILE, 24), (resource.RLIMIT_FSIZE, 30_000)]
)
def test_what_a_system_refuses_is_one_line(tmp_path: Path, kind: int, most: int) -> None:
    limit = lambda: resource.setrlimit(kind, (most, most))  # noqa: E731
    done = run("run", *SET, "--quiet", "--no-report", "--out", str(tmp_path / "run"), preexec_fn=limit)
    if done.returncode:
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("idml: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 10, "learning_rate_decay": 0},
        {"images_per_device": 1},
        {"devices": 6, "adversaries": {"random_weights": 5}},
    ],
)
def test_extremes_end_with_numbers(tmp_path: Path, changes: dict[str, Any]) -> None:
    simulate(tiny(**changes), tmp_path / "run")
    assert "NaN" not in (tmp_path / "run" / "summary.json").read_text()
    with RunStore.open(tmp_path / "run") as store:
        assert all(0 <= point.accuracy <= 1 for point in store.accuracy())
        assert all(0 <= point.accuracy <= 1 for point in store.baselines())
        assert all(vote.harm is None or math.isfinite(vote.harm) for vote in store.votes())
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["encounters"] > 0
