"""The canonical bytes: one form per model, which any safetensors reader opens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

from idml.protocol.digest import canonical_bytes, layout_size, model_digest, read_canonical

LAYOUT = (("0.weight", (2, 1, 3, 3)), ("0.bias", (2,)), ("scale", ()))
vectors = hnp.arrays(np.float32, layout_size(LAYOUT), elements=st.floats(width=32, allow_nan=True))


@given(vectors)
def test_any_safetensors_reader_opens_them(vector: np.ndarray) -> None:
    tensors = load(canonical_bytes(vector, LAYOUT))
    flat = np.concatenate([tensors[name].ravel() for name, _ in LAYOUT])
    assert flat.tobytes() == vector.tobytes()
    assert {name: tensors[name].shape for name, _ in LAYOUT} == dict(LAYOUT)


@given(vectors, st.integers(0, layout_size(LAYOUT) - 1))
def test_reading_back_gives_the_same_bits_and_another_bit_another_digest(vector: np.ndarray, place: int) -> None:
    data = canonical_bytes(vector, LAYOUT)
    assert read_canonical(data, LAYOUT).tobytes() == vector.tobytes()
    changed = vector.copy()
    changed.view(np.uint32)[place] ^= 1
    assert model_digest(vector, LAYOUT) != model_digest(changed, LAYOUT)


def test_the_digest_is_that_of_the_bytes() -> None:
    import hashlib

    vector = np.arange(layout_size(LAYOUT), dtype=np.float32)
    assert model_digest(vector, LAYOUT) == hashlib.sha256(canonical_bytes(vector, LAYOUT)).digest()
    assert model_digest(vector[::-1].copy()[::-1], LAYOUT) == model_digest(vector, LAYOUT)


def test_what_is_not_canonical_is_refused() -> None:
    vector = np.zeros(layout_size(LAYOUT), dtype=np.float32)
    data = canonical_bytes(vector, LAYOUT)
    with pytest.raises(ValueError, match="this layout needs float32 of"):
        canonical_bytes(vector.astype(np.float64), LAYOUT)
    with pytest.raises(ValueError, match="this layout needs float32 of"):
        model_digest(vector[:-1], LAYOUT)
    with pytest.raises(ValueError, match="this layout has"):
        read_canonical(data + b"\0", LAYOUT)
    with pytest.raises(ValueError, match="header is not the canonical one"):
        read_canonical(data[:8] + b" " + data[9:], LAYOUT)
    with pytest.raises(ValueError, match="same name"):
        canonical_bytes(np.zeros(2, np.float32), (("a", (1,)), ("a", (1,))))
