"""Workers: any number of them gives the same run, whatever happens to them, and none stays behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.adapters.registry import ALGORITHMS
from idml.registry import PluginError
from idml.simulation import simulator as simulator_module
from idml.simulation.runs import meta_of, open_ledger, simulate
from idml.simulation.setup import build_world, resolve
from idml.simulation.simulator import Simulator
from idml.simulation.timing import ExchangeStage
from idml.simulation.work.ahead import Ahead, ContactForecast
from idml.simulation.work.encounter import EncounterPlan
from idml.simulation.work.executors.base import Done, ExecutorError, Failed, Job
from idml.simulation.work.executors.processes import Processes
from idml.simulation.work.foresight import Foresight
from idml.simulation.work.runner import TaskRunner
from idml.store.run_store import RunStore

from .conftest import EXPELLED_MIDWAY, EXPELLED_ON_TRACE, ON_TRACE, tiny

FIVE_LINES = """
import os, idml
class Own(idml.Adapter):
    name = "own"
    def contribute(self, received, own, training): {body}
    def merge(self, current, result): return (current + result) / 2
"""


def outcome(directory: Path) -> tuple[str, list[bytes], list[Any]]:
    """All that a run leaves but times."""
    with RunStore.open(directory) as store:
        summary = store.read_summary()
        assert summary is not None
        del summary["wall_s"], summary["made_by"]
        models = [store.model_path(record.device).read_bytes() for record in store.devices()]
        records = [*store.encounters(), *store.votes(), *store.accuracy(), *store.stakes(), *store.baselines()]
    return json.dumps(summary, sort_keys=True), models, records


def run(directory: Path, **changes: Any) -> tuple[str, list[bytes], list[Any]]:
    simulate(tiny(**changes), directory)
    return outcome(directory)


def started(directory: Path, observer: Callable[[Simulator], None], **changes: Any) -> Simulator:
    """A simulator of which the observer is told."""
    config = tiny(**changes)
    adapter = ALGORITHMS.find(config.algorithm)
    resolved = resolve(config, adapter)
    store = RunStore.create(directory, resolved.to_toml(), meta_of(resolved))
    ledger = open_ledger(resolved)
    played = Simulator(build_world(resolved, adapter), store, lambda _snapshot: observer(played), ledger)
    return played


def executor(played: Simulator) -> Processes:
    work = played._journal._work
    assert isinstance(work, Ahead)
    assert isinstance(work._executor, Processes)
    return work._executor


def worker_ids(played: Simulator) -> list[int]:
    return executor(played).process_ids


def assert_gone(processes: list[int], within_s: float = 10) -> None:
    assert processes
    deadline = time.monotonic() + within_s
    for process in processes:
        while Path(f"/proc/{process}").exists() if Path("/proc").exists() else alive(process):
            assert time.monotonic() < deadline, f"process {process} stayed behind"
            time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "oppcl", "local_epochs": 1},
        {"algorithm": "gossip", "preset": "paper", "adversaries": {"random_weights": 1, "always_no": 1}},
        {"algorithm": "gossip", "incentive": False},
        {"algorithm": "gossip", **ON_TRACE},
        {"algorithm": "oppcl", "local_epochs": 1, "incentive": False, **ON_TRACE},
    ],
)
def test_two_workers_do_as_one(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert run(tmp_path / "1", **changes) == run(tmp_path / "2", workers=2, **changes)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_any_number_of_workers_gives_the_same_run_while_attackers_are_expelled(tmp_path: Path, algorithm: str) -> None:
    one, two, four = (
        run(tmp_path / str(workers), algorithm=algorithm, workers=workers, **EXPELLED_MIDWAY) for workers in (1, 2, 4)
    )
    assert len(json.loads(one[0])["expelled"]["attackers"]) == 2
    assert json.loads(one[0])["skipped"] > 10
    assert one == two == four


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_any_number_of_workers_gives_the_same_run_on_a_trace_where_exchanges_take_time(
    tmp_path: Path, algorithm: str
) -> None:
    """Attackers are expelled, exchanges break off at each stage, encounters stay open while others go on."""
    one, two, four = (
        run(tmp_path / str(workers), algorithm=algorithm, workers=workers, **EXPELLED_ON_TRACE) for workers in (1, 2, 4)
    )
    assert len(json.loads(one[0])["expelled"]["attackers"]) >= 1
    with RunStore.open(tmp_path / "1") as store:
        reasons = {record.reason for record in store.encounters()}
    stages = {stage.value for stage in ExchangeStage if algorithm == "oppcl" or stage is not ExchangeStage.TRAINING}
    assert reasons >= {"the neighbor's stake is below the threshold", *stages}
    assert one == two == four


class Unruly:
    """An executor that does jobs in any order, at any time."""

    chance = random.Random(0)

    def __init__(self, runner: TaskRunner, workers: int) -> None:
        self._runner, self._waiting = runner, list[tuple[int, Job]]()
        self.slots = workers

    def submit(self, number: int, job: Job, *, urgent: bool = False) -> None:
        self._waiting.append((number, job))

    def collect(self, *, wait: bool) -> list[tuple[int, Done | Failed]]:
        self.chance.shuffle(self._waiting)
        wanted = self.chance.randint(int(wait), len(self._waiting)) if self._waiting else 0
        taken, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        done = [
            (number, self._runner.foresee(job) if isinstance(job, EncounterPlan) else self._runner.perform(job))
            for number, job in taken
        ]
        # Planned work may fail where the run's own will not: it must not matter.
        return [
            (number, Failed(ValueError()) if isinstance(job, EncounterPlan) and self.chance.random() < 0.1 else result)
            for (number, result), (_, job) in zip(done, taken, strict=True)
        ]

    def close(self) -> None:
        self._waiting.clear()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_neither_order_nor_foresight_changes_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str, seed: int
) -> None:
    """Workers that answer in any order, and a forecast that is often wrong."""
    changes = {"algorithm": algorithm, "local_epochs": seed % 2, "adversaries": {"random_weights": 2}, "reward": 90}
    expected = run(tmp_path / "serial", **changes)
    chance = Unruly.chance = random.Random(seed)
    foresee = Foresight.__call__

    def guess(self: Foresight, contact: Any, encounter: int) -> ContactForecast | None:
        forecast = foresee(self, contact, encounter)
        if chance.random() < 0.7:
            return forecast
        lost = ContactForecast((0, 1), contributes=chance.random() < 0.5, broken_off=True)
        return chance.choice([None, ContactForecast(None), ContactForecast((0, 1)), ContactForecast(()), lost])

    monkeypatch.setattr(simulator_module, "Processes", Unruly)
    monkeypatch.setattr(Foresight, "__call__", guess)
    assert run(tmp_path / "unruly", workers=3, **changes) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({"adversaries": {"random_weights": 2}, "reward": 40}, 9),  # somebody falls out on the way
        ({"adversaries": {"no_show": 2, "withhold": 2}, "local_epochs": 1}, 0),
        ({"adversaries": {"no_show": 2, "swap": 2}, "incentive": False, "local_epochs": 1}, 0),
    ],
)
def test_foresight_is_nearly_always_right(tmp_path: Path, changes: dict[str, Any], most: int) -> None:
    """Or workers would be of no use."""
    redone: list[int] = []
    played = started(
        tmp_path / "run",
        lambda simulator: redone.append(simulator._journal._work.redone),  # type: ignore[attr-defined]
        workers=2,
        encounters=60,
        **changes,
    )
    played.run()
    assert redone[-1] <= most


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_worker_that_is_killed_is_missed_by_nobody(tmp_path: Path) -> None:
    """Three at work, far enough apart that no job meets it thrice, and before them two that are still starting."""
    victims: list[int] = []

    def kill(simulator: Simulator) -> None:
        if not victims:
            starting = [worker.pid for worker in executor(simulator)._starting]
            assert len(starting) == 2
            victims.extend(starting)
            for victim in starting:
                os.kill(victim, signal.SIGKILL)
        at_work = [worker.pid for worker in executor(simulator)._roster.workers if worker.pid not in victims]
        if at_work and len(victims) < 5 and simulator._totals.encounters >= (3, 4, 11)[len(victims) - 2]:
            victims.append(at_work[-1])
            os.kill(victims[-1], signal.SIGKILL)

    played = started(tmp_path / "killed", kill, workers=2)
    played.run()
    assert len(victims) == 5
    assert_gone(victims)
    assert outcome(tmp_path / "killed") == run(tmp_path / "whole")


def own_algorithm(folder: Path, body: str) -> str:
    (folder / "own.py").write_text(FIVE_LINES.format(body=body))
    return f"{folder / 'own.py'}:Own"


@pytest.mark.slow
def test_a_job_that_kills_its_workers_ends_the_run_in_one_line(tmp_path: Path) -> None:
    body = "return received + 1 if training.key[0] == 'check' else os._exit(7)"
    with pytest.raises(ExecutorError, match=r"3 workers died .* same job, the last one with 7") as caught:
        simulate(tiny(algorithm=own_algorithm(tmp_path, body), workers=2), tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_workers_that_are_killed_as_they_start_end_the_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there is too little memory even for that; none is replaced for ever."""
    monkeypatch.setenv("RUN", str(os.getpid()))
    algorithm = own_algorithm(tmp_path, "return training.epoch(received)")
    with (tmp_path / "own.py").open("a") as file:
        file.write("import os\nif os.environ['RUN'] != str(os.getpid()):\n    os.kill(os.getpid(), 9)\n")
    with pytest.raises(ExecutorError, match=r"3 workers ended .* while they started, the last one with -9") as caught:
        simulate(tiny(algorithm=algorithm, workers=2), tmp_path / "run")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_an_error_in_a_worker_is_the_runs_own(tmp_path: Path) -> None:
    body = "return received + 1 if training.key[0] == 'check' else [][1]"
    for workers in (1, 2):
        with pytest.raises(
            PluginError, match=r"own\.py:\d+: contribute\(\) raised IndexError\('list index out of range'\)"
        ):
            simulate(tiny(algorithm=own_algorithm(tmp_path, body), workers=workers), tmp_path / str(workers))


