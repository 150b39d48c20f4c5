"""A data set made of arrays that somebody has: checked, brought into the shape that models take, and scaled."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import Samples
from idml.learning.data.labels import read_labels, read_owners
from idml.learning.data.source import KINDS, DataSource, Kind
from idml.learning.errors import DataError

Values = npt.NDArray[Any]

_COLOURS: Final = (1, 3, 4)
"""How many channels tell a last axis of channels from one of pixels."""
_EXACT: Final = 1 << 24
"""Whole numbers below this are exact in float32."""
_NAME: Final = 40
"""Characters of a name at most."""
_SIZES: Final = {"images": (3, 4), "signals": (2, 3), "rows": (2,), "tokens": (2,)}
"""Numbers of dimensions that an array of each kind may have."""


class ArraySource(DataSource):
    """A data set that is in memory. Other processes get what is known of it; the arrays travel apart.

    Args:
        name: of the data set, short.
        kind: what an image is, see `DataSource.kind`.
        class_names: one for each class.
        samples: what `load` returns.
        vocabulary: number of different tokens; 0 where there are none.
    """

    licence = "yours: given as arrays"

    def __init__(
        self, name: str, kind: Kind, class_names: tuple[str, ...], samples: Samples, *, vocabulary: int = 0
    ) -> None:
        self.name = name
        self.kind = kind
        self.class_names = class_names
        self.vocabulary = vocabulary
        channels, height, width = samples.train_images.shape[1:]
        self.image_shape = (channels, height, width)
        self._samples: Samples | None = samples

    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        """See `DataSource.load`."""
        del data_dir, download
        if self._samples is None:
            raise DataError(f"the arrays of {self.name} are in the process that the run began in")
        return self._samples

    @property
    def digest(self) -> str:
        """SHA-256 of all that the data set holds, hexadecimal."""
        return digest_of(self, self.load(None, download=False))

    def __getstate__(self) -> dict[str, object]:
        """What is known of the data set, without its arrays."""
        return {**vars(self), "_samples": None}


def digest_of(source: DataSource, samples: Samples) -> str:
    """SHA-256 of all that a data set holds, hexadecimal.

    Args:
        source: what is known of it.
        samples: what it holds.
    """
    total = hashlib.sha256(repr((source.kind, source.class_names, source.vocabulary)).encode())
    for array in samples:
        total.update(b"-" if array is None else f"{array.dtype} {array.shape}".encode())
        if array is not None:
            total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def source_of_arrays(
    train_x: npt.ArrayLike,
    train_y: npt.ArrayLike,
    test_x: npt.ArrayLike,
    test_y: npt.ArrayLike,
    *,
    owners: npt.ArrayLike | None = None,
    test_owners: npt.ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    kind: str | None = None,
) -> ArraySource:
    """Make a data set of arrays: see `Dataset.from_arrays` for the arguments.

    Raises:
        DataError: something is wrong with one of them.
    """
    train, test = _array("train_x", train_x), _array("test_x", test_x)
    found = _kind_of("train_x", train, kind)
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"train_x has shape {train.shape} and test_x {test.shape}: all but the first number must be equal"
        )
    if (train.dtype == np.uint8) != (test.dtype == np.uint8):
        raise DataError(f"train_x is {train.dtype} and test_x {test.dtype}: give both the same type")
    _kind_of("test_x", test, found)
    if not isinstance(name, str) or not name or len(name) > _NAME or name != name.lower() or not name.isprintable():
        raise DataError(f"name is {name!r}: give 1 to {_NAME} characters in lower case")
    names, (train_labels, test_labels) = read_labels(
        (train_y, test_y), sizes=(len(train), len(test)), class_names=class_names
    )
    train_owners, other_owners = read_owners((owners, test_owners), sizes=(len(train), len(test)))
    vocabulary = 0
    if found == "tokens":
        vocabulary = _vocabulary(train, test)
        shaped = [part.astype(np.float32) for part in (train, test)]
    elif found == "images" and train.dtype == np.uint8:
        shaped = [train, test]
    else:
        shaped = _standardize(train, test, axis=_channel_axis(train, found))
    made = [np.ascontiguousarray(_in_shape(part, found)) for part in shaped]
    samples = Samples(made[0], train_labels, made[1], test_labels, train_owners, other_owners)
    return ArraySource(name, found, names, samples, vocabulary=vocabulary)


def _array(what: str, values: npt.ArrayLike) -> Values:
    """An array of finite numbers, with at least one entry."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"{what} is no array: its entries must have one shape") from None
    if array.dtype == bool:
        array = array.astype(np.float32)
    if array.dtype.kind not in "iuf":
        raise DataError(f"{what} is {array.dtype}: give whole numbers or floats")
    if array.ndim < 2:
        raise DataError(f"{what} has shape {array.shape}: give (N, features), (N, height, width) or more dimensions")
    if not array.size:
        raise DataError(f"{what} has shape {array.shape}: give at least one entry, and none that is empty")
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array.reshape(len(array), -1))
        if wrong.any():
            row = int(np.flatnonzero(wrong.any(axis=1))[0])
            value = array.reshape(len(array), -1)[row][wrong[row]][0]
            raise DataError(
                f"{what}[{row}] holds {value}, and {int(wrong.sum())} values are NaN or infinite: mend them"
            )
    return array


