"""Runs side by side."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import idml
from idml.cli.main import main
from idml.studies.sweep.compare import compare

TINY: dict[str, Any] = {
    "devices": 6,
    "encounters": 12,
    "dataset": "digits",
    "model": "linear",
    "images_per_device": 20,
    "validation_images": 10,
    "baseline_devices": 0,
    "report": False,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs by name; not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    idml.run(folder / "one", **TINY)
    idml.run(folder / "again", **TINY, checkpoint_s=7)
    idml.run(folder / "other", **TINY, reward=20, adversaries={"label_flip": 1})
    idml.run(folder / "unpaid", **TINY, incentive=False)

    def stop(snapshot: Any) -> None:
        if snapshot.contact == 6:
            raise idml.Stopped

    with pytest.raises(idml.Stopped):
        idml.run(folder / "half", observer=stop, **TINY)
    return folder


def told(capsys: pytest.CaptureFixture[str], *paths: Path, json_too: bool = True) -> tuple[str, Any]:
    assert main(["compare", *map(str, paths)]) == 0
    text = capsys.readouterr().out
    assert main(["compare", "--json", *map(str, paths)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert "nan" not in text
    return text, facts


def test_equal_runs_have_the_same_results(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, facts = told(capsys, runs / "one", runs / "again")
    assert facts["differing"] == {"checkpoint_s": [60, 7]}
    assert "checkpoint_s (changes no result)" in text
    assert facts["same_results"]
    assert "Same results" in text
    assert set(facts["runs"][1]["less_first"]["accuracy_mean"].hex()) == set((0.0).hex())


def test_other_runs_differ_in_keys_and_in_what_came_of_them(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, facts = told(capsys, runs / "one", runs / "other", runs / "unpaid")
    assert facts["differing"] == {
        "reward": [10.0, 20.0, 10.0],
        "adversaries.label_flip": [0, 1, 0],
        "incentive": [True, True, False],
    }
    assert not facts["same_results"]
    assert "Other results." in text
    one, other, unpaid = (run["numbers"] for run in facts["runs"])
    assert facts["runs"][1]["less_first"]["gas_per_encounter"] == other["gas_per_encounter"] - one["gas_per_encounter"]
    assert "gas_per_encounter" not in unpaid


def test_a_run_that_is_not_finished_is_compared_as_far_as_it_went(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, facts = told(capsys, runs / "one", runs / "half")
    assert facts["differing"] == {}
    assert "No key differs." in text
    assert [run["finished"] for run in facts["runs"]] == [True, False]
    assert facts["runs"][1]["numbers"]["encounters"] == 6
    assert not facts["same_results"]
    assert "not finished" in text


def test_a_model_that_differs_in_one_bit_is_another_result(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "one", tmp_path / "run")
    assert compare([runs / "one", tmp_path / "run"]).same_results
    model = tmp_path / "run" / "models" / "device-0003.safetensors"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    assert not compare([runs / "one", tmp_path / "run"]).same_results


def test_what_cannot_be_compared_is_said_in_a_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs / "one"), str(runs / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"idml: {runs / 'none'} holds no run: ")
    assert error.count("\n") == 1
    assert main(["compare", str(runs / "one")]) == 2
    assert capsys.readouterr().err.endswith("idml compare: error: name at least two runs\n")
