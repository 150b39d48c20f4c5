"""A GPU's executor: many encounters at once through one engine, here on the CPU."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

import idml
from idml.learning.stacked import StackedEngine, find_cuda
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Snapshot, Stopped
from idml.simulation.work.executors import stacked as stacked_module
from idml.simulation.work.executors.base import ExecutorError
from idml.store.run_store import RunStore

from .conftest import EXPELLED_MIDWAY, ON_TRACE, tiny


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the CPU for a GPU."""
    monkeypatch.setattr(stacked_module, "find_cuda", lambda: "cpu")


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many models each call of the engine trained or evaluated."""
    noted: list[int] = []
    train, evaluate = StackedEngine._train, StackedEngine._evaluate

    def note_training(self: StackedEngine, epochs: Any) -> Any:
        noted.append(len(epochs))
        return train(self, epochs)

    def note_evaluation(self: StackedEngine, samples: Any) -> Any:
        noted.append(len(samples))
        return evaluate(self, samples)

    monkeypatch.setattr(StackedEngine, "_train", note_training)
    monkeypatch.setattr(StackedEngine, "_evaluate", note_evaluation)
    return noted


def run(directory: Path, **changes: Any) -> dict[str, Any]:
    summary = simulate(tiny(**{"backend": "torch"} | changes), directory)
    assert summary.pop("wall_s") > 0
    return summary


def assert_near(stacked: dict[str, Any], plain: dict[str, Any]) -> None:
    """Verdicts hang on single images, so that one may differ, and what follows from it."""
    assert len(plain["expelled"]["attackers"]) == 2
    assert stacked["expelled"]["attackers"] == plain["expelled"]["attackers"]
    assert stacked["tokens"]["supply"] == stacked["tokens"]["accounts"]
    for case, number in plain["cases"].items():
        assert stacked["cases"][case] == pytest.approx(number, abs=8), case
    assert stacked["accuracy"]["mean"] == pytest.approx(plain["accuracy"]["mean"], abs=0.1)


def models(directory: Path) -> list[bytes]:
    with RunStore.open(directory) as store:
        return [store.model_path(device.device).read_bytes() for device in store.devices()]


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "oppcl", "local_epochs": 1},
        {"algorithm": "gossip", "incentive": False},
        {"algorithm": "gossip", **ON_TRACE},
    ],
)
def test_a_run_ends_about_as_on_the_cpu_and_the_same_each_time(
    tmp_path: Path, sizes: list[int], changes: dict[str, Any]
) -> None:
    plain = run(tmp_path / "plain", **changes)
    assert not sizes
    one, two = (run(tmp_path / name, executor="cuda", **changes) for name in ("one", "two"))
    assert max(sizes) > 1
    assert json.dumps(one) == json.dumps(two)
    assert models(tmp_path / "one") == models(tmp_path / "two")
    for key in ("encounters", "skipped", "config", "train_images", "trained_on"):
        assert one[key] == plain[key], key
    assert one["tokens"]["supply"] == one["tokens"]["accounts"]
    assert one["accuracy"]["mean"] == pytest.approx(plain["accuracy"]["mean"], abs=0.1)


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_attackers_are_expelled_as_on_the_cpu(tmp_path: Path, sizes: list[int], algorithm: str) -> None:
    plain = run(tmp_path / "plain", algorithm=algorithm, **EXPELLED_MIDWAY)
    stacked = run(tmp_path / "stacked", algorithm=algorithm, executor="cuda", **EXPELLED_MIDWAY)
    assert sum(sizes) / len(sizes) > 2
    assert_near(stacked, plain)


@pytest.mark.skipif(find_cuda() is None, reason="torch finds no CUDA device here")
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_a_run_on_a_gpu_ends_about_as_on_the_cpu(tmp_path: Path, algorithm: str) -> None:
    plain = run(tmp_path / "plain", algorithm=algorithm, **EXPELLED_MIDWAY)
    stacked = run(tmp_path / "stacked", algorithm=algorithm, executor="cuda", **EXPELLED_MIDWAY)
    assert stacked["trained_on"].startswith("cuda: ")
    assert_near(stacked, plain)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_without_cuda_a_run_says_so_in_one_line_and_is_the_cpus_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    monkeypatch.setattr(stacked_module, "find_cuda", lambda: None)
    fallen_back = run(tmp_path / "cuda", executor="cuda", workers=workers)
    assert caplog.messages == ["executor is 'cuda': torch finds no CUDA device; training on the CPU instead"]
    assert fallen_back == run(tmp_path / "plain")
    assert models(tmp_path / "cuda") == models(tmp_path / "plain")
    assert fallen_back["trained_on"] == "cpu"
    assert len(caplog.messages) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpu")
def test_a_run_that_was_stopped_goes_on(tmp_path: Path, sizes: list[int]) -> None:
    """Models come out of the store, which only the run's own thread may ask."""
    calls = iter(range(100))

    def stop(snapshot: Snapshot) -> None:
        if next(calls) == 12:
            raise Stopped

    with pytest.raises(Stopped):
        simulate(tiny(local_epochs=1, executor="cuda"), tmp_path / "run", observer=stop)
    assert threads_of_jobs() == []
    sizes.clear()
    summary = resume(tmp_path / "run")
    assert max(sizes) > 1
    assert summary["encounters"] == run(tmp_path / "plain", local_epochs=1)["encounters"]
    assert summary["tokens"]["supply"] == summary["tokens"]["accounts"]


