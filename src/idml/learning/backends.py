"""Which engine computes: the native one where it can, else PyTorch."""

import sys
from importlib.metadata import version
from typing import Final, Literal

from idml.extras import how_to_install
from idml.learning.architectures import Architecture
from idml.learning.engine import Engine
from idml.learning.errors import LearningError
from idml.learning.native.engine import NativeEngine, beyond_limits
from idml.learning.native.library import DEFINITION, NativeError, load_library
from idml.learning.networks import Blueprint

Backend = Literal["native", "torch"]
BACKENDS: Final = ("auto", "native", "torch")


def why_not_native(blueprint: Blueprint) -> str | None:
    """Say in one line why the native engine cannot compute a network here; None if it can."""
    if not isinstance(blueprint, Architecture):
        return "the native engine cannot compute a module of PyTorch"
    if beyond := beyond_limits(blueprint):
        return f"the native engine cannot compute a network of {beyond}"
    try:
        load_library()
    except NativeError as error:
        return str(error)
    return None


def why_not_torch() -> str | None:
    """Say in one line why PyTorch cannot compute here; None if it can."""
    try:
        import torch  # noqa: F401  only where it is needed: it takes a second to load
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "torch":
            return f"PyTorch is not installed: {how_to_install('torch')}"
        return f"PyTorch cannot be loaded ({error})"
    except (ImportError, OSError) as error:
        return f"PyTorch cannot be loaded ({error})"
    return None


def make_engine(backend: Backend, blueprint: Blueprint, *, threads: int = 1) -> Engine:
    """Make the engine of a network.

    Args:
        backend: which one; there is no other where it cannot be had, as results would differ.
        blueprint: of the network.
        threads: of PyTorch; the native engine computes on one.

    Raises:
        LearningError: it cannot be had here.
    """
    if backend == "native":
        if not isinstance(blueprint, Architecture):
            raise LearningError("backend is 'native': it cannot compute a module of PyTorch")
        return NativeEngine(blueprint)
    if (problem := why_not_torch()) is not None:
        raise LearningError(f"backend is 'torch': {problem}")
    from idml.learning.models import module_factory
    from idml.learning.torch_engine import TorchEngine

    return TorchEngine(module_factory(blueprint), threads=threads)


def engine_in_words(backend: Backend, blueprint: Blueprint, model: str, asked: str) -> str:
    """Say in one line which engine computes a network, and why.

    Args:
        backend: the one that does.
        blueprint: of the network.
        model: its name.
        asked: what asks for PyTorch where the native engine could compute it.
    """
    if not isinstance(blueprint, Architecture):
        return f"PyTorch: model {model} is a module of PyTorch"
    if backend == "native":
        return f"native: model {model} is {blueprint.in_words}"
    return f"PyTorch: {why_not_native(blueprint) or asked}"


def definition_of(backend: Backend) -> str:
    """Name what decides the bits of a result: "native 1", the version of docs/determinism.md, or "torch 2.13.0"."""
    return f"native {DEFINITION}" if backend == "native" else f"torch {version('torch').partition('+')[0]}"


def calm_torch() -> None:
    """Have PyTorch compute on one thread if this process has loaded it, as an algorithm of the user's may."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
