"""`idml model check` says what a network is like, or in one line why it cannot be used."""

import json
from pathlib import Path

import pytest

from idml.cli.main import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "model_function.py"


def test_a_good_network_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "check", f"{EXAMPLE}:small_net", "--dataset", "digits", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["usable"] is True
    assert facts["engine"] == f"PyTorch: model {EXAMPLE}:small_net is a module of PyTorch"
    assert facts["parameters"] == sum(layer["parameters"] for layer in facts["layers"])
    assert facts["encounter_bytes"] == 8 * facts["model_bytes"] > 8 * 4 * facts["parameters"]
    assert facts["epoch_s"] > 0
    assert main(["model", "check", "small", "--shape", "3,32,32", "--classes", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model       small, for images 3x32x32 of 5 classes"
    assert lines[1] == "engine      native: model small is 3 convolutions of 16 to 32 channels and a dense layer"
    assert lines[-1].startswith("usable: ")


@pytest.mark.parametrize("json_too", [False, True])
def test_a_network_that_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], json_too: bool
) -> None:
    (tmp_path / "bad.py").write_text("def net(shape, classes):\n    return None\n")
    assert main(["model", "check", f"{tmp_path}/bad.py:net", *["--json"] * json_too]) == 1
    said = capsys.readouterr()
    line = f"model is '{tmp_path}/bad.py:net': net() returned NoneType: return an Architecture or a torch.nn.Module"
    assert said.err == f"idml: {line}\n"
    if json_too:
        assert json.loads(said.out) == {"model": f"{tmp_path}/bad.py:net", "usable": False, "problem": line}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--shape", "3x32"], "--shape is '3x32': write it as C,H,W, for instance 3,32,32"),
        (["--shape", "1,0,3"], "--shape is '1,0,3': write it as C,H,W"),
        (["--shape", "1,8,8", "--classes", "1"], "--classes is 1: there must be at least 2"),
        (["--classes", "3"], "--classes is 3: it goes with --shape"),
        (["--shape", "1,8,8", "--dataset", "digits"], "--shape and --dataset both say what images are like"),
        (["--dataset", "nothing"], "dataset is 'nothing': choose "),
    ],
)
def test_wrong_options_are_one_line(options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "check", "small", *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"idml: {line}")
    assert said.count("\n") == 1
