"""Pictures in folders of classes are read as they are, split the same each time, and refused in words."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import idml
from idml.learning.data.datasets import Dataset
from idml.learning.data.registry import DATASETS
from idml.learning.errors import DataError
from idml.registry import PluginError
from idml.simulation.totals import Snapshot

GREY = np.arange(6 * 5, dtype=np.uint8).reshape(6, 5)


def put(path: Path, pixels: npt.NDArray[Any] = GREY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def put_all(folder: Path, *classes: str, count: int, first: int = 0) -> None:
    for place, name in enumerate(classes):
        for number in range(count):
            put(folder / name / f"{number:03}.png", GREY + np.uint8(first + 40 * place + number))


def test_train_and_test_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    put_all(tmp_path / "train", "dog", "cat", count=3)
    put_all(tmp_path / "test", "cat", "eel", count=2, first=100)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no picture")
    found = Dataset.from_folder(tmp_path)
    assert found.source.class_names == ("cat", "dog", "eel")
    assert found.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.test_labels.tolist() == [0, 0, 2, 2]
    assert found.image_shape == (1, 6, 5)
    assert found.train_images.dtype == np.uint8
    assert [image[0, 0, 0] for image in found.train_images] == [40, 41, 42, 0, 1, 2]
    np.testing.assert_array_equal(found.test_images[3, 0], GREY + np.uint8(141))


def test_without_a_test_folder_every_fifth_of_a_class_tests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_all(tmp_path, "a", count=8)
    put_all(tmp_path, "b", count=2, first=50)
    put_all(tmp_path, "c", count=1, first=100)
    with caplog.at_level("INFO", "idml"):
        found = Dataset.from_folder(tmp_path)
    assert found.test_images[:, 0, 0, 0].tolist() == [1, 6, 51]
    assert found.train_images[:, 0, 0, 0].tolist() == [0, 2, 3, 4, 5, 7, 50, 100]
    assert "every fifth picture of a class, in the order of names, is for tests" in caplog.text


def test_one_picture_in_colour_makes_all_so(tmp_path: Path) -> None:
    put_all(tmp_path, "a", "b", count=3)
    colours = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    put(tmp_path / "a" / "001.png", colours)  # a test picture, with transparency
    found = Dataset.from_folder(tmp_path)
    assert found.image_shape == (3, 6, 5)
    np.testing.assert_array_equal(found.test_images[0], colours[..., :3].transpose(2, 0, 1))
    np.testing.assert_array_equal(found.train_images[0], np.repeat(GREY[None], 3, axis=0))


def test_a_picture_stands_as_the_camera_says(tmp_path: Path) -> None:
    put_all(tmp_path, "a", "b", count=2)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    for name in ("000", "001"):
        Image.fromarray(GREY).save(tmp_path / "a" / f"{name}.png", exif=exif)
    np.testing.assert_array_equal(Dataset.from_folder(tmp_path).train_images[0, 0], GREY[::-1, ::-1])


def test_sizes_are_told_and_brought_to_one_if_asked(tmp_path: Path) -> None:
    put_all(tmp_path, "a", "b", count=3)
    put(tmp_path / "a" / "big.png", np.zeros((12, 10), np.uint8))
    with pytest.raises(DataError, match=r"^pictures have 2 sizes, height x width: 6x5 \(6\), 12x10 \(1\); bring them"):
        Dataset.from_folder(tmp_path)
    assert Dataset.from_folder(tmp_path, resize=(4, 3)).image_shape == (1, 4, 3)
    with pytest.raises(DataError, match=r"^resize is \(4, 0\): give height and width"):
        Dataset.from_folder(tmp_path, resize=(4, 0))


def test_what_is_wrong_with_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^there is no folder {tmp_path}/gone$"):
        Dataset.from_folder(tmp_path / "gone")
    with pytest.raises(DataError, match="has no pictures in folders of classes"):
        Dataset.from_folder(tmp_path)
    put_all(tmp_path / "train", "a", "b", count=2)
    with pytest.raises(DataError, match="has pictures in train/CLASS/ and none in test/CLASS/: add them"):
        Dataset.from_folder(tmp_path)
    put_all(tmp_path / "test", "a", "b", count=1)
    (tmp_path / "test" / "b" / "000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"test/b/000.png cannot be read: "):
        Dataset.from_folder(tmp_path)
    put(tmp_path / "test" / "b" / "000.png", GREY.astype(np.uint16))
    with pytest.raises(DataError, match=r"^test/b/000.png has pixels of mode I;16: save it with 8 bits a channel$"):
        Dataset.from_folder(tmp_path)


def test_a_configuration_names_it_with_a_slash_and_reads_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put_all(tmp_path / "Pets", "a", "b", count=3)
    source = DATASETS.find("Pets/")
    assert source.name == "pets"
    assert DATASETS.find("Pets/") is source
    os.utime(tmp_path / "Pets" / "a" / "000.png", ns=(1, 1))
    assert DATASETS.find("Pets/") is not source
    with pytest.raises(PluginError, match=r"^dataset is 'Pots/': there is no folder Pots/$"):
        DATASETS.find("Pots/")
    with pytest.raises(PluginError, match=r"digits, FILE.npz, FOLDER/, FILE.py:NAME or .*; the folder is Pets/$"):
        DATASETS.require("Pets")


@pytest.mark.slow
def test_devices_learn_from_a_folder_with_workers_and_go_on_only_with_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, light in (("dark", 60), ("bright", 180)):
        for number in range(60):
            put(tmp_path / "pets" / name / f"{number:02}.png", rng.integers(light - 60, light + 60, (8, 8), np.uint8))
    keys: dict[str, Any] = {"devices": 6, "encounters": 12, "incentive": False, "batch": 4, "learning_rate": 0.1}
    one, two = (
        idml.run(f"run {workers}", dataset="pets/", report=False, workers=workers, **keys).summary for workers in (1, 2)
    )
    assert {**one, "wall_s": 0} == {**two, "wall_s": 0}
    assert one["accuracy"]["mean"] > 0.9

    def stop(snapshot: Snapshot) -> None:
        if snapshot.contact == 6:
            raise idml.Stopped

    with pytest.raises(idml.Stopped):
        idml.run("run", dataset="pets/", report=False, observer=stop, **keys)
    before = (tmp_path / "pets" / "dark" / "07.png").read_bytes()
    put(tmp_path / "pets" / "dark" / "07.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(idml.ConfigError, match=r"^dataset pets/ holds other data than when the run began: restore it"):
        idml.resume("run", report=False)
    (tmp_path / "pets" / "dark" / "07.png").write_bytes(before)
    again = idml.resume("run", report=False).summary
    assert {**again, "wall_s": 0} == {**one, "wall_s": 0}
