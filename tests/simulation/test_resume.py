"""A run that was stopped, killed or starved of disk goes on, and ends as it would have ended."""

import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Snapshot, Stopped
from idml.simulation.work.ahead import Ahead
from idml.simulation.work.runner import TaskRunner
from idml.simulation.work.tasks import Task
from idml.store.errors import StoreError
from idml.store.records import WorkRecord
from idml.store.run_store import RunStore

from .conftest import EXPELLED_MIDWAY, EXPELLED_ON_TRACE, ON_TRACE, tiny

posix = pytest.mark.skipif(os.name != "posix", reason="signals and limits are POSIX")


def outcome(directory: Path) -> tuple[str, list[bytes], list[Any]]:
    """All that a run leaves, save how long it took."""
    with RunStore.open(directory) as store:
        summary = store.read_summary()
        assert summary is not None
        del summary["wall_s"], summary["made_by"]
        models = [store.model_path(record.device).read_bytes() for record in store.devices()]
        records = [
            *store.devices(),
            *store.encounters(),
            *store.votes(),
            *store.transactions(),
            *store.stakes(),
            *store.accuracy(),
            *store.baselines(),
            *store.earnings(),
            *store.expulsions(),
            *store.work(),
        ]
    return json.dumps(summary, sort_keys=True), models, records


def whole(directory: Path, **changes: Any) -> tuple[str, list[bytes], list[Any]]:
    simulate(tiny(**changes), directory)
    return outcome(directory)


def stop_after(calls: int, how: type[BaseException] = Stopped) -> Callable[[Snapshot], None]:
    """An observer that ends the run when it is called for the n-th time."""
    seen = 0

    def observe(snapshot: Snapshot) -> None:
        nonlocal seen
        seen += 1
        if seen == calls:
            raise how

    return observe


WORLDS: list[dict[str, Any]] = [
    {"algorithm": "oppcl", "adversaries": {"random_weights": 2}, "reward": 90},
    {"algorithm": "gossip", "preset": "paper", "adversaries": {"always_no": 1}},
    {"algorithm": "oppcl", "local_epochs": 1, "incentive": False},
    # Encounters that stay open over many contacts, because too few vote, and are adopted late.
    {"devices": 5, "encounters": 20, "preset": "paper", "validators": 3, "quorum": 1, "reward": 60, "stake": 100},
    {"algorithm": "gossip", "local_epochs": 1, **ON_TRACE},
]


@pytest.mark.parametrize("changes", WORLDS)
@pytest.mark.parametrize("checkpoint_s", [0, 1_000])
def test_a_run_that_is_stopped_again_and_again_ends_as_if_it_never_was(
    tmp_path: Path, changes: dict[str, Any], checkpoint_s: int
) -> None:
    """Stopped cleanly and at once, before and after contacts, while it is played again, and at the end."""
    expected = whole(tmp_path / "whole", **changes)
    stopped = tmp_path / "stopped"
    with pytest.raises(Stopped):
        simulate(tiny(checkpoint_s=checkpoint_s, **changes), stopped, observer=stop_after(3))
    for calls, how in ((9, KeyboardInterrupt), (4, Stopped), (14, Stopped), (15, KeyboardInterrupt), (23, Stopped)):
        with pytest.raises(how):
            resume(stopped, observer=stop_after(calls, how))
    resume(stopped)
    assert outcome(stopped) == expected


def test_what_was_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Task] = []
    perform = TaskRunner.perform

    def noted(self: TaskRunner, task: Task) -> object:
        done.append(task)
        return perform(self, task)

    monkeypatch.setattr(TaskRunner, "perform", noted)
    whole(tmp_path / "whole")
    everything = list(done)
    done.clear()
    with pytest.raises(Stopped):
        simulate(tiny(), tmp_path / "run", observer=stop_after(20))
    resume(tmp_path / "run")
    assert done == everything


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(2, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: tuple[int, int]
) -> None:
    expected = whole(tmp_path / "whole", local_epochs=1)
    with pytest.raises(Stopped):
        simulate(tiny(local_epochs=1, workers=workers[0]), tmp_path / "run", observer=stop_after(12))
    redone: list[int] = []
    close = Ahead.close

    def counted(self: Ahead) -> None:
        redone.append(self.redone)
        close(self)

    monkeypatch.setattr(Ahead, "close", counted)
    resume(tmp_path / "run", {"workers": workers[1]})
    assert outcome(tmp_path / "run") == expected
    # Workers must look ahead of where the run goes on, not of its first contact.
    assert not redone or redone[0] < 4


