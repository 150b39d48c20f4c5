"""Which data `auto` takes is said, with the reason: on standard error, in the configuration, and in the report."""

import logging
from pathlib import Path

import pytest

from idml.learning.data.fashion_mnist import _FILES
from idml.learning.errors import DataError
from idml.reporting.report import write_report
from idml.simulation.config import load_config, make_config
from idml.simulation.runs import simulate

TINY = {"devices": 6, "encounters": 2, "images_per_device": 20, "model": "linear", "baseline_devices": 0}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that $IDML_DATA names; there is nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IDML_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def said(tmp_path: Path, caplog: pytest.LogCaptureFixture, **keys: object) -> str:
    """What a run says of its data; it is the same wherever it says so."""
    with caplog.at_level(logging.WARNING, "idml"):
        simulate(make_config({**TINY, **keys}), tmp_path / "run")
    (line,) = caplog.messages
    first = (tmp_path / "run" / "config.toml").read_text().splitlines()[0]
    assert first == f"# {line}"
    assert load_config(tmp_path / "run" / "config.toml").dataset == "digits"
    assert line in write_report(tmp_path / "run").read_text()
    return line


@pytest.mark.slow
def test_without_fashion_mnist_the_digits_are_taken_and_it_is_said_where_was_looked(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache" / "idml"
    assert said(tmp_path, caplog) == (
        f"dataset: digits, because fashion-mnist is not in $IDML_DATA ({folder}), the cache ({cache}); "
        "--set dataset=fashion-mnist gets it, or says how"
    )


@pytest.mark.slow
@pytest.mark.parametrize("missing", [1, 3])
def test_of_an_incomplete_one_the_missing_files_are_named(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: int
) -> None:
    names = list(_FILES)
    for name in names[missing:]:
        (folder / name).touch()
    are = "is" if missing == 1 else "are"
    lacking = f"{', '.join(names[:missing])} {are} missing"
    assert said(tmp_path, caplog) == f"dataset: digits, because fashion-mnist is incomplete in {folder}: {lacking}"


def test_where_a_data_set_is_named_nothing_is_said(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    simulate(make_config({**TINY, "dataset": "digits"}), tmp_path / "run")
    assert not caplog.messages
    assert (tmp_path / "run" / "config.toml").read_text().startswith("seed = 1\n")


@pytest.mark.usefixtures("folder")
def test_idml_data_that_is_no_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDML_DATA", "nowhere")
    with pytest.raises(DataError, match=r"^\$IDML_DATA is 'nowhere': there is no such folder; correct it, or unset"):
        simulate(make_config(TINY), tmp_path / "run")
    assert not (tmp_path / "run").exists()
