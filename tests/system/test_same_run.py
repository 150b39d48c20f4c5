"""A whole run gives the numbers and models that it gave where they were written down, whatever machine this is.

Where rules, defaults or what a result is were meant to change, write down what this file prints when it is run.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import idml
from idml.learning.native.library import DEFINITION, instruction_set

CHANGING = ("wall_s", "gas", "config", "trained_on")
"""What a machine or the contract's code decides, and what names the run."""
GOLDEN = {1: "c0fda0c354572332f13c12b73cf959b331461cf7c7ea4aa2cb560d575d7a9fca"}
"""By the version of what a result is."""


def play(directory: Path, workers: int = 1) -> str:
    """The digest of a run in which models are poisoned, votes differ and attackers fall out."""
    run = idml.run(
        directory,
        dataset="digits",
        model="small",
        backend="native",
        dropout=0.1,
        learning_rate=0.1,
        devices=8,
        encounters=100,
        images_per_device=100,
        validation_images=50,
        stake=150,
        reward=40,
        adversaries={"label_flip_all": 2, "sign_flip": 1},
        seed=7,
        workers=workers,
        report=False,
    )
    assert len(run.summary["expelled"]["attackers"]) == 3
    assert all(run.summary["cases"][case] for case in "2345")
    summary = {key: value for key, value in run.summary.items() if key not in CHANGING}
    models = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((directory / "models").iterdir())]
    return hashlib.sha256(json.dumps([summary, models], sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_is_what_it_was_on_another_machine(tmp_path: Path, workers: int) -> None:
    assert play(tmp_path / "run", workers) == GOLDEN[DEFINITION]


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="an emulated processor runs the Python of this one")
def test_a_run_is_the_same_on_an_older_processor() -> None:
    if shutil.which("qemu-x86_64") is None:
        pytest.skip("qemu-x86_64 is not here: apt-get install qemu-user")
    # One of 2013: AVX2, no AVX-512. It picks other code in this library, in numpy and in OpenBLAS.
    command = ["qemu-x86_64", "-cpu", "Haswell-noTSX", sys.executable, __file__]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1_500)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["x86_64_v3", GOLDEN[DEFINITION]]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(instruction_set(), play(Path(place) / "run"))