OWN = """
import idml, threading
inside = []
class Own(idml.Adapter):
    name = "own"
    sends_own_model = False
    def contribute(self, received, own, training):
        {body}
    def merge(self, current, result): return (current + result) / 2
"""


def own_algorithm(folder: Path, body: str) -> str:
    (folder / "own.py").write_text(OWN.format(body=body))
    return f"{folder / 'own.py'}:Own"


def threads_of_jobs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("job ")]


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("return received + 1 if training.key[0] == 'check' else [][1]", idml.PluginError, "raised IndexError"),
        (
            "return training.epoch(received if training.key[0] == 'check' else received[1:])",
            idml.PluginError,
            "the vector is float32",
        ),
    ],
)
def test_an_error_in_a_job_is_the_runs_own(tmp_path: Path, body: str, error: type[Exception], message: str) -> None:
    for executor in ("processes", "cuda"):
        with pytest.raises(error, match=message):
            simulate(tiny(algorithm=own_algorithm(tmp_path, body), executor=executor), tmp_path / executor)
    assert threads_of_jobs() == []


@pytest.mark.usefixtures("on_cpu")
def test_an_algorithm_that_exits_ends_the_run(tmp_path: Path) -> None:
    body = "return received + 1 if training.key[0] == 'check' else exit(3)"
    with pytest.raises(idml.PluginError, match=r"contribute\(\) called sys.exit\(\) while the run went on"):
        simulate(tiny(algorithm=own_algorithm(tmp_path, body), executor="cuda"), tmp_path / "run")
    assert threads_of_jobs() == []


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpu")
def test_jobs_are_left_behind_by_nobody(tmp_path: Path) -> None:
    """Not even by an algorithm that catches everything, in a run that ends while encounters are half done."""
    body = """
        for _ in range(9):
            try: received = training.epoch(received)
            except BaseException: pass
        return received"""

    def stop(snapshot: Snapshot) -> None:
        started.extend(threads_of_jobs())
        if started:
            raise Stopped

    started: list[threading.Thread] = []
    changes = {"algorithm": own_algorithm(tmp_path, body), "adversaries": {"random_weights": 2}}
    with pytest.raises(Stopped):
        simulate(tiny(executor="cuda", **changes), tmp_path / "run", observer=stop)
    assert threads_of_jobs() == []


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpu")
def test_jobs_take_turns(tmp_path: Path, sizes: list[int]) -> None:
    """An algorithm that would break if two threads were in it, and that hides all errors, ends as on the CPU."""
    body = """
        import time
        for _ in range(2):
            inside.append(1); time.sleep(0.002)
            if len(inside) > 1: raise SystemExit  # which it does not hide
            inside.clear()
            try: received = training.epoch(received)
            except Exception: pass
        return received"""
    algorithm = own_algorithm(tmp_path, body)
    stacked = run(tmp_path / "stacked", algorithm=algorithm, executor="cuda", encounters=12)
    assert max(sizes) > 1
    assert stacked["train_images"] == run(tmp_path / "plain", algorithm=algorithm, encounters=12)["train_images"]


@pytest.mark.usefixtures("on_cpu")
def test_what_torch_cannot_do_ends_the_run_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(self: StackedEngine, epochs: Any) -> Any:
        torch.empty(1 << 60)  # more memory than there is

    monkeypatch.setattr(StackedEngine, "_train", run_out)
    with pytest.raises(ExecutorError, match=r"executor is 'cuda': \d+ jobs at once failed \(.+\); set it to") as caught:
        simulate(tiny(executor="cuda"), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert threads_of_jobs() == []
