"""Frames and files hold what `run.sqlite` holds, row by row, while a run goes on and afterwards."""

from __future__ import annotations

import csv
import json
import math
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import idml
from idml.learning.data.datasets import load_dataset
from idml.reporting.export import FILE_FORMATS, write_tables
from idml.reporting.frames import TABLES, frame
from idml.reporting.tensorboard import scalars, write_events
from idml.simulation.runs import resume
from idml.simulation.totals import Snapshot, Stopped
from idml.store import RunStore, StoreError
from idml.store.schema import SCHEMA

SETTINGS: dict[str, Any] = {
    "dataset": "digits",
    "model": "linear",
    "devices": 8,
    "encounters": 60,
    "images_per_device": 60,
    "validation_images": 30,
    "baseline_devices": 1,
    "adversaries": {"label_flip": 2, "always_yes": 1},
}
PAGE = Path(__file__).parents[2] / "docs" / "results.md"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> idml.Run:
    return idml.run(tmp_path_factory.mktemp("frames") / "run", report=False, **SETTINGS)


def rows_of(database: Path, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    connection = sqlite3.connect(database)
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    connection.close()
    return names, rows


def plain(value: Any) -> Any:
    """A value of a frame as the database has it."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if hasattr(value, "item") else value


@pytest.mark.parametrize("table", TABLES)
def test_a_frame_has_the_rows_and_columns_of_its_table(run: idml.Run, table: str) -> None:
    names, rows = rows_of(run.directory / "run.sqlite", table)
    shown: pd.DataFrame = getattr(run, table)
    kept = [name for name in names if name != "votes"]
    assert [name for name in shown.columns if not name.endswith("_tokens")] == kept
    assert len(shown) == len(rows)
    for place, row in enumerate(rows):
        values = dict(zip(names, row, strict=True))
        for name in kept:
            value, expected = plain(shown[name].iloc[place]), values[name]
            assert (str(value) if name.endswith("_wei") else value) == expected
    for name in kept:
        if name.endswith("_wei"):
            tokens = shown[name.removesuffix("_wei") + "_tokens"]
            assert [int(wei) / 10**18 for wei in shown[name]] == list(tokens)


def test_a_run_that_was_stopped_keeps_the_same_votes(run: idml.Run, tmp_path: Path) -> None:
    def stop(snapshot: Snapshot) -> None:
        if snapshot.contact == 31:
            raise Stopped

    with pytest.raises(Stopped):
        idml.run(tmp_path / "stopped", report=False, observer=stop, **SETTINGS)
    halfway = idml.load_run(tmp_path / "stopped")
    assert not halfway.finished
    assert 0 < len(halfway.votes) < len(run.votes)
    assert halfway.summary["encounters"] == sum(halfway.encounters.status != "skipped")
    with pytest.raises(StoreError, match="models are kept when a run ends"):
        halfway.model(0)
    resume(tmp_path / "stopped")
    pd.testing.assert_frame_equal(halfway.votes, run.votes)
    assert halfway.finished


@pytest.mark.parametrize("to", FILE_FORMATS)
def test_files_have_the_rows_of_their_frames(run: idml.Run, to: Any, tmp_path: Path) -> None:
    with RunStore.open(run.directory) as store:
        paths = write_tables(store, tmp_path / "out", to)
        assert [path.name for path in paths] == [f"{table}.{to}" for table in TABLES]
        for table, path in zip(TABLES, paths, strict=True):
            shown = frame(store, table)
            exact = [column for column in shown if column.endswith("_wei")]
            if to == "parquet":
                read = pd.read_parquet(path)
                for column in exact:
                    read[column] = pd.Series([int(value) for value in read[column]], dtype="object")
                pd.testing.assert_frame_equal(read, shown)
                continue
            with path.open(newline="") as lines:
                header, *rows = csv.reader(lines)
            assert header == list(shown.columns)
            assert len(rows) == len(shown)
            for place, column in enumerate(header):
                values = [plain(value) for value in shown[column]]
                assert [row[place] for row in rows] == ["" if value is None else str(value) for value in values]


def test_the_configuration_and_models_come_back(run: idml.Run) -> None:
    from safetensors.numpy import load_file

    recorded = run.config.model_dump()
    assert {key: recorded[key] for key in SETTINGS} == SETTINGS
    assert set(recorded) == set(idml.Config.model_fields)
    for device in range(8):
        expected = load_file(run.directory / "models" / f"device-{device:04d}.safetensors")
        read = run.tensors(device)
        assert set(read) == set(expected)
        assert all(read[name].tobytes() == expected[name].tobytes() for name in read)
    with pytest.raises(StoreError, match=r"there is no .*device-0008\.safetensors"):
        run.model(8)


def test_the_engine_and_the_module_of_a_run_compute_its_models(run: idml.Run) -> None:
    dataset = load_dataset("digits")
    images, labels = idml.prepare(dataset.test_images), dataset.test_labels
    for device in range(3):
        vector, module = run.model(device), run.module(device)
        (correct,) = run.engine().evaluate([vector], images, labels)
        with torch.no_grad():
            found = module(torch.from_numpy(images)).argmax(dim=1).numpy()
        assert np.count_nonzero(found == labels) == correct > len(labels) / 3


def test_a_damaged_model_is_told_in_one_line(run: idml.Run, tmp_path: Path) -> None:
    from idml.store.models import read_model

    whole = (run.directory / "models" / "device-0000.safetensors").read_bytes()
    for damaged in (b"", whole[:5], whole[:40], whole[:-7], b"x" * 100):
        path = tmp_path / "model.safetensors"
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"^cannot read .*model.safetensors: [^\n]+$"):
            read_model(path)


def test_what_made_a_run_is_in_its_summary(run: idml.Run) -> None:
    made_by = run.summary["made_by"]
    assert set(made_by) == {"version", "commit", "python", "platform", "command"}
    assert made_by["python"] == sys.version.split()[0]
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(idml.__file__).parent, check=False
    )
    assert made_by["commit"] == (head.stdout.strip() or None)


def read_back(directory: Path) -> dict[tuple[str, int], float]:
    events = EventAccumulator(str(directory))
    events.Reload()
    return {(tag, event.step): event.value for tag in events.Tags()["scalars"] for event in events.Scalars(tag)}


def test_tensorboard_reads_the_numbers_of_a_run(run: idml.Run, tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.other").write_bytes(b"")
    with RunStore.open(run.directory) as store:
        expected = {(scalar.tag, scalar.round): scalar.value for scalar in scalars(store)}
        for _ in range(2):  # a second export replaces the first
            assert write_events(store, tmp_path) == len(expected)
    (tmp_path / "events.out.tfevents.1.other").unlink()  # somebody else's file was left alone
    assert read_back(tmp_path) == pytest.approx(expected, rel=1e-6)
    by_round = run.encounters.query("status != 'skipped'").groupby("round").size()
    for number, count in by_round.items():
        taken = sum(
            value
            for (tag, at), value in expected.items()
            if at == number and tag.split("/")[1] in ("accepted", "rejected by vote", "no verdict", "not completed")
        )
        assert taken == count


@pytest.mark.slow
def test_a_round_that_is_over_keeps_its_numbers(tmp_path: Path) -> None:
    # Encounters stay open over many contacts, and end in later rounds than they began in.
    dragging = {"contact_interval_s": 5, "completion_window_s": 300, "voting_window_s": 600, "reward": 40}
    adversaries = {"deny": 1, "withhold": 1, "random_weights": 2}
    known: dict[tuple[str, int], float] = {}

    def look(snapshot: Snapshot | None = None) -> None:
        begun = snapshot is None or snapshot.accuracy
        if begun and (snapshot is None or snapshot.contact % 7 == 0):
            with RunStore.open(tmp_path / "run") as store:
                now = {(scalar.tag, scalar.round): scalar.value for scalar in scalars(store)}
            assert known.items() <= now.items()
            known.update(now)

    settings = {**SETTINGS, **dragging, "encounters": 160, "adversaries": adversaries}
    run = idml.run(tmp_path / "run", report=False, observer=look, **settings)
    look()
    assert not run.encounters["round"].is_monotonic_increasing
    tags = {tag for tag, _ in known}
    assert {f"{whose}/{what}" for whose in ("honest", "attackers") for what in ("stake", "expelled")} <= tags
    assert {"accuracy/mean", "honest/accepted", "attackers/not completed", "honest/earned as validator"} <= tags
    assert known["attackers/expelled", 20] == len(run.summary["expelled"]["attackers"])
    stakes = run.stakes.groupby("device").last().stake_tokens[run.devices.kind == "honest"]
    assert known["honest/stake", 20] == pytest.approx(stakes.mean())
    earned = run.summary["earnings"]["attackers"]["neighbor"]
    assert known["attackers/earned as neighbor", 20] == pytest.approx(earned)


@pytest.mark.slow
def test_following_ends_when_the_run_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "idml.cli.main"]
    directory = tmp_path / "run"
    keys = [f"--set={key}={value}" for key, value in SETTINGS.items() if key not in ("adversaries", "encounters")]
    player = subprocess.Popen(
        [*command, "run", *keys, "--set=encounters=9999", "--no-report", "--out", str(directory)],
        stderr=subprocess.PIPE,
        text=True,
    )
    with player:
        assert player.stderr is not None
        assert any(line.startswith("round 2") for line in player.stderr)
        follower = subprocess.Popen(
            [*command, "export", str(directory), "--to", "tensorboard", "--follow"], stderr=subprocess.PIPE, text=True
        )
        with follower:
            while not list(directory.glob("export/events*")):
                time.sleep(0.05)
                assert follower.poll() is None
            player.kill()
            said = follower.communicate(timeout=60)[1]
    assert follower.returncode == 0
    assert f"the run was stopped; go on with: idml run --resume {directory}" in said
    assert idml.load_run(directory).summary["encounters"] > 0
    assert ("accuracy/mean", 0) in read_back(directory / "export")


@pytest.mark.slow
def test_events_follow_a_run_that_another_process_plays(tmp_path: Path) -> None:
    settings = [f"--set={key}={value}" for key, value in SETTINGS.items() if key not in ("adversaries", "encounters")]
    command = [sys.executable, "-m", "idml.cli.main"]
    directory = tmp_path / "run"
    player = subprocess.Popen(
        [*command, "run", *settings, "--set=encounters=2000", "--quiet", "--no-report", "--out", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    seen = 0
    while not seen:
        time.sleep(0.05)
        assert player.poll() is None
        with suppress(StoreError):  # it has not begun yet
            seen = len(idml.load_run(directory).encounters)
    followed = subprocess.run(
        [*command, "export", str(directory), "--to", "tensorboard", "--follow"], capture_output=True, text=True
    )
    assert followed.returncode == 0, followed.stderr
    assert player.wait() == 0
    assert seen < len(idml.load_run(directory).encounters)
    with RunStore.open(directory) as store:
        expected = {(scalar.tag, scalar.round): scalar.value for scalar in scalars(store)}
    assert read_back(directory / "export") == pytest.approx(expected, rel=1e-6)


def test_what_is_no_run_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        idml.load_run(tmp_path)
    said = subprocess.run(
        [sys.executable, "-m", "idml.cli.main", "export", str(tmp_path), "--to", "csv"], capture_output=True, text=True
    )
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("pandas", "idml.load_run(directory).votes"),
        ("pyarrow", "main(['export', directory, '--to', 'parquet', '--out', out])"),
        ("tensorboard", "main(['export', directory, '--to', 'tensorboard', '--out', out])"),
    ],
)
def test_a_missing_package_is_told_in_one_line(run: idml.Run, package: str, call: str, tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules[{package!r}] = None
import idml
from idml.cli.main import main
directory, out = {str(run.directory)!r}, {str(tmp_path)!r}
try:
    code = {call}
except idml.IdmlError as error:
    print(error, file=sys.stderr)
    code = error.exit_code
sys.exit(code)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert package in said.stderr
    assert "pip install" in said.stderr


def documented(section: str) -> set[str]:
    """The names in the first column of the table below a heading."""
    text = PAGE.read_text().split(section, 1)[1].split("\n#", 1)[0]
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


def keys_of(value: Any, path: tuple[str, ...] = ()) -> set[str]:
    """The keys of a summary as the page writes them, with words for names that differ from run to run."""
    if not isinstance(value, dict) or path == ("config",):
        return {".".join(path)}
    match path:
        case ("kinds",) | ("attack_success",):
            word = "KIND"
        case ("earnings",):
            word = "GROUP"
        case ("earnings", "GROUP") | ("kinds", "KIND", "earnings"):
            word = "ROLE"
        case ("gas", "per_step"):
            word = "STEP"
        case _:
            word = ""
    return {name for key, below in value.items() for name in keys_of(below, (*path, word or key))}


def test_the_page_names_every_table_column_and_key(run: idml.Run) -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    own = documented("### Tables that a run keeps for itself")
    for table in tables:
        columns: Sequence[str] = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if table in own:
            line = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{table}` |"))
            assert all(f"`{column}`" in line for column in columns), table
        else:
            assert documented(f"### `{table}`") == set(columns), table
    assert own < set(tables)
    summary = json.loads((run.directory / "summary.json").read_text())
    expelled = {"kinds.KIND.expelled_round" + place for place in (".first", ".mean", ".last")}
    assert documented("## `summary.json`") == {"baseline", "kinds.KIND.expelled_round", *expelled, *keys_of(summary)}


def test_public_names_show_in_dir() -> None:
    assert dir(idml) == sorted(idml.__all__)
    assert {"run", "resume", "load_run", "Run"} <= set(dir(idml))


def test_progress_is_shown_where_it_is_asked_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []
    settings = {**SETTINGS, "encounters": 8, "adversaries": {}, "baseline_devices": 0}

    def observe(snapshot: Snapshot) -> None:
        seen.append(snapshot.contact)

    idml.run(tmp_path / "shown", report=False, progress=True, observer=observe, **settings)
    assert "round 1:" in capfd.readouterr().err
    assert max(seen) == 8
    idml.run(tmp_path / "silent", report=False, **settings)
    assert not capfd.readouterr().err
