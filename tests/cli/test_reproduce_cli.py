"""`idml reproduce` as a user meets it, short of running anything."""

from pathlib import Path

import pytest

from idml.cli.main import main
from idml.learning.data.fashion_mnist import FashionMnist


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IDML_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path


def test_the_cost_is_said_even_if_quiet_and_without_data(
    nowhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(_source: object, folder: Path) -> Path:
        raise AssertionError(f"downloads into {folder}")

    monkeypatch.setattr(FashionMnist, "fetch", download)
    out = nowhere / "out"
    assert main(["reproduce", "fig9", "--scale", "laptop", "--out", str(out), "--cost", "--quiet"]) == 0
    said = capsys.readouterr()
    # Five seeds of two variants, 50 devices and 40 rounds each.
    assert said.out.startswith("10 runs, 20,000 encounters: about ")
    assert said.out.endswith(f", in {out}\n")
    assert said.err == ""
    assert [path.name for path in nowhere.iterdir()] == ["data"]


def test_what_rests_on_no_runs_costs_seconds(nowhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "table1", "--out", str(nowhere), "--cost"]) == 0
    assert capsys.readouterr().out == f"no runs to do: a few seconds, in {nowhere}\n"


@pytest.mark.parametrize("below", [".", "folder"])
@pytest.mark.parametrize("what", ["table1", "fig9"])
def test_a_file_in_the_place_of_the_folder_is_named(
    nowhere: Path, capsys: pytest.CaptureFixture[str], what: str, below: str
) -> None:
    file = nowhere / "file"
    file.touch()
    assert main(["reproduce", what, "--out", str(file / below), "--quiet"]) == 1
    assert capsys.readouterr().err == (
        f"idml: cannot write in {file / below}: {file} is a file, where a folder must be: choose another --out, or "
        "move the file\n"
    )
