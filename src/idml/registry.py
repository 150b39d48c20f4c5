"""Names of what can be plugged in, and how a name becomes a thing.

A room that can be extended makes one `Registry` for each kind of thing: data sets, rules, adversaries and so on. In a
configuration a thing is named in one of four ways:

- by the name of one that ships, such as `oppcl`;
- `FILE.py:NAME`: a class, or a finished object, in a Python file;
- `PACKAGE.MODULE:NAME`: the same in a module that can be imported;
- by the name of an entry point of an installed package, in the group of its kind, such as `idml.algorithms`.

What ships is written down as text and imported when someone asks for it, so that to know a name costs nothing.
"""

import hashlib
import importlib
import importlib.util
import logging
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Generic, TypeVar, cast

from idml.errors import IdmlError
from idml.extras import hint

Thing = TypeVar("Thing")

_LOG = logging.getLogger(__name__)

_FILE_MODULE: Final = "idml_plugin_"


class PluginError(IdmlError, ValueError):
    """A thing that is not there, cannot be made, or does not do what its kind must; the message says which."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a registry.

    Args:
        name: as a configuration names it.
        summary: what it is, one line.
        origin: the package that it comes with.
    """

    name: str
    summary: str
    origin: str


class Registry(Generic[Thing]):
    """All things of one kind.

    Args:
        kind: of thing, in one or two words; errors begin with it.
        base: their base class, as `MODULE:NAME`.
        built_in: where those that ship are, as `MODULE:NAME`, by their names.
        check: the function that checks a thing of somebody else's, as `MODULE:NAME`.
        group: of entry points.
        error: raised for what is wrong.
    """

    def __init__(
        self,
        kind: str,
        *,
        base: str,
        built_in: Mapping[str, str],
        check: str,
        group: str,
        error: type[PluginError] = PluginError,
    ) -> None:
        self.kind = kind
        self.group = group
        self._base = base
        self._built_in = dict(built_in)
        self._check = check
        self._error = error
        # Each is held, or another object could come to have its id.
        self._found: dict[int, tuple[Thing, str]] = {}

    @property
    def built_in(self) -> tuple[str, ...]:
        """Names of those that ship, in the order in which they are shown."""
        return tuple(self._built_in)

    def names(self) -> tuple[str, ...]:
        """Names of those that ship, and then of those that installed packages bring."""
        return (*self._built_in, *sorted({point.name for point in self._entry_points()} - self._built_in.keys()))

    def knows(self, name: str) -> bool:
        """Whether this may name a thing; a file or a module is not opened for it."""
        return name in self._built_in or ":" in name or any(point.name == name for point in self._entry_points())

    def require(self, name: str, *, besides: Sequence[str] = ()) -> None:
        """Raise the registry's error if this can name nothing.

        Args:
            name: as a configuration has it.
            besides: words that the configuration takes in place of a name.
        """
        if name not in besides and not self.knows(name):
            choices = ", ".join((*besides, *self.names()))
            raise self._error(f"{self.kind} is {name!r}: choose {choices}, FILE.py:NAME or PACKAGE.MODULE:NAME")

    def find(self, name: str) -> Thing:
        """The thing of a name, new for each call if the name leads to a class.

        Raises:
            PluginError: there is none, it cannot be imported or made, or it is of another kind.
        """
        found = self._locate(name)
        base = self.base
        if isinstance(found, type) and issubclass(found, base):
            try:
                thing = cast(Thing, found())
            except (Exception, SystemExit) as error:
                raise self._wrong(name, f"{found.__name__}() failed: {_brief(error)}") from error
        elif isinstance(found, base):
            thing = cast(Thing, found)
        else:
            what = f"class {found.__name__}" if isinstance(found, type) else type(found).__name__
            raise self._wrong(name, f"{what} is no {base.__name__}: subclass {base.__module__}.{base.__name__}")
        self._found[id(thing)] = thing, name
        return thing

    def found_as(self, thing: Thing) -> str | None:
        """The name by which `find` gave this very object; None if it came from elsewhere."""
        return self._found.get(id(thing), (None, None))[1]

    @property
    def base(self) -> type:
        """The base class of these things."""
        return cast(type, _attribute(self._base))

    @property
    def check(self) -> Callable[..., None]:
        """Checks a thing that does not ship, and raises `PluginError` for the first thing that would break a run."""
        return cast(Callable[..., None], _attribute(self._check))

    def find_checked(self, name: str, **details: object) -> Thing:
        """The thing of a name; one that does not ship is checked first.

        Args:
            name: see `find`.
            details: what the check takes beside the thing.

        Raises:
            PluginError: as `find`, or it does not pass the check.
        """
        thing = self.find(name)
        if name in self._built_in:
            return thing
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always", UserWarning)
                self.check(thing, **details)
        except IdmlError as error:
            raise self._wrong(name, str(error)) from error
        for warning in said:
            if issubclass(warning.category, UserWarning):
                _LOG.warning("%s is %r: %s", self.kind, name, warning.message)
        return thing

    def ships(self, thing: Thing) -> bool:
        """Whether a thing is one of those that ship."""
        return _place(type(thing)) in self._built_in.values()

    def name_of(self, thing: Thing) -> str | None:
        """What `find` takes to make a thing of this class again.

        None where that cannot be told, as for a class that was made in a function.
        """
        kind = type(thing)
        for name, place in self._built_in.items():
            if place == _place(kind):
                return name
        if "<locals>" in kind.__qualname__:
            return None
        loaded, module = _files.get(kind.__module__), sys.modules.get(kind.__module__)
        if loaded is not None:
            return f"{_short(loaded.path)}:{kind.__qualname__}"
        if module is None:
            return None
        # A file that belongs to no package, such as the program itself: another process may not find it by its name.
        file = getattr(module, "__file__", None)
        if not module.__name__.rpartition(".")[0] and file is not None and file.endswith(".py"):
            return f"{_short(Path(file).resolve())}:{kind.__qualname__}"
        return None if kind.__module__ == "__main__" else _place(kind)

    def entries(self) -> Iterator[Entry]:
        """All that there are by name, one after another.

        What an installed package brings and cannot be imported says so in its summary.
        """
        for name, place in self._built_in.items():
            yield Entry(name, _summary(_attribute(place)), "idml")
        for point in sorted(self._entry_points(), key=lambda point: point.name):
            if point.name not in self._built_in:
                origin = point.dist.name if point.dist else point.module
                try:
                    summary = _summary(point.load())
                except (Exception, SystemExit) as error:
                    summary = f"cannot be imported: {_brief(error)}"
                yield Entry(point.name, summary, origin)

    def digest(self, name: str) -> str | None:
        """SHA-256 of the Python file that a name leads to, hexadecimal; None for what ships. The file is not run.

        Raises:
            PluginError: there is no such file or module.
        """
        if name in self._built_in:
            return None
        source = next((point.module for point in self._entry_points() if point.name == name), None)
        if source is None:
            self.require(name)
            source = name.rpartition(":")[0]
        try:
            if source.endswith(".py"):
                return hashlib.sha256(Path(source).read_bytes()).hexdigest()
            spec = importlib.util.find_spec(source)
        except FileNotFoundError:
            raise self._wrong(name, f"there is no file {source}") from None
        except (Exception, SystemExit) as error:
            raise self._wrong(name, f"importing {source} failed: {_brief(error)}") from error
        if spec is None:
            raise self._wrong(name, f"there is no module {source}")
        return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest() if spec.has_location and spec.origin else None

    def _locate(self, name: str) -> object:
        """What a name leads to."""
        place = self._built_in.get(name)
        if place is not None:
            return _attribute(place)
        for point in self._entry_points() if ":" not in name else ():
            if point.name == name:
                try:
                    return point.load()
                except (Exception, SystemExit) as error:
                    raise self._wrong(
                        name, f"its entry point {point.value} failed: {_brief(error)}{hint(error)}"
                    ) from error
        self.require(name)
        source, _, attribute = name.rpartition(":")
        found: object = self._import(name, source)
        for part in attribute.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise self._wrong(name, f"{source} has no {attribute or 'name after the colon'}")
        return found

    def _import(self, name: str, source: str) -> ModuleType:
        try:
            if source.endswith(".py"):
                if not Path(source).is_file():
                    raise self._wrong(name, f"there is no file {source}")
                return load_file(Path(source))
            return importlib.import_module(source)
        except PluginError:
            raise
        except ModuleNotFoundError as error:
            is_module = not source.endswith(".py")
            if is_module and error.name is not None and f"{source}.".startswith(f"{error.name}."):
                raise self._wrong(name, f"there is no module {source}") from None
            raise self._wrong(name, f"importing {source} failed: {_brief(error)}{hint(error)}") from error
        except (Exception, SystemExit) as error:
            raise self._wrong(name, f"importing {source} failed: {_brief(error)}{hint(error)}") from error

    def _entry_points(self) -> Iterable[EntryPoint]:
        return entry_points(group=self.group)

    def _wrong(self, name: str, why: str) -> PluginError:
        return self._error(f"{self.kind} is {name!r}: {why}")


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
        # Not by the import system's own loader: it would take bytecode of another content of equal size and time.
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None:
            raise ImportError(f"{self.path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            exec(compile(self.content, self.path, "exec"), vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        _files[name] = self
        return module


_files: dict[str, PluginFile] = {}
"""Files that were loaded by their path, by the names of their modules."""


def load_file(path: Path) -> ModuleType:
    """Import a Python file by its path, once for each content that it has.

    Raises:
        FileNotFoundError: there is no such file.
        Whatever the file raises.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    path = path.resolve()
    return PluginFile(path, path.read_bytes()).load()


def files_of(pickled: bytes) -> tuple[PluginFile, ...]:
    """The files in which something of a pickle is defined: another process loads them before it unpickles it."""
    return tuple(file for name, file in _files.items() if name.encode() in pickled)


def blame(error: BaseException) -> PluginError | None:
    """An error in one line that says where in a plugged-in file it was raised; None if no such file took part in it."""
    paths = {str(file.path) for file in _files.values()}
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in paths]
    if not frames:
        return None
    where = frames[-1]
    what = "called sys.exit()" if isinstance(error, SystemExit) else f"raised {_brief(error)}"
    return PluginError(f"{where.filename}:{where.lineno}: {where.name}() {what} while the run went on")


def _place(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _attribute(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _short(path: Path) -> Path:
    """A path as somebody in this folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _summary(found: object) -> str:
    """The first line of what documents a thing's class, else its module; a base class documents another thing."""
    kind = found if isinstance(found, type) else type(found)
    text = kind.__doc__ or sys.modules[kind.__module__].__doc__ or ""
    return text.strip().partition("\n")[0]


def _brief(error: BaseException) -> str:
    return " ".join((str(error) or repr(error)).split()) if isinstance(error, IdmlError | OSError) else repr(error)
