"""The wheel, built, installed apart from these sources, and run."""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from idml.learning.native.build import PORTABLE_TARGETS

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "tools", "src")

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def call(*command: str, cwd: Path, **variables: str) -> str:
    finished = subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """What a build needs of these sources, without what others have built."""
    sources = tmp_path / "sources"
    leave_out = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in SOURCES:
        found = ROOT / name
        if found.is_dir():
            shutil.copytree(found, sources / name, ignore=leave_out)
        else:
            sources.mkdir(exist_ok=True)
            shutil.copy(found, sources)
    return sources


def build_wheel(sources: Path, *options: str, **variables: str) -> Path:
    dist = sources.parent / "dist"
    call(*PIP, "wheel", "--no-deps", "--wheel-dir", str(dist), *options, ".", cwd=sources, **variables)
    (wheel,) = dist.iterdir()
    return wheel


def library_of(wheel: Path, folder: Path) -> Path:
    """The native library that a wheel holds."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if "/libidml_native." in name)
        return Path(archive.extract(name, folder))


def computes_as_promised(library: Path) -> bool:
    """In a process of its own, through the package's own check when it loads."""
    program = (
        "import sys; from pathlib import Path; from idml.learning.native import library;"
        "library.library_path = lambda: Path(sys.argv[1]); library.load_library()"
    )
    return subprocess.run([sys.executable, "-c", program, str(library)]).returncode == 0


@pytest.mark.slow
def test_without_a_compiler_the_build_takes_zig(sources: Path, tmp_path: Path) -> None:
    """With no isolation, so that the zig that is installed here is the one that the build has asked for."""
    pytest.importorskip("ziglang")
    pytest.importorskip("setuptools")
    nothing = tmp_path / "nothing"
    asked = "import build_backend; print(*build_backend.get_requires_for_build_wheel())"
    hidden = f"import sys; sys.modules['ziglang'] = None; {asked}"
    paths = {"PATH": str(nothing), "PYTHONPATH": "tools"}
    assert call(sys.executable, "-c", hidden, cwd=sources, **paths).split()[-1].startswith("ziglang==")
    wheel = build_wheel(sources, "--no-build-isolation", PATH=str(nothing))
    assert computes_as_promised(library_of(wheel, tmp_path))


@pytest.mark.slow
def test_a_wheel_for_any_linux_says_so_and_asks_for_no_newer_c_library(sources: Path, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    pytest.importorskip("setuptools")
    machine = platform.machine()
    if sys.platform != "linux" or machine not in PORTABLE_TARGETS:
        pytest.skip("make wheel is for Linux on x86-64 and 64-bit ARM")
    wheel = build_wheel(sources, "--no-build-isolation", IDML_NATIVE_TARGET=PORTABLE_TARGETS[machine])
    assert wheel.name.endswith(f"-py3-none-manylinux2014_{machine}.manylinux_2_17_{machine}.whl")
    library = library_of(wheel, tmp_path)
    needed = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", library.read_bytes())]
    assert needed
    assert max(needed) <= 17
    assert computes_as_promised(library)


def test_a_wheel_for_a_system_that_was_never_tried_is_refused(sources: Path) -> None:
    pytest.importorskip("setuptools")
    command = [sys.executable, "setup.py", "--name"]
    environment = {**os.environ, "IDML_NATIVE_TARGET": "sparc-solaris"}
    finished = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True)
    assert finished.returncode == 1
    assert finished.stderr.startswith("IDML_NATIVE_TARGET is 'sparc-solaris': choose one of x86_64-linux-gnu.2.17, ")


@pytest.mark.slow
def test_an_installed_wheel_runs_on_the_native_engine(sources: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    wheel = build_wheel(sources)
    assert "-py3-none-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("idml/learning/native/libidml_native.") for name in names)
    assert any(name.startswith("idml/ledger/artifacts/") for name in names)

    call(*PIP, "install", "--no-deps", "--target", str(site), str(wheel), cwd=tmp_path)
    shutil.rmtree(sources)
    program = "import idml; print(idml.__file__)"
    where = call(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(site))
    assert Path(where.strip()).is_relative_to(site)
    settings = ("dataset=digits", "model=small", "devices=5", "encounters=10", "images_per_device=40", "backend=native")
    run = (sys.executable, "-m", "idml.cli.main", "run", "--quiet", "--out", "run")
    call(*run, *(f"--set={setting}" for setting in settings), cwd=tmp_path, PYTHONPATH=str(site))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["definition"].startswith("native ")
    assert summary["encounters"] == 10
    assert (tmp_path / "run" / "report.html").stat().st_size


def pythons() -> list[str]:
    """Every Python from 3.11 on that is at hand, one of each version."""
    roots = [Path("/usr/local/bin"), Path("/usr/bin"), *Path("/opt").glob("*/bin")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    roots += pyenv.glob("versions/*/bin")
    found: dict[tuple[int, int], str] = {sys.version_info[:2]: sys.executable}
    for root in roots:
        for path in root.glob("python3.[0-9][0-9]"):
            version = (3, int(path.name.partition(".")[2]))
            if version >= (3, 11) and version not in found and works(path):
                found[version] = str(path)
    return [found[version] for version in sorted(found)]


def works(python: Path) -> bool:
    """Whether a Python can make environments."""
    return subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True).returncode == 0


MOST_MB = 500
"""What the base installation may take of a disk."""


@pytest.mark.slow
def test_in_an_empty_environment_a_wheel_runs_without_torch(sources: Path, tmp_path: Path) -> None:
    """On every Python at hand. The wheel is for all of them, and building it is what takes longest."""
    wheel = build_wheel(sources)
    shutil.rmtree(sources)
    for number, python in enumerate(pythons()):
        folder = tmp_path / f"python{number}"
        folder.mkdir()
        try_wheel(wheel, python, folder)
        shutil.rmtree(folder)


def try_wheel(wheel: Path, python: str, folder: Path) -> None:
    call(python, "-m", "venv", "env", cwd=folder)
    own = str(folder / "env" / "bin" / "python")
    clean = {"PYTHONPATH": "", "IDML_DATA": "", "XDG_CACHE_HOME": str(folder / "cache")}
    constraints = ("-c", str(ROOT / "constraints.txt"))
    quiet = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    call(own, *quiet, *constraints, str(wheel), cwd=folder, **clean)
    size = sum(path.lstat().st_blocks * 512 for path in (folder / "env").rglob("*"))
    assert size <= MOST_MB * 2**20
    idml = str(folder / "env" / "bin" / "idml")
    assert subprocess.run([own, "-c", "import torch"], capture_output=True, cwd=folder).returncode == 1
    settings = ("devices=5", "encounters=10", "images_per_device=40", "adversaries.label_flip=1")
    call(idml, "run", "--quiet", "--out", "run", *(f"--set={setting}" for setting in settings), cwd=folder, **clean)
    summary = json.loads((folder / "run" / "summary.json").read_text())
    assert summary["definition"].startswith("native ")
    assert (folder / "run" / "report.html").stat().st_size
    call(idml, "list", cwd=folder, **clean)
    environment = {**os.environ, **clean}
    for words in (("--backend", "torch"), ("--executor", "cuda")):
        command = [idml, "run", "--out", "other", *words]
        refused = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert refused.returncode == 2
        assert refused.stderr.endswith("PyTorch is not installed: pip install torch\n")
        assert refused.stderr.count("\n") == 1
