"""What the project promises, on real images: cheats are found out, honest devices earn, and collaboration pays."""

import os
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.learning.data.datasets import find_dataset
from idml.store.run_store import RunStore

MAIN = Path(__file__).parents[2] / "experiments" / "main.toml"
pytestmark = pytest.mark.slow

needs_fashion_mnist = pytest.mark.skipif(
    not find_dataset("fashion-mnist", None), reason="Fashion-MNIST is not on this machine: set IDML_DATA"
)


def main_job(directory: Path, **changes: Any) -> idml.Run:
    return idml.run(directory, idml.load_config(MAIN, **changes))


def assert_cheats_lose(run: idml.Run) -> None:
    summary = run.summary
    with RunStore.open(run.directory) as store:
        kinds = {record.device: record.kind for record in store.devices()}
    attackers = sorted(device for device, kind in kinds.items() if kind == "label_flip")
    assert summary["expelled"] == {"attackers": attackers, "honest": []}
    assert len(attackers) == 10
    honest = summary["earnings"]["honest"]
    assert honest["neighbor"] > 0
    assert honest["validator"] > 0
    assert summary["earnings"]["attackers"]["neighbor"] < 0
    assert summary["tokens"]["supply"] == summary["tokens"]["accounts"]
    assert summary["encounters"] + summary["skipped"] == 800


@needs_fashion_mnist
def test_on_fashion_mnist_ten_label_flippers_are_expelled_and_nobody_else(tmp_path: Path) -> None:
    run = main_job(tmp_path / "run", dataset="fashion-mnist")
    assert_cheats_lose(run)
    assert run.summary["accuracy"]["mean"] > 0.78  # one first model for all: a point more or less by the seed


def test_on_digits_ten_label_flippers_are_expelled_and_nobody_else(tmp_path: Path) -> None:
    run = main_job(tmp_path / "run", dataset="digits")
    assert_cheats_lose(run)
    by_round: dict[int, list[float]] = {}
    with RunStore.open(run.directory) as store:
        for point in store.accuracy():
            by_round.setdefault(point.round, []).append(point.accuracy)
    means = [sum(scores) / len(scores) for _, scores in sorted(by_round.items())]
    assert means[0] < 0.3 < means[5] < means[-1]
    assert means[-1] > 0.9


@needs_fashion_mnist
def test_honest_devices_end_two_points_above_one_that_learns_alone(tmp_path: Path) -> None:
    """Twenty devices of 1,200 images, as fifty would have of the whole data set."""
    run = idml.run(tmp_path / "run", dataset="fashion-mnist", devices=20, images_per_device=1_200, encounters=600)
    assert run.summary["baseline"]["epochs"] == 30
    assert run.summary["accuracy"]["mean"] >= run.summary["baseline"]["accuracy"] + 0.02


def test_the_readmes_python_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    code = readme.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    code = code.replace("encounters=800", 'encounters=50, dataset="digits"')
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == os.path.join("runs", "first", "report.html")
