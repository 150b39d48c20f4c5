"""Names of what can be plugged in, and how a name becomes a thing.

A room that can be extended makes one `Registry` for each kind of thing: data sets, rules, adversaries and so on. In a
configuration a thing is named in one of these ways:

- by the name of one that ships, such as `oppcl`;
- `FILE.py:NAME`: a class, or a finished object, in a Python file;
- `PACKAGE.MODULE:NAME`: the same in a module that can be imported;
- by the name of an entry point of an installed package, in the group of its kind, such as `idml.algorithms`.

Some kinds are also read from files of data, which the ending of the name tells. From Python a thing may be given as an
object. It has a name for as long as it is lent (`Registry.given`).

What ships is written down as text and imported when someone asks for it, so that to know a name costs nothing.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final, Generic, TypeVar, cast

from idml.errors import IdmlError
from idml.extras import hint
from idml.outside import OutsideError, read_bytes
from idml.plugin_files import (
    definition,
    is_definition,
    load_file,
    loaded_as,
    names_in,
    own_imports,
    place_of,
    short,
    text_digest,
    watch,
)

Thing = TypeVar("Thing")

_LOG = logging.getLogger(__name__)

GIVEN: Final = " (given as an object)"
"""Ends the name of a thing that was given as an object, and that no other name leads to."""
_LONGEST: Final = 400
"""Characters of an error that a line quotes: torch's can be pages."""


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
        files: functions that read a thing from a file of data, as `MODULE:NAME`, by the ending of its name; a slash
            ends the name of a folder.
        adopt: the function that makes a thing of what a name leads to and is none, such as a plain function, as
            `MODULE:NAME`; it returns what it knows nothing about as it is.
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
        files: Mapping[str, str] = MappingProxyType({}),
        adopt: str | None = None,
        error: type[PluginError] = PluginError,
    ) -> None:
        self.kind = kind
        self.group = group
        self._base = base
        self._built_in = dict(built_in)
        self._check = check
        self._files = files
        self._adopt = adopt
        self._error = error
        self._given: dict[str, object] = {}
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
        if name in self._built_in or name in self._given or ":" in name or self._reader(name) is not None:
            return True
        return any(point.name == name for point in self._entry_points())

    def require(self, name: str, *, besides: Sequence[str] = ()) -> None:
        """Raise the registry's error if this can name nothing.

        Args:
            name: as a configuration has it.
            besides: words that the configuration takes in place of a name.
        """
        if name in besides or self.knows(name):
            return
        if name.endswith(GIVEN):
            raise self._wrong(name, f"give the run the same object again, as {self.kind}=")
        if name.endswith(".py") or (os.sep in name and not os.path.isdir(name)):
            raise self._wrong(name, f"say which of its things, as {name}:NAME{names_in(Path(name))}")
        files = ("FOLDER/" if ending == "/" else f"FILE{ending}" for ending in self._files)
        choices = ", ".join((*besides, *self.names(), *files))
        folder = f"; the folder is {name}/" if "/" in self._files and os.path.isdir(name) else ""
        raise self._wrong(name, f"choose {choices}, FILE.py:NAME or PACKAGE.MODULE:NAME{folder}")

    def find(self, name: str) -> Thing:
        """The thing of a name, new for each call if the name leads to a class.

        Raises:
            PluginError: there is none, it cannot be imported or made, or it is of another kind.
        """
        found = self._locate(name)
        base = self.base
        is_thing = isinstance(found, base) or (isinstance(found, type) and issubclass(found, base))
        if self._adopt is not None and not is_thing:
            try:
                found = _attribute(self._adopt)(found)
            except (Exception, SystemExit) as error:
                raise self._wrong(name, _brief(error), error) from error
        if isinstance(found, type) and issubclass(found, base):
            try:
                thing = cast(Thing, found())
            except (Exception, SystemExit) as error:
                raise self._wrong(name, f"{found.__name__}() failed: {_brief(error)}", error) from error
        elif isinstance(found, base):
            thing = cast(Thing, found)
        else:
            what = f"class {found.__name__}" if isinstance(found, type) else type(found).__name__
            other = ", or name a function" if self._adopt is not None else ""
            raise self._wrong(name, f"{what} is no {base.__name__}: subclass {base.__module__}.{base.__name__}{other}")
        self._found[id(thing)] = thing, name
        return thing

    @contextmanager
    def given(self, thing: object) -> Iterator[str]:
        """Lend a name to an object, by which all functions here find this very object until the context ends.

        Args:
            thing: of this kind, or its class, or what one can be made of.

        Returns:
            The name by which it is found again without being given, where there is one; else one that ends in `GIVEN`.
        """
        name = self.naming(thing)
        before = self._given
        self._given = {**before, name: thing}
        try:
            yield name
        finally:
            self._given = before

    def naming(self, thing: object) -> str:
        """The name of an object by which a configuration tells it apart: see `given`."""
        found_as = self._found.get(id(thing), (None, None))[1]
        if found_as is not None:
            return found_as
        # Its file is not run again to look: that may be the very program that gave it.
        name = self.name_of(thing)
        is_plain = is_definition(thing)
        with suppress(Exception):
            is_plain = is_plain or pickle.dumps(vars(type(thing)())) == pickle.dumps(vars(thing))
        if name is not None and is_plain:
            return name
        called = getattr(thing, "name", None)
        return f"{called if isinstance(called, str) else definition(thing).__name__}{GIVEN}"

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
        if name in self._built_in or self.ships(thing):
            return thing
        with self.naming_errors(name), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", UserWarning)
            self.check(thing, **details)
        for warning in said:
            if issubclass(warning.category, UserWarning):
                _LOG.warning("%s is %r: %s", self.kind, name, warning.message)
        return thing

    @contextmanager
    def naming_errors(self, name: str) -> Iterator[None]:
        """Have what goes wrong with a thing tell its name, and where in its file.

        Raises:
            PluginError: in place of an error of idml, and of any that a plugged-in file had part in.
        """
        try:
            yield
        except IdmlError as error:
            raise self._wrong(name, str(error), error) from error
        except (Exception, SystemExit) as error:
            place = place_of(error)
            if place is None:
                raise
            raise self._wrong(name, f"{place[1]}() {_deed(error)}", error) from error

    def ships(self, thing: Thing) -> bool:
        """Whether a thing is one of those that ship."""
        return _place(type(thing)) in self._built_in.values()

    def name_of(self, thing: object) -> str | None:
        """What `find` takes to make a thing of this class again, or to find this class or function.

        None where that cannot be told, as for a class that was made in a function.
        """
        kind = definition(thing)
        for name, place in self._built_in.items():
            if place == _place(kind):
                return name
        if "<" in kind.__qualname__:  # <locals>, <lambda>
            return None
        loaded, module = loaded_as(kind.__module__), sys.modules.get(kind.__module__)
        if loaded is not None:
            return f"{short(loaded)}:{kind.__qualname__}"
        if module is None:
            return None
        # A file that belongs to no package, such as the program itself: another process may not find it by its name.
        file = getattr(module, "__file__", None)
        if not module.__name__.rpartition(".")[0] and file is not None and file.endswith(".py"):
            return f"{short(Path(os.path.realpath(file)))}:{kind.__qualname__}"
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
        """SHA-256 of the file that a name leads to, hexadecimal; None for what ships. The file is not run.

        Of an object that was given and that stands in no file, it is that of the text of its class or function; None
        where there is none.

        Raises:
            PluginError: there is no such file or module.
        """
        if name in self._built_in:
            return None
        file = self._file_of(name)
        if file is None:
            given = self._given.get(name)
            ships = definition(given).__module__.startswith("idml.")
            return None if given is None or ships else text_digest(given)
        try:
            return hashlib.sha256(read_bytes(file)).hexdigest()
        except OutsideError as error:
            raise self._wrong(name, f"reading {short(file)} failed: {error.why}") from error

    def digests(self, name: str) -> dict[str, str]:
        """What `digest` gives under the kind and name, and the SHA-256 of each file of the user's own that is imported.

        Returns:
            By text for a message, such as "model mine.py:Mine" and "layers.py, which model mine.py:Mine imports,".
        """
        digest, thing = self.digest(name), f"{self.kind} {name}"
        if digest is None:
            return {}
        digests = {thing: digest}
        file = self._file_of(name)
        for imported in own_imports(file) if file is not None and file.suffix == ".py" else ():
            place = os.path.relpath(imported, file.parent) if file is not None else ""
            with suppress(OutsideError):
                digests[f"{place}, which {thing} imports,"] = hashlib.sha256(read_bytes(imported)).hexdigest()
        return digests

    def _file_of(self, name: str) -> Path | None:
        """The file that a name leads to, absolute; None if there is none."""
        if name in self._given:
            kind = definition(self._given[name])
            loaded, module = loaded_as(kind.__module__), sys.modules.get(kind.__module__)
            file = getattr(module, "__file__", None)
            is_program = kind.__module__ == "__main__" and name.endswith(GIVEN)  # whose other lines may well change
            if loaded is not None or file is None or is_program or Path(file).is_relative_to(Path(__file__).parent):
                return loaded
            return Path(os.path.realpath(file))
        if self._reader(name) is not None:
            # A folder is no single file: the run records a digest of the data.
            return None if name.endswith("/") else self._require_file(name, name)
        source = next((point.module for point in self._entry_points() if point.name == name), None)
        if source is None:
            self._require_source(name)
            source = name.rpartition(":")[0]
        if source.endswith(".py"):
            return self._require_file(name, source)
        try:
            spec = importlib.util.find_spec(source)
        except (Exception, SystemExit) as error:
            raise self._wrong(name, f"importing {source} failed: {_brief(error)}", error) from error
        if spec is None:
            raise self._wrong(name, f"there is no module {source}")
        return Path(spec.origin) if spec.has_location and spec.origin else None

    def _require_source(self, name: str) -> None:
        """Raise unless a name that is none of a package's has something before the colon and after it."""
        self.require(name)
        source, _, attribute = name.rpartition(":")
        if not source:
            raise self._wrong(name, "write a file or a module before the colon, as FILE.py:NAME")
        if source == "__main__":
            raise self._wrong(name, "it is the program that runs: name its file, as FILE.py:NAME, or give the object")
        if not attribute:
            offered = names_in(Path(source)) if source.endswith(".py") else ""
            raise self._wrong(name, f"{source} has no name after the colon: say which of its things{offered}")

    def _require_file(self, name: str, source: str) -> Path:
        """The path of a file that is there."""
        if os.path.isdir(source):
            raise self._wrong(
                name, f"{source} is a folder: name a {'file' if self._reader(source) else 'Python file'} in it"
            )
        if not os.path.isfile(source):
            raise self._wrong(name, f"there is no file {source}")
        return Path(os.path.realpath(source))

    def _locate(self, name: str) -> object:
        """What a name leads to."""
        if name in self._given:
            return self._given[name]
        place = self._built_in.get(name)
        if place is not None:
            return _attribute(place)
        for point in self._entry_points() if ":" not in name else ():
            if point.name == name:
                try:
                    found_there: object = point.load()
                except (Exception, SystemExit) as error:
                    raise self._wrong(name, f"its entry point {point.value} failed: {_brief(error)}", error) from error
                _watch(sys.modules.get(point.module))
                return found_there
        self.require(name)
        reader = self._reader(name)
        if reader is not None:
            return self._read(name, reader)
        self._require_source(name)
        source, _, attribute = name.rpartition(":")
        found: object = self._import(name, source)
        for part in attribute.split("."):
            found = getattr(found, part, None)
        if found is None:
            offered = names_in(Path(source)) if source.endswith(".py") else ""
            raise self._wrong(name, f"{source} has no {attribute}{offered}")
        return found

    def _reader(self, name: str) -> str | None:
        """Where the function is that reads the file of a name; None if the name is of another sort."""
        return next((place for ending, place in self._files.items() if name.endswith(ending)), None)

    def _read(self, name: str, reader: str) -> object:
        if name.endswith("/") and not os.path.isdir(name):
            raise self._wrong(name, f"there is no folder {name}")
        file = Path(name) if name.endswith("/") else self._require_file(name, name)
        try:
            return _attribute(reader)(file)
        except IdmlError as error:
            raise self._wrong(name, str(error)) from error

    def _import(self, name: str, source: str) -> ModuleType:
        if source.endswith(".py"):
            self._require_file(name, source)
        try:
            module = load_file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if not source.endswith(".py") and missing and f"{source}.".startswith(f"{missing}."):
                raise self._wrong(name, f"there is no module {source}") from None
            why = f"importing {source} failed: {_brief(error)}"
            beside = Path(source).parent
            if missing and (
                os.path.isfile(beside / f"{missing}.py") or os.path.isfile(beside / missing / "__init__.py")
            ):
                why += f": it lies beside it, so set PYTHONPATH={beside}"
            raise self._wrong(name, why, error) from error
        except (Exception, SystemExit) as error:
            raise self._wrong(name, f"importing {source} failed: {_brief(error)}", error) from error
        _watch(module)
        return module

    def _entry_points(self) -> Iterable[EntryPoint]:
        return entry_points(group=self.group)

    def _wrong(self, name: str, why: str, error: BaseException | None = None) -> PluginError:
        place = place_of(error) if error is not None else None
        where = f" ({place[0]})" if place is not None and place[0] not in why else ""
        return self._error(f"{self.kind} is {name!r}: {why}{where}")


def blame(error: BaseException) -> PluginError | None:
    """An error in one line that says where in a plugged-in file it was raised; None if no such file took part in it.

    An error of idml says itself what was wrong, unless it was raised in what such a file called.
    """
    place = place_of(error, causes=not isinstance(error, IdmlError))
    if place is None:
        return None
    return PluginError(f"{place[0]}: {place[1]}() {_deed(error)}")


def _place(kind: Any) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _attribute(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _watch(module: ModuleType | None) -> None:
    file = getattr(module, "__file__", None)
    if file is not None:
        watch(Path(file))


def _summary(found: object) -> str:
    """The first line of what documents a thing's class, else its module; a base class documents another thing."""
    kind = definition(found)
    text = kind.__doc__ or sys.modules[kind.__module__].__doc__ or ""
    return text.strip().partition("\n")[0]


def _brief(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = (str(error) or repr(error)) if isinstance(error, IdmlError | OSError) else repr(error)
    text = " ".join(text.split())
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...") + hint(error)


def _deed(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return "called sys.exit()"
    return f"raised {type(error).__name__ + ': ' if isinstance(error, IdmlError) else ''}{_brief(error)}"
