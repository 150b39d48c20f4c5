"""Without PyTorch: all that the native engine computes goes on, and what needs it says in one line how to get it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from idml import extras
from idml.learning.native.library import load_library

ROOT = Path(__file__).parents[2]
TINY = ["dataset=digits", "devices=6", "encounters=12", "images_per_device=60"]
HOW = r"pip install -c constraints\.txt -e '\.\[torch\]'"

BLOCK = """
import sys


class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Block())
"""


@pytest.fixture
def blocked(tmp_path: Path) -> dict[str, str]:
    """An environment in which no process can import torch, workers included."""
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(BLOCK)
    paths = [str(tmp_path / "block"), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def python(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def idml(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return python(environment, folder, "-m", "idml.cli.main", *arguments)


def tiny(*settings: str) -> list[str]:
    return [word for setting in (*TINY, *settings) for word in ("--set", setting)]


@pytest.mark.slow
def test_runs_on_the_native_engine_need_no_torch(blocked: dict[str, str], tmp_path: Path) -> None:
    load_library()
    assert python(blocked, tmp_path, "-c", "import torch").returncode == 1
    plugged = ("model=own.py:Mine", "adversaries.label_flip=1")
    (tmp_path / "own.py").write_text(
        "import idml\n"
        "class Mine(idml.Network):\n"
        "    def build(self, *, image_shape, classes, width, dropout):\n"
        "        return idml.Architecture(image_shape, classes, (idml.Convolution(4, pooled=True),), dropout)\n"
    )
    for words in (
        ("run", *tiny("adversaries.label_flip=1", "adversaries.backdoor=1"), "--out", "one"),
        ("run", *tiny(), "--workers", "2", "--out", "two"),
        ("run", *tiny(*plugged), "--out", "mine"),
        ("report", "one"),
        ("list",),
        ("gas",),
        ("economics",),
        ("reproduce", "table1", "--out", "tables"),
        ("traces", "info", str(ROOT / "examples" / "contacts.csv")),
        ("chain", "--help"),
    ):
        done = idml(blocked, tmp_path, *words)
        assert done.returncode == 0, (words, done.stderr)
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (tiny("backend=torch"), rf"backend is 'torch'; PyTorch is not installed: {HOW}"),
        (["--executor", "cuda", *tiny()], rf"executor is 'cuda'; PyTorch is not installed: {HOW}"),
        (
            tiny("model=module.py:Module"),
            rf"model is 'module\.py:Module': importing module\.py failed: "
            rf".*No module named 'torch'.*; install it: {HOW} \(module\.py:2\)",
        ),
        (
            tiny("model=late.py:Late"),
            rf"model is 'late\.py:Late': build\(\) raised "
            rf".*No module named 'torch'.*; install it: {HOW} \(late\.py:4\)",
        ),
        (
            tiny("model=cnn6", "width=65"),
            rf"the native engine cannot compute a network of 260 channels, of at most 256; "
            rf"PyTorch is not installed: {HOW}",
        ),
    ],
)
def test_what_needs_torch_says_so_in_one_line(
    blocked: dict[str, str], tmp_path: Path, words: list[str], line: str
) -> None:
    (tmp_path / "module.py").write_text("import idml\nfrom torch import nn\nclass Module(idml.Network): pass\n")
    (tmp_path / "late.py").write_text(
        "import idml\n"
        "class Late(idml.Network):\n"
        "    def build(self, *, image_shape, classes, width, dropout):\n"
        "        from torch import nn\n"
    )
    done = idml(blocked, tmp_path, "run", *words, "--out", "run")
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(rf"idml: {line}\n", done.stderr), done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_without_either_engine_one_line_says_what_to_do(blocked: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from idml.learning.native import library\n"
        "library.library_path = lambda: Path('nothing')\n"
        "from idml.cli.main import main\n"
        f"sys.exit(main(['run', *{tiny()!r}, '--out', 'run']))"
    )
    done = python(blocked, tmp_path, "-c", program)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"idml: the native engine was not built here; .*; PyTorch is not installed: {HOW}\n", done.stderr
    ), done.stderr


def test_hints_name_no_package_that_could_be_somebody_elses() -> None:
    """Nobody has this project's name on an index yet, so whoever takes it would be installed."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]:
        text = path.read_text("utf-8")
        assert not re.search(r"pip install[^\n]*['\" ]idml\b|\bidml\[[a-z]", text), path


def test_hints_name_what_the_extras_bring(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["optional-dependencies"]
    assert set(extras.PACKAGES) == set(declared) - {"dev"}
    for extra, packages in extras.PACKAGES.items():
        names = {re.split(r"[^\w-]", requirement)[0] for requirement in declared[extra]}
        assert {re.split(r"[^\w-]", package)[0] for package in packages.split()} == names
    assert extras.how_to_install("torch") == "pip install -c constraints.txt -e '.[torch]'"
    monkeypatch.setattr(extras, "_ROOT", Path("elsewhere"))
    assert extras.how_to_install("torch") == "pip install torch"
