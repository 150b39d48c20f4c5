"""CIFAR-10 (Krizhevsky 2009): 60,000 color images of 32x32 pixels, in six pickled batches."""

import hashlib
import io
import lzma
import os
import pickle
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import Samples
from idml.learning.data.download import fetch, md5_of, read_bytes
from idml.learning.data.files import FileSource
from idml.learning.errors import DataError

ADDRESS: Final = "https://www.cs.toronto.edu/~kriz"

_ARCHIVE: Final = "cifar-10-python.tar.gz"
_ARCHIVE_MD5: Final = "c58f30108f718f92721af3b95e74349a"
_FOLDER: Final = "cifar-10-batches-py"
# The official MD5s of the unpacked batches, the test batch last.
_BATCHES: Final = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
_TRAIN: Final = 50_000
_IMAGES: Final = 60_000
_PIXELS: Final = 3 * 32 * 32
# SHA-256 of what `_unpack` returns for the official batches.
_DECODED_SHA256: Final = "14a2bd144501de0a338b4c67a69c1d3c335f24e5f4e22c78ea4775ad4d3c9e6a"


class Cifar10(FileSource):
    """Color images of 32x32 pixels: six animals and four vehicles."""

    name = "cifar10"
    image_shape = (3, 32, 32)
    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    licence = "none stated, cite Krizhevsky 2009; www.cs.toronto.edu/~kriz/cifar.html"
    look_alikes = MappingProxyType({9: 0, 4: 5})  # truck to airplane, deer to dog
    # Where losses stay near chance, a rise by 0.3 takes them back to it: docs/validation.md.
    tolerances = MappingProxyType({"loss": 0.1})

    def find(self, root: Path) -> Path | None:
        """What `root` holds of it: a folder of batches, plain or as .xz, or the official archive."""
        folders = [root / "cifar10" / _FOLDER, root / _FOLDER, root / "cifar10", root]
        held = [folder for folder in folders if len(self.missing(folder)) < len(_BATCHES)]
        archives = [path for path in (root / "cifar10" / _ARCHIVE, root / _ARCHIVE) if os.path.isfile(path)]
        return min(held + archives, key=lambda place: len(self.missing(place)), default=None)

    def missing(self, place: Path) -> list[Path]:
        """The batches that a folder lacks; none for an archive, whose content is seen when it is read."""
        if place.name == _ARCHIVE:
            return [] if os.path.isfile(place) else [place]
        return [place / name for name in _BATCHES if _batch_file(place, name) is None]

    def fetch(self, folder: Path) -> Path:
        """Get the archive from the official address into the folder."""
        archive = folder / _ARCHIVE
        fetch(f"{ADDRESS}/{_ARCHIVE}", archive, md5=_ARCHIVE_MD5)
        return archive

    def read(self, place: Path, cache: Path | None) -> Samples:
        """Read all batches.

        Args:
            place: what `find` or `fetch` returned.
            cache: folder for the decoded images, as unpacking takes long; bound to the bytes of the source, checked
                when it is read, made anew when it is damaged and done without where it cannot be written.

        Raises:
            DataError: a batch cannot be read or is not the official one.
        """
        flat = _read_cached(place, cache)
        images = flat[: _IMAGES * _PIXELS].reshape(_IMAGES, 3, 32, 32)
        labels = flat[_IMAGES * _PIXELS :].astype(np.int64)
        return Samples(images[:_TRAIN], labels[:_TRAIN], images[_TRAIN:], labels[_TRAIN:])


def _read_cached(source: Path, cache: Path | None) -> npt.NDArray[np.uint8]:
    """Return all pixels, then all labels, as one array."""
    files = [source] if source.name == _ARCHIVE else [_batch_file(source, name) or source / name for name in _BATCHES]
    if cache is None or not any(path.suffix in (".xz", ".gz") for path in files):
        return _unpack(source)
    digest = hashlib.sha256()
    for path in files:
        digest.update(read_bytes(path))
    cached = cache / f"cifar10-{digest.hexdigest()[:32]}.npy"
    try:
        flat: npt.NDArray[np.uint8] = np.load(cached, allow_pickle=False)
        if hashlib.sha256(flat.data).hexdigest() == _DECODED_SHA256:
            return flat
    except Exception:  # a damaged file can make the reader fail in any way
        pass  # No cache yet or a damaged one: it is (re)written below.
    flat = _unpack(source)
    _write_atomically(cached, flat)
    return flat


def _write_atomically(path: Path, array: npt.NDArray[np.uint8]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as out:
            part = Path(out.name)
            try:
                np.save(out, array)
                out.close()
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError:
        pass  # A read-only or full disk costs time on the next start, not the run.


def _batch_file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.xz") if os.path.isfile(path)), None)


def _unpack(source: Path) -> npt.NDArray[np.uint8]:
    flat = np.empty(_IMAGES * (_PIXELS + 1), np.uint8)
    pixels, labels = flat[: _IMAGES * _PIXELS].reshape(_IMAGES, _PIXELS), flat[_IMAGES * _PIXELS :]
    places = {name: slice(10_000 * i, 10_000 * (i + 1)) for i, name in enumerate(_BATCHES)}
    for name, raw in _raw_batches(source):
        found, expected = md5_of(raw), _BATCHES[name]
        if found != expected:
            raise DataError(f"{name} in {source} is damaged (MD5 {found}, expected {expected}): get it again")
        batch = _ArrayUnpickler(io.BytesIO(raw), encoding="bytes").load()
        place = places.pop(name)
        pixels[place], labels[place] = batch[b"data"], batch[b"labels"]
    if places:
        raise DataError(f"{source} lacks {', '.join(places)}: get it again")
    return flat


def _raw_batches(source: Path) -> Iterator[tuple[str, bytes]]:
    if source.name != _ARCHIVE:
        for name in _BATCHES:
            path = _batch_file(source, name)
            if path is not None:
                yield name, _decompress(path) if path.suffix == ".xz" else read_bytes(path)
        return
    try:
        with tarfile.open(source, "r|gz") as archive:
            for member in archive:
                name = Path(member.name).name
                if name in _BATCHES and (file := archive.extractfile(member)) is not None:
                    yield name, file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{source} is damaged ({error}): delete it or get it again") from None


def _decompress(path: Path) -> bytes:
    try:
        return lzma.decompress(read_bytes(path))
    except lzma.LZMAError as error:
        raise DataError(f"{path} is damaged ({error}): delete it or get it again") from None


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles one numpy array among plain values, and nothing that could run code."""

    _ALLOWED: Final[dict[tuple[str, str], Callable[..., Any]]] = {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: np.ndarray(0, np.uint8),
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise DataError(f"a CIFAR-10 batch asks for {module}.{name}, which no official one does") from None
