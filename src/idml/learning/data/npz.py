"""A data set in one file of NumPy, as `np.savez` writes it."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from idml.learning.data.arrays import ArraySource, source_of_arrays
from idml.learning.errors import DataError

_NEEDED: Final = ("train_x", "train_y", "test_x", "test_y")
_OWNERS: Final = ("owners", "train_owners")
_KNOWN: Final = (*_NEEDED, *_OWNERS, "test_owners", "class_names", "kind")


def read_npz(path: Path) -> ArraySource:
    """Read a data set; a file that has not changed since the last time is not read again.

    Args:
        path: of a file that holds train_x, train_y, test_x and test_y, and may hold owners (or train_owners),
            test_owners, class_names and kind. See `Dataset.from_arrays` for what they are.

    Raises:
        DataError: the file is damaged, something is missing, or something is wrong with an array.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"it cannot be read: {error.strerror or error}") from None
    return _read(Path(os.path.realpath(path)), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, mtime_ns: int, size: int) -> ArraySource:
    del mtime_ns, size
    arrays = _arrays(path)
    missing = [key for key in _NEEDED if key not in arrays]
    if missing:
        raise DataError(f"it has no {', '.join(missing)}; it holds {', '.join(sorted(arrays)) or 'nothing'}")
    unknown = sorted(arrays.keys() - set(_KNOWN))
    if unknown:
        raise DataError(f"it holds {unknown[0]!r}, which means nothing: it may hold {', '.join(_KNOWN)}")
    owners = [arrays[key] for key in _OWNERS if key in arrays]
    if len(owners) == 2:
        raise DataError("it holds owners and train_owners, which mean the same: leave one out")
    kind = arrays.get("kind")
    return source_of_arrays(
        *(arrays[key] for key in _NEEDED),
        owners=owners[0] if owners else None,
        test_owners=arrays.get("test_owners"),
        class_names=arrays["class_names"].tolist() if "class_names" in arrays else None,
        name=path.stem.lower()[:40],
        kind=None if kind is None else kind.item() if kind.size == 1 else str(kind),
    )


def _arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a file, by their names."""
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, NpzFile):
                return {key: np.asarray(file[key]) for key in file.files}
    except Exception as error:  # a damaged file can make the reader fail in any way
        if "allow_pickle" in str(error):
            raise DataError("it holds Python objects, or is no file of np.savez: save plain arrays") from None
        raise DataError(f"it cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from None
    raise DataError("it holds a single array: write it with np.savez(FILE, train_x=..., train_y=..., ...)")
