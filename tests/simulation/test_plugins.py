"""What a run plugs in is checked before anything starts, recorded, and the same in other processes and after a stop."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from idml.learning.errors import LearningError
from idml.registry import PluginError
from idml.simulation.config import Config, ConfigError
from idml.simulation.runs import resume, simulate
from idml.simulation.setup import plugin_digests
from idml.simulation.totals import Snapshot, Stopped
from idml.store import RunStore

from .conftest import TINY, tiny
from .test_workers import outcome

MINE = """
import numpy as np
import torch
import idml
from idml.learning.data.digits import Digits
from idml.learning.data.partitions import Iid

class Data(Digits):
    look_alikes = {}

class Part(Iid):
    pass

class Net(idml.Network):
    def build(self, *, image_shape, classes, width, dropout):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))

class Mine(idml.Adapter):
    name = "mine"
    def contribute(self, received, own, training):
        return training.epoch(received)
    def merge(self, current, result):
        return result.copy()
"""
PLUGGED_IN = {
    "dataset": "mine.py:Data",
    "partition": "mine.py:Part",
    "model": "mine.py:Net",
    "algorithm": "mine.py:Mine",
}


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with one thing of each kind, in the folder in which the test works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def stop_at(contact: int) -> Any:
    def observe(snapshot: Snapshot) -> None:
        if snapshot.contact == contact:
            raise Stopped

    return observe


def alike(directory: Path) -> Any:
    """All that a run came to, but what says how it was run."""
    summary, models, records = outcome(directory)
    return {**json.loads(summary), "config": None}, models, records


@pytest.mark.slow
def test_all_kinds_together_with_workers_and_after_a_stop(tmp_path: Path) -> None:
    values = {**PLUGGED_IN, "checkpoint_s": 0}
    simulate(tiny(**values), tmp_path / "1")
    simulate(tiny(**values, workers=2), tmp_path / "2")
    with pytest.raises(Stopped):
        simulate(tiny(**values, workers=2), tmp_path / "stopped", observer=stop_at(11))
    resume(tmp_path / "stopped")
    assert alike(tmp_path / "1") == alike(tmp_path / "2") == alike(tmp_path / "stopped")


def test_a_run_records_the_files_of_what_it_plugs_in(tmp_path: Path, mine: Path) -> None:
    simulate(tiny(**PLUGGED_IN, encounters=4), tmp_path / "run")
    simulate(tiny(encounters=4), tmp_path / "plain")
    with RunStore.open(tmp_path / "run") as store:
        recorded = json.loads(store.meta["plugins"])
        assert recorded == plugin_digests(tiny(**PLUGGED_IN))
    assert set(recorded) == {f"{key} {name}" for key, name in PLUGGED_IN.items()}
    with RunStore.open(tmp_path / "plain") as store:
        assert "plugins" not in store.meta
    assert plugin_digests(tiny()) == {}
    change(mine, "return result.copy()", "return result + 0")
    assert plugin_digests(tiny(**PLUGGED_IN)) != recorded


@pytest.mark.parametrize(("key", "name"), PLUGGED_IN.items())
def test_a_run_does_not_go_on_with_another_file(tmp_path: Path, mine: Path, key: str, name: str) -> None:
    with pytest.raises(Stopped):
        simulate(tiny(**{key: name}), tmp_path / "run", observer=stop_at(9))
    mine.write_text(MINE + "\n")
    with pytest.raises(ConfigError, match=rf"^{key} {name} has changed since the run began: restore its file, or run "):
        resume(tmp_path / "run")
    mine.unlink()
    with pytest.raises((PluginError, ConfigError), match=rf"^{key} is '{name}': there is no file mine.py$"):
        resume(tmp_path / "run")
    mine.write_text(MINE)
    assert resume(tmp_path / "run")["encounters"] == 24


@pytest.mark.parametrize(
    ("changes", "old", "new", "line"),
    [
        ({"dataset": "mine.py:Data"}, "look_alikes = {}", "def load(self, data_dir, download): pass", r"load\(\) ret"),
        ({"dataset": "mine.py:Data"}, "look_alikes = {}", "tolerances = None", "tolerances is None: set numbers"),
        ({"partition": "mine.py:Part"}, "pass", "def deal(self, data, **_): return 3", r"deal\(\) returned int: retu"),
        ({"model": "mine.py:Net"}, "(64, classes)", "(64, 7)", r"the network maps 31 images to float32 of shape"),
        ({"algorithm": "mine.py:Mine"}, "return result.copy()", "return 3", r"merge\(\) returned int: return a numpy"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    tmp_path: Path, mine: Path, changes: dict[str, str], old: str, new: str, line: str
) -> None:
    change(mine, old, new)
    with pytest.raises((PluginError, ConfigError), match=f"({line}|: {line})"):
        simulate(tiny(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_adversary_needs_look_alikes(tmp_path: Path) -> None:
    line = (
        "^adversaries.label_flip is 2: the data set digits names no look_alikes, classes to pass off for others: set "
    )
    with pytest.raises(ConfigError, match=line):
        simulate(tiny(dataset="mine.py:Data", adversaries={"label_flip": 2}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # Others do not.
    simulate(tiny(dataset="mine.py:Data", adversaries={"label_flip_all": 2}, encounters=4), tmp_path / "run")


def test_a_network_is_built_for_the_data_set_and_the_configuration(tmp_path: Path, mine: Path) -> None:
    change(
        mine,
        "        return torch",
        "        assert (image_shape, classes, width, dropout) == ((1, 8, 8), 10, 4, 0.5)\n        return torch",
    )
    simulate(tiny(model="mine.py:Net", dropout=0.5, encounters=2), tmp_path / "run")
    with pytest.raises(PluginError, match=r"^model is 'mine.py:Net': build\(\) raised AssertionError"):
        simulate(tiny(model="mine.py:Net", dropout=0.25, encounters=2), tmp_path / "other")


def test_a_module_is_not_for_the_native_engine(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        ConfigError, match=r"^backend is 'native': the native engine cannot compute a module of PyTorch"
    ):
        simulate(tiny(model="mine.py:Net", backend="native"), tmp_path / "run")
    simulate(tiny(model="mine.py:Net", encounters=2), tmp_path / "run")
    assert "PyTorch trains instead" not in caplog.text
    with RunStore.open(tmp_path / "run") as store:
        assert store.meta["definition"].startswith("torch")


def test_a_gpu_refuses_a_module_that_it_cannot_stack(
    tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idml.simulation.work.executors.stacked.find_cuda", lambda: "cpu")
    simulate(tiny(model="mine.py:Net", executor="cuda", encounters=4), tmp_path / "run")
    change(
        mine,
        "class Net(",
        """class Fork(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else -super().forward(x)

class Net(""",
    )
    change(mine, "torch.nn.Linear(64, classes)", "Fork(64, classes)")
    with pytest.raises(
        ConfigError, match=r"^executor is 'cuda': it cannot train this model \(.*\); set it to 'process"
    ):
        simulate(tiny(model="mine.py:Net", executor="cuda"), tmp_path / "other")
    simulate(tiny(model="mine.py:Net", encounters=4), tmp_path / "cpu")


def test_names_are_checked_at_once_and_together() -> None:
    with pytest.raises(ConfigError) as error:
        tiny(dataset="mnist", partition="pareto", model="resnet")
    lines = str(error.value).splitlines()
    assert [line.partition(": choose ")[0] for line in lines] == [
        "dataset is 'mnist'",
        "partition is 'pareto'",
        "model is 'resnet'",
    ]
    assert lines[0].startswith("dataset is 'mnist': choose auto, fashion-mnist, ")


IN_THE_PROGRAM = "from mine import Mine\nclass Own(Mine): pass\nuse = {'adapter': Own()}"
IN_A_FUNCTION = """
def make():
    from mine import Mine
    class Own(Mine): pass
    return {'adapter': Own()}
use = make()
"""


@pytest.mark.slow
@pytest.mark.parametrize("text", [IN_THE_PROGRAM, IN_A_FUNCTION])
def test_what_other_processes_cannot_have_is_named(tmp_path: Path, text: str) -> None:
    program = (
        f"{text}\nfrom pathlib import Path\nfrom idml.simulation.config import ConfigError, make_config\n"
        "from idml.simulation.runs import simulate\n"
        f"for workers in (1, 2):\n    config = make_config({{**{TINY!r}, 'encounters': 2, 'workers': workers}})\n"
        "    try: simulate(config, Path(str(workers)), **use)\n    except ConfigError as error: print(error)\n"
    )
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("workers: other processes cannot have the algorithm Own (")
    assert done.stdout.endswith("); define it in a module of its own, or set workers to 1\n")
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
def test_a_model_of_the_program_itself_is_not_for_workers(tmp_path: Path, mine: Path) -> None:
    """The network stands in the program, which names itself."""
    mine.write_text(
        MINE + "\nif __name__ == '__main__':\n"
        "    import idml\n    from idml.learning.networks import draw_blueprint\n"
        "    from idml.learning.backends import make_engine\n"
        "    from idml.simulation.work.executors.shipping import _pack\n"
        "    from dataclasses import replace\n"
        "    from idml.simulation.setup import build_world, resolve\n"
        "    from idml.simulation.config import make_config\n"
        "    from idml.adapters.oppcl import OppCL\n"
        f"    config = resolve(make_config({TINY!r}), OppCL())\n"
        "    world = build_world(config, OppCL())\n"
        "    net = draw_blueprint(Net(), image_shape=(1, 8, 8), classes=10, width=4, dropout=0.0)\n"
        "    settings = replace(world.settings, engine=make_engine('torch', net))\n"
        "    try: _pack(settings, [])\n    except idml.ConfigError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, str(mine)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == (
        "workers: other processes cannot have the model (it is defined in the program itself); define it in a module "
        "of its own, or set workers to 1\n"
    )


def test_an_algorithm_without_a_name_to_find_it_by_goes_on_if_it_is_given_again(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "nowhere"}
    exec(MINE, namespace)
    adapter = namespace["Mine"]()
    with pytest.raises(Stopped):
        simulate(tiny(), tmp_path / "run", adapter=adapter, observer=stop_at(9))
    with pytest.raises(ConfigError, match=r"^algorithm is 'mine \(given as an object\)': give the run the same object"):
        resume(tmp_path / "run")
    assert resume(tmp_path / "run", adapter=adapter)["encounters"] == 24


def test_a_configuration_reads_names_from_toml_and_settings(tmp_path: Path) -> None:
    from idml.simulation.config import load_config

    (tmp_path / "run.toml").write_text('dataset = "mine.py:Data"\nmodel = "mine.py:Net"\n')
    config: Config = load_config(tmp_path / "run.toml", ["model=small", "partition=mine.py:Part"])
    assert (config.dataset, config.model, config.partition) == ("mine.py:Data", "small", "mine.py:Part")
    assert config.source is not None
    assert config.source.classes == 10
    with pytest.raises((LearningError, PluginError, ConfigError), match=r"mine\.py has no Dataa"):
        load_config(tmp_path / "run.toml", ["dataset=mine.py:Dataa"])
