"""Data of one's own, in a file or given as an object: recorded, checked on resume, and the same in other processes."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import idml
from idml.adapters.registry import ALGORITHMS
from idml.learning.data.datasets import Dataset
from idml.registry import PluginError
from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import resume, simulate
from idml.simulation.setup import build_world, resolve
from idml.simulation.totals import Snapshot, Stopped
from idml.store import RunStore

from .conftest import TINY, tiny
from .test_workers import outcome

FUNCTION = """
import numpy as np
import idml

def stripes():
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 3, 900)
    row, column = np.indices((8, 8))
    patterns = np.stack([row, column, row + column]) % 4 < 2
    images = (60 * patterns[labels] + generator.integers(0, 196, (900, 8, 8))).astype(np.uint8)
    return idml.Dataset.from_arrays(images[100:], labels[100:], images[:100], labels[:100])

READY = stripes()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the test works, with the same data in two files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.py").write_text(FUNCTION)
    made = arrays()
    np.savez(tmp_path / "data.npz", **made)
    return tmp_path


def arrays() -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(FUNCTION, space)
    held = space["READY"]
    return {
        "train_x": held.train_images[:, 0],
        "train_y": held.train_labels,
        "test_x": held.test_images[:, 0],
        "test_y": held.test_labels,
    }


def given() -> Dataset:
    return Dataset.from_arrays(**arrays(), name="stripes")


def stop_at(contact: int) -> Any:
    def observe(snapshot: Snapshot) -> None:
        if snapshot.contact == contact:
            raise Stopped

    return observe


def play(directory: Path, dataset: object, **changes: Any) -> Any:
    """All that a run comes to; the name of its data set is no part of it."""
    settings = {**TINY, "checkpoint_s": 0, **changes}
    del settings["dataset"]
    run = idml.run(directory, dataset=dataset, report=False, **settings)
    return run.summary["accuracy"], outcome(directory)[1:]


def test_all_ways_to_name_the_same_data_come_to_the_same(folder: Path) -> None:
    first = play(folder / "npz", "data.npz", encounters=6)
    assert play(folder / "function", "data.py:stripes", encounters=6) == first
    assert play(folder / "ready", "data.py:READY", encounters=6) == first
    assert play(folder / "object", given(), encounters=6) == first
    recorded = tomllib.loads((folder / "object" / "config.toml").read_text())
    assert recorded["dataset"] == "stripes (given as an object)"


@pytest.mark.slow
def test_workers_and_a_stop_change_nothing(folder: Path) -> None:
    first = play(folder / "one", given())
    for name, dataset in (("npz", "data.npz"), ("function", "data.py:stripes"), ("object", given())):
        assert play(folder / name, dataset, workers=2) == first
    with pytest.raises(Stopped):
        idml.run(folder / "stopped", tiny(checkpoint_s=0), dataset=given(), observer=stop_at(11), report=False)
    idml.resume(folder / "stopped", dataset=given(), report=False)
    assert outcome(folder / "stopped")[1:] == first[1]


@pytest.mark.parametrize("name", ["data.npz", "data.py:stripes"])
def test_a_run_does_not_go_on_with_another_file(folder: Path, name: str) -> None:
    with pytest.raises(Stopped):
        simulate(tiny(dataset=name), folder / "run", observer=stop_at(9))
    file = folder / name.partition(":")[0]
    before = file.read_bytes()
    if name.endswith(".npz"):
        np.savez(file, **{**arrays(), "test_y": arrays()["test_y"][::-1]})
    else:
        file.write_text(FUNCTION + "\n")
    with pytest.raises(ConfigError, match=rf"^dataset {name} has changed since the run began: restore its file, or ru"):
        resume(folder / "run")
    file.unlink()
    with pytest.raises((PluginError, ConfigError), match=rf"^dataset is '{name}': there is no file {file.name}$"):
        resume(folder / "run")
    file.write_bytes(before)
    assert resume(folder / "run")["encounters"] == 24


def test_a_run_does_not_go_on_where_a_function_returns_other_data(folder: Path) -> None:
    text = FUNCTION.replace("default_rng(1)", "default_rng(int(np.loadtxt('seed')))")
    (folder / "data.py").write_text(text)
    (folder / "seed").write_text("1")
    with pytest.raises(Stopped):
        simulate(tiny(dataset="data.py:stripes"), folder / "run", observer=stop_at(9))
    from idml.learning.data import datasets

    datasets._call.cache_clear()  # as in another process
    (folder / "seed").write_text("2")
    with pytest.raises(ConfigError, match=r"^dataset data.py:stripes holds other data than when the run began: restor"):
        resume(folder / "run")


def test_an_object_must_be_given_again(folder: Path) -> None:
    with pytest.raises(Stopped):
        idml.run(folder / "run", tiny(), dataset=given(), observer=stop_at(9), report=False)
    with RunStore.open(folder / "run") as store:
        assert store.meta["data"] == given().source.digest  # type: ignore[attr-defined]
        assert "plugins" not in store.meta
    line = r"^dataset is 'stripes \(given as an object\)': give the run the same object again, as dataset=$"
    with pytest.raises(ConfigError, match=line):
        idml.resume(folder / "run")
    with pytest.raises(ConfigError, match=line):
        make_config({"dataset": "stripes (given as an object)"})
    other = Dataset.from_arrays(**{**arrays(), "test_y": arrays()["test_y"][::-1]}, name="stripes")
    with pytest.raises(ConfigError, match=r"^dataset stripes \(given as an object\) holds other data than when the ru"):
        idml.resume(folder / "run", dataset=other)
    unlike = Dataset.from_arrays(**arrays(), name="other")
    with pytest.raises(ConfigError, match="give the run the same object again, as dataset="):
        idml.resume(folder / "run", dataset=unlike)
    assert idml.resume(folder / "run", dataset=given(), report=False).summary["encounters"] == 24