@pytest.mark.slow
@pytest.mark.parametrize("changes", [EXPELLED_MIDWAY, EXPELLED_ON_TRACE], ids=["even", "trace"])
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_a_run_goes_on_while_attackers_are_expelled(tmp_path: Path, algorithm: str, changes: dict[str, Any]) -> None:
    """Stopped before, between and after expulsions, each time on another number of workers."""
    values = {"algorithm": algorithm, **changes}
    expected = whole(tmp_path / "whole", **values)
    with RunStore.open(tmp_path / "whole") as store:
        expelled = sorted(record.contact for record in store.expulsions())
    assert len(expelled) >= 2
    stopped = tmp_path / "stopped"
    with pytest.raises(Stopped):
        simulate(tiny(workers=2, **values), stopped, observer=stop_after(expelled[0]))
    for workers, contact, how in ((4, expelled[0] + 3, KeyboardInterrupt), (1, expelled[-1] + 2, Stopped)):
        with pytest.raises(how):
            resume(stopped, {"workers": workers}, observer=stop_after(contact, how))
    resume(stopped, {"workers": 2})
    assert outcome(stopped) == expected


def test_a_run_on_a_node_is_not_played_again(tmp_path: Path) -> None:
    config = stopped_run(tmp_path / "run") / "config.toml"
    config.write_text('rpc = "http://127.0.0.1:8545"\n' + config.read_text())
    with pytest.raises(ConfigError, match=r"^rpc is .*: what happened on a node cannot be played again"):
        resume(tmp_path / "run")


def test_a_finished_run_keeps_no_vectors(tmp_path: Path) -> None:
    simulate(tiny(checkpoint_s=0, width=32), tmp_path / "with")
    simulate(tiny(checkpoint_s=1_000, width=32), tmp_path / "without")
    sizes = [(tmp_path / name / "run.sqlite").stat().st_size for name in ("with", "without")]
    assert sizes[0] < 1.05 * sizes[1]


COMMAND = [sys.executable, "-m", "idml.cli.main", "run"]
KILLED = {
    "dataset": "digits",
    "devices": 8,
    "encounters": 1200,
    "width": 4,
    "images_per_device": 80,
    "validation_images": 40,
    "baseline_devices": 1,
    "checkpoint_s": 0,
}


def begin(directory: Path, values: dict[str, Any]) -> list[str]:
    settings = [argument for key, value in values.items() for argument in ("--set", f"{key}={value}")]
    return [*COMMAND, *settings, "--set", "adversaries.random_weights=2", "--out", str(directory)]


def round_of(line: str) -> int:
    """The round that a line of progress is about; not every round is measured and has one."""
    match = re.match(r"round (\d+):", line)
    return int(match[1]) if match else 0


