"""Which engine a run computes with: chosen once, recorded, and never another one when the run goes on."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from idml.adapters.registry import ALGORITHMS
from idml.learning.backends import definition_of
from idml.learning.native import library
from idml.learning.native.library import DEFINITION
from idml.simulation.config import ConfigError
from idml.simulation.runs import resume, simulate
from idml.simulation.setup import resolve
from idml.simulation.totals import Snapshot, Stopped
from idml.store.run_store import RunStore

from .conftest import tiny


@pytest.fixture
def no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine where it was not built."""
    library.load_library.cache_clear()
    monkeypatch.setattr(library, "library_path", lambda: tmp_path / "none.so")
    yield
    library.load_library.cache_clear()


def stop_at(contact: int) -> Any:
    def observe(snapshot: Snapshot) -> None:
        if snapshot.contact == contact:
            raise Stopped

    return observe


def stopped(directory: Path, **changes: Any) -> Path:
    with pytest.raises(Stopped):
        simulate(tiny(**changes), directory, observer=stop_at(10))
    return directory


@pytest.mark.parametrize("backend", ["native", "torch"])
def test_a_run_records_its_engine_and_the_definition_of_its_results(tmp_path: Path, backend: str) -> None:
    summary = simulate(tiny(backend="auto" if backend == "native" else backend, encounters=6), tmp_path)
    assert summary["config"]["backend"] == backend
    assert f'backend = "{backend}"' in (tmp_path / "config.toml").read_text()
    definition = f"native {DEFINITION}" if backend == "native" else definition_of("torch")
    assert definition.startswith(f"{backend} ")
    assert summary["definition"] == definition
    with RunStore.open(tmp_path) as store:
        assert store.meta["definition"] == definition


@pytest.mark.slow
def test_engines_give_runs_of_their_own(tmp_path: Path) -> None:
    native, torch = (simulate(tiny(backend=backend), tmp_path / backend) for backend in ("native", "torch"))
    assert native["encounters"] == torch["encounters"]
    assert native["accuracy"] != torch["accuracy"]


@pytest.mark.usefixtures("no_library")
def test_where_the_library_is_missing_pytorch_takes_over_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    summary = simulate(tiny(encounters=6), tmp_path)
    (line,) = caplog.messages
    assert line.startswith("the native engine was not built here; build it with: python -m idml.learning.native")
    assert line.endswith("; PyTorch trains instead, several times slower")
    assert summary["config"]["backend"] == "torch"


@pytest.mark.usefixtures("no_library")
def test_who_asks_for_the_native_engine_gets_no_other() -> None:
    with pytest.raises(ConfigError, match="backend is 'native': the native engine was not built here"):
        resolve(tiny(backend="native"), ALGORITHMS.find("oppcl"))


def test_a_network_beyond_the_limits_is_pytorchs(caplog: pytest.LogCaptureFixture) -> None:
    resolved = resolve(tiny(model="cnn6", width=65), ALGORITHMS.find("oppcl"))
    assert resolved.backend == "torch"
    (line,) = caplog.messages
    assert "cannot compute a network of 260 channels, of at most 256; PyTorch trains instead" in line


def test_the_cuda_executor_is_pytorchs() -> None:
    assert resolve(tiny(executor="cuda"), ALGORITHMS.find("oppcl")).backend == "torch"
    with pytest.raises(ConfigError, match="backend is 'native': leave it out"):
        tiny(executor="cuda", backend="native")


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_engine_only(tmp_path: Path) -> None:
    for backend, other in (("native", "torch"), ("torch", "native")):
        directory = stopped(tmp_path / backend, backend=backend)
        with pytest.raises(ConfigError, match=f"backend is '{other}': the run to resume has '{backend}'; leave it out"):
            resume(directory, {"backend": other})
        whole = simulate(tiny(backend=backend), tmp_path / f"{backend}-whole")
        finished = resume(directory)
        assert whole.pop("wall_s") > 0 < finished.pop("wall_s")
        assert json.dumps(finished) == json.dumps(whole)


def test_a_run_does_not_go_on_where_its_engine_is_missing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    directory = stopped(tmp_path / "run")
    request.getfixturevalue("no_library")
    with pytest.raises(ConfigError, match=r"^backend is 'native': the native engine was not built here"):
        resume(directory)


def test_a_run_does_not_go_on_under_another_definition(tmp_path: Path) -> None:
    directory = stopped(tmp_path / "run")
    with sqlite3.connect(directory / "run.sqlite") as database:
        database.execute("UPDATE meta SET value = 'native 0' WHERE key = 'definition'")
    database.close()
    with pytest.raises(ConfigError, match=f"trained by native 0, here is native {DEFINITION}: go on with that version"):
        resume(directory)


OWN = """
import sys
from idml.adapters.oppcl import OppCL

class Mine(OppCL):
    name = "mine"

    def merge(self, current, result):
        assert "torch" not in sys.modules
        return super().merge(current, result)
"""
PROGRAM = """
import sys
import idml

settings = dict(devices=6, encounters=6, dataset="digits", width=4, workers=2)
run = idml.run("run", algorithm="own.py:Mine", **settings)
assert run.summary["definition"].startswith("native")
assert "torch" not in sys.modules
"""


@pytest.mark.slow
def test_a_native_run_with_workers_never_loads_pytorch(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True, timeout=120)
