"""A data set made of arrays: what they are is told by their dimensions, and what is wrong with them in one line."""

import pickle
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.learning.arrays import Labels
from idml.learning.data.checker import check_dataset
from idml.learning.data.datasets import Dataset
from idml.learning.errors import DataError


def labels(count: int) -> Labels:
    return np.arange(count) % 3


def made(shape: tuple[int, ...], dtype: str, **options: Any) -> Dataset:
    """A data set of 9 training and 6 test entries of a shape."""
    values = np.random.default_rng(1).integers(0, 200, (15, *shape)).astype(dtype)
    return Dataset.from_arrays(values[:9], labels(9), values[9:], labels(6), **options)


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "image_shape", "found"),
    [
        ((5, 7), "uint8", None, (1, 5, 7), "images"),
        ((5, 7), "float64", "images", (1, 5, 7), "images"),
        ((5, 7, 3), "uint8", None, (3, 5, 7), "images"),
        ((3, 5, 7), "uint8", None, (3, 5, 7), "images"),
        ((3, 5, 4), "uint8", None, (3, 5, 4), "images"),  # both could count channels
        ((6, 5, 7), "float32", None, (6, 5, 7), "images"),
        ((2, 30), "float32", None, (2, 1, 30), "signals"),
        ((2, 30), "int16", "signals", (2, 1, 30), "signals"),
        ((30,), "float32", "signals", (1, 1, 30), "signals"),
        ((4,), "float64", None, (1, 1, 4), "rows"),
        ((4,), "int64", None, (1, 1, 4), "rows"),
        ((4,), "bool", None, (1, 1, 4), "rows"),
        ((4,), "uint8", "tokens", (1, 1, 4), "tokens"),
    ],
)
def test_dimensions_say_what_it_is(
    shape: tuple[int, ...], dtype: str, kind: str | None, image_shape: tuple[int, int, int], found: str
) -> None:
    dataset = made(shape, dtype, kind=kind)
    assert dataset.image_shape == image_shape
    assert dataset.source.kind == found
    assert dataset.train_images.shape == (9, *image_shape)
    assert dataset.test_images.shape == (6, *image_shape)
    assert dataset.classes == 3
    assert dataset.source.class_names == ("0", "1", "2")
    check_dataset(dataset.source)


def test_pixels_stay_and_find_their_places() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 5, 7, 3)).astype(np.uint8)
    last = Dataset.from_arrays(pixels, labels(6), pixels, labels(6))
    first = Dataset.from_arrays(pixels.transpose(0, 3, 1, 2), labels(6), pixels.transpose(0, 3, 1, 2), labels(6))
    assert last.train_images.dtype == np.uint8
    assert last.train_images[2, 1, 3, 4] == pixels[2, 3, 4, 1]
    assert np.array_equal(last.train_images, first.train_images)


@given(
    rows=hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 20), st.integers(1, 5)),
        elements=st.floats(-1e6, 1e6, allow_subnormal=False, width=32),
    ),
    constant=st.floats(-1e6, 1e6, width=32),
)
def test_columns_are_standardized_by_the_training_part_and_what_is_constant_is_0(rows: Any, constant: float) -> None:
    table = np.concatenate([rows, np.full((len(rows), 1), constant)], axis=1)
    test = table * 2 + 1
    dataset = Dataset.from_arrays(table, np.arange(len(table)) % 2, test, np.arange(len(table)) % 2)
    scaled = dataset.train_images[:, 0, 0]
    assert scaled.dtype == np.float32
    assert not scaled[:, -1].any()
    assert not dataset.test_images[:, 0, 0, -1].any()
    for column, values in zip(scaled.T, table.T, strict=True):
        if np.ptp(values) > 1e-3 * np.abs(values).max() > 1e-20:
            assert abs(column.mean()) < 1e-2
            assert abs(column.std() - 1) < 1e-2


def test_floats_of_images_and_signals_are_standardized_by_channel() -> None:
    signals = np.random.default_rng(1).normal([[5.0], [-100.0]], [[0.1], [30.0]], (200, 2, 40))
    dataset = Dataset.from_arrays(signals, labels(200), signals, labels(200))
    assert np.allclose(dataset.train_images.mean(axis=(0, 2, 3)), 0, atol=1e-3)
    assert np.allclose(dataset.train_images.std(axis=(0, 2, 3)), 1, atol=1e-3)
    pictures = signals.reshape(200, 2, 8, 5).transpose(0, 2, 3, 1)[..., [0, 1, 1]]
    dataset = Dataset.from_arrays(pictures, labels(200), pictures, labels(200))
    assert dataset.image_shape == (3, 8, 5)
    assert np.allclose(dataset.train_images.std(axis=(0, 2, 3)), 1, atol=1e-3)


