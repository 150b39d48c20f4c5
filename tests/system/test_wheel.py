"""The wheel, built, installed apart from these sources, and run."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "tools", "src")


def call(*command: str, cwd: Path, **variables: str) -> str:
    finished = subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.slow
def test_an_installed_wheel_runs_on_the_native_engine(tmp_path: Path) -> None:
    sources, site = tmp_path / "sources", tmp_path / "site"
    leave_out = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in SOURCES:
        found = ROOT / name
        if found.is_dir():
            shutil.copytree(found, sources / name, ignore=leave_out)
        else:
            sources.mkdir(exist_ok=True)
            shutil.copy(found, sources)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    call(*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path / "dist"), ".", cwd=sources)
    (wheel,) = (tmp_path / "dist").iterdir()
    assert "-py3-none-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.startswith("idml/learning/native/libidml_native.") for name in names)
    assert any(name.startswith("idml/ledger/artifacts/") for name in names)

    call(*pip, "install", "--no-deps", "--target", str(site), str(wheel), cwd=tmp_path)
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
