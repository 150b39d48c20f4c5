"""Data sets of other libraries, read into arrays: torchvision and Hugging Face datasets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from idml.learning.data.arrays import ArraySource, source_of_arrays
from idml.learning.data.pictures import is_picture, pixels_of
from idml.learning.errors import DataError


def source_of_torchvision(
    train: Any, test: Any, *, name: str, kind: str | None, class_names: Sequence[str] | None
) -> ArraySource:
    """Read two data sets of PyTorch's kind: see `Dataset.from_torchvision`."""
    values, labels = zip(_items("train", train), _items("test", test), strict=True)
    train_x, test_x = _arrays(values)
    names = class_names if class_names is not None else _classes(train)
    return source_of_arrays(train_x, labels[0], test_x, labels[1], class_names=names, name=name, kind=kind)


def source_of_huggingface(
    splits: Any,
    *,
    x: str | Sequence[str] | None,
    y: str | None,
    owners: str | None,
    train: str,
    test: str,
    name: str,
    kind: str | None,
) -> ArraySource:
    """Read two splits of a `DatasetDict`: see `Dataset.from_huggingface`."""
    if not isinstance(splits, Mapping):
        raise DataError(f"{type(splits).__name__} has no splits: give a DatasetDict, as train_test_split() returns it")
    for split in (train, test):
        if split not in splits:
            raise DataError(f"there is no split {split!r} among {', '.join(map(str, splits))}: say train= and test=")
    features = splits[train].features
    label = _label_column(features, y)
    columns = [x] if isinstance(x, str) else list(x) if x else _value_columns(features, {label, owners})
    for column in (*columns, *([owners] if owners else [])):
        if column not in features:
            raise DataError(f"there is no column {column!r} among {', '.join(features)}")
    parts = [splits[split] for split in (train, test)]
    train_x, test_x = _arrays([_values(part, columns) for part in parts])
    labels = [part.with_format("numpy")[:][label] for part in parts]
    whose = [part.with_format("numpy")[:][owners] if owners else None for part in parts]
    names = getattr(features[label], "names", None)
    return source_of_arrays(
        train_x,
        labels[0],
        test_x,
        labels[1],
        owners=whose[0],
        test_owners=whose[1],
        class_names=names,
        name=name,
        kind=kind,
    )


def _items(what: str, dataset: Any) -> tuple[list[Any], list[int]]:
    """All values and labels of a data set, each read once."""
    values, labels = [], []
    for place in range(len(dataset)):
        item = dataset[place]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(f"{what}[{place}] is {type(item).__name__}: each item must be a value and its class")
        value, label = item
        if np.ndim(label) or np.asarray(label).dtype.kind not in "iub":
            raise DataError(f"{what}[{place}] has the class {label!r}: classes are whole numbers from 0")
        values.append(value)
        labels.append(int(label))
    if not values:
        raise DataError(f"{what} is empty: give at least one item")
    return values, labels


def _classes(dataset: Any) -> Sequence[str] | None:
    """The names of classes that a data set, or the one of which it is a part, knows."""
    while dataset is not None:
        names = getattr(dataset, "classes", None)
        if names is not None:
            return [str(known) for known in names]
        dataset = getattr(dataset, "dataset", None)
    return None


def _arrays(parts: Sequence[Sequence[Any] | npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """One array for each part; pictures of both together, as both are grey or in colour."""
    if is_picture(parts[0][0]):
        both = [picture for part in parts for picture in part]
        odd = next((thing for thing in both if not is_picture(thing)), None)
        if odd is not None:
            raise DataError(f"there are pictures, and {type(odd).__name__} among them: give either")
        pixels = pixels_of(both, [f"picture {place}" for place in range(len(both))])
        return [pixels[: len(parts[0])], pixels[len(parts[0]) :]]
    return [part if isinstance(part, np.ndarray) else _stack([np.asarray(value) for value in part]) for part in parts]


def _stack(values: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    shapes = sorted({value.shape for value in values})
    if len(shapes) > 1:
        raise DataError(f"values have {len(shapes)} shapes, such as {shapes[0]} and {shapes[1]}: bring them to one")
    return np.stack(values)


def _label_column(features: Mapping[str, Any], y: str | None) -> str:
    if y is None:
        found = [column for column, feature in features.items() if hasattr(feature, "names")]
        found = found or [column for column in ("label", "labels", "target", "y") if column in features]
        if len(found) != 1:
            raise DataError(f"which of {', '.join(features)} is the class? say y=")
        return found[0]
    if y not in features:
        raise DataError(f"there is no column {y!r} among {', '.join(features)}")
    return y


def _value_columns(features: Mapping[str, Any], others: set[str | None]) -> list[str]:
    """Pictures or lists if there is one column of such, else all numbers."""
    left = {column: feature for column, feature in features.items() if column not in others}
    numbers = [column for column, feature in left.items() if _is_number(feature)]
    rest = [column for column in left if column not in numbers]
    if (len(rest) == 1 and numbers) or len(rest) > 1 or not left:
        raise DataError(f"which of {', '.join(left) or 'no columns'} are learned from? say x=")
    return rest or numbers


def _is_number(feature: Any) -> bool:
    return str(getattr(feature, "dtype", "")).startswith(("int", "uint", "float", "bool")) and not hasattr(
        feature, "shape"
    )


def _values(part: Any, columns: Sequence[str]) -> Sequence[Any] | npt.NDArray[Any]:
    """What a split holds in some columns: pictures, an array each, or rows of numbers."""
    if len(columns) == 1 and type(part.features[columns[0]]).__name__ == "Image":
        return list(part[columns[0]])
    held = part.with_format("numpy")[:]
    found = [np.asarray(held[column]) for column in columns]
    for column, values in zip(columns, found, strict=True):
        if values.dtype == object:
            raise DataError(f"column {column!r} has lists of different lengths: cut or fill them to one")
        if values.dtype.kind not in "iufb":
            raise DataError(f"column {column!r} is text: make whole numbers of it, one a token, with map()")
    if len(columns) == 1 and found[0].ndim > 1:
        return found[0]
    if any(values.ndim != 1 for values in found):
        raise DataError(f"columns {', '.join(columns)} have lists and numbers: give one column of lists, or numbers")
    return np.column_stack(found)
