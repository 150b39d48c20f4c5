"""Labels and owners as somebody has them, numbers or texts, made into whole numbers from 0."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from idml.learning.arrays import Indices, Labels
from idml.learning.errors import DataError

Both = tuple[npt.ArrayLike, npt.ArrayLike]
"""Of the training part and of the test part."""


def read_labels(
    given: Both, *, sizes: tuple[int, int], class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[Labels, Labels]]:
    """Find the classes, and the class of each entry.

    Args:
        given: labels of both parts: whole numbers from 0, or texts.
        sizes: how many entries the parts have.
        class_names: one for each class; by default the numbers, or the texts in their order.

    Returns:
        The names of the classes, and the labels of both parts.

    Raises:
        DataError: a label is missing, no label, or of a class that is not there; or there is but one class.
    """
    train, test = (
        _column(what, labels, size) for what, labels, size in zip(("train_y", "test_y"), given, sizes, strict=True)
    )
    if (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise DataError("train_y and test_y are of different types: give both as whole numbers, or both as texts")
    names = None if class_names is None else _names(class_names)
    if train.dtype.kind == "U":
        names = names or tuple(map(str, np.unique(np.concatenate([train, test]))))
        places = {name: place for place, name in enumerate(names)}
        coded = [_coded(f"{part}_y", labels, places) for part, labels in (("train", train), ("test", test))]
    else:
        coded = [labels.astype(np.int64) for labels in (train, test)]
        most = max(int(labels.max()) for labels in coded)
        if names is None and most >= sum(sizes):
            raise DataError(f"a label is {most} among {sum(sizes)} entries: number the classes from 0")
        names = names or tuple(map(str, range(most + 1)))
        for part, labels in zip(("train", "test"), coded, strict=True):
            if labels.min() < 0 or labels.max() >= len(names):
                wrong = labels.min() if labels.min() < 0 else labels.max()
                raise DataError(f"{part}_y holds {wrong}: with {len(names)} classes, labels are 0 to {len(names) - 1}")
    if len(np.unique(coded[0])) < 2:
        raise DataError(f"train_y holds one class only, {names[coded[0][0]]}: give at least two")
    return names, (coded[0], coded[1])


def read_owners(
    given: tuple[npt.ArrayLike | None, npt.ArrayLike | None], *, sizes: tuple[int, int]
) -> tuple[Indices | None, Indices | None]:
    """Say whose each entry is, by number: whole numbers stay, texts are numbered in their order.

    Raises:
        DataError: there is not one for each entry, or only the test part has any.
    """
    train, test = (
        None if owners is None else _column(what, owners, size)
        for what, owners, size in zip(("owners", "test_owners"), given, sizes, strict=True)
    )
    if train is None:
        if test is not None:
            raise DataError("there are test_owners, yet no owners of the training part: give both, or neither")
        return None, None
    found = [train] if test is None else [train, test]
    if len({owners.dtype.kind == "U" for owners in found}) == 2:
        raise DataError("owners and test_owners are of different types: give both as whole numbers, or both as texts")
    if train.dtype.kind == "U":
        _, codes = np.unique(np.concatenate(found), return_inverse=True)
        whole = codes.astype(np.int64)
    else:
        whole = np.concatenate([owners.astype(np.int64) for owners in found])
        if whole.min() < 0:
            raise DataError(f"an owner is {whole.min()}: owners are whole numbers from 0, or texts")
    return whole[: len(train)], None if test is None else whole[len(train) :]


def _column(what: str, values: npt.ArrayLike, size: int) -> npt.NDArray[Any]:
    """One whole number or one text for each entry."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"{what} is no array: give one for each entry") from None
    if array.dtype == object and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)
    if array.dtype == bool:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuU":
        raise DataError(f"{what} is {array.dtype}: give whole numbers from 0, or texts")
    if array.shape != (size,):
        raise DataError(f"{what} has shape {array.shape}: give one for each of the {size} entries, ({size},)")
    return array


def _names(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise DataError(f"class_names is {given!r}: give a list of texts")
    names = tuple(str(name) if isinstance(name, str) else name for name in given)
    if len(names) < 2 or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"class_names is {names!r}: give at least two texts, none empty")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"class_names holds {twice!r} twice: give each class a name of its own")
    return names


def _coded(what: str, labels: npt.NDArray[Any], places: dict[str, int]) -> Labels:
    unknown = sorted(set(labels.tolist()) - places.keys())
    if unknown:
        raise DataError(f"{what} holds {unknown[0]!r}: class_names has no such class")
    return np.array([places[label] for label in labels.tolist()], np.int64)
