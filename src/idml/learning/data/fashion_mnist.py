"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 70,000 grey images of 28x28 pixels, in four IDX files, gzipped or not."""

import gzip
import os
import zlib
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import Samples
from idml.learning.data.download import fetch, md5_of, read_bytes
from idml.learning.data.files import FileSource
from idml.learning.errors import DataError

ADDRESS: Final = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
# The official MD5s of the files as published, gzipped; in the order in which `read` returns their content.
_FILES: Final = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}

_CONTENTS: Final = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""The MD5s of what is in them, which counts: others pack the same images again, or unpack them."""


class FashionMnist(FileSource):
    """Grey images of 28x28 pixels: ten kinds of clothes."""

    name = "fashion-mnist"
    image_shape = (1, 28, 28)
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    licence = "MIT; Zalando Research, github.com/zalandoresearch/fashion-mnist"
    look_alikes = MappingProxyType({7: 5, 3: 1})  # sneaker to sandal, dress to trouser

    def find(self, root: Path) -> Path | None:
        """The folder under `root` that holds any of the files, one that holds all before others."""
        folders = [root / "fashion-mnist", root / "FashionMNIST" / "raw", root]
        held = [folder for folder in folders if len(self.missing(folder)) < len(_FILES)]
        return min(held, key=lambda folder: len(self.missing(folder)), default=None)

    def missing(self, place: Path) -> list[Path]:
        """The files that the folder lacks."""
        return [place / name for name in _FILES if _file(place, name) is None]

    def fetch(self, folder: Path) -> Path:
        """Get what the folder lacks from the official address."""
        for path in self.missing(folder):
            fetch(f"{ADDRESS}/{path.name}", path, md5=_FILES[path.name])
        return folder

    def read(self, place: Path, cache: Path | None) -> Samples:
        """See `FileSource.read`; the cache is not needed, unpacking is quick."""
        del cache
        train_images, train_labels, test_images, test_labels = (_read_idx(place, name) for name in _FILES)
        return Samples(
            train_images[:, None], train_labels.astype(np.int64), test_images[:, None], test_labels.astype(np.int64)
        )


def _file(place: Path, name: str) -> Path | None:
    """A file as it was published, or unpacked; None if it is not there."""
    return next((place / one for one in (name, name.removesuffix(".gz")) if os.path.isfile(place / one)), None)


def _read_idx(place: Path, name: str) -> npt.NDArray[np.uint8]:
    path = _file(place, name) or place / name
    raw = read_bytes(path)
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged ({error}): delete it or get it again") from None
    found, expected = md5_of(raw), _CONTENTS[name.removesuffix(".gz")]
    if found != expected:
        raise DataError(f"{path} is damaged (MD5 {found} of its content, expected {expected}): get it again")
    # IDX: two zero bytes, the type, the number of dimensions, each dimension as a big-endian uint32, the values.
    dimensions = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dimensions)
