"""The canonical bytes of a model, and their digest, which parties report and validators check.

The bytes are a valid safetensors file (https://github.com/huggingface/safetensors), so any reader of that format opens
it. The same model can be written in many such files; only one of them is canonical. It has float32 tensors in the
layout's order, no metadata, and a header without blanks, padded with spaces to a multiple of eight bytes. So two
parties with the same weights always report the same digest.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Layout = Sequence[tuple[str, tuple[int, ...]]]
"""Names and shapes of a model's tensors, in the order in which a flat vector holds them."""

_FLOAT_BYTES = 4
_HEADER_ALIGNMENT = 8


def layout_size(layout: Layout) -> int:
    """The number of weights in a layout."""
    return sum(int(np.prod(shape, dtype=np.int64)) for _, shape in layout)


def canonical_bytes(vector: NDArray[np.float32], layout: Layout) -> bytes:
    """Write a flat vector as its canonical safetensors file.

    Args:
        vector: float32, shape (layout_size(layout),).
        layout: names and shapes of the model's tensors.

    Raises:
        ValueError: if dtype or size of the vector do not fit the layout, or two tensors have the same name.
    """
    _check(vector, layout)
    return _header(tuple(layout)) + np.ascontiguousarray(vector, dtype="<f4").tobytes()


def model_digest(vector: NDArray[np.float32], layout: Layout) -> bytes:
    """SHA-256 of a model's canonical bytes, 32 bytes. Arguments and errors are those of `canonical_bytes`."""
    _check(vector, layout)
    digest = hashlib.sha256(_header(tuple(layout)))
    digest.update(np.ascontiguousarray(vector, dtype="<f4").data)
    return digest.digest()


def read_canonical(data: bytes, layout: Layout) -> NDArray[np.float32]:
    """Read canonical bytes back into a flat vector.

    Args:
        data: the whole file.
        layout: names and shapes of the model's tensors.

    Returns:
        float32, shape (layout_size(layout),); a copy, which does not refer to `data`.

    Raises:
        ValueError: if the bytes are not the canonical form of this layout.
    """
    header = _header(tuple(layout))
    expected = len(header) + _FLOAT_BYTES * layout_size(layout)
    if len(data) != expected:
        raise ValueError(f"the model has {len(data)} bytes: this layout has {expected}")
    if data[: len(header)] != header:
        raise ValueError("the model's header is not the canonical one of this layout")
    return np.frombuffer(data, dtype="<f4", offset=len(header)).astype(np.float32)


def _check(vector: NDArray[np.float32], layout: Layout) -> None:
    size = layout_size(layout)
    if vector.dtype != np.float32 or vector.shape != (size,):
        raise ValueError(f"the model is {vector.dtype} of shape {vector.shape}: this layout needs float32 of ({size},)")


@lru_cache(maxsize=64)
def _header(layout: tuple[tuple[str, tuple[int, ...]], ...]) -> bytes:
    entries = {}
    offset = 0
    for name, shape in layout:
        end = offset + _FLOAT_BYTES * int(np.prod(shape, dtype=np.int64))
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    if len(entries) != len(layout):
        raise ValueError("two tensors of the layout have the same name")
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEADER_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
