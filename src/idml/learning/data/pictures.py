"""Pictures as Pillow has them, made into arrays of pixels."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from idml.learning.errors import DataError

if TYPE_CHECKING:  # an extra
    from PIL.Image import Image

_GREY: Final = frozenset({"1", "L", "LA"})
_COLOUR: Final = frozenset({"RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"})
_NAMED: Final = 3


def pixels_of(
    pictures: Sequence["Image"], names: Sequence[str], *, resize: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """Make one array of pictures: grey if all of them are, else in colour; transparency is left out.

    Args:
        pictures: at least one.
        names: of each, for messages.
        resize: height and width to bring all to; None: they must have one size.

    Returns:
        uint8, (N, height, width) or (N, height, width, 3).

    Raises:
        DataError: they differ in size, or one has other values than bytes.
    """
    for picture, name in zip(pictures, names, strict=True):
        if picture.mode not in _GREY | _COLOUR:
            raise DataError(f"{name} has pixels of mode {picture.mode}: save it with 8 bits a channel")
    mode = "L" if all(picture.mode in _GREY for picture in pictures) else "RGB"
    if resize is None:
        sizes = Counter((picture.height, picture.width) for picture in pictures)
        if len(sizes) > 1:
            listed = ", ".join(f"{height}x{width} ({count:,})" for (height, width), count in sizes.most_common(_NAMED))
            more = f" and {len(sizes) - _NAMED} more" if len(sizes) > _NAMED else ""
            raise DataError(
                f"pictures have {len(sizes)} sizes, height x width: {listed}{more}; bring them to one, or give resize= "
                "to idml.Dataset.from_folder in a function of your own"
            )
    arrays = []
    for picture in pictures:
        made = picture.convert(mode)
        arrays.append(np.asarray(made if resize is None else made.resize((resize[1], resize[0])), np.uint8))
    return np.stack(arrays)


def is_picture(thing: Any) -> bool:
    """Whether this is a picture of Pillow's; it is not imported to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(thing, module.Image)
