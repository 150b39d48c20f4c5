"""Reads the models that a run keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from idml.outside import parse_json, read_bytes
from idml.store.database import one_line
from idml.store.errors import StoreError

_LENGTH_BYTES: Final = 8


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
        entries = parse_json(data[_LENGTH_BYTES:start])
        tensors = {}
        for name, entry in entries.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] != "F32":
                raise StoreError(f"cannot read {path}: {name} holds {entry['dtype']}, models hold F32")
            begin, end = entry["data_offsets"]
            numbers = np.frombuffer(data[start + begin : start + end], "<f4").astype(np.float32)
            tensors[name] = numbers.reshape(entry["shape"])
    return tensors
