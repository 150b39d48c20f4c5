"""Python files of somebody else's that things are plugged in from: how they are loaded, sent, told apart and blamed."""

import ast
import hashlib
import importlib.util
import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from idml.outside import OutsideError, read_bytes

_FILE_MODULE: Final = "idml_plugin_"
_USUAL_DEPTH: Final = 1_000
_SHOWN: Final = 8
"""Names, in a message."""
_NOT_OWN: Final = (Path(sysconfig.get_path("stdlib")), Path(__file__).parent)


@dataclass(frozen=True, slots=True)
class PluginFile:
    """A Python file as it was when it was read; it can be sent to another process.

    Args:
        path: where it lies, absolute.
        content: all of it.
    """

    path: Path
    content: bytes

    @property
    def module(self) -> str:
        """Name of its module, which path and content decide."""
        key = hashlib.sha256(str(self.path).encode() + b"\0" + self.content).hexdigest()[:16]
        # A dot would be taken for that of a package.
        stem = re.sub(r"\W", "_", self.path.stem)
        return f"{_FILE_MODULE}{stem}_{key}"

    def load(self) -> ModuleType:
        """Import it, once in a process. What it defines can be pickled for another process that loads it as well.

        Raises:
            Whatever the file raises.
        """
        name = self.module
        if name in sys.modules:
            return sys.modules[name]
        watch(self.path)
        # Not by the import system's own loader: it would take bytecode of another content of equal size and time.
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None:
            raise ImportError(f"{self.path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            with _usual_depth():
                code = compile(self.content, self.path, "exec")
            exec(code, vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        _files[name] = self
        return module


_files: dict[str, PluginFile] = {}
"""Files that were loaded by their path, by the names of their modules."""
_watched: set[str] = set()
"""Paths of all files in which something that was plugged in may fail."""


def load_file(path: Path) -> ModuleType:
    """Import a Python file by its path, once for each content that it has.

    Raises:
        OutsideError: there is no such file, or it cannot be read.
        Whatever the file raises.
    """
    content = read_bytes(path)
    return PluginFile(Path(os.path.realpath(path)), content).load()


def loaded_as(module: str) -> Path | None:
    """The file that was loaded under a module's name; None if it was imported in another way."""
    return _files[module].path if module in _files else None


def files_of(pickled: bytes) -> tuple[PluginFile, ...]:
    """The files in which something of a pickle is defined: another process loads them before it unpickles it."""
    return tuple(file for name, file in _files.items() if name.encode() in pickled)


def watch(path: Path) -> None:
    """Have `place_of` know a file, and those of the user's own that it imports."""
    if str(path) not in _watched:
        _watched.update(map(str, (path, *own_imports(path))))


def place_of(error: BaseException, *, causes: bool = True) -> tuple[str, str] | None:
    """Where in a file that is plugged in an error was raised.

    Args:
        error: what was raised.
        causes: whether to look at what caused it as well.

    Returns:
        "FILE:LINE" and the name of the function; None if no such file took part in it.
    """
    found = None
    seen: BaseException | None = error
    while seen is not None:
        for frame in traceback.extract_tb(seen.__traceback__):
            if frame.filename in _watched:
                found = f"{short(Path(frame.filename))}:{frame.lineno}", frame.name
        if isinstance(seen, SyntaxError) and seen.filename in _watched:
            found = f"{short(Path(seen.filename))}:{seen.lineno or 1}", "<module>"
        seen = seen.__cause__ if causes else None
    return found


def own_imports(path: Path) -> list[Path]:
    """The files of the user's own that a Python file imports, and those that they import. Nothing is run.

    Own are those that lie neither in Python's library, nor among installed packages, nor in idml. What is imported
    under a name that is only made as the file runs is not found.

    Args:
        path: of a Python file; one that cannot be read imports nothing.
    """
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        for imported in _imports(waiting.pop()):
            if imported != path and imported not in found:
                found.add(imported)
                waiting.append(imported)
    return sorted(found)


def names_in(file: Path) -> str:
    """What a file defines, for a message; nothing if it cannot be read."""
    tree = _parsed(file)
    if tree is None:
        return ""
    kinds = ast.ClassDef | ast.FunctionDef
    names = [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    return f"; it defines {', '.join(names[:_SHOWN])}" if names else ""


def is_definition(thing: object) -> bool:
    """Whether this is a class or a function, and no object that one of them made."""
    return isinstance(thing, type) or inspect.isroutine(thing)


def definition(thing: object) -> Any:
    """The class or function itself, or the class of an object."""
    return thing if is_definition(thing) else type(thing)


def text_digest(thing: object) -> str | None:
    """SHA-256 of the text of the class or function that defines a thing; None where there is no text."""
    try:
        return hashlib.sha256(inspect.getsource(definition(thing)).encode()).hexdigest()
    except (OSError, TypeError):
        return None


def short(path: Path) -> Path:
    """A path as somebody in this folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _parsed(path: Path) -> ast.Module | None:
    """What a Python file says, without running it; None if it cannot be read."""
    try:
        with _usual_depth():
            return ast.parse(read_bytes(path))
    except (OutsideError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


@contextmanager
def _usual_depth() -> Iterator[None]:
    """Have Python's compiler stop at a text that is nested too deep.

    It goes by the limit of recursion. Where py-evm has raised that, the stack overflows first, which ends the process.
    """
    before = sys.getrecursionlimit()
    with suppress(RecursionError):  # we are deeper than that already
        sys.setrecursionlimit(min(before, _USUAL_DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _imports(path: Path) -> Iterator[Path]:
    tree = _parsed(path)
    if tree is None:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _own_files(alias.name.split("."), sys.path)
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            folders: Sequence[str] = sys.path
            if node.level:
                folder = path.parents[min(node.level, len(path.parents)) - 1]
                folders = [str(folder)]
                if os.path.isfile(folder / "__init__.py"):
                    yield folder / "__init__.py"
            for alias in node.names:
                yield from _own_files([*parts, alias.name], folders)


def _own_files(parts: Sequence[str], folders: Sequence[str]) -> Iterator[Path]:
    """The files of the user's own that importing a name runs: of each package on the way, and of the module."""
    if folders is sys.path and parts[0] in sys.stdlib_module_names:
        return
    for part in parts:
        file, folders = _locate(part, folders)
        if file is not None:
            if not _is_own(file):
                return
            yield file


def _locate(part: str, folders: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The file of a module or package, and the folders in which a package has its modules."""
    spaces = []
    for folder in folders:
        place = Path(os.path.abspath(folder)) / part
        if os.path.isfile(place / "__init__.py"):
            return place / "__init__.py", [str(place)]
        if os.path.isfile(file := place.with_name(f"{part}.py")):
            return file, []
        if os.path.isdir(place):
            spaces.append(str(place))
    return None, spaces


def _is_own(file: Path) -> bool:
    installed = {"site-packages", "dist-packages"}.intersection(file.parts)
    return not installed and not any(file.is_relative_to(folder) for folder in _NOT_OWN)
