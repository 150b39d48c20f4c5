"""Data sets are the official ones or a clear error: found in their usual layouts, and checked."""

import gzip
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from idml.learning.data import cifar10
from idml.learning.data.datasets import Dataset, find_dataset, load_dataset
from idml.learning.data.fashion_mnist import FashionMnist
from idml.learning.data.files import user_cache
from idml.learning.data.registry import DATASETS
from idml.learning.errors import DataError
from idml.registry import PluginError

FASHION_FILES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
CIFAR_BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def link_fashion(data: Path, folder: Path, names: list[str] = FASHION_FILES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).symlink_to(data / "fashion-mnist" / name)
    return folder


def link_cifar(data: Path, folder: Path, names: list[str] = CIFAR_BATCHES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.xz").symlink_to(data / "cifar10" / "cifar-10-batches-py" / f"{name}.xz")
    return folder


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    """The message, which must be one line of a reasonable length and hide no other exception behind it."""
    message = str(error.value)
    assert "\n" not in message
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__
    return message


def test_digits_are_split_by_class_and_lose_nothing(digits: Dataset) -> None:
    from sklearn.datasets import load_digits

    assert digits.image_shape == (1, 8, 8)
    assert digits.classes == 10
    assert digits.train_images.shape == (1437, 1, 8, 8)
    assert digits.test_images.shape == (360, 1, 8, 8)
    assert digits.train_images.dtype == digits.test_images.dtype == np.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int64
    shares = np.bincount(digits.test_labels) / np.bincount(np.concatenate([digits.train_labels, digits.test_labels]))
    assert np.abs(shares - 0.2).max() < 0.01
    # 17 grey values stay 17 grey values; each image and label is there once.
    images = np.concatenate([digits.train_images, digits.test_images]).reshape(-1, 64)
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    official = load_digits()
    restored = np.rint(images / 255 * 16).astype(int)
    assert len(np.unique(images)) == 17
    assert images.max() == 255
    ours = sorted(zip(restored.tolist(), labels.tolist(), strict=True))
    assert ours == sorted(zip(official.data.astype(int).tolist(), official.target.tolist(), strict=True))


@pytest.mark.slow
def test_fashion_mnist_is_read_from_its_idx_files(fashion_mnist: Dataset) -> None:
    assert fashion_mnist.image_shape == (1, 28, 28)
    assert fashion_mnist.train_images.shape == (60_000, 1, 28, 28)
    assert fashion_mnist.test_images.shape == (10_000, 1, 28, 28)
    assert np.bincount(fashion_mnist.train_labels).tolist() == [6000] * 10
    assert np.bincount(fashion_mnist.test_labels).tolist() == [1000] * 10
    # The statistics that the literature normalizes with.
    assert fashion_mnist.train_images.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert fashion_mnist.train_images.std() / 255 == pytest.approx(0.3530, abs=5e-5)


@pytest.mark.parametrize("layout", ["fashion-mnist", "FashionMNIST/raw", "."])
def test_fashion_mnist_is_found_in_each_usual_layout(fashion_mnist_data: Path, tmp_path: Path, layout: str) -> None:
    link_fashion(fashion_mnist_data, tmp_path / "data" / layout)
    assert find_dataset("fashion-mnist", tmp_path / "data")
    assert not find_dataset("cifar10", tmp_path / "data")
    assert load_dataset("fashion-mnist", tmp_path / "data", download=False).classes == 10


@pytest.mark.parametrize("layout", ["cifar10/cifar-10-batches-py", "cifar-10-batches-py", "cifar10", "."])
def test_cifar10_is_found_in_each_usual_layout(cifar10_data: Path, tmp_path: Path, layout: str) -> None:
    link_cifar(cifar10_data, tmp_path / "data" / layout, CIFAR_BATCHES[:-1])
    assert not find_dataset("cifar10", tmp_path / "data")
    with pytest.raises(DataError, match="test_batch is missing"):
        load_dataset("cifar10", tmp_path / "data")
    link_cifar(cifar10_data, tmp_path / "data" / layout, CIFAR_BATCHES[-1:])
    assert find_dataset("cifar10", tmp_path / "data")


def test_places_are_searched_in_order(
    fashion_mnist_data: Path, tmp_path: Path, user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / "argument", tmp_path / "environment", user_cache]
    for place in places[:2]:
        place.mkdir()
    monkeypatch.setenv("IDML_DATA", str(places[1]))
    # A damaged file tells which place was read.
    for place in reversed(places):
        folder = link_fashion(fashion_mnist_data, place, FASHION_FILES[1:])
        (folder / FASHION_FILES[0]).write_bytes(b"damaged")
        with pytest.raises(DataError, match=str(folder / FASHION_FILES[0])):
            load_dataset("fashion-mnist", places[0])


@pytest.mark.parametrize("name", FASHION_FILES)
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_a_damaged_fashion_mnist_file_is_one_line(
    fashion_mnist_data: Path, tmp_path: Path, name: str, damage: str
) -> None:
    others = [other for other in FASHION_FILES if other != name]
    folder = link_fashion(fashion_mnist_data, tmp_path / "data", others)
    content = bytearray((fashion_mnist_data / "fashion-mnist" / name).read_bytes())
    content[len(content) // 2] ^= 1
    content = {"flip": content, "truncate": content[: len(content) // 2], "empty": bytearray()}[damage]
    (folder / name).write_bytes(content)
    assert find_dataset("fashion-mnist", folder)
    with pytest.raises(DataError) as error:
        load_dataset("fashion-mnist", folder)
    message = one_line(error)
    assert str(folder / name) in message
    assert f"{folder / name} is damaged (" in message
    assert message.endswith("get it again")


def test_fashion_mnist_may_be_unpacked_or_packed_again(fashion_mnist_data: Path, tmp_path: Path) -> None:
    """As gunzip leaves it, or Kaggle: what is in the files counts."""
    published, folder = fashion_mnist_data / "fashion-mnist", tmp_path / "fashion-mnist"
    folder.mkdir()
    for place, name in enumerate(FASHION_FILES):
        content = gzip.decompress((published / name).read_bytes())
        if place % 2:
            (folder / name).write_bytes(gzip.compress(content, 1))
        else:
            (folder / name.removesuffix(".gz")).write_bytes(content)
    assert find_dataset("fashion-mnist", tmp_path)
    ours, theirs = (load_dataset("fashion-mnist", place, download=False) for place in (folder, published))
    assert (ours.train_images == theirs.train_images).all()
    assert (ours.test_labels == theirs.test_labels).all()


def test_a_missing_file_is_one_line_and_hides_no_other_copy(fashion_mnist_data: Path, tmp_path: Path) -> None:
    folder = link_fashion(fashion_mnist_data, tmp_path / "data", FASHION_FILES[:-1])
    assert not find_dataset("fashion-mnist", folder)
    with pytest.raises(DataError) as error:
        load_dataset("fashion-mnist", folder)
    assert str(folder / FASHION_FILES[-1]) in one_line(error)


def test_an_unreadable_file_is_one_line(fashion_mnist_data: Path, tmp_path: Path) -> None:
    folder = link_fashion(fashion_mnist_data, tmp_path / "data", FASHION_FILES)
    (folder / FASHION_FILES[0]).unlink()
    # A file that opens and then cannot be read, for the superuser too: the memory of this process at address 0.
    (folder / FASHION_FILES[0]).symlink_to("/proc/self/mem")
    with pytest.raises(DataError) as error:
        load_dataset("fashion-mnist", folder)
    assert f"cannot read {folder / FASHION_FILES[0]} (Input/output error)" in one_line(error)


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10"])
def test_without_data_or_network_the_places_are_named(name: str, tmp_path: Path, user_cache: Path) -> None:
    assert not find_dataset(name, tmp_path)
    with pytest.raises(DataError) as error:
        load_dataset(name, tmp_path, download=False)
    message = one_line(error)
    assert message.startswith(f"{name} is not in {tmp_path}, {user_cache}")


def test_wrong_names_and_folders_are_named(tmp_path: Path) -> None:
    for call in (load_dataset, find_dataset):
        with pytest.raises(
            PluginError, match=f"^dataset is 'mnist': choose {', '.join(DATASETS.built_in)}, FILE.npz, FOLDER/, FILE.py"
        ):
            call("mnist")
    with pytest.raises(DataError, match=f"{tmp_path / 'nowhere'} does not exist"):
        load_dataset("cifar10", tmp_path / "nowhere")


def test_the_cache_follows_the_xdg_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert user_cache() == tmp_path / ".cache" / "idml"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert user_cache() == tmp_path / "x" / "idml"


def test_a_damaged_cifar10_batch_is_one_line(cifar10_data: Path, tmp_path: Path) -> None:
    source = cifar10_data / "cifar10" / "cifar-10-batches-py" / "data_batch_1.xz"
    for content, expected in ((source.read_bytes()[:1000], "data_batch_1.xz is damaged"), (b"", "damaged")):
        folder = link_cifar(cifar10_data, tmp_path / str(len(content)), CIFAR_BATCHES[1:])
        (folder / "data_batch_1.xz").write_bytes(content)
        with pytest.raises(DataError) as error:
            load_dataset("cifar10", folder)
        assert expected in one_line(error)
    # A plain batch, which is taken before a packed one, is not unpickled before its digest is right.
    (folder / "data_batch_1").write_bytes(pickle.dumps({b"data": b"", b"labels": []}))
    with pytest.raises(DataError) as error:
        load_dataset("cifar10", folder)
    assert "data_batch_1 in" in one_line(error)
    assert cifar10._BATCHES["data_batch_1"] in str(error.value)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\x00damaged"])
def test_a_damaged_cifar10_archive_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    with pytest.raises(DataError) as error:
        load_dataset("cifar10", tmp_path)
    assert f"{tmp_path / 'cifar-10-python.tar.gz'} is damaged" in one_line(error)


def test_an_archive_with_other_content_is_one_line(tmp_path: Path) -> None:
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        out.addfile(tarfile.TarInfo("cifar-10-batches-py/readme.html"), io.BytesIO())
    with pytest.raises(DataError, match=r"lacks data_batch_1, .*, test_batch: get it again"):
        load_dataset("cifar10", tmp_path)
    with tarfile.open(archive, "w:gz") as out:
        out.addfile(tarfile.TarInfo("cifar-10-batches-py/test_batch"), io.BytesIO())
    with pytest.raises(DataError, match=r"test_batch in .* is damaged"):
        load_dataset("cifar10", tmp_path)


class Intruder:
    """Pickles to a call that writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_the_unpickler_runs_no_code(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    hostile = pickle.dumps(Intruder(marker), protocol=2)
    with pytest.raises(DataError, match=r"a CIFAR-10 batch asks for"):
        cifar10._ArrayUnpickler(io.BytesIO(hostile), encoding="bytes").load()
    assert not marker.exists()
    pickle.loads(hostile)
    assert marker.exists()


@pytest.mark.slow
def test_cifar10_is_decoded_once_and_a_damaged_cache_made_anew(
    cifar10_data: Path, tmp_path: Path, user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_dataset("cifar10", cifar10_data, download=False)
    assert first.train_images.shape == (50_000, 3, 32, 32)
    assert first.test_images.shape == (10_000, 3, 32, 32)
    assert np.bincount(first.train_labels).tolist() == [5000] * 10
    assert np.bincount(first.test_labels).tolist() == [1000] * 10
    means = first.train_images.mean(axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=5e-5)
    [cached] = user_cache.iterdir()

    def same(other: Dataset) -> bool:
        return all(
            (getattr(first, part) == getattr(other, part)).all()
            for part in ("train_images", "train_labels", "test_images", "test_labels")
        )

    plain = tmp_path / "plain" / "cifar-10-batches-py"
    plain.mkdir(parents=True)
    archive = tmp_path / "packed" / "cifar-10-python.tar.gz"
    archive.parent.mkdir()
    for name, raw in cifar10._raw_batches(cifar10_data / "cifar10" / "cifar-10-batches-py"):
        (plain / name).write_bytes(raw)
    with tarfile.open(archive, "w:gz", compresslevel=1) as out:
        out.add(plain, plain.name)
    assert same(load_dataset("cifar10", plain.parent))
    assert len(list(user_cache.iterdir())) == 1
    # The archive has a cache of its own; from here on count how often anything is unpacked.
    reads: list[Path] = []
    unpack = cifar10._unpack

    def counted(source: Path) -> npt.NDArray[np.uint8]:
        reads.append(source)
        return unpack(source)

    monkeypatch.setattr(cifar10, "_unpack", counted)
    assert same(load_dataset("cifar10", archive.parent))
    assert same(load_dataset("cifar10", archive.parent))
    assert reads == [archive]
    assert same(load_dataset("cifar10", cifar10_data))
    assert reads == [archive]
    [packed] = set(user_cache.iterdir()) - {cached}
    whole = packed.read_bytes()
    for damaged in (whole[:100_000], b"", whole[:50_000] + bytes([whole[50_000] ^ 1]) + whole[50_001:]):
        packed.write_bytes(damaged)
        assert same(load_dataset("cifar10", archive.parent))
        assert packed.read_bytes() == whole
    assert reads == [archive] * 4
    assert set(user_cache.iterdir()) == {cached, packed}
    # A cache that cannot be written (here its place is taken by a file) costs time and nothing else.
    monkeypatch.setenv("XDG_CACHE_HOME", str(plain / "test_batch"))
    assert same(load_dataset("cifar10", archive.parent))
    assert reads == [archive] * 5


def test_the_class_names_are_ten_each(digits: Dataset) -> None:
    for source in (FashionMnist(), cifar10.Cifar10(), digits.source):
        assert len(set(source.class_names)) == source.classes == 10