def test_tokens_stay_whole_numbers_and_are_counted_in_both_parts() -> None:
    dataset = Dataset.from_arrays([[0, 2], [1, 2]], [0, 1], [[0, 70_000]], [1], kind="tokens")
    assert dataset.train_images.dtype == np.float32
    assert dataset.train_images[:, 0, 0].tolist() == [[0, 2], [1, 2]]
    assert dataset.test_images.max() == 70_000
    assert dataset.source.vocabulary == 70_001


@given(
    st.lists(st.text("abcäß ", min_size=1, max_size=3), min_size=2, max_size=20).filter(
        lambda texts: len(set(texts)) > 1
    )
)
def test_texts_are_numbered_in_their_order(texts: list[str]) -> None:
    rows = np.arange(len(texts))[:, None]
    dataset = Dataset.from_arrays(rows, texts, rows[:1], texts[:1], owners=texts)
    names = dataset.source.class_names
    assert list(names) == sorted(set(texts))
    assert [names[label] for label in dataset.train_labels] == texts
    assert dataset.train_owners is not None
    assert dataset.train_owners.tolist() == dataset.train_labels.tolist()
    assert dataset.test_owners is None


def test_class_names_give_the_order_and_classes_that_nobody_has() -> None:
    rows = np.arange(4)[:, None]
    named = Dataset.from_arrays(rows, ["no", "yes"] * 2, rows, ["no"] * 4, class_names=("yes", "no", "perhaps"))
    assert named.train_labels.tolist() == [1, 0, 1, 0]
    assert named.classes == 3


def test_other_processes_get_what_is_known_without_the_arrays() -> None:
    dataset = made((40, 50), "uint8")
    packed = pickle.dumps(dataset.source)
    assert len(packed) < 1_000
    again = pickle.loads(packed)
    assert (again.image_shape, again.class_names) == ((1, 40, 50), ("0", "1", "2"))
    with pytest.raises(DataError, match=r"^the arrays of arrays are in the process that the run began in$"):
        again.load(None, download=False)


def test_the_digest_is_of_all_that_there_is() -> None:
    rows, other = np.arange(12.0).reshape(6, 2), np.arange(12.0).reshape(6, 2) ** 2
    kinds: list[Any] = [
        Dataset.from_arrays(rows, labels(6), rows, labels(6)),
        Dataset.from_arrays(other, labels(6), rows, labels(6)),
        Dataset.from_arrays(rows, labels(6), other, labels(6)),
        Dataset.from_arrays(rows, labels(6)[::-1], rows, labels(6)),
        Dataset.from_arrays(rows, labels(6), rows, labels(6)[::-1]),
        Dataset.from_arrays(rows, labels(6), rows, labels(6), owners=labels(6)),
        Dataset.from_arrays(rows, labels(6), rows, labels(6), class_names=["a", "b", "c"]),
        Dataset.from_arrays(rows, labels(6), rows, labels(6), kind="signals"),
    ]
    assert len({dataset.source.digest for dataset in kinds}) == len(kinds)
    again: Any = Dataset.from_arrays(rows.copy(), labels(6), rows.copy(), labels(6))
    assert again.source.digest == kinds[0].source.digest


