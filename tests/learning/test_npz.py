"""A data set in an .npz file: what is in it is read, and what is missing, damaged or dangerous is said in one line."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idml.learning.data.datasets import load_dataset
from idml.learning.data.npz import read_npz
from idml.learning.data.registry import DATASETS
from idml.learning.errors import DataError
from idml.registry import PluginError

IMAGES = np.random.default_rng(1).integers(0, 256, (12, 4, 5)).astype(np.uint8)
PLAIN: dict[str, Any] = {
    "train_x": IMAGES,
    "train_y": np.arange(12) % 3,
    "test_x": IMAGES[:6],
    "test_y": np.arange(6) % 3,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the test works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_a_data_set_with_its_ending() -> None:
    np.savez("Mine.npz", **PLAIN, class_names=["a", "b", "c"], owners=np.arange(12), test_owners=np.arange(6))
    dataset = load_dataset("Mine.npz")
    assert dataset.source.name == "mine"
    assert dataset.source.class_names == ("a", "b", "c")
    assert np.array_equal(dataset.train_images[:, 0], IMAGES)
    assert dataset.train_owners is not None
    assert dataset.test_owners is not None
    assert DATASETS.find_checked("Mine.npz") is DATASETS.find("Mine.npz")


def test_kind_and_owners_by_either_name() -> None:
    tokens = {**PLAIN, "train_x": IMAGES[:, 0], "test_x": IMAGES[:6, 0]}
    np.savez_compressed("mine.npz", **tokens, kind="tokens", train_owners=np.arange(12))
    dataset = load_dataset("mine.npz")
    assert dataset.source.kind == "tokens"
    assert dataset.source.vocabulary == IMAGES[:, 0].max() + 1
    assert dataset.train_owners is not None


def test_a_file_that_changes_is_read_again() -> None:
    np.savez("mine.npz", **PLAIN)
    first, digest = load_dataset("mine.npz"), DATASETS.digest("mine.npz")
    np.savez("mine.npz", **{**PLAIN, "train_x": 255 - IMAGES})
    assert (load_dataset("mine.npz").train_images != first.train_images).all()
    assert DATASETS.digest("mine.npz") != digest


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({}, "it has no train_x, train_y, test_x, test_y; it holds nothing"),
        ({"x_train": IMAGES, "train_y": PLAIN["train_y"]}, "it has no train_x, test_x, test_y; it holds train_y, x_tr"),
        ({**PLAIN, "class_name": ["a"]}, "it holds 'class_name', which means nothing: it may hold train_x"),
        ({**PLAIN, "owners": np.arange(12), "train_owners": np.arange(12)}, "it holds owners and train_owners, which"),
        ({**PLAIN, "test_y": np.array([None] * 6)}, "it holds Python objects, or is no file of np.savez: save plain"),
        ({**PLAIN, "train_y": np.arange(12) / 2}, "train_y is float64: give whole numbers from 0, or texts"),
        ({**PLAIN, "kind": "pictures"}, "kind is 'pictures': choose images"),
        ({**PLAIN, "kind": ["rows", "rows"]}, r"kind is \"\['rows' 'rows'\]\": choose images"),
        ({**PLAIN, "class_names": np.zeros((2, 2))}, "class_names is .* give at least two texts"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arrays: dict[str, Any], line: str) -> None:
    np.savez("mine.npz", **arrays)
    with pytest.raises(PluginError, match=f"^dataset is 'mine.npz': {line}"):
        DATASETS.find("mine.npz")


def test_what_is_no_such_file(folder: Path) -> None:
    for ask in (DATASETS.find, DATASETS.digest):
        with pytest.raises(PluginError, match=r"^dataset is 'mine.npz': there is no file mine.npz$"):
            ask("mine.npz")
    (folder / "mine.npz").mkdir()
    for ask in (DATASETS.find, DATASETS.digest):
        with pytest.raises(PluginError, match=r"^dataset is 'mine.npz': mine.npz is a folder: name a file in it$"):
            ask("mine.npz")
    with open("single.npz", "wb") as file:
        np.save(file, IMAGES)
    with pytest.raises(PluginError, match=r"^dataset is 'single.npz': it holds a single array: write it with np.savez"):
        DATASETS.find("single.npz")
    (folder / "empty.npz").touch()
    with pytest.raises(PluginError, match=r"^dataset is 'empty.npz': it cannot be read: No data left in file$"):
        DATASETS.find("empty.npz")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line(folder: Path, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **PLAIN, class_names=["a", "b", "c"])
    content = bytearray(buffer.getvalue())
    place = data.draw(st.integers(0, len(content) - 1), "place")
    if data.draw(st.booleans(), "cut"):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255), "change")
    file = folder / f"{hash(bytes(content))}.npz"
    file.write_bytes(content)
    try:
        read_npz(file)
    except DataError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