@posix
@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_nothing(tmp_path: Path) -> None:
    """A third of them while the process starts or plays again what it knows, the others after some more rounds."""
    chance = random.Random(20)
    directory = tmp_path / "killed"
    command, rounds, progress = begin(directory, KILLED), 0, []
    for kill in range(20):
        early = kill > 0 and chance.random() < 1 / 3
        until = rounds + chance.randint(1, 3) if not early else 0
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            if until:
                assert any(round_of(line) >= until for line in process.stderr)
            time.sleep(chance.uniform(0, 0.2) if until else chance.uniform(0, 3))
            process.kill()
        assert process.returncode == -signal.SIGKILL
        with RunStore.open(directory) as store:
            progress.append(store.recorded_checkpoint().rows["encounters"])
        rounds = progress[-1] // 8
        command = [*COMMAND, "--resume", str(directory), "--workers", str(1 + kill % 3 // 2)]
    assert progress == sorted(progress)
    assert len(set(progress)) > 10
    assert subprocess.run([*COMMAND, "--quiet", "--resume", str(directory)], check=False).returncode == 0
    assert subprocess.run([*begin(tmp_path / "whole", KILLED), "--quiet"], check=False).returncode == 0
    assert outcome(directory) == outcome(tmp_path / "whole")


@pytest.mark.slow
@posix
def test_a_full_disk_ends_a_run_in_one_line_and_costs_it_nothing(tmp_path: Path) -> None:
    changes = {**KILLED, "encounters": 24}
    done = subprocess.run(
        [*begin(tmp_path / "run", changes), "--quiet"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        # A measurement of coverage would find the disk full as well, and say so.
        env={key: value for key, value in os.environ.items() if not key.startswith("COV")},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"idml: cannot write to {tmp_path / 'run' / 'run.sqlite'}: ")
    assert done.stderr.count("\n") == 1
    with RunStore.open(tmp_path / "run") as store:
        assert 0 < len(store.encounters()) < 24
    resume(tmp_path / "run")
    simulate(make_config({**changes, "adversaries": {"random_weights": 2}}), tmp_path / "whole")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def stopped_run(directory: Path, **changes: Any) -> Path:
    with pytest.raises(Stopped):
        simulate(tiny(**changes), directory, observer=stop_after(12))
    return directory


def problem(directory: Path) -> str:
    """What stands in the way of resuming, in one line."""
    with pytest.raises(StoreError) as caught:
        resume(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_damaged_page_is_found_and_the_rest_stays_readable(tmp_path: Path) -> None:
    database = stopped_run(tmp_path / "run") / "run.sqlite"
    page_size = 4096
    with database.open("r+b") as file:
        file.seek(-page_size, os.SEEK_END)
        file.write(b"\xa5" * page_size)
    before = database.read_bytes()
    assert problem(tmp_path / "run").startswith(f"cannot resume {tmp_path / 'run'}: run.sqlite is damaged")
    assert database.read_bytes() == before
    with RunStore.open(tmp_path / "run", damaged=True) as store:
        assert len(store.devices()) == 8


def test_a_damaged_model_is_found(tmp_path: Path) -> None:
    stopped_run(tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(length(vector))")
    connection.close()
    assert "is damaged: model 0x" in problem(tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as connection:
        connection.execute("DELETE FROM vectors")
    connection.close()
    assert "lacks the model 0x" in problem(tmp_path / "run")


@posix
def test_a_torn_log_costs_its_last_records_only(tmp_path: Path) -> None:
    """What a power cut may leave: the end of the write-ahead log is not what was written."""
    expected = whole(tmp_path / "whole")
    directory = tmp_path / "run"
    copies: list[int] = []

    def copy(snapshot: Snapshot) -> None:
        if snapshot.contact == 12 and not copies:
            copies.append(snapshot.contact)
            shutil.copytree(directory, tmp_path / "torn", ignore=shutil.ignore_patterns("*-shm"))

    simulate(tiny(checkpoint_s=0), directory, observer=copy)
    log = tmp_path / "torn" / "run.sqlite-wal"
    content = log.read_bytes()
    log.write_bytes(content[:-5_000] + b"\x00" * 5_000)
    resume(tmp_path / "torn")
    assert outcome(tmp_path / "torn") == expected


@pytest.mark.parametrize(("old", "new"), [("seed = 1", "seed = 2"), ("reward = 10.0", "reward = 11.0")])
def test_a_run_that_does_not_repeat_itself_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """A changed seed asks for other work; a changed reward leads to other records."""
    config = stopped_run(tmp_path / "run") / "config.toml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    assert problem(tmp_path / "run").startswith("the run does not repeat what it recorded")
    config.write_text(config.read_text().replace(new, old))
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == whole(tmp_path / "whole")


@posix
def test_a_run_has_one_writer(tmp_path: Path) -> None:
    answers: list[str] = []

    def intrude(snapshot: Snapshot) -> None:
        if snapshot.contact == 3 and not answers:
            answers.append(problem(tmp_path / "run"))

    simulate(tiny(encounters=6), tmp_path / "run", observer=intrude)
    assert answers == [f"{tmp_path / 'run'} is being written by another process: wait for it, or stop it"]


RESUMER = """
import sys
from pathlib import Path
from idml.simulation.runs import resume
try:
    resume(Path(sys.argv[1]))
except Exception as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    os.name != "posix" or (os.geteuid() == 0 and shutil.which("setpriv") is None),
    reason="needs a user who may not write everywhere",
)
def test_where_nobody_may_write_nothing_is_resumed(tmp_path: Path) -> None:
    directory = stopped_run(tmp_path / "run")
    paths = [directory, *directory.rglob("*")]
    for path in paths:
        path.chmod(0o555)
    # Root may write everywhere, so it drops that right.
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, sys.executable, "-c", RESUMER, directory], stdout=subprocess.PIPE, text=True, check=True
    )
    for path in paths:
        path.chmod(0o755)
    assert done.stdout == f"cannot resume {directory}: attempt to write a readonly database\n"
    resume(directory)


def test_work_is_recorded_in_a_few_bytes(tmp_path: Path) -> None:
    simulate(tiny(), tmp_path / "run")
    with RunStore.open(tmp_path / "run") as store:
        work = store.work()
        assert store.count(WorkRecord) >= 24
    sizes = [len(json.dumps(record.answers)) for record in work if record.contact >= 0]
    assert sorted(sizes)[len(sizes) // 2] < 600