@pytest.mark.slow
def test_a_report_is_written_without_the_object(folder: Path) -> None:
    run = idml.run(folder / "run", tiny(encounters=4), dataset=given())
    assert run.report.is_file()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("def make(): return 3", r"make\(\) returned int: return Dataset.from_arrays\(...\)"),
        ("def make(): return 1 / 0", r"make\(\) failed: ZeroDivisionError\('division by zero'\)"),
        ("def make(): raise SystemExit", r"make\(\) failed: SystemExit\(\)"),
        ("def make(folder): return 3", r"make\(\) failed: TypeError"),
        (
            "import idml\ndef make(): return idml.Dataset.from_arrays([[1]], [0], [[1]], [0])",
            r"make\(\): train_y holds one class only, 0: give at least two",
        ),
        ("make = 3", "int is no DataSource"),
        (
            "from idml.learning.data.datasets import load_dataset\ndef make(): return load_dataset('digits')",
            r"the Dataset digits is not made of arrays: use Dataset.from_arrays\(...\)",
        ),
    ],
)
def test_a_function_that_makes_no_data_set_is_told_so(folder: Path, code: str, line: str) -> None:
    (folder / "data.py").write_text(code)
    with pytest.raises((ConfigError, PluginError), match=f"^dataset is 'data.py:make': {line}"):
        simulate(tiny(dataset="data.py:make"), folder / "run")
    assert not (folder / "run").exists()


def rows() -> Dataset:
    table = np.random.default_rng(1).normal(size=(200, 5))
    classes = (table[:, 0] > 0).astype(int)
    return Dataset.from_arrays(table, classes, table[:50], classes[:50], name="rows")


def tokens() -> Dataset:
    text = np.random.default_rng(1).integers(0, 9, (200, 5))
    return Dataset.from_arrays(text, text[:, 0] % 2, text[:50], text[:50, 0] % 2, name="tokens", kind="tokens")


SMALL: dict[str, Any] = {"devices": 8, "encounters": 6, "images_per_device": 40, "validation_images": 20}


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize(
    ("made", "model", "line"),
    [
        (rows, "small", "takes images or signals, and rows .given as an object. holds rows; choose linear or mlp"),
        (rows, "embedding", "takes tokens, and rows .given as an object. holds rows; choose linear or mlp"),
        (tokens, "cnn6", "takes images or signals, and tokens .given as an object. holds tokens; choose embedding"),
        (tokens, "mlp", "takes images or signals or rows, and tokens .given as an object. holds tokens; choose embed"),
    ],
)
def test_a_model_for_other_data_is_refused_with_one_that_takes_them(
    folder: Path, made: Any, model: str, line: str, backend: str
) -> None:
    with pytest.raises(ConfigError, match=f"^model is '{model}': it {line}"):
        idml.run(folder / "run", dataset=made(), model=model, backend=backend, **SMALL)
    assert not (folder / "run").exists()


@pytest.mark.parametrize(("made", "model"), [(rows, "mlp"), (rows, "linear"), (tokens, "embedding")])
def test_rows_and_tokens_are_learned_by_their_models(folder: Path, made: Any, model: str) -> None:
    run = idml.run(folder / "run", dataset=made(), model=model, report=False, **SMALL)
    assert run.summary["encounters"] == 6


def test_no_square_is_stamped_on_tokens(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^adversaries.backdoor is 1: a square cannot be stamped on tokens"):
        idml.run(folder / "run", dataset=tokens(), model="embedding", adversaries={"backdoor": 1}, **SMALL)


def test_alpha_decides_what_dirichlet_deals_and_is_recorded_where_it_is_set(folder: Path) -> None:
    shares = []
    for alpha in ({}, {"alpha": 0.5}, {"alpha": 0.1}):
        config = tiny(partition="dirichlet", **alpha)
        world = build_world(resolve(config, ALGORITHMS.find("oppcl")), ALGORITHMS.find("oppcl"))
        shares.append([device.data.labels.tolist() for device in world.devices])
    assert shares[0] == shares[1] != shares[2]
    assert "alpha" not in simulate(tiny(encounters=2), folder / "plain")["config"]
    changed = simulate(tiny(encounters=2, partition="dirichlet", alpha=0.1), folder / "changed")
    assert changed["config"]["alpha"] == 0.1


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"alpha": 0.1}, "alpha is 0.1: only the partition 'dirichlet' takes it"),
        ({"partition": "dirichlet", "alpha": 0}, "alpha"),
        (
            {"partition": "owners"},
            "digits cannot be dealt out to 8 devices: nobody says whose its images are: give own",
        ),
        ({"partition": "dirichlet", "images_per_device": 2000}, "digits cannot be dealt out to 8 devices: 2000 images"),
    ],
)
def test_what_cannot_be_dealt_out_is_said(folder: Path, changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=f"^{line}"):
        simulate(tiny(**changes), folder / "run")


def test_owners_of_a_file_become_devices(folder: Path) -> None:
    made = arrays()
    np.savez("owned.npz", **made, owners=[f"person {place % 12}" for place in range(len(made["train_y"]))])
    simulate(tiny(dataset="owned.npz", partition="owners", images_per_device=None, encounters=2), folder / "run")
    with pytest.raises(ConfigError, match=r"^owned.npz cannot be dealt out to 13 devices: there are 12 owners"):
        simulate(tiny(dataset="owned.npz", partition="owners", devices=13), folder / "more")
