"""A run's directory: whole or refused, for one writer and any readers, readable after whatever stopped the writer."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from idml.store import (
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EarningsRecord,
    EncounterRecord,
    ExpulsionRecord,
    RunStore,
    StakePoint,
    StoreError,
    TransactionRecord,
    VoteRecord,
    write_atomically,
)

DEVICE = DeviceRecord(3, "0x" + "ab" * 20, "label_flip", 1200)
SETTLED = EncounterRecord(
    7, 1, 420, 99, 3, 4, "settled", "", 4, True, ((8, True), (9, False)), "0x01", "0x02", "0x03", 351_000
)
SKIPPED = EncounterRecord(8, 1, 480, 99, 4, 3, "skipped", "the neighbor's stake is below the threshold")
TRANSACTION = TransactionRecord(99, 420, "open", 3, None, 101_000)
VOTE = VoteRecord(7, 8, True, 0.25, 0.3, 40, 38, 50)
STAKE = StakePoint(99, 3, 180 * 10**18)
ACCURACY = AccuracyPoint(1, 7, 3, 0.8125, 10_000)
BASELINE = BaselinePoint("one device alone", 1, 0.75)
EARNINGS = EarningsRecord(3, -(10**19), 2**70, 0)
EXPULSION = ExpulsionRecord(3, 99, 7, 1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "first"


def test_a_mixed_batch_comes_back_by_kind_and_in_order(directory: Path) -> None:
    with RunStore.create(directory, "seed = 7\n", {"threshold_wei": "100", "idml": "0.1.0"}) as run:
        run.append(SKIPPED, DEVICE, TRANSACTION, STAKE, ACCURACY, BASELINE, EARNINGS, EXPULSION, SETTLED, VOTE)
        run.append(dataclasses.replace(STAKE, block=5))
    with RunStore.open(directory) as run:
        assert run.devices() == [DEVICE]
        assert run.encounters() == [SKIPPED, SETTLED]
        assert run.votes() == [VOTE]
        assert run.transactions() == [TRANSACTION]
        assert run.stakes() == [STAKE, dataclasses.replace(STAKE, block=5)]
        assert run.accuracy() == [ACCURACY]
        assert run.baselines() == [BASELINE]
        assert run.earnings() == [EARNINGS]
        assert run.expulsions() == [EXPULSION]
        assert run.meta == {"idml": "0.1.0", "threshold_wei": "100"}
        assert run.config == "seed = 7\n"
        assert run.count(EncounterRecord) == 2


def test_a_finished_run_is_a_directory_of_plain_files(directory: Path) -> None:
    with RunStore.create(directory, "") as run:
        run.append(DEVICE)
        assert run.save_model(3, b"weights") == directory / "models" / "device-0003.safetensors"
        run.save_model(3, b"better weights")
        run.write_summary({})
        assert run.model_path(3).read_bytes() == b"better weights"
    found = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    assert found == ["config.toml", "models/device-0003.safetensors", "run.sqlite", "summary.json"]


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (dataclasses.replace(SETTLED, status="settld"), "CHECK constraint failed: status"),
        (dataclasses.replace(SETTLED, case=6), "CHECK constraint failed"),
        (dataclasses.replace(ACCURACY, accuracy=float("nan")), "NOT NULL constraint failed: accuracy.accuracy"),
        (dataclasses.replace(STAKE, block=2**63), "too large"),
        (dataclasses.replace(STAKE, stake_wei=1.5), "cannot be interpreted as an integer"),  # type: ignore[arg-type]
        (dataclasses.replace(SETTLED, votes=((1, object()),)), "not JSON serializable"),  # type: ignore[arg-type]
        (dataclasses.replace(SETTLED, votes=((1, float("inf")),)), "not JSON compliant"),  # type: ignore[arg-type]
        (DEVICE, "UNIQUE constraint failed: devices.device"),
    ],
)
def test_a_batch_with_a_bad_record_is_refused_whole(directory: Path, bad: Any, cause: str) -> None:
    with RunStore.create(directory, "") as run:
        run.append(DEVICE)
        with pytest.raises(StoreError, match=cause) as caught:
            run.append(TRANSACTION, bad, BASELINE)
        assert "\n" not in str(caught.value)
        assert str(directory) in str(caught.value)
        assert (run.transactions(), run.baselines(), run.devices()) == ([], [], [DEVICE])
        run.append(TRANSACTION)
        assert run.transactions() == [TRANSACTION]


def test_readers_see_whole_batches_while_the_writer_goes_on(directory: Path) -> None:
    with RunStore.create(directory, "") as writer, RunStore.open(directory) as reader:
        assert reader.stakes() == []
        for batch in range(1, 20):
            writer.append(*[STAKE] * 3)
            assert len(reader.stakes()) == 3 * batch
        assert reader.read_summary() is None


def test_a_reader_does_not_write(directory: Path) -> None:
    RunStore.create(directory, "").close()
    with RunStore.open(directory) as run:
        with pytest.raises(StoreError, match="was opened for reading"):
            run.append(DEVICE)
        with pytest.raises(StoreError, match="was opened for reading"):
            run.write_summary({})
        with pytest.raises(StoreError, match="was opened for reading"):
            run.save_model(0, b"")
    assert not (directory / "summary.json").exists()


def test_a_closed_store_says_so(directory: Path) -> None:
    run = RunStore.create(directory, "")
    run.close()
    run.close()
    with pytest.raises(StoreError, match="closed database"):
        run.devices()


class TestCreate:
    def test_it_keeps_away_from_another_run(self, directory: Path) -> None:
        with RunStore.create(directory, "seed = 1\n") as run:
            run.append(DEVICE)
        with pytest.raises(StoreError, match="already holds a run: choose another directory") as caught:
            RunStore.create(directory, "seed = 2\n")
        assert str(directory) in str(caught.value)
        with RunStore.open(directory) as run:
            assert (run.config, run.devices()) == ("seed = 1\n", [DEVICE])

    @pytest.mark.parametrize("name", ["config.toml", "run.sqlite", "summary.json"])
    def test_the_rest_of_a_run_is_a_run(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True)
        (directory / name).write_text("precious")
        with pytest.raises(StoreError, match="already holds a run"):
            RunStore.create(directory, "")
        assert [path.name for path in directory.iterdir()] == [name]
        assert (directory / name).read_text() == "precious"

    def test_other_files_may_be_there(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        (directory / "notes.txt").write_text("mine")
        RunStore.create(directory, "").close()
        assert (directory / "notes.txt").read_text() == "mine"

    def test_a_file_is_no_directory(self, directory: Path) -> None:
        directory.parent.mkdir(parents=True)
        directory.write_text("")
        with pytest.raises(StoreError, match="is a file: name a directory with --out"):
            RunStore.create(directory, "")

    def test_of_many_that_start_at_once_one_gets_the_directory(self, directory: Path) -> None:
        program = (
            "import sys, time\nfrom idml.store import RunStore, StoreError\n"
            "sys.stdin.readline()\n"
            "try: RunStore.create(sys.argv[1], sys.argv[2]).close(); print('created')\n"
            "except StoreError as error: print(error)\n"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, directory, str(number)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for number in range(4)
        ]  # fmt: skip
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = [process.communicate()[0].strip() for process in processes]
        assert answers.count("created") == 1
        assert sum("already holds a run" in answer for answer in answers) == 3
        with RunStore.open(directory) as run:
            assert run.config == str(answers.index("created"))

    def test_meta_must_be_text(self, directory: Path) -> None:
        with pytest.raises(StoreError, match="cannot create a run"):
            RunStore.create(directory, "", {"threshold_wei": b"100"})  # type: ignore[dict-item]


class TestOpen:
    def test_nothing_there(self, directory: Path) -> None:
        with pytest.raises(StoreError, match=r"holds no run: there is no run\.sqlite in it"):
            RunStore.open(directory)

    @pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be looked at" * 40])
    def test_a_file_that_is_no_database(self, directory: Path, content: bytes) -> None:
        directory.mkdir(parents=True)
        (directory / "run.sqlite").write_bytes(content)
        expected = "file is not a database" if content else "is empty: the run is starting, or was killed then; wait"
        with pytest.raises(StoreError, match=expected):
            RunStore.open(directory)

    def test_the_database_of_another_program(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        connection = sqlite3.connect(directory / "run.sqlite")
        connection.execute("CREATE TABLE devices (device)")
        connection.close()
        with pytest.raises(StoreError, match="is not the database of an iDML run"):
            RunStore.open(directory)

    def test_another_schema(self, directory: Path) -> None:
        RunStore.create(directory, "").close()
        connection = sqlite3.connect(directory / "run.sqlite")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(StoreError, match="has schema 99, this idml takes schema 2 or 3 or 4"):
            RunStore.open(directory)

    def test_a_run_that_wrote_events_too_is_read_and_not_gone_on_with(self, directory: Path) -> None:
        with RunStore.create(directory, "") as run:
            run.append(DEVICE, STAKE, SKIPPED, SETTLED)
        connection = sqlite3.connect(directory / "run.sqlite")
        connection.execute("CREATE TABLE events (block INTEGER, time_s INTEGER, name TEXT, arguments TEXT)")
        connection.execute("DROP TABLE votes")
        connection.execute("PRAGMA user_version = 2")
        connection.close()
        with RunStore.open(directory) as run:
            assert (run.devices(), run.stakes()) == ([DEVICE], [STAKE])
            assert run.votes() == [VoteRecord(7, 8, True), VoteRecord(7, 9, False)]
        with pytest.raises(StoreError, match="has schema 2, this idml takes schema 4; use the idml that wrote it"):
            RunStore.resume(directory)

    def test_a_damaged_database_is_one_line(self, directory: Path) -> None:
        with RunStore.create(directory, "") as run:
            run.append(*[dataclasses.replace(SETTLED, contact=block) for block in range(2000)])
        database = directory / "run.sqlite"
        content = bytearray(database.read_bytes())
        middle = slice(len(content) // 4, 3 * len(content) // 4)
        content[middle] = random.Random(0).randbytes(len(content[middle]))
        database.write_bytes(content)
        with pytest.raises(StoreError, match=r"cannot read .*run\.sqlite: ") as caught, RunStore.open(directory) as run:
            run.encounters()
        assert "\n" not in str(caught.value)

    def test_a_row_that_makes_no_sense(self, directory: Path) -> None:
        RunStore.create(directory, "").close()
        connection = sqlite3.connect(directory / "run.sqlite", isolation_level=None)
        connection.execute("INSERT INTO stakes VALUES (1, 2, 'much')")
        connection.close()
        with RunStore.open(directory) as run, pytest.raises(StoreError, match="invalid literal"):
            run.stakes()

    def test_a_missing_config(self, directory: Path) -> None:
        RunStore.create(directory, "").close()
        (directory / "config.toml").unlink()
        with RunStore.open(directory) as run, pytest.raises(StoreError, match=r"config\.toml: No such file"):
            _ = run.config


class TestSummary:
    def test_equal_summaries_are_equal_bytes(self, tmp_path: Path) -> None:
        written = []
        for name, summary in (
            ("a", {"b": 1, "a": {"é": None, "d": [1.5]}}),
            ("b", {"a": {"d": [1.5], "é": None}, "b": 1}),
        ):
            with RunStore.create(tmp_path / name, "") as run:
                run.write_summary(summary)
                written.append((tmp_path / name / "summary.json").read_bytes())
                assert run.read_summary() == summary
        assert written[0] == written[1]
        assert written[0].decode() == '{\n  "a": {\n    "d": [\n      1.5\n    ],\n    "é": null\n  },\n  "b": 1\n}\n'

    @pytest.mark.parametrize("bad", [float("nan"), object(), {1: 2, "a": 3}])
    def test_what_is_no_json_leaves_the_old_one(self, directory: Path, bad: object) -> None:
        with RunStore.create(directory, "") as run:
            run.write_summary({"encounters": 1})
            with pytest.raises(StoreError, match=r"cannot write .*summary\.json"):
                run.write_summary({"encounters": bad})
            assert run.read_summary() == {"encounters": 1}

    @pytest.mark.parametrize(
        ("content", "cause"), [("{", "Expecting property name"), ("[]", "holds a list"), ("\xff", "")]
    )
    def test_a_damaged_summary(self, directory: Path, content: str, cause: str) -> None:
        RunStore.create(directory, "").close()
        (directory / "summary.json").write_bytes(content.encode("latin-1"))
        with RunStore.open(directory) as run, pytest.raises(StoreError, match=rf"cannot read .*summary\.json.*{cause}"):
            run.read_summary()


class TestAtomicFiles:
    def test_a_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        target = tmp_path / "model"
        target.mkdir()
        with pytest.raises(StoreError, match=f"cannot write {target}: Is a directory"):
            write_atomically(target, b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_nowhere_to_write(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="No such file or directory"):
            write_atomically(tmp_path / "missing" / "file", b"")

    def test_it_is_as_readable_as_any_other_file(self, tmp_path: Path) -> None:
        (tmp_path / "plain").write_bytes(b"")
        write_atomically(tmp_path / "file", b"")
        assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


WRITER = """
import sys
from idml.store import AccuracyPoint, RunStore, StakePoint
run = RunStore.create(sys.argv[1], "")
for batch in range(1_000_000):
    run.append(*[StakePoint(batch, device, 10**20) for device in range(20)], AccuracyPoint(batch, batch, 0, 0.5, 10))
    print(batch, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_process_leaves_every_acknowledged_batch_whole(directory: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, directory], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 150:
                break
        process.send_signal(signal.SIGKILL)
        acknowledged = int((line + process.stdout.read()).split("\n")[-2])
    with RunStore.open(directory) as run:
        batches = [point.round for point in run.accuracy()]
        assert batches == list(range(len(batches)))
        assert len(batches) > acknowledged
        assert [(p.block, p.device) for p in run.stakes()] == [(b, device) for b in batches for device in range(20)]
        assert run.read_summary() is None


LIMITED = """
import resource, sys
from idml.store import RunStore, StakePoint, StoreError
run = RunStore.create(sys.argv[1], "")
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
batch = 0
try:
    while True:
        run.append(*[StakePoint(batch, device, 10**20) for device in range(500)])
        batch += 1
except StoreError as error:
    print(batch)
    print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_disk_that_takes_no_more_keeps_what_was_written(directory: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", LIMITED, directory], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    batches, message = finished.stdout.splitlines()
    assert message.startswith(f"cannot write to {directory / 'run.sqlite'}: ")
    assert int(batches) > 10
    with RunStore.open(directory) as run:
        assert len(run.stakes()) == 500 * int(batches)


READER = """
import sys
from idml.store import RunStore, StoreError
try:
    with RunStore.open(sys.argv[1]) as run:
        print(len(run.stakes()))
except StoreError as error:
    print(error)
"""


@pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="needs a user who may not write everywhere",
)
@pytest.mark.parametrize("killed", [False, True])
def test_a_run_is_read_where_nobody_may_write(directory: Path, killed: bool) -> None:
    run = RunStore.create(directory, "")
    run.append(STAKE, STAKE)
    archive = directory.parent / "archive"
    if not killed:
        run.close()
    shutil.copytree(directory, archive, ignore=shutil.ignore_patterns("*-shm"))
    run.close()
    for path in (archive, *archive.iterdir()):
        path.chmod(0o555)
    # Root may write everywhere, so it drops that right.
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    finished = subprocess.run(
        [*drop, sys.executable, "-c", READER, archive], stdout=subprocess.PIPE, text=True, check=True
    )
    archive.chmod(0o755)
    answer = finished.stdout.strip()
    assert answer == "2" if not killed else answer.endswith(f"copy {archive} to where you may write")


def test_a_finished_run_is_one_plain_file_also_after_reading(tmp_path: Path) -> None:
    with RunStore.create(tmp_path / "run", "") as store:
        store.append(DeviceRecord(0, "0x", "honest", 1))
    with RunStore.open(tmp_path / "run") as store:
        assert len(store.devices()) == 1
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.toml", "models", "run.sqlite"]


def test_closing_while_someone_reads_does_no_harm(tmp_path: Path) -> None:
    writer = RunStore.create(tmp_path / "run", "")
    writer.append(DeviceRecord(0, "0x", "honest", 1))
    with RunStore.open(tmp_path / "run") as reader:
        assert len(reader.devices()) == 1
        writer.close()
        writer.close()
        assert len(reader.devices()) == 1
