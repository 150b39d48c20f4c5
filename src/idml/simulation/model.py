"""A model as a run passes it around: named by its digest, with its weights fetched only when they are needed."""

from collections.abc import Callable
from typing import Self

from idml.learning.arrays import FloatVector
from idml.protocol.digest import Layout, model_digest


class Model:
    """A model. Models are equal if their digests are. Weights are shared between copies, so they are read-only.

    Args:
        digest: SHA-256 of the model's canonical bytes, 32 bytes.
        source: the model's flat float32 vector, or a function that returns the vector for a digest.
    """

    __slots__ = ("_source", "digest")

    def __init__(self, digest: bytes, source: FloatVector | Callable[[bytes], FloatVector]) -> None:
        self.digest = digest
        self._source = source

    @classmethod
    def of(cls, vector: FloatVector, layout: Layout) -> Self:
        """Make a model of a vector, which nobody may change from now on.

        Args:
            vector: float32, shape (layout_size(layout),).
            layout: names and shapes of the model's tensors.
        """
        return cls(model_digest(vector, layout), vector)

    @property
    def vector(self) -> FloatVector:
        """The weights, float32 (size,), read-only."""
        if callable(self._source):
            self._source = self._source(self.digest)
        self._source.setflags(write=False)
        return self._source

    def tobytes(self) -> bytes:
        """The weights as bytes, in this machine's byte order."""
        return self.vector.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[type["Model"], tuple[bytes, FloatVector]]:
        return Model, (self.digest, self.vector)
