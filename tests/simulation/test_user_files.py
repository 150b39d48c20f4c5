"""Files of the user's: whatever is wrong with them is one line that names the file, and what they import is recorded.

Most of it is tried as a user would: with the command line, in a process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.plugin_files import own_imports
from idml.simulation.config import ConfigError, make_config
from idml.simulation.runs import resume, simulate
from idml.simulation.setup import plugin_digests
from idml.simulation.totals import Snapshot, Stopped
from idml.store import RunStore

TINY: dict[str, Any] = {
    "dataset": "digits",
    "model": "linear",
    "devices": 6,
    "encounters": 24,
    "images_per_device": 40,
    "validation_images": 20,
    "baseline_devices": 0,
    "checkpoint_s": 0,
}
NET = "from torch import nn\ndef net(shape, classes): return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stop_after(contacts: int) -> Any:
    def observe(snapshot: Snapshot) -> None:
        if snapshot.contact == contacts:
            raise Stopped

    return observe


def tiny(**changes: Any) -> Any:
    return make_config({**TINY, **changes})


def idml_run(here: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
    keys = [f"--set={key}={value}" for key, value in {**TINY, **changes}.items()]
    command = [sys.executable, "-m", "idml.cli.main", "run", "--out", "run", "--quiet", "--no-report", *keys]
    return subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=120)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"x = 1\ndef f(:\n", r"importing own\.py failed: SyntaxError: .* \(own\.py:2\)$"),
        (b"\n\n1 / 0\n", r"importing own\.py failed: ZeroDivisionError\('division by zero'\) \(own\.py:3\)$"),
        (b"import sys\nsys.exit(3)\n", r"importing own\.py failed: SystemExit\(3\) \(own\.py:2\)$"),
        (b"x = '\xe9'\n", r"importing own\.py failed: SyntaxError: .*utf-8"),
        (b"x = 1\0\n", r"importing own\.py failed: (SyntaxError|ValueError).*null bytes"),
        (NET.encode(), r"own\.py has no f; it defines net$"),
        (b"def f(shape, classes):\n    x = 1\n    return {}[x]\n", r"f\(\) raised KeyError\(1\) \(own\.py:3\)$"),
        (b"def f(shape, classes): return 3\n", r"f\(\) returned int: return an Architecture or a torch\.nn\.Module"),
        (b"import beside\n", r"No module named 'beside'.*: it lies beside it, so set PYTHONPATH=\. \(own\.py:1\)$"),
    ],
)
def test_a_model_file_that_is_wrong_is_one_line_with_its_place(here: Path, content: bytes, line: str) -> None:
    (here / "beside.py").touch()
    (here / "own.py").write_bytes(content)
    with pytest.raises(idml.PluginError, match=rf"^model is 'own\.py:f': .*{line}") as error:
        simulate(tiny(model="own.py:f"), here / "run")
    assert "\n" not in str(error.value)
    assert not (here / "run").exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (":net", "write a file or a module before the colon"),
        ("own.py", "say which of its things, as own.py:NAME; it defines net"),
        ("own.py:", "own.py has no name after the colon: say which of its things; it defines net"),
        ("__main__:net", "it is the program that runs: name its file, as FILE.py:NAME, or give the object"),
        ("folder.py:net", "folder.py is a folder: name a Python file in it"),
        ("net (given as an object)", "give the run the same object again, as model="),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_write(here: Path, name: str, line: str) -> None:
    (here / "own.py").write_text(NET)
    (here / "folder.py").mkdir()
    with pytest.raises((idml.PluginError, ConfigError), match=f"^model is '.*': {line}"):
        simulate(tiny(model=name), here / "run")
    assert not (here / "run").exists()


def test_a_file_may_begin_with_a_byte_order_mark_and_have_a_thread(here: Path) -> None:
    text = f"import threading\nthreading.Thread(target=print, args=['from a thread']).start()\n{NET}"
    (here / "own.py").write_bytes(b"\xef\xbb\xbf" + text.encode())
    simulate(tiny(model="own.py:net", encounters=4), here / "run")
    assert json.loads((here / "run" / "summary.json").read_text())["config"]["model"] == "own.py:net"


def test_a_property_that_raises_is_one_line(here: Path) -> None:
    (here / "own.py").write_text(
        "import idml\nfrom idml.learning.data.digits import Digits\nclass Data(Digits):\n"
        "    @property\n    def look_alikes(self):\n        raise RuntimeError('not today')\n"
    )
    line = r"^dataset is 'own\.py:Data': look_alikes\(\) raised RuntimeError\('not today'\) \(own\.py:6\)$"
    with pytest.raises(ConfigError, match=line):
        tiny(dataset="own.py:Data")


LATE = """
import idml
class X(idml.Defence):
    def takes(self, update, recent):
        if update.size < 100:  # in the check
            return True
        {late}
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("late", ["return [][1]", "raise KeyboardInterrupt"])
def test_an_error_in_the_middle_of_a_run_is_one_line_that_says_how_to_go_on(
    here: Path, workers: int, late: str
) -> None:
    (here / "d.py").write_text(LATE.format(late=late))
    done = idml_run(here, defence="d.py:X", workers=workers)
    *warned, error = done.stderr.splitlines()
    assert all("takes every update" in line for line in warned), done.stderr
    if late.startswith("raise K"):  # as Ctrl-C does
        assert (done.returncode, error) == (130, "idml: interrupted; go on with: idml run --resume run")
        return
    assert done.returncode == 2
    assert error == (
        "idml: d.py:7: takes() raised IndexError('list index out of range') while the run went on; "
        "idml run --resume run goes on, unless the file must change"
    )
    assert (here / "run" / "run.sqlite").exists()


