"""A table and sequences of tokens are learned on the command line, as the examples say."""

import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from idml.learning.data.checker import check_dataset
from idml.learning.data.datasets import Dataset

ROOT = Path(__file__).parents[2]


def load(file: str, function: str) -> tuple[Dataset, list[str]]:
    """The data set of an example, and the arguments of the command in its first lines."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, ROOT / "examples" / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (command,) = [line for line in str(module.__doc__).splitlines() if line.startswith("idml ")]
    made = getattr(module, function)()
    assert isinstance(made, Dataset)
    return made, shlex.split(command)[1:]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "function", "share_of_largest", "least"),
    [("table.py", "breast_cancer", 0.65, 0.9), ("next_character.py", "letters", 0.19, 0.6)],
)
def test_an_example_trains_on_twenty_devices(
    tmp_path: Path, file: str, function: str, share_of_largest: float, least: float
) -> None:
    dataset, arguments = load(file, function)
    check_dataset(dataset.source)
    assert np.bincount(dataset.test_labels).max() / len(dataset.test_labels) == pytest.approx(
        share_of_largest, abs=0.01
    )
    assert "devices=20" in arguments
    command = [sys.executable, "-m", "idml.cli.main", *arguments]
    more = ["--workers", "2", "--out", str(tmp_path / "run"), "--no-report", "--quiet", "--json"]
    done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["accuracy"]["min"] > least
