"""Reads the models that a run keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idml.outside import parse_json, read_bytes
from idml.store.database import one_line

_LENGTH_BYTES: Final = 8
_BESIDE: Final = "__metadata__"


def read_model(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read a model's file.

    Args:
        path: a safetensors file whose tensors are float32, as runs write them.

    Returns:
        The tensors by name, in the order of the file: those of `state_dict()` where the model is a module of PyTorch.

    Raises:
        StoreError: the file is missing or damaged, or holds other numbers than float32.
    """
    with one_line(f"cannot read {path}"):
        data = read_bytes(path)
        length = int.from_bytes(data[:_LENGTH_BYTES], "little")
        start = _LENGTH_BYTES + length
        entries, body = parse_json(data[_LENGTH_BYTES:start]), data[start:]
        try:
            return {name: _tensor(name, entry, body) for name, entry in entries.items() if name != _BESIDE}
        except (KeyError, AttributeError, IndexError) as error:
            raise ValueError(f"its head is damaged: {error}") from None


def _tensor(name: str, entry: Mapping[str, Any], data: bytes) -> NDArray[np.float32]:
    if entry["dtype"] != "F32":
        raise ValueError(f"{name} holds {entry['dtype']}, models hold F32")
    begin, end = entry["data_offsets"]
    return np.frombuffer(data[begin:end], "<f4").astype(np.float32).reshape(entry["shape"])
