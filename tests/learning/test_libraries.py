"""Data sets of torchvision and Hugging Face are read as those libraries hold them: the real ones, on data made here."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from idml.learning.data.datasets import Dataset
from idml.learning.errors import DataError

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (12, 6, 5), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture(scope="module")
def vision() -> Any:
    """The library torchvision.

    Beside a build of PyTorch of another origin its compiled part cannot be loaded, and then it cannot be imported for
    want of the name of one operator. Data sets and transforms need nothing of that part.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        OPERATORS.append(torch.library.Library("torchvision", "DEF"))
        for name in ("nms", "qnms"):
            OPERATORS[0].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return importlib.import_module("torchvision")


OPERATORS: list[Any] = []
"""Kept, or the names would vanish."""


class Items:
    """What PyTorch's DataLoader reads."""

    classes = ("x", "y", "z")

    def __init__(self, values: Any, labels: Any) -> None:
        self.values, self.labels = values, labels

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        return self.values[place], self.labels[place]


def test_an_image_folder_of_torchvision_is_read_as_pixels(vision: Any, tmp_path: Path) -> None:
    from PIL import Image

    for place, (pixels, label) in enumerate(zip(COLOURS, LABELS, strict=True)):
        folder = tmp_path / "abc"[label]
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{place:02}.png")
    whole = vision.datasets.ImageFolder(tmp_path)
    train, test = (torch.utils.data.Subset(whole, list(places)) for places in (range(0, 12, 2), range(1, 12, 2)))
    found = Dataset.from_torchvision(train, test, name="abc")
    assert (found.source.name, found.source.class_names, found.image_shape) == ("abc", ("a", "b", "c"), (3, 6, 5))
    by_class = np.argsort(LABELS, kind="stable")
    np.testing.assert_array_equal(found.train_images, COLOURS[by_class[::2]].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(found.test_labels, LABELS[by_class[1::2]])


def test_transforms_of_torchvision_are_applied(vision: Any) -> None:
    v2 = importlib.import_module("torchvision.transforms.v2")
    fake = [
        vision.datasets.FakeData(
            size, (3, 8, 8), 4, v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]), random_offset=size
        )
        for size in (40, 20)
    ]
    found = Dataset.from_torchvision(*fake)
    assert found.image_shape == (3, 8, 8)
    assert found.train_images.dtype == np.float32
    # Floats are standardized by channel.
    np.testing.assert_allclose(found.train_images.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    assert found.source.class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize(
    ("values", "kind", "shape", "called"),
    [
        (torch.from_numpy(PIXELS), None, (1, 6, 5), "images"),
        (torch.from_numpy(COLOURS.transpose(0, 3, 1, 2).copy()), None, (3, 6, 5), "images"),
        (torch.randn(12, 2, 9), None, (2, 1, 9), "signals"),
        (torch.randn(12, 7), None, (1, 1, 7), "rows"),
        (torch.arange(48).reshape(12, 4), "tokens", (1, 1, 4), "tokens"),
    ],
)
def test_tensors_of_every_kind_are_taken(values: Any, kind: str | None, shape: tuple[int, ...], called: str) -> None:
    items = Items(values, torch.from_numpy(LABELS))
    found = Dataset.from_torchvision(items, items, kind=kind)
    assert (found.image_shape, found.source.kind) == (shape, called)
    assert found.source.class_names == Items.classes
    if values.dtype == torch.uint8 or kind == "tokens":
        np.testing.assert_array_equal(found.train_images.reshape(12, -1), values.numpy().reshape(12, -1))


@pytest.mark.parametrize(
    ("train", "line"),
    [
        (Items([np.zeros((2, 2)), np.zeros((3, 2))], [0, 1]), r"values have 2 shapes, such as \(2, 2\) and \(3, 2\)"),
        (Items(PIXELS, LABELS / 2), r"train\[0\] has the class .*0.0.*: classes are whole numbers from 0"),
        (Items(PIXELS, [[1]] * 12), r"train\[0\] has the class \[1\]"),
        (Items([], []), "train is empty"),
        ([3, 4], r"train\[0\] is int: each item must be a value and its class"),
    ],
)
def test_what_is_wrong_with_an_item_is_named(train: Any, line: str) -> None:
    with pytest.raises(DataError, match=f"^{line}"):
        Dataset.from_torchvision(train, Items(PIXELS, LABELS))


def splits(columns: dict[str, Any], features: Any = None) -> Any:
    datasets = pytest.importorskip("datasets")
    features = None if features is None else datasets.Features(features)
    whole = datasets.Dataset.from_dict(columns, features=features)
    return datasets.DatasetDict(train=whole, test=whole.select(range(4, 12)))


def test_pictures_of_hugging_face_are_read_with_the_names_of_their_classes() -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    given = splits(
        {"image": [Image.fromarray(pixels) for pixels in PIXELS], "label": LABELS.tolist()},
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b", "c"])},
    )
    found = Dataset.from_huggingface(given, name="abc")
    assert (found.source.class_names, found.image_shape) == (("a", "b", "c"), (1, 6, 5))
    np.testing.assert_array_equal(found.train_images[:, 0], PIXELS)
    np.testing.assert_array_equal(found.test_images[:, 0], PIXELS[4:])
    np.testing.assert_array_equal(found.test_labels, LABELS[4:])


def test_columns_of_numbers_are_rows_of_a_table() -> None:
    given = splits(
        {"a": RNG.standard_normal(12), "b": np.arange(12), "who": list("ppqqrrppqqrr"), "label": list("uvwuvwuvwuvw")}
    )
    found = Dataset.from_huggingface(given, x=["a", "b"], owners="who")
    assert (found.source.kind, found.image_shape, found.source.class_names) == ("rows", (1, 1, 2), ("u", "v", "w"))
    assert found.train_owners is not None
    assert found.train_owners.tolist() == [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]
    again = Dataset.from_huggingface(given.remove_columns("who"))
    np.testing.assert_array_equal(again.train_images, found.train_images)


def test_lists_of_tokens_and_arrays_are_taken() -> None:
    datasets = pytest.importorskip("datasets")
    tokens = RNG.integers(0, 30, (12, 6))
    given = splits({"ids": tokens.tolist(), "y": LABELS.tolist()})
    found = Dataset.from_huggingface(given, kind="tokens")
    assert (found.source.kind, found.source.vocabulary) == ("tokens", tokens.max() + 1)
    np.testing.assert_array_equal(found.train_images[:, 0, 0], tokens)
    arrays = splits(
        {"x": RNG.standard_normal((12, 2, 5)), "y": LABELS.tolist()},
        {"x": datasets.Array2D((2, 5), "float32"), "y": datasets.Value("int64")},
    )
    assert Dataset.from_huggingface(arrays).image_shape == (2, 1, 5)


@pytest.mark.parametrize(
    ("columns", "options", "line"),
    [
        ({"a": [1.0] * 12, "b": [1] * 12}, {}, "which of a, b is the class. say y="),
        ({"a": [1.0] * 12, "label": [1] * 12}, {"y": "c"}, "there is no column 'c' among a, label"),
        ({"a": [1.0] * 12, "label": [1] * 12}, {"x": "c"}, "there is no column 'c' among a, label"),
        ({"a": ["hi"] * 12, "label": [1] * 12}, {}, "column 'a' is text: make whole numbers of it"),
        ({"a": ["hi"] * 12, "b": [1] * 12, "label": [1] * 12}, {}, "which of a, b are learned from. say x="),
        ({"a": [[1], [1, 2]] * 6, "label": [1] * 12}, {}, "column 'a' has lists of different lengths"),
        ({"a": [1.0] * 12, "label": [1] * 12}, {"test": "exam"}, "there is no split 'exam' among train, test"),
    ],
)
def test_what_is_wrong_with_a_column_is_named(columns: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(DataError, match=f"^{line}"):
        Dataset.from_huggingface(splits(columns), **options)


def test_a_data_set_without_splits_is_refused() -> None:
    datasets = pytest.importorskip("datasets")
    with pytest.raises(DataError, match=r"^Dataset has no splits: give a DatasetDict"):
        Dataset.from_huggingface(datasets.Dataset.from_dict({"a": [1], "label": [0]}))
