"""What people plug in that is odd: it works as it should, or one line says what is wrong and where."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.cli.main import main
from idml.plugin_files import load_file
from idml.simulation import runs, setup
from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Snapshot, Stopped
from idml.store import RunStore
from idml.studies.fingerprint import fingerprint

TINY = {
    "dataset": "digits",
    "model": "linear",
    "devices": 6,
    "encounters": 24,
    "images_per_device": 40,
    "validation_images": 20,
    "baseline_devices": 0,
    "checkpoint_s": 0,
}
MIX = """
import numpy as np
import idml

class Mix(idml.Adapter):
    \"\"\"The learner keeps a share.\"\"\"
    name = "mix"
    def __init__(self, share=0.5):
        self.share = np.float32(share)
    def contribute(self, received, own, training):
        return training.epoch(received)
    def merge(self, current, result):
        return (1 - self.share) * current + self.share * result

MILD, STRONG = Mix(0.1), Mix(0.9)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stop_after(contacts: int) -> Callable[[Snapshot], None]:
    def observe(snapshot: Snapshot) -> None:
        if snapshot.contact == contacts:
            raise Stopped

    return observe


def told(run: str) -> str:
    with RunStore.open(Path(run)) as store:
        return store.config


def test_an_object_keeps_its_settings_after_a_stop_and_is_no_other(here: Path) -> None:
    (here / "alg.py").write_text(MIX)
    config = make_config({**TINY, "algorithm": "alg.py:MILD"})
    whole = simulate(config, here / "whole")
    with pytest.raises(Stopped):
        simulate(config, here / "stopped", observer=stop_after(10))
    assert 'algorithm = "alg.py:MILD"' in told("stopped")
    assert {**resume(here / "stopped"), "wall_s": 0} == {**whole, "wall_s": 0}
    assert fingerprint(config) != fingerprint(make_config({**TINY, "algorithm": "alg.py:STRONG"}))


def test_an_object_that_was_given_must_be_given_again(here: Path) -> None:
    (here / "alg.py").write_text(MIX)
    found: Any = load_file(here / "alg.py")
    whole = simulate(make_config(TINY), here / "whole", adapter=found.Mix(0.2))
    with pytest.raises(Stopped):
        simulate(make_config(TINY), here / "stopped", adapter=found.Mix(0.2), observer=stop_after(10))
    with pytest.raises(ConfigError, match=r"given as an object.*give the run the same object again, as adapter="):
        resume(here / "stopped")
    resumed = resume(here / "stopped", adapter=found.Mix(0.2))
    assert {**resumed, "wall_s": 0} == {**whole, "wall_s": 0}


EXITS = """
import sys, idml
class X(idml.Defence):
    def __init__(self): {init}
    def takes(self, update, recent): {takes}
"""


