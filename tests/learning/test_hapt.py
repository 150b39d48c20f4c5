"""HAPT is the official one or a clear error; what a person did last is kept from training."""

from pathlib import Path

import numpy as np
import pytest

from idml.learning.arrays import Samples
from idml.learning.data.datasets import find_dataset, load_dataset
from idml.learning.data.files import find_file
from idml.learning.data.hapt import Hapt
from idml.learning.engine import prepare
from idml.learning.errors import DataError

from .conftest import real_data

PACKED = "hapt_raw_i16.npz"


@pytest.fixture(scope="module")
def packed() -> Path:
    return real_data("hapt") / "hapt" / PACKED


@pytest.fixture(scope="module")
def samples(packed: Path) -> Samples:
    return Hapt().read(packed.parent, Path("unused"))


def test_its_windows_are_those_of_the_six_activities(samples: Samples) -> None:
    train, train_labels, test, test_labels, train_owners, test_owners = samples
    assert train_owners is not None
    assert test_owners is not None
    assert train.shape[1:] == test.shape[1:] == Hapt.image_shape
    assert train.dtype == test.dtype == np.float32
    # The official number of windows of each activity.
    labels = np.concatenate([train_labels, test_labels])
    assert np.bincount(labels).tolist() == [1722, 1544, 1407, 1801, 1979, 1958]
    assert Hapt().classes == 6
    counts = np.bincount(np.concatenate([train_owners, test_owners]))
    assert len(counts) == 30
    assert (counts.min(), counts.max()) == (284, 413)
    for owners in (train_owners, test_owners):
        assert np.bincount(owners).min() >= 69
    # Signals are scaled as they are: nothing is left for an engine to do.
    assert prepare(train) is train
    together = np.concatenate([train, test])
    # Gravity is one g, which is two units, whichever way the phone lies.
    still = together[labels >= 3][:, :3, 0].mean(axis=2)
    assert np.linalg.norm(still, axis=1) == pytest.approx(2, rel=0.1)


def test_no_window_of_a_test_shares_a_sample_with_training(packed: Path, samples: Samples) -> None:
    with np.load(packed) as raw:
        signals, experiments = raw["signals"], raw["experiments"].tolist()
    last = {person: (row, count) for _, person, row, count in experiments}
    for images, owners, is_test in (
        (samples.train_images, samples.train_owners, False),
        (samples.test_images, samples.test_owners, True),
    ):
        assert owners is not None
        for person in (1, 10, 30):
            row, count = last[person]
            first = np.rint(images[owners == person - 1][:, 0, 0, :4] * 0.5 * 720).astype(int)
            place = {tuple(signals[at : at + 4, 0].tolist()) for at in range(row, row + count - 3)}
            inside = np.mean([tuple(window) in place for window in first.tolist()])
            # Four values in a row of one axis can be met again by chance.
            assert inside == 1 if is_test else inside < 0.5


@pytest.mark.slow
def test_the_official_text_files_are_the_same(packed: Path, samples: Samples, tmp_path: Path) -> None:
    folder = tmp_path / "hapt" / "RawData"
    folder.mkdir(parents=True)
    with np.load(packed) as raw:
        signals, experiments, labels = raw["signals"], raw["experiments"], raw["labels"]
    for experiment, person, row, count in experiments.tolist():
        part = signals[row : row + count] * np.repeat([1 / 720, 0.00030543261909900765], 3)
        for name, columns in (("acc", slice(0, 3)), ("gyro", slice(3, 6))):
            np.savetxt(folder / f"{name}_exp{experiment:02}_user{person:02}.txt", part[:, columns], "%.12g")
    np.savetxt(folder / "labels.txt", labels, "%d")
    assert find_dataset("hapt", tmp_path)
    loaded = load_dataset("hapt", tmp_path)
    assert loaded.classes == 6
    assert np.array_equal(loaded.train_images, samples.train_images)
    assert np.array_equal(loaded.test_images, samples.test_images)
    for one, other in (
        (loaded.train_labels, samples.train_labels),
        (loaded.test_labels, samples.test_labels),
        (loaded.train_owners, samples.train_owners),
        (loaded.test_owners, samples.test_owners),
    ):
        assert one is not None
        assert other is not None
        assert np.array_equal(one, other)
    (folder / "gyro_exp07_user04.txt").unlink()
    with pytest.raises(DataError, match=r"RawData is damaged \(.*gyro_exp07_user04.txt not found.*\): get it again$"):
        Hapt().read(tmp_path / "hapt", tmp_path)
    (folder / "acc_exp07_user04.txt").unlink()
    with pytest.raises(DataError, match=r"RawData has 60 recordings of 61: get it again$"):
        Hapt().read(tmp_path / "hapt", tmp_path)


def test_one_sample_that_differs_is_noticed(packed: Path, tmp_path: Path) -> None:
    with np.load(packed) as raw:
        arrays = {name: raw[name] for name in ("signals", "experiments", "labels")}
    arrays["signals"][500_000, 3] += 1
    np.savez(tmp_path / PACKED, **arrays)
    with pytest.raises(DataError, match=r"not hold the signals of HAPT 2.1 \(SHA-256 [0-9a-f]{64}\): get it again$"):
        Hapt().read(tmp_path, tmp_path)


def test_damage_and_absence_are_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "hapt"
    folder.mkdir(parents=True)
    assert not find_dataset("hapt", tmp_path / "data")
    with pytest.raises(DataError, match=r"^hapt is not here: get '.*' from the UCI .*341\), and unpack it in "):
        load_dataset("hapt", tmp_path / "data")
    for content in (b"", b"no archive"):
        (folder / PACKED).write_bytes(content)
        assert find_dataset("hapt", tmp_path / "data")
        with pytest.raises(DataError, match=rf"{PACKED} is damaged \(.*\): get it again$"):
            load_dataset("hapt", tmp_path / "data")
    np.savez(folder / PACKED, signals=np.zeros((3, 6), np.int16))
    with pytest.raises(DataError, match=rf"{PACKED} is damaged \(.*experiments.*\): get it again$"):
        load_dataset("hapt", tmp_path / "data")


def test_files_beside_the_data_sets_are_found_where_those_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other" / "contacts" / "a.csv"
    other.parent.mkdir(parents=True)
    other.write_text("a")
    assert find_file("contacts/a.csv", tmp_path) is None
    monkeypatch.setenv("IDML_DATA", str(tmp_path / "other"))
    assert find_file("contacts/a.csv", tmp_path) == other
    assert find_file("contacts", tmp_path) is None
