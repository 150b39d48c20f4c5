"""Loads the native library, after checking that it is the right one for this machine."""

import ctypes
import os
from functools import cache
from typing import Final

from idml.learning.errors import LearningError
from idml.learning.native.build import library_path

ABI: Final = 1
"""Version of the interface `cpp/idml_native.h` that this package calls."""
DEFINITION: Final = 1
"""Version of the definition of results (docs/determinism.md). It changes whenever one bit of any result changes."""
TRIALS: Final = (
    0x2C97F99AA7E59687,
    0x89462C04B9ABCF1D,
    0x0B3381E497ECDAB9,
    0xAB9A543AEBDB7C3B,
    0xEAF052DC03C404CE,
    0x1031985B9073A921,
    0xF41D98096105C1AC,
    0xE6E0A59F6F1082BB,
)
"""What `idml_trial` must return for each number: hashes of trained models, which are the same on every machine."""
# The trials that are run at each load, which takes some ten milliseconds. With few images, they go through all code
# that the networks of iDML use on pictures of one channel (6) and of three (7), for the usual numbers of channels and
# for others, with tiles within the map and across its edge; and through a pooled first layer (0). First layers of two
# and of four channels are left out.
_SELF_TEST: Final = (0, 6, 7)

_REMEDY = "build it with: python -m idml.learning.native.build"


class NativeError(LearningError):
    """The native library cannot be used here. The message is one line."""


class Plan(ctypes.Structure):
    """The structure `idml_plan` of the C interface."""

    _fields_ = (
        ("channels", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("classes", ctypes.c_int32),
        ("convolutions", ctypes.c_int32),
        ("outputs", ctypes.POINTER(ctypes.c_int32)),
        ("pools", ctypes.POINTER(ctypes.c_uint8)),
        ("dropout", ctypes.c_float),
    )


@cache
def load_library() -> ctypes.CDLL:
    """Load the library. Its functions release the interpreter's lock while they compute.

    Raises:
        NativeError: if the library was not built, was built from other sources, cannot run on this processor, or does
            not compute what it should.
    """
    path = library_path()
    if not os.path.exists(path):
        raise NativeError(f"the native engine was not built here; {_REMEDY}")
    try:
        library = ctypes.CDLL(str(path))
        _declare(library)
    except (OSError, AttributeError) as error:
        raise NativeError(f"the native engine cannot be loaded ({error}); {_REMEDY}") from error
    told = (library.idml_abi(), library.idml_definition(), library.idml_trials())
    if told != (ABI, DEFINITION, len(TRIALS)):
        raise NativeError(f"the native engine was built from other sources; {_REMEDY}")
    if library.idml_instruction_set() is None:
        raise NativeError("this processor lacks the instructions of the native engine (AVX2 and FMA)")
    if any(library.idml_trial(number) != TRIALS[number] for number in _SELF_TEST):
        raise NativeError(f"the native engine does not compute what it should; {_REMEDY}")
    return library


def instruction_set() -> str:
    """The name of the instruction set that the library uses here, such as "x86_64_v3"."""
    name: bytes = load_library().idml_instruction_set()
    return name.decode()


def _declare(library: ctypes.CDLL) -> None:
    """Tell ctypes the types of the functions in cpp/idml_native.h. Arrays are passed as addresses."""
    address, real = ctypes.c_void_p, ctypes.c_float
    whole, small, double = ctypes.c_int64, ctypes.c_int32, ctypes.POINTER(ctypes.c_double)
    seed = ctypes.c_uint64
    types: dict[str, tuple[object, list[object]]] = {
        "abi": (small, []),
        "definition": (small, []),
        "instruction_set": (ctypes.c_char_p, []),
        "create": (address, [ctypes.POINTER(Plan)]),
        "destroy": (None, [address]),
        "parameters": (whole, [address]),
        "bytes": (whole, [address]),
        "train": (small, [address] * 5 + [whole, whole, real, real, real, seed, double]),
        "gradient": (small, [address] * 4 + [whole, address, double]),
        "logits": (None, [address] * 3 + [whole, address]),
        "score": (small, [address] * 4 + [whole, ctypes.POINTER(whole), double]),
        "dropout": (None, [real, seed, small, whole, whole, address]),
        "trials": (small, []),
        "trial": (seed, [small]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, f"idml_{name}")
        function.restype, function.argtypes = result, arguments
