"""What a data set is like, and what is odd about it, before anybody trains on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from idml.learning.arrays import Indices, RawImages, Samples
from idml.learning.data.arrays import ArraySource, digest_of
from idml.learning.data.datasets import Dataset
from idml.learning.data.source import Kind

NOUNS: Final[dict[Kind, str]] = {"images": "images", "signals": "signals", "rows": "rows", "tokens": "sequences"}
"""What one calls the entries of a data set of each kind."""

_UNEQUAL: Final = 10
"""Times that the largest class may be as large as the smallest, before it is worth a word."""
_FEW: Final = 30
"""Images of a device on which a verdict is mostly chance."""
_NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found.

    Args:
        facts: what the data set is like, fit for JSON.
        unusable: lines about what keeps a run from using it.
        warnings: lines about what is probably not meant.
    """

    facts: dict[str, Any]
    unusable: list[str]
    warnings: list[str]


def examine(dataset: Dataset) -> Findings:
    """Look at a data set that passes `check_dataset`."""
    source, noun = dataset.source, NOUNS[dataset.source.kind]
    train, test = (
        np.bincount(labels, minlength=source.classes) for labels in (dataset.train_labels, dataset.test_labels)
    )
    seen = _among(dataset.test_images, dataset.train_images)
    owners = dataset.train_owners
    samples = Samples(*(getattr(dataset, name) for name in Samples._fields))
    facts: dict[str, Any] = {
        "name": source.name,
        "kind": source.kind,
        "in_words": describe(dataset),
        "image_shape": list(source.image_shape),
        "dtype": str(dataset.train_images.dtype),
        "train": len(dataset.train_labels),
        "test": len(dataset.test_labels),
        "classes": [
            {"name": name, "train": int(ours), "test": int(theirs)}
            for name, ours, theirs in zip(source.class_names, train, test, strict=True)
        ],
        "majority": float(test[train.argmax()] / test.sum()),
        "vocabulary": source.vocabulary,
        "owners": 0 if owners is None else len(np.unique(owners)),
        "test_among_train": seen,
        "digest": digest_of(source, samples),
        "licence": source.licence,
    }
    unusable, warnings = [], []
    held = np.flatnonzero(train)
    if len(held) < 2:
        unusable.append(f"all training {noun} are of one class, {source.class_names[held[0]]}: there must be two")
    for part, counts in (("training", train), ("test", test)):
        missing = [source.class_names[place] for place in np.flatnonzero(counts == 0)]
        if missing and len(held) > 1:
            from_one = missing == ["0"] and source.class_names[1:2] == ("1",)
            hint = ": do labels count from 1? Then take 1 away" if from_one else ""
            warnings.append(f"there are no {part} {noun} of {_listed(missing, 'classes')}{hint}")
    if len(held) > 1 and train.max() > _UNEQUAL * train[held].min():
        warnings.append(
            f"{source.class_names[train.argmax()]} has {train.max():,} training {noun}, "
            f"{source.class_names[held[train[held].argmin()]]} {train[held].min():,}: "
            "a model may do well without the smaller classes; the rule balanced weighs all alike"
        )
    if seen:
        warnings.append(
            f"{seen:,} of {len(dataset.test_labels):,} test {noun} are among the training {noun}: "
            "accuracy on them says nothing about new ones"
        )
    warnings += _odd_values(dataset)
    return Findings(facts, unusable, warnings)


def examine_shares(dataset: Dataset, shares: Sequence[Indices]) -> Findings:
    """Look at what each device holds.

    Args:
        dataset: what was dealt out.
        shares: for each device, positions of its training images, int64 (N,).
    """
    classes, noun = dataset.source.classes, NOUNS[dataset.source.kind]
    counts = np.array([np.bincount(dataset.train_labels[own], minlength=classes) for own in shares])
    sizes, held = counts.sum(axis=1), (counts > 0).sum(axis=1)
    facts = {"devices": len(shares), "images": sizes.tolist(), "classes": held.tolist(), "counts": counts.tolist()}
    few, warnings = np.flatnonzero(sizes < _FEW), []
    if len(few):
        warnings.append(
            f"{len(few)} of {len(shares)} devices have fewer than {_FEW} {noun}, device {few[0]} has {sizes[few[0]]}: "
            "on so few a verdict is mostly chance; set images_per_device, which lets devices share, or have fewer"
        )
    return Findings(facts, [], warnings)


def describe(dataset: Dataset) -> str:
    """What one entry of a data set is, in words."""
    source = dataset.source
    channels, height, width = source.image_shape
    values = "pixels from 0 to 255" if dataset.train_images.dtype == np.uint8 else "floats, taken as they are"
    if values.startswith("floats") and isinstance(source, ArraySource):
        values = "floats, standardized by the training part"
    match source.kind:
        case "images":
            colour = {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")
            return f"{colour} images of {height}x{width} pixels, {values}"
        case "signals":
            plural = "channel" if channels == 1 else "channels"
            return f"signals of {channels:,} {plural} and {width:,} samples, {values}"
        case "rows":
            return f"rows of a table of {channels * height * width:,} features, {values}"
        case "tokens":
            return f"sequences of {width:,} tokens, each one of {source.vocabulary:,}"


def _odd_values(dataset: Dataset) -> list[str]:
    """Lines about values that teach nothing, or are not scaled."""
    images, kind, warnings = dataset.train_images, dataset.source.kind, []
    if kind == "rows":
        columns = images.reshape(len(images), -1)
        constant = np.flatnonzero(columns.max(axis=0) == columns.min(axis=0))
        if len(constant):
            warnings.append(
                f"{len(constant)} of {columns.shape[1]} features are constant in the training rows, "
                f"{_listed([str(place) for place in constant], 'columns')}: they teach nothing"
            )
    elif images.max() == images.min():
        warnings.append(f"all training {NOUNS[kind]} are equal, {images.flat[0]} everywhere: there is nothing to learn")
    if kind != "tokens" and images.dtype == np.float32 and images.max() > images.min():
        mean, deviation = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))
        if abs(mean) > 3 or not 0.1 < deviation < 10:
            warnings.append(
                f"values lie about {mean:.3g}, with a deviation of {deviation:.3g}: scale them to about 0 and 1, "
                "or training is slow or breaks"
            )
    return warnings


def _among(some: RawImages, others: RawImages) -> int:
    """How many of some images are, to the last bit, among others."""
    known = {hash(image.tobytes()) for image in others}
    return sum(hash(image.tobytes()) in known for image in some)


def _listed(names: Sequence[str], what: str) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more {what}" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
