"""Arrays in memory that several processes see; it vanishes with the last of them, however they end."""

import mmap
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies in a block."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class SharedBlock:
    """Arrays, one after another, in a file without a name.

    Args:
        descriptor: of the file; a child that inherits it opens the same block.
        places: of the arrays.
    """

    def __init__(self, descriptor: int, places: Sequence[Place]) -> None:
        self.descriptor = descriptor
        self.places = tuple(places)
        self._memory = mmap.mmap(descriptor, 0)

    @classmethod
    def of(cls, arrays: Sequence[npt.NDArray[np.generic]]) -> "SharedBlock":
        """Copy arrays into a new block.

        Raises:
            OSError: if there is no room.
        """
        places, end = [], 0
        for array in arrays:
            places.append(Place(end, array.shape, array.dtype.str))
            end += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        descriptor = _nameless_file()
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, end)  # or a write would find out that there is no room, and crash
            else:
                os.ftruncate(descriptor, end)
            block = cls(descriptor, places)
        except BaseException:
            os.close(descriptor)
            raise
        for view, array in zip(block._views(writable=True), arrays, strict=True):
            view[...] = array
        return block

    def arrays(self) -> list[npt.NDArray[np.generic]]:
        """The arrays, read-only, in the order given."""
        return self._views(writable=False)

    def close(self) -> None:
        """Let go of the file; arrays stay valid while someone holds them."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _views(self, *, writable: bool) -> list[npt.NDArray[np.generic]]:
        views = []
        for place in self.places:
            count = int(np.prod(place.shape, dtype=np.int64))
            view = np.frombuffer(self._memory, np.dtype(place.dtype), count, place.offset).reshape(place.shape)
            view.setflags(write=writable)
            views.append(view)
        return views


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("idml")
    with tempfile.TemporaryFile() as file:  # elsewhere a file that lost its name when it was made
        return os.dup(file.fileno())
