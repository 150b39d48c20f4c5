"""A data set of pictures in folders, one folder a class."""

import logging
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from idml.extras import hint
from idml.learning.data.arrays import ArraySource, source_of_arrays
from idml.learning.data.pictures import pixels_of
from idml.learning.errors import DataError

_LOG = logging.getLogger(__name__)

_ENDINGS: Final = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
_EVERY: Final = 5
"""One picture of so many is a test picture where there is no folder of them."""

Seen = tuple[tuple[str, int, int], ...]
"""Of each picture the path in its folder, when it was changed last, and its size in bytes."""


def read_folder(path: Path, *, resize: tuple[int, int] | None = None) -> ArraySource:
    """Read a data set; a folder in which no picture has changed since the last time is not read again.

    Args:
        path: of a folder that holds train/CLASS/ and test/CLASS/, or CLASS/. If there is no test folder, every fifth
            picture of each class is a test picture, from the second on, in the order of their names.
        resize: height and width to bring all pictures to; None: they must have one size.

    Raises:
        DataError: something is missing or damaged, or the pictures do not fit together.
    """
    if not os.path.isdir(path):
        raise DataError(f"there is no folder {path}")
    if resize is not None and not (len(resize) == 2 and all(isinstance(side, int) and side >= 1 for side in resize)):
        raise DataError(f"resize is {resize!r}: give height and width, whole numbers of at least 1")
    path = Path(os.path.realpath(path))
    seen = []
    try:
        for picture in sorted(path.rglob("*")):
            inside = picture.relative_to(path)
            if picture.suffix.lower() in _ENDINGS and not any(part.startswith(".") for part in inside.parts):
                found = picture.stat()
                seen.append((inside.as_posix(), found.st_mtime_ns, found.st_size))
    except OSError as error:
        raise DataError(f"{error.filename or path} cannot be read: {error.strerror or error}") from None
    return _read(path, tuple(seen), resize)


@lru_cache(maxsize=2)
def _read(path: Path, seen: Seen, resize: tuple[int, int] | None) -> ArraySource:
    parts = {part: _by_class(seen, f"{part}/") for part in ("train", "test")}
    if not all(parts.values()):
        lacking = [part for part, classes in parts.items() if not classes]
        if len(lacking) == 1:
            (other,) = parts.keys() - lacking
            raise DataError(f"{path} has pictures in {other}/CLASS/ and none in {lacking[0]}/CLASS/: add them")
        parts = _split(_by_class(seen, ""))
        if not parts["train"]:
            raise DataError(f"{path} has no pictures in folders of classes: it needs CLASS/, or train/CLASS/ and test/")
        _LOG.info(
            "%s has no folders train and test: every fifth picture of a class, in the order of names, is for tests",
            path.name,
        )
    names = sorted(parts["train"].keys() | parts["test"].keys())
    files = {part: [file for name in names for file in classes.get(name, [])] for part, classes in parts.items()}
    if not files["test"]:
        raise DataError(f"{path} has no class of two pictures: nothing is left to test on")
    labels = {
        part: np.repeat(np.arange(len(names)), [len(classes.get(name, [])) for name in names])
        for part, classes in parts.items()
    }
    both = files["train"] + files["test"]
    pixels = pixels_of([_open(path / file) for file in both], both, resize=resize)
    cut = len(files["train"])
    return source_of_arrays(
        pixels[:cut],
        labels["train"],
        pixels[cut:],
        labels["test"],
        class_names=names,
        name=path.name.lower()[:40] or "pictures",
        kind="images",
    )


def _by_class(seen: Seen, start: str) -> dict[str, list[str]]:
    """The pictures of each class, in the order of their names: those directly in folders below the start."""
    classes: dict[str, list[str]] = {}
    for file, _, _ in seen:
        inside = file.removeprefix(start)
        if file.startswith(start) and inside.count("/") == 1:
            classes.setdefault(inside.partition("/")[0], []).append(file)
    return classes


def _split(classes: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    """The training and the test pictures of each class. A class of one picture trains."""
    tested = {name: files[1::_EVERY] for name, files in classes.items()}
    train = {name: [file for place, file in enumerate(files) if place % _EVERY != 1] for name, files in classes.items()}
    return {"train": train, "test": {name: files for name, files in tested.items() if files}}


def _open(path: Path) -> Any:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise DataError(f"pictures in folders need Pillow{hint(error)}") from error
    try:
        with Image.open(path) as picture:
            # A camera notes how it was held; the pixels lie as it was not.
            return ImageOps.exif_transpose(picture).copy()
    except Exception as error:  # a damaged file can make the reader fail in any way
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from None
