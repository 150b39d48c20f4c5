"""After a run, its database alone is complete, unless somebody holds an old state of it; then it is said what is."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idml.cli.main import main
from idml.store import RunStore, StakePoint, StoreError, run_store

READER = """
import sqlite3, sys, time
database, snapshot, seconds = sys.argv[1:]
reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
if snapshot == "yes":
    reader.execute("BEGIN")
reader.execute("SELECT count(*) FROM stakes").fetchall()
print("reading", flush=True)
time.sleep(float(seconds))
"""
ROWS = 3_000


@contextmanager
def reader(database: Path, *, snapshot: bool, seconds: float) -> Iterator[None]:
    """Another program that reads."""
    command = [sys.executable, "-c", READER, str(database), "yes" if snapshot else "no", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        try:
            yield
        finally:
            process.kill()


def write(store: RunStore) -> None:
    for number in range(0, ROWS, 100):
        store.append(*(StakePoint(number, device, 10**20) for device in range(100)))


def copied_alone(directory: Path, to: Path) -> int:
    """How many rows a copy of the database's file has."""
    to.mkdir()
    for name in ("run.sqlite", "config.toml"):
        shutil.copy(directory / name, to / name)
    with RunStore.open(to) as run:
        return run.count(StakePoint)


@pytest.mark.parametrize("ended", ["finished", "stopped"])
@pytest.mark.parametrize(("snapshot", "seconds"), [(False, 60), (True, 1)])
def test_readers_that_hold_nothing_for_long_do_not_matter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ended: str, snapshot: bool, seconds: float
) -> None:
    store = RunStore.create(tmp_path / "run", "seed = 1\n")
    with reader(tmp_path / "run" / "run.sqlite", snapshot=snapshot, seconds=seconds):
        write(store)
        if ended == "finished":
            store.write_summary({})
        begun = time.monotonic()
        store.close()
        assert time.monotonic() - begun < run_store.READERS_WAIT_S
        assert copied_alone(tmp_path / "run", tmp_path / "copy") == ROWS
    assert caplog.text == ""


def test_without_readers_no_log_is_left(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "seed = 1\n") as store:
        write(store)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.sqlite", "config.toml", "models"}


def test_who_reads_an_old_state_for_long_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_store, "READERS_WAIT_S", 0.2)
    store = RunStore.create(tmp_path / "run", "seed = 1\n")
    with (
        caplog.at_level(logging.WARNING),
        reader(tmp_path / "run" / "run.sqlite", snapshot=True, seconds=60),
    ):
        write(store)
        store.close()
        try:
            rows = copied_alone(tmp_path / "run", tmp_path / "copy")
        except StoreError:  # not even its tables
            rows = 0
        assert rows < ROWS
    assert f"copy {tmp_path / 'run' / 'run.sqlite'} only together with run.sqlite-wal: " in caplog.text
    with RunStore.open(tmp_path / "run") as run:
        assert run.count(StakePoint) == ROWS


@pytest.mark.slow
def test_it_is_the_last_line_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_store, "READERS_WAIT_S", 0.2)
    keys = ("dataset=digits", "devices=6", "encounters=30", "images_per_device=60", "baseline_devices=0")
    closed = RunStore.close

    def close_while_read(store: RunStore) -> None:
        writes = store._lock is not None
        if not writes:
            closed(store)
            return
        with reader(store.directory / "run.sqlite", snapshot=True, seconds=60):
            write(store)
            closed(store)

    monkeypatch.setattr(RunStore, "close", close_while_read)
    out = tmp_path / "run"
    assert main(["run", *(part for key in keys for part in ("--set", key)), "--out", str(out)]) == 0
    assert capfd.readouterr().err.splitlines()[-1].startswith(f"idml: copy {out / 'run.sqlite'} only together with ")