ROWS = np.arange(12.0).reshape(6, 2)
RIGHT: dict[str, Any] = {"train_x": ROWS, "train_y": labels(6), "test_x": ROWS, "test_y": labels(6)}
NAN = np.where(ROWS == 5, np.nan, ROWS)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"train_x": NAN}, r"train_x\[2\] holds nan, and 1 values are NaN or infinite: mend them"),
        ({"test_x": np.where(ROWS == 5, np.inf, ROWS)}, r"test_x\[2\] holds inf, and 1 values"),
        ({"train_x": [[1, 2], [3]]}, "train_x is no array: its entries must have one shape"),
        ({"train_x": [["a", "b"]]}, "train_x is <U1: give whole numbers or floats"),
        ({"train_x": ROWS.astype(complex)}, "train_x is complex128: give whole numbers or floats"),
        ({"train_x": []}, r"train_x has shape \(0,\): give \(N, features\)"),
        ({"train_x": ROWS[:0], "train_y": []}, r"train_x has shape \(0, 2\): give at least one entry"),
        ({"test_x": ROWS[:, :1]}, r"train_x has shape \(6, 2\) and test_x \(6, 1\): all but the first"),
        ({"test_x": ROWS.astype(np.uint8)}, "train_x is float64 and test_x uint8: give both the same type"),
        ({"train_x": np.zeros((6, 2, 2), int)}, r"train_x is int64 of shape \(6, 2, 2\): say its kind, images, sig"),
        ({"train_x": np.zeros((6, 2, 2, 2, 2))}, r"train_x is float64 of shape \(6, 2, 2, 2, 2\): say its kind"),
        ({"train_x": np.zeros((6, 2, 2, 2), int)}, "train_x is int64: give pixels as uint8 from 0 to 255, or floats"),
        ({"kind": "image"}, "kind is 'image': choose images, signals, rows, tokens"),
        ({"kind": "images"}, r"train_x has shape \(6, 2\): images have 3 or 4 dimensions"),
        ({"kind": "tokens"}, "train_x is float64: tokens are whole numbers from 0"),
        ({"kind": "tokens", "train_x": ROWS.astype(int)}, "test_x is float64: tokens are whole numbers from 0"),
        ({"kind": "tokens", "train_x": ROWS.astype(int) - 1, "test_x": ROWS.astype(int)}, "the least token is -1"),
        ({"kind": "tokens", "train_x": ROWS.astype(int) << 24, "test_x": ROWS.astype(int)}, "the largest token is 184"),
        ({"train_x": ROWS * 1e300, "test_x": ROWS}, "train_x holds numbers too large to be scaled: divide them first"),
        ({"test_x": ROWS * 1e300}, "test_x holds numbers too large to be scaled: divide them first"),
        ({"train_y": labels(5)}, r"train_y has shape \(5,\): give one for each of the 6 entries, \(6,\)"),
        ({"test_y": labels(6)[:, None]}, r"test_y has shape \(6, 1\): give one for each of the 6 entries"),
        ({"train_y": labels(6) / 2}, "train_y is float64: give whole numbers from 0, or texts"),
        ({"train_y": [None] * 6}, "train_y is object: give whole numbers from 0, or texts"),
        ({"train_y": np.zeros(6, int)}, "train_y holds one class only, 0: give at least two"),
        ({"train_y": labels(6) - 1}, "train_y holds -1: with 3 classes, labels are 0 to 2"),
        ({"test_y": labels(6) * 1000}, "a label is 2000 among 12 entries: number the classes from 0"),
        ({"class_names": ["a", "b"]}, "train_y holds 2: with 2 classes, labels are 0 to 1"),
        ({"class_names": ["a", "b", "a"]}, "class_names holds 'a' twice"),
        ({"class_names": ["a"]}, r"class_names is \('a',\): give at least two texts"),
        ({"class_names": "abc"}, "class_names is 'abc': give a list of texts"),
        ({"train_y": list("abcabc")}, "train_y and test_y are of different types"),
        (
            {"train_y": list("abcabc"), "test_y": list("abcabd"), "class_names": ["a", "b", "c"]},
            "test_y holds 'd': class_names has no such class",
        ),
        ({"owners": labels(5)}, r"owners has shape \(5,\): give one for each of the 6 entries"),
        ({"owners": labels(6) - 1}, "an owner is -1: owners are whole numbers from 0, or texts"),
        ({"test_owners": labels(6)}, "there are test_owners, yet no owners of the training part"),
        ({"owners": list("abcabc"), "test_owners": labels(6)}, "owners and test_owners are of different types"),
        ({"name": "My Data"}, "name is 'My Data': give 1 to 40 characters in lower case"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(DataError, match=f"^{line}") as raised:
        Dataset.from_arrays(**{**RIGHT, **changes})
    assert "\n" not in str(raised.value)


@given(
    st.sampled_from(["train_x", "train_y", "test_x", "test_y", "owners"]),
    hnp.arrays(
        st.sampled_from(["uint8", "int64", "float32", "float64", "bool", "U2"]),
        hnp.array_shapes(min_dims=0, max_dims=5),
    ),
)
def test_any_array_makes_a_data_set_that_can_be_used_or_is_refused(which: str, array: Any) -> None:
    try:
        dataset = Dataset.from_arrays(**{**RIGHT, which: array})
    except DataError as error:
        said = str(error)
    else:
        said = ""
        check_dataset(dataset.source)
    assert "\n" not in said