def test_a_package_that_fails_in_the_middle_is_named_as_well(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "__init__.py").touch()
    (here / "mine" / "screens.py").write_text("from .deep import look\n" + LATE.format(late="return look()"))
    (here / "mine" / "deep.py").write_text("def look():\n    return [][1]\n")
    monkeypatch.syspath_prepend(here)
    with pytest.raises(idml.PluginError, match=r"^mine/deep\.py:2: look\(\) raised IndexError.* while the run went on"):
        simulate(tiny(defence="mine.screens:X"), here / "run")


@pytest.mark.parametrize("was_there", [False, True])
def test_a_start_that_fails_leaves_nothing_that_blocks_the_next(here: Path, was_there: bool) -> None:
    (here / "d.py").write_text(
        "import idml\ndef make():\n    class X(idml.Defence):\n        def takes(self, u, r): return bool(u[0] < 9)\n"
        "    return X()\nx = make()\n"
    )
    if was_there:
        (here / "run").mkdir()
        (here / "run" / "notes.txt").write_text("mine")
    with pytest.raises((ConfigError, idml.PluginError), match=r"(other processes cannot have|cannot be sent)"):
        simulate(tiny(defence="d.py:x", workers=2), here / "run")
    assert (here / "run").exists() is was_there
    if was_there:
        assert [path.name for path in (here / "run").iterdir()] == ["notes.txt"]
    simulate(tiny(encounters=2), here / "run")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_what_workers_cannot_import_is_told_as_that(here: Path, executor: str) -> None:
    """A module that this process alone has."""
    if executor == "ray":
        pytest.importorskip("ray")
    values = {**TINY, "workers": 2, "executor": executor}
    del values["model"]
    program = f"""
import sys, types
from pathlib import Path
import idml
module = types.ModuleType("nowhere")
exec({NET!r}, vars(module))
module.net.__module__ = "nowhere"
sys.modules["nowhere"] = module
try:
    idml.run("run", model=module.net, report=False, **{values!r})
except idml.IdmlError as error:
    print(type(error).__name__, error)
print(Path("run").exists())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=here, timeout=200)
    lines = done.stdout.splitlines()
    assert "another process cannot import what is plugged in (ModuleNotFoundError" in lines[0], done
    assert "memory" not in done.stdout
    assert lines[1:] == ["False"]


def test_what_a_file_imports_is_found_without_running_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "package" / "deep").mkdir(parents=True)
    for path, text in {
        "own.py": "import layers, json, numpy\nfrom package.deep import one\ndef late():\n    import package.two\n",
        "layers.py": "import own  # in a circle\nimport nowhere\n",
        "package/__init__.py": "raise SystemExit\n",
        "package/deep/__init__.py": "from . import three\nfrom .. import two\n",
        "package/deep/one.py": "not python",
        "package/deep/three.py": "",
        "package/two.py": "",
        "package/unused.py": "",
        "json.py": "",
    }.items():
        (here / path).write_text(text)
    found = {"package/__init__.py", "package/deep/__init__.py", "package/deep/one.py", "package/deep/three.py"}
    assert own_imports(here / "own.py") == []  # Python does not search the folder
    monkeypatch.syspath_prepend(here)
    assert own_imports(here / "own.py") == sorted(here / path for path in {*found, "layers.py", "package/two.py"})


@pytest.mark.slow
def test_a_run_does_not_go_on_if_what_its_file_imports_has_changed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(here)
    monkeypatch.delitem(sys.modules, "sizes", raising=False)
    (here / "sizes.py").write_text("hidden = 8\n")
    (here / "own.py").write_text(
        "import sizes\nfrom torch import nn\ndef net(shape, classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, sizes.hidden), nn.Linear(sizes.hidden, classes))\n"
    )
    with pytest.raises(Stopped):
        simulate(tiny(model="own.py:net"), here / "run", observer=stop_after(9))
    assert list(plugin_digests(tiny(model="own.py:net"))) == [
        "model own.py:net",
        "sizes.py, which model own.py:net imports,",
    ]
    (here / "sizes.py").write_text("hidden = 9\n")
    with pytest.raises(ConfigError, match=r"^sizes\.py, which model own\.py:net imports, has changed since the run "):
        resume(here / "run")
    (here / "sizes.py").unlink()
    with pytest.raises(ConfigError, match=r"^sizes\.py, which model own\.py:net imports, is no longer found"):
        resume(here / "run")
    (here / "sizes.py").write_text("hidden = 8\n")
    assert resume(here / "run")["encounters"] == 24


def net_of_the_test(shape: Any, classes: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


@pytest.mark.slow
def test_a_function_given_from_python_is_named_and_must_be_given_again(here: Path) -> None:
    def local(shape: Any, classes: int) -> Any:
        return net_of_the_test(shape, classes)

    values = {key: value for key, value in TINY.items() if key != "model"}
    with pytest.raises(Stopped):
        idml.run(here / "run", model=local, observer=stop_after(9), report=False, **values)
    with RunStore.open(here / "run") as store:
        assert 'model = "local (given as an object)"' in store.config
        assert store.meta["engine"] == "PyTorch: model local (given as an object) is a module of PyTorch"
    with pytest.raises(ConfigError, match=r"^model is 'local \(given as an object\)': give the run the same object"):
        idml.resume(here / "run", report=False)
    resumed = idml.resume(here / "run", model=local, report=False)
    whole = idml.run(here / "whole", model=net_of_the_test, report=False, **values)
    assert {**resumed.summary, "config": 0, "wall_s": 0} == {**whole.summary, "config": 0, "wall_s": 0}
    assert whole.summary["config"]["model"].endswith("test_user_files:net_of_the_test")
    with pytest.raises(idml.PluginError, match=r"int is no Network: subclass .*, or name a function$"):
        idml.run(here / "other", model=3, report=False, **values)


@pytest.mark.slow
def test_the_report_says_what_computed_the_networks(here: Path) -> None:
    (here / "own.py").write_text(NET)
    for model, line in (
        ("own.py:net", "PyTorch: model own.py:net is a module of PyTorch"),
        ("linear", "native: model linear is a dense layer"),
    ):
        run = idml.run(here / model[:3], **{**TINY, "model": model, "encounters": 4})
        assert f"What computed the networks: {line}." in run.report.read_text()


def test_any_key_takes_an_object(here: Path) -> None:
    from idml.learning.data.digits import Digits
    from idml.learning.data.partitions import Iid

    class Mine(Digits):
        name = "mine"

    values = {key: value for key, value in TINY.items() if key != "dataset"}
    run = idml.run(here / "run", dataset=Mine(), partition=Iid(), report=False, **values)
    assert run.summary["config"]["dataset"] == "mine (given as an object)"
    assert run.summary["config"]["partition"] == "iid"
    with pytest.raises(ConfigError, match="dataset is 'mine"):
        make_config({"dataset": "mine (given as an object)"})


@pytest.mark.slow
def test_a_program_gives_its_own_function(here: Path) -> None:
    (here / "program.py").write_text(
        f"import idml, sys\n{NET}\nif __name__ == '__main__':\n"
        f"    values = {TINY!r}\n    del values['model']\n"
        "    try:\n        idml.run('run', model=net, report=False, workers=int(sys.argv[1]), **values)\n"
        "    except idml.IdmlError as error:\n        print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for workers, said in (
        ("2", "workers: other processes cannot have the model (it is defined in the program"),
        ("1", ""),
    ):
        command = [sys.executable, "program.py", workers]
        done = subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=100, env=environment)
        assert done.stdout.startswith(said), done
        assert done.stdout.count("\n") == bool(said)
        assert (here / "run").exists() is not bool(said)
    assert json.loads((here / "run" / "summary.json").read_text())["config"]["model"] == "program.py:net"


def test_an_adversary_may_write_to_an_address_that_nobody_has(here: Path) -> None:
    (here / "a.py").write_text(
        "import dataclasses\nimport idml\nfrom idml.protocol.roles import Send\n"
        "class Lost(idml.Participant):\n    kind = 'lost'\n"
        "    def act(self, action, part):\n"
        "        return dataclasses.replace(action, to=b'?' * 20) if isinstance(action, Send) else action\n"
    )
    summary = simulate(tiny(adversaries={"a.py:Lost": 2}, committee=0), here / "run")
    assert summary["kinds"]["lost"]["devices"] == 2
