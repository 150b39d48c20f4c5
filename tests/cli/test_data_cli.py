"""`idml data check`: what a data set is like, and each thing that is wrong or odd with it is said in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from idml.cli.main import main
from idml.reporting.shares_figure import shares_figure
from idml.reporting.style import render

Arrays = dict[str, npt.NDArray[Any]]


def rows() -> Arrays:
    """A good table of three classes, four features and six owners."""
    rng = np.random.default_rng(0)
    labels = np.arange(390) % 3
    x = (rng.standard_normal((390, 4)) + labels[:, None]).astype(np.float32)
    owners = np.arange(300) // 50
    return {
        "train_x": x[:300], "train_y": labels[:300], "test_x": x[300:], "test_y": labels[300:], "owners": owners,
        "class_names": np.array(["red", "green", "blue"]),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *options: str, change: Callable[[Arrays], object] = id) -> Any:
    """The exit code, and what is printed as JSON, about a table with something changed."""
    arrays = rows()
    change(arrays)
    np.savez("my.npz", **arrays)  # type: ignore[arg-type]
    code = main(["data", "check", "my.npz", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_a_good_table_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = check(capsys)
    assert code == 0
    assert (found["unusable"], found["warnings"]) == ([], [])
    assert found["in_words"] == "rows of a table of 4 features, floats, standardized by the training part"
    assert (found["train"], found["test"], found["owners"]) == (300, 90, 6)
    assert [known["name"] for known in found["classes"]] == ["red", "green", "blue"]
    assert sum(known["train"] for known in found["classes"]) == 300
    assert len(found["digest"]) == 64
    assert "shares" not in found


def test_the_digest_follows_the_data_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def nudge(arrays: Arrays) -> None:
        arrays["test_x"][0, 0] += 1

    digests = [check(capsys, change=change)[1]["digest"] for change in (id, id, nudge)]
    assert digests[0] == digests[1] != digests[2]


def test_for_people_it_is_text_with_the_command_that_runs_it(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("my.npz", **rows())  # type: ignore[arg-type]
    assert main(["data", "check", "my.npz", "--partition", "owners", "--devices", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("my: rows of a table of 4 features")
    assert "  owners among 3 devices: 100 each, of 3 classes" in lines
    assert lines[-1] == "it can be used: idml run --set dataset=my.npz --set model=mlp"


def put(key: str, value: object) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.update({key: np.asarray(value)})


def spoil(arrays: Arrays) -> None:
    arrays["train_x"][7, 2] = np.nan


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spoil, "train_x[7] holds nan"),
        (put("train_y", np.zeros(300, int)), "one class only"),
        (put("train_y", np.arange(300) % 4), "train_y holds 3: with 3 classes, labels are 0 to 2"),
        (put("train_y", np.arange(300) / 2), "train_y is float64: give whole numbers"),
        (put("train_x", np.full((300, 4), "a")), "train_x is <U1: give whole numbers or floats"),
        (put("test_x", np.zeros((90, 5))), "all but the first number must be equal"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_exit_code_is_1(
    capsys: pytest.CaptureFixture[str], change: Callable[[Arrays], object], words: str
) -> None:
    code, found = check(capsys, change=change)
    assert code == 1
    (line,) = found["unusable"]
    assert words in line


def leak(arrays: Arrays) -> None:
    arrays["test_x"][:5] = arrays["train_x"][:5]


def flatten(arrays: Arrays) -> None:
    for part in ("train_x", "test_x"):
        arrays[part][:, 1] = 3


def from_one(arrays: Arrays) -> None:
    del arrays["class_names"]
    for part in ("train_y", "test_y"):
        arrays[part] = arrays[part] % 2 + 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (from_one, "there are no training rows of 0: do labels count from 1?"),
        (leak, "5 of 90 test rows are among the training rows"),
        (flatten, "1 of 4 features are constant in the training rows, 1: they teach nothing"),
        (put("train_y", np.arange(300) % 2), "there are no training rows of blue"),
        (put("test_y", np.arange(90) % 2), "there are no test rows of blue"),
        (put("train_y", [1] * 10 + [2] * 20 + [0] * 270), "red has 270 training rows, green 10: a model may do well"),
    ],
)
def test_what_is_odd_is_a_warning(
    capsys: pytest.CaptureFixture[str], change: Callable[[Arrays], object], words: str
) -> None:
    code, found = check(capsys, change=change)
    assert code == 0
    assert any(line.startswith(words) for line in found["warnings"]), found["warnings"]


@pytest.mark.slow
def test_it_deals_out_as_a_run_does(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    from idml.adapters.oppcl import OppCL
    from idml.simulation.config import make_config
    from idml.simulation.setup import build_world, resolve

    options = ["--partition", "dirichlet", "--devices", "6", "--alpha", "0.3", "--seed", "4"]
    code, found = check(capsys, *options, "--picture", "shares.svg")
    assert code == 0
    keys = {"partition": "dirichlet", "devices": 6, "alpha": 0.3, "seed": 4, "dataset": "my.npz", "model": "mlp"}
    world = build_world(resolve(make_config({**keys, "incentive": False}), OppCL()), OppCL())
    dealt = [np.bincount(device.data.labels, minlength=3).tolist() for device in world.devices]
    assert found["shares"]["counts"] == dealt
    assert (folder / "shares.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--devices", "301"], "there are"),
        (["--partition", "natural", "--devices", "3"], "nobody says"),
        (["--partition", "owners", "--devices", "7"], "there are 6 owners, and each device needs one"),
    ],
)
def test_what_cannot_be_dealt_out_is_unusable(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    code, found = check(capsys, *options)
    assert code == 1
    assert words in found["unusable"][0]
    assert "\n" not in found["unusable"][0]


def test_devices_with_next_to_nothing_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = check(capsys, "--devices", "30")
    assert code == 0
    assert found["warnings"][0].startswith("30 of 30 devices have fewer than 30 rows, device 0 has 10: ")


@pytest.mark.parametrize(
    "arguments",
    [["nothing"], ["my.npz", "--picture", "a.gif"], ["my.npz", "--alpha", "1"], ["my.npz", "--devices", "1"]],
)
def test_a_wrong_command_line_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    np.savez("my.npz", **rows())  # type: ignore[arg-type]
    assert main(["data", "check", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("idml: ")


@pytest.mark.parametrize(("devices", "classes"), [(5, 2), pytest.param(100, 100, marks=pytest.mark.slow)])
def test_the_picture_holds_a_cell_for_whatever_a_device_has(devices: int, classes: int) -> None:
    counts = np.random.default_rng(0).integers(0, 2, (devices, classes))
    names = [f'"{number}" \\ name of some length' for number in range(classes)]
    chart = shares_figure("shares", counts, names)
    svg = render(chart, "svg").decode()
    assert chart.to_dict()["vconcat"][1]["height"] <= 480
    assert svg.count('aria-roledescription="rect mark"') + svg.count("<path") >= counts.sum()
