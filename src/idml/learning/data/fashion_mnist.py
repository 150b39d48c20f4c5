"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 70,000 grey images of 28x28 pixels, in four gzipped IDX files."""

import gzip
import os
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
        return [place / name for name in _FILES if not os.path.isfile(place / name)]

    def fetch(self, folder: Path) -> Path:
        """Get what the folder lacks from the official address."""
        for path in self.missing(folder):
            fetch(f"{ADDRESS}/{path.name}", path, md5=_FILES[path.name])
        return folder

    def read(self, place: Path, cache: Path | None) -> Samples:
        """See `FileSource.read`; the cache is not needed, unpacking is quick."""
        del cache
        train_images, train_labels, test_images, test_labels = (_read_idx(place / name) for name in _FILES)
        return Samples(
            train_images[:, None], train_labels.astype(np.int64), test_images[:, None], test_labels.astype(np.int64)
        )


def _read_idx(path: Path) -> npt.NDArray[np.uint8]:
    packed = read_bytes(path)
    found, expected = md5_of(packed), _FILES[path.name]
    if found != expected:
        raise DataError(f"{path} is damaged (MD5 {found}, expected {expected}): delete it or get it again")
    raw = gzip.decompress(packed)
    # IDX: two zero bytes, the type, the number of dimensions, each dimension as a big-endian uint32, the values.
    dimensions = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dimensions)
