"""A model as a run passes it around: known by its digest, its weights fetched when someone needs them."""

from collections.abc import Callable
from typing import Self

from idml.learning.arrays import FloatVector
from idml.protocol.digest import Layout, model_digest


class Model:
    """A model. Equal digests are equal models; weights are shared, so they are read-only.

    Args:
        digest: SHA-256 of its canonical bytes, 32 bytes.
        source: its flat float32 vector, or a function that finds the vector of a digest.
    """

    __slots__ = ("_source", "digest")

    def __init__(self, digest: bytes, source: FloatVector | Callable[[bytes], FloatVector]) -> None:
        self.digest = digest
        self._source = source

    @classmethod
    def of(cls, vector: FloatVector, layout: Layout) -> Self:
        """The model with these weights, which from now on nobody may change."""
        return cls(model_digest(vector, layout), vector)

    @property
    def vector(self) -> FloatVector:
        """Its weights, float32 (size,), read-only."""
        if callable(self._source):
            self._source = self._source(self.digest)
        self._source.setflags(write=False)
        return self._source

    def tobytes(self) -> bytes:
        """Its weights as bytes, in this machine's order."""
        return self.vector.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[type["Model"], tuple[bytes, FloatVector]]:
        return Model, (self.digest, self.vector)