def _kind_of(what: str, array: Values, kind: str | None) -> Kind:
    """What an entry of the array is: as it is said, or as the number of dimensions tells."""
    if kind is None:
        told: dict[int, Kind] = {2: "rows", 4: "images"}
        if array.ndim == 3 and array.dtype == np.uint8:
            return "images"
        if array.ndim == 3 and array.dtype.kind == "f":
            return "signals"
        if array.ndim not in told:
            raise DataError(f"{what} is {array.dtype} of shape {array.shape}: say its kind, {', '.join(KINDS)}")
        kind = told[array.ndim]
    found = next((known for known in KINDS if known == kind), None)
    if found is None:
        raise DataError(f"kind is {kind!r}: choose {', '.join(KINDS)}")
    if array.ndim not in _SIZES[found]:
        sizes = " or ".join(map(str, _SIZES[found]))
        raise DataError(f"{what} has shape {array.shape}: {found} have {sizes} dimensions, the first counts them")
    if found == "images" and array.dtype.kind != "f" and array.dtype != np.uint8:
        raise DataError(f"{what} is {array.dtype}: give pixels as uint8 from 0 to 255, or floats")
    if found == "tokens" and array.dtype.kind == "f":
        raise DataError(f"{what} is {array.dtype}: tokens are whole numbers from 0")
    return found


def _channels_last(array: Values) -> bool:
    return array.ndim == 4 and array.shape[1] not in _COLOURS and array.shape[3] in _COLOURS


def _channel_axis(array: Values, kind: Kind) -> int | None:
    """The axis along which numbers have a scale of their own; None if all have the same."""
    if kind == "rows":
        return 1
    if kind == "images":
        return None if array.ndim == 3 else 3 if _channels_last(array) else 1
    return 1 if array.ndim == 3 else None


def _in_shape(array: Values, kind: Kind) -> Values:
    """The same numbers as (N, channels, height, width)."""
    if kind == "images":
        if array.ndim == 3:
            return array[:, None]
        return array.transpose(0, 3, 1, 2) if _channels_last(array) else array
    if kind == "signals" and array.ndim == 3:
        return array[:, :, None, :]
    return array[:, None, None, :]


def _standardize(train: Values, test: Values, axis: int | None) -> list[npt.NDArray[np.float32]]:
    """Scale both parts by mean and deviation of the training part, apart for each place along an axis.

    What is constant becomes 0. Both are rounded to float32 first: processors differ in the last bits of a sum.
    """
    others = tuple(place for place in range(train.ndim) if place != axis)
    # A column of large equal numbers has a deviation of rounding errors; its range is exactly 0.
    is_constant = train.max(axis=others, keepdims=True) == train.min(axis=others, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = train.mean(axis=others, keepdims=True, dtype=np.float64).astype(np.float32).astype(np.float64)
        deviation = train.std(axis=others, keepdims=True, dtype=np.float64).astype(np.float32).astype(np.float64)
        is_constant |= deviation == 0
        deviation[is_constant] = 1
        scaled = [((part - mean) / deviation).astype(np.float32) for part in (train, test)]
    if not (np.isfinite(mean).all() and np.isfinite(deviation).all()):
        raise DataError("train_x holds numbers too large to be scaled: divide them first")
    for part in scaled:
        np.copyto(part, 0, where=np.broadcast_to(is_constant, part.shape))
        if not np.isfinite(part).all():
            raise DataError("test_x holds numbers too large to be scaled: divide them first")
    return scaled


def _vocabulary(train: Values, test: Values) -> int:
    """The largest token and 1."""
    least, most = min(int(train.min()), int(test.min())), max(int(train.max()), int(test.max()))
    if least < 0:
        raise DataError(f"the least token is {least}: tokens are whole numbers from 0")
    if most >= _EXACT:
        raise DataError(f"the largest token is {most}: number them from 0, below {_EXACT}")
    return most + 1
