"""Messages between a run and its own workers over pipes: pickles whose arrays travel beside them, uncopied.

For pipes between a process and its own children alone: whoever can write to them can run code.
"""

import os
import pickle
import struct
import sys
from io import FileIO, RawIOBase
from typing import Any

import numpy as np

_COUNT = struct.Struct(">I")
_SIZE = struct.Struct(">Q")


def send(pipe: RawIOBase, message: object) -> None:
    """Write a message.

    Raises:
        OSError: if nobody reads any more.
    """
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(head), *(array.raw() for array in arrays)]
    lengths = b"".join(_SIZE.pack(part.nbytes) for part in parts)
    for part in (memoryview(_COUNT.pack(len(parts)) + lengths), *parts):
        _write(pipe, part)


def receive(pipe: RawIOBase) -> Any:
    """Read a message; arrays come out in memory of their own.

    Raises:
        EOFError: if the other side is gone.
    """
    (count,) = _COUNT.unpack(_read(pipe, _COUNT.size))
    lengths = _read(pipe, count * _SIZE.size)
    head, *arrays = (_read(pipe, length) for (length,) in _SIZE.iter_unpack(lengths))
    return pickle.loads(head, buffers=arrays)


def claim_standard_streams() -> tuple[RawIOBase, RawIOBase]:
    """In a child: keep input and output for messages; what an algorithm prints goes to standard error."""
    requests, results = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout.flush()
    os.dup2(2, 1)
    return FileIO(requests, "rb"), FileIO(results, "wb")


def _write(pipe: RawIOBase, part: memoryview) -> None:
    while part.nbytes:
        part = part[pipe.write(part) or 0 :]


def _read(pipe: RawIOBase, size: int) -> memoryview:
    # numpy's memory, because it is aligned like that of arrays that never travelled.
    target = np.empty(size, np.uint8).data
    rest = target
    while rest.nbytes:
        got = pipe.readinto(rest)
        if not got:
            raise EOFError
        rest = rest[got:]
    return target
