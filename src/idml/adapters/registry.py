"""From an algorithm's name in a configuration to its adapter."""

import importlib.util
import inspect
from pathlib import Path

from idml.adapters.base import Adapter
from idml.adapters.errors import AdapterError
from idml.adapters.gossip import Gossip
from idml.adapters.oppcl import OppCL

BUILT_IN: dict[str, type[Adapter]] = {"gossip": Gossip, "oppcl": OppCL}

MODULE_PREFIX = "idml_algorithm_"
"""Begins the name of a module that was loaded by its path, and which nobody can import by that name."""


def load_adapter(algorithm: str) -> Adapter:
    """Make the adapter that a configuration names.

    Args:
        algorithm: "gossip", "oppcl", or "path/to/file.py:ClassName" for one of your own.

    Raises:
        AdapterError: if there is none, naming what was looked for.
    """
    if algorithm in BUILT_IN:
        return BUILT_IN[algorithm]()
    path_text, separator, class_name = algorithm.rpartition(":")
    if not separator or not path_text.endswith(".py"):
        raise AdapterError(f"algorithm is {algorithm!r}: choose gossip, oppcl or FILE.py:CLASS")
    path = Path(path_text)
    if not path.is_file():
        raise AdapterError(f"algorithm is {algorithm!r}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"{MODULE_PREFIX}{path.stem}", path)
    if spec is None or spec.loader is None:
        raise AdapterError(f"algorithm is {algorithm!r}: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise AdapterError(f"algorithm is {algorithm!r}: importing {path} failed: {error!r}") from error
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise AdapterError(f"algorithm is {algorithm!r}: {path} has no subclass of Adapter named {class_name}")
    try:
        return found()
    except Exception as error:
        raise AdapterError(f"algorithm is {algorithm!r}: {class_name}() failed: {error}") from error


def name_adapter(adapter: Adapter) -> str:
    """What `load_adapter` takes to make this adapter again, or its own name where its file cannot be told."""
    kind = type(adapter)
    if BUILT_IN.get(adapter.name) is kind:
        return adapter.name
    # Of a function, not of the class: a module that was loaded by its path is not among the imported ones.
    path = Path(next((inspect.getfile(member) for member in vars(kind).values() if inspect.isfunction(member)), ""))
    if not path.is_file():
        return adapter.name
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{kind.__qualname__}"