@pytest.mark.slow
def test_what_an_algorithm_prints_disturbs_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    algorithm = own_algorithm(tmp_path, "print('hello'); return training.epoch(received)")
    printing = run(tmp_path / "2", algorithm=algorithm, workers=2, encounters=4)
    assert "hello" in capfd.readouterr().err
    assert printing == run(tmp_path / "1", algorithm=algorithm, encounters=4)


@pytest.mark.slow
def test_no_worker_outlives_its_run(tmp_path: Path) -> None:
    seen: list[int] = []
    started(tmp_path / "whole", lambda simulator: seen.extend(worker_ids(simulator)), workers=2, encounters=2).run()
    assert_gone(seen)

    def interrupt(simulator: Simulator) -> None:
        seen[:] = worker_ids(simulator)
        if simulator._totals.encounters == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        started(tmp_path / "interrupted", interrupt, workers=2).run()
    assert_gone(seen)


SCRIPT = """
import sys
import idml
from idml.simulation.work.executors.processes import Processes

start = Processes._start
def announce(self):
    worker = start(self)
    print(worker.pid, flush=True)
    return worker
Processes._start = announce
idml.run(sys.argv[1], dataset="digits", devices=8, encounters=9999, workers=2, model="cnn14")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_no_worker_outlives_a_killed_run(tmp_path: Path) -> None:
    """Also in a script without a main guard; also while a worker is in the middle of a long job."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, tmp_path / "run"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        workers = [int(process.stdout.readline()) for _ in range(2)]
        time.sleep(4)
        assert all(map(alive, workers))
        process.kill()
    assert_gone(workers, within_s=2)


@pytest.mark.slow
def test_an_algorithm_of_the_program_itself_cannot_travel(tmp_path: Path) -> None:
    program = FIVE_LINES.format(body="return training.epoch(received)") + (
        "try:\n"
        "    idml.run('run', adapter=Own(), dataset='digits', devices=6, encounters=6, workers=2)\n"
        "except idml.ConfigError as error:\n"
        "    print(error)\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (
        "workers: other processes cannot have the algorithm Own (it is defined in the program itself); define it in a "
        "module of its own, or set workers to 1\n"
    )


@pytest.fixture(autouse=True)
def no_child_stays() -> Iterator[None]:
    yield
    for process in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = process.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        assert int(fields[1]) != os.getpid() or "executors" not in _command(process.parent), process


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.slow
def test_the_public_face_takes_workers(tmp_path: Path) -> None:
    done = idml.run(tmp_path / "run", tiny(encounters=2), workers=2)
    assert "workers" not in done.summary["config"]
    assert "workers = 2" in (tmp_path / "run" / "config.toml").read_text()