@pytest.mark.parametrize(
    ("init", "takes", "line"),
    [
        ("sys.exit(0)", "return True", r"X\(\) failed: SystemExit"),
        ("pass", "sys.exit(0)", r"takes\(\) raised SystemExit"),
        ("pass", "return True if update.size < 100 else sys.exit(0)", r"d\.py:5: takes\(\) called sys\.exit\(\)"),
        ("pass", "return True if update.size < 100 else 1 / 0", r"d\.py:5: takes\(\) raised ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_plug_in_raises_or_ends_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], init: str, takes: str, line: str, workers: int
) -> None:
    (here / "d.py").write_text(EXITS.format(init=init, takes=takes))
    keys = [f"--set={key}={value}" for key, value in {**TINY, "defence": "d.py:X", "workers": workers}.items()]
    assert main(["run", "--out", "run", "--quiet", "--no-report", *keys]) == 2
    *warned, error = capsys.readouterr().err.splitlines()
    assert all("takes every update" in warning for warning in warned)
    assert error.startswith("idml: ")
    assert re.search(line, error), error


def test_an_algorithm_that_keeps_something_is_refused(here: Path) -> None:
    merge = "    def merge(self, current, result):\n"
    keeps = MIX.replace(merge, f"{merge}        self.seen = getattr(self, 'seen', 0) + 1\n")
    (here / "alg.py").write_text(keeps)
    with pytest.raises(idml.PluginError, match="Mix keeps something from one call to the next"):
        simulate(make_config({**TINY, "algorithm": "alg.py:Mix"}), here / "run")
    assert not (here / "run").exists()


def test_a_file_that_changes_while_a_run_begins_is_noticed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "alg.py").write_text(MIX)
    build = setup.build_world

    def change(*arguments: Any) -> Any:
        (here / "alg.py").write_text(MIX + "\n# edited\n")
        return build(*arguments)

    monkeypatch.setattr(runs, "build_world", change)
    with pytest.raises(ConfigError, match=r"alg\.py:Mix has changed while the run began: begin it again"):
        simulate(make_config({**TINY, "algorithm": "alg.py:Mix"}), here / "run")
    assert not (here / "run").exists()


def test_one_network_twice_is_refused(here: Path) -> None:
    (here / "m.py").write_text(
        "import idml\nfrom math import prod\nfrom torch import nn\n"
        "class M(idml.Network):\n    net = None\n"
        "    def build(self, *, image_shape, classes, width, dropout):\n"
        "        M.net = M.net or nn.Sequential(nn.Flatten(), nn.Linear(prod(image_shape), classes))\n"
        "        return M.net\n"
    )
    with pytest.raises(idml.PluginError, match="build\\(\\) returned one network twice: make a new one in each call"):
        simulate(make_config({**TINY, "model": "m.py:M"}), here / "run")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_views_of_arrays_are_as_good_as_arrays(here: Path, workers: int) -> None:
    views = (
        "import numpy as np\n"
        + MIX.replace("return training.epoch(received)", "return np.repeat(training.epoch(received), 2)[::2]")
        + "\nclass Digits(idml.DataSource):\n    name = 'turned'\n    image_shape = (1, 8, 8)\n"
        "    class_names = tuple('0123456789')\n    licence = 'none'\n"
        "    def load(self, data_dir, *, download):\n"
        "        draw = np.random.default_rng(0).integers\n"
        "        images = np.asfortranarray(draw(0, 256, (400, 1, 8, 8), dtype=np.uint8))[::-1]\n"
        "        labels = draw(0, 10, 400)[::-1]\n"
        "        return idml.Samples(images[100:], labels[100:], images[:100], labels[:100])\n"
    )
    (here / "v1.2.py").write_text(views)  # a dot in its name is no package's
    changes = {"dataset": "v1.2.py:Digits", "algorithm": "v1.2.py:Mix", "workers": workers}
    summary = simulate(make_config({**TINY, **changes}), here / "run")
    assert summary["encounters"] == 24


def test_times_that_are_no_seconds_are_refused(here: Path) -> None:
    (here / "c.py").write_text(
        "import idml\nclass C(idml.ContactSource):\n    def contacts(self, devices, count, seed, interval_s):\n"
        "        for i in range(count):\n"
        "            yield idml.Contact(i, i // devices + 1, i % devices, (i + 1) % devices, 1_700_000_000_000 + i)\n"
    )
    with pytest.raises(idml.PluginError, match="time_s is in seconds from the first contact"):
        simulate(make_config({**TINY, "contacts": "c.py:C"}), here / "run")


def test_what_is_not_there_is_told_from_what_does_not_find_its_own_files(here: Path) -> None:
    (here / "reads.py").write_text("open('weights.bin')\n")
    (here / "torchvision2.py").write_text("import torchvision2\n")
    for name, line in (
        ("none.py:X", "there is no file none.py"),
        ("reads.py:X", r"importing reads\.py failed: .*weights\.bin"),
        ("torchvision2.py:X", r"importing torchvision2\.py failed: .*No module named"),
        ("a" * 300, "choose"),
    ):
        with pytest.raises(idml.PluginError, match=line):
            simulate(make_config({**TINY, "algorithm": name}), here / "run")
    with pytest.raises((idml.TraceError, idml.PluginError, ConfigError)):
        make_config({"contacts": "a" * 300})


def test_what_a_plug_in_prints_is_no_part_of_the_summary(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "d.py").write_text(
        "import idml\nprint('imported')\nclass X(idml.Defence):\n"
        "    def takes(self, update, recent):\n        print('asked')\n        return True\n"
    )
    keys = [f"--set={key}={value}" for key, value in {**TINY, "defence": "d.py:X"}.items()]
    assert main(["run", "--out", "run", "--quiet", "--no-report", "--json", *keys]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["encounters"] == 24
    assert "asked" in err
