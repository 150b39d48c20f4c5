"""What can be plugged in is found by its name, or one line says why not; files reach other processes."""

import hashlib
import os
import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import idml
from idml import registry
from idml.adapters.errors import AdapterError
from idml.adapters.oppcl import OppCL
from idml.adapters.registry import ALGORITHMS
from idml.learning.data.registry import DATASETS, PARTITIONS
from idml.learning.judging.registry import DEFENCES, RULES
from idml.learning.registry import MODELS
from idml.plugin_files import PluginFile, files_of, load_file
from idml.registry import Entry, PluginError, Registry
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.contacts.registry import CONTACTS

REGISTRIES = (ALGORITHMS, DATASETS, PARTITIONS, MODELS, RULES, DEFENCES, ADVERSARIES, CONTACTS)
MINE = '''
"""Some algorithms."""
import idml

class Mine(idml.Adapter):
    """Trains once.

    And nothing else.
    """

    name = "mine"
    def contribute(self, received, own, training): return training.epoch(received)
    def merge(self, current, result): return result.copy()

class Picky(Mine):
    def __init__(self, taste): self.taste = taste

class Outer:
    class Inner(Mine): pass

def local():
    class Local(Mine): pass
    return Local()

READY = Picky("sweet")
NUMBER = 3
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with algorithms, in the folder in which the test works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def installed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Have a package bring an algorithm."""
    points = EntryPoints([EntryPoint(name, value, "idml.algorithms")])
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))


@pytest.mark.parametrize("kind", REGISTRIES, ids=lambda kind: str(kind.kind))
def test_what_ships_is_there_and_says_what_it_is(kind: Registry[object]) -> None:
    entries = list(kind.entries())
    assert [entry.name for entry in entries] == list(kind.built_in) == list(kind.names())
    for entry in entries:
        thing = kind.find(entry.name)
        assert isinstance(thing, kind.base)
        assert entry.origin == "idml"
        assert len(entry.summary) > 20
        assert kind.ships(thing)
        assert kind.name_of(thing) == entry.name
        assert kind.digest(entry.name) is None
        assert kind.find_checked(entry.name) is not None
    assert callable(kind.check)


@pytest.mark.parametrize("kind", REGISTRIES, ids=lambda kind: str(kind.kind))
def test_a_name_that_is_none_is_refused_with_those_there_are(kind: Registry[object]) -> None:
    choices = rf"{', '.join(kind.built_in)}, (FILE\.npz, FOLDER/, )?FILE\.py:NAME or PACKAGE\.MODULE:NAME"
    line = rf"^{kind.kind} is 'nothing': choose {choices}$"
    for ask in (kind.require, kind.find, kind.find_checked, kind.digest):
        with pytest.raises(PluginError, match=line):
            ask("nothing")
    assert not kind.knows("nothing")


def test_to_know_a_name_imports_nothing_heavy(mine: Path) -> None:
    program = (
        "import sys; from idml.learning.data.registry import DATASETS, PARTITIONS;"
        "from idml.learning.registry import MODELS; from idml.adapters.registry import ALGORITHMS;"
        "from idml.learning.judging.registry import RULES, DEFENCES;"
        "[kind.require(name) for kind in (DATASETS, PARTITIONS, MODELS, ALGORITHMS, RULES, DEFENCES)"
        " for name in (*kind.built_in, 'mine.py:Mine')];"
        "print([name for name in ('numpy', 'torch', 'sklearn', 'scipy', 'pydantic') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_words_in_place_of_a_name_are_among_the_choices() -> None:
    DATASETS.require("auto", besides=("auto",))
    with pytest.raises(PluginError, match=r"^dataset is 'x': choose auto, fashion-mnist, "):
        DATASETS.require("x", besides=("auto",))


@pytest.mark.usefixtures("mine")
def test_a_file_gives_a_class_an_object_or_a_class_within_a_class() -> None:
    assert ALGORITHMS.find("mine.py:Mine").name == "mine"
    assert ALGORITHMS.find("mine.py:Mine") is not ALGORITHMS.find("mine.py:Mine")
    assert ALGORITHMS.find("mine.py:READY") is ALGORITHMS.find("mine.py:READY")
    assert type(ALGORITHMS.find("mine.py:Outer.Inner")).__qualname__ == "Outer.Inner"
    assert not ALGORITHMS.ships(ALGORITHMS.find("mine.py:Mine"))


def test_a_module_that_can_be_imported_gives_the_same(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = mine.parent / "some_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text(MINE)
    monkeypatch.syspath_prepend(mine.parent)
    found = ALGORITHMS.find("some_package.inner:Mine")
    assert found.name == "mine"
    assert ALGORITHMS.name_of(found) == "some_package.inner:Mine"
    assert ALGORITHMS.digest("some_package.inner:Mine") == hashlib.sha256(MINE.encode()).hexdigest()


def test_an_installed_package_gives_the_same(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed_file = mine.with_name("installed_algorithms.py")
    installed_file.write_text(MINE)
    monkeypatch.syspath_prepend(mine.parent)
    installed(monkeypatch, "theirs", "installed_algorithms:Mine")
    assert ALGORITHMS.names() == ("gossip", "oppcl", "theirs")
    assert ALGORITHMS.knows("theirs")
    assert ALGORITHMS.find("theirs").name == "mine"
    assert ALGORITHMS.digest("theirs") == hashlib.sha256(MINE.encode()).hexdigest()
    assert list(ALGORITHMS.entries())[-1] == Entry("theirs", "Trains once.", "installed_algorithms")
    # What ships cannot be replaced.
    installed(monkeypatch, "oppcl", "installed_algorithms:Mine")
    assert isinstance(ALGORITHMS.find("oppcl"), OppCL)
    assert len(list(ALGORITHMS.entries())) == 2


def test_an_installed_package_that_is_broken_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "theirs", "no_such_module:Mine")
    with pytest.raises(AdapterError, match=r"^algorithm is 'theirs': its entry point no_such_module:Mine failed: M"):
        ALGORITHMS.find("theirs")
    assert list(ALGORITHMS.entries())[-1].summary.startswith("cannot be imported: ModuleNotFoundError(")


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("missing.py:X", None, "there is no file missing.py"),
        ("no_such_module:X", None, "there is no module no_such_module"),
        ("idml.no_such:X", None, "there is no module idml.no_such"),
        ("mine.py:X", None, "mine.py has no X"),
        ("mine.py:Mine.X", None, "mine.py has no Mine.X"),
        ("mine.py:", None, "mine.py has no name after the colon"),
        ("mine.py:NUMBER", None, "int is no Adapter: subclass idml.adapters.base.Adapter"),
        ("mine.py:Outer", None, "class Outer is no Adapter: subclass idml.adapters.base.Adapter"),
        ("mine.py:Picky", None, r"Picky\(\) failed: TypeError\(.*missing 1 required positional argument: 'taste'"),
        ("own.py:X", "1 / 0", r"importing own.py failed: ZeroDivisionError\('division by zero'\)"),
        ("own.py:X", "import sys; sys.exit(3)", r"importing own.py failed: SystemExit\(3\)"),
        ("own.py:X", "import no_such_module", r"importing own.py failed: ModuleNotFoundError"),
        ("own.py:X", "def", "importing own.py failed: SyntaxError"),
        ("own.py:X", "import idml\nclass X(idml.Adapter): pass", r"X\(\) failed: TypeError\(\"Can't instantiate abs"),
    ],
)
def test_what_cannot_be_had_says_why_in_one_line(name: str, text: str | None, line: str) -> None:
    if text is not None:
        Path("own.py").write_text(text)
    with pytest.raises(AdapterError, match=f"^algorithm is '{name}': {line}") as error:
        ALGORITHMS.find(name)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("mine")
def test_what_does_not_ship_is_checked() -> None:
    Path("own.py").write_text(MINE.replace("return result.copy()", "return None"))
    assert ALGORITHMS.find("own.py:Mine").name == "mine"
    with pytest.raises(AdapterError, match=r"^algorithm is 'own.py:Mine': merge\(\) returned NoneType: return a numpy"):
        ALGORITHMS.find_checked("own.py:Mine")


def test_a_changed_file_is_another_module_even_within_a_second(mine: Path) -> None:
    first = ALGORITHMS.find("mine.py:Mine")
    assert load_file(Path("mine.py")) is load_file(mine)
    before, stamp = ALGORITHMS.digest("mine.py:Mine"), mine.stat()
    assert before == hashlib.sha256(mine.read_bytes()).hexdigest()
    mine.write_text(MINE.replace('"mine"', '"ours"'))
    os.utime(mine, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert mine.stat().st_size == stamp.st_size
    assert (first.name, ALGORITHMS.find("mine.py:Mine").name) == ("mine", "ours")
    assert ALGORITHMS.digest("mine.py:Mine") != before
    assert not (mine.parent / "__pycache__").exists()


def test_a_file_that_fails_is_run_again_once_it_is_mended(mine: Path) -> None:
    mine.write_text("from pathlib import Path\nraise OSError(Path('state').read_text())")
    mine.with_name("state").write_text("not yet")
    with pytest.raises(AdapterError, match="not yet"):
        ALGORITHMS.find("mine.py:Mine")
    mine.with_name("state").write_text("still not")
    with pytest.raises(AdapterError, match="still not"):
        ALGORITHMS.find("mine.py:Mine")


def test_a_digest_runs_nothing(mine: Path) -> None:
    mine.write_text("open('ran', 'w')")
    assert ALGORITHMS.digest("mine.py:Mine") is not None
    assert not mine.with_name("ran").exists()
    for name, line in (
        ("missing.py:X", "there is no file missing.py"),
        ("no_such_module:X", "there is no module no_s"),
    ):
        with pytest.raises(AdapterError, match=line):
            ALGORITHMS.digest(name)


def test_a_name_leads_back_to_the_thing(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ALGORITHMS.find("mine.py:Mine")
    assert ALGORITHMS.name_of(own) == "mine.py:Mine"
    inner = ALGORITHMS.name_of(ALGORITHMS.find("mine.py:Outer.Inner"))
    assert inner == "mine.py:Outer.Inner"
    monkeypatch.chdir(Path(__file__).parent)
    assert ALGORITHMS.name_of(own) == f"{mine}:Mine"
    assert type(ALGORITHMS.find(f"{mine}:Mine")) is type(own)
    assert ALGORITHMS.name_of(load_file(mine).local()) is None
    nowhere: dict[str, type[idml.Adapter]] = {"Mine": type(own)}
    exec("class Typed(Mine): pass", {"Mine": type(own), "__name__": "nowhere"}, nowhere)
    assert ALGORITHMS.name_of(nowhere["Typed"]()) is None


def test_the_program_itself_is_named_by_its_file(mine: Path) -> None:
    mine.write_text(MINE + "\nfrom idml.adapters.registry import ALGORITHMS\nprint(ALGORITHMS.name_of(Mine()))\n")
    for command, expected in (([str(mine)], "mine.py:Mine\n"), (["-c", mine.read_text()], "None\n")):
        found = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, cwd=mine.parent)
        assert found.stdout == expected


def test_things_of_a_file_reach_a_process_that_loads_it_first(mine: Path) -> None:
    thing = ALGORITHMS.find("mine.py:READY")
    mine.with_name("other.py").write_text(MINE)
    ALGORITHMS.find("other.py:Mine")  # not needed, so not sent
    packed = pickle.dumps(thing)
    files = files_of(packed)
    assert [(file.path, file.content) for file in files] == [(mine, MINE.encode())]
    mine.unlink()  # the other process may lack the file
    program = (
        "import pickle, sys; files, packed = pickle.load(sys.stdin.buffer); [file.load() for file in files];"
        "thing = pickle.loads(packed); print(type(thing).__module__, thing.taste)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps((files, packed)), capture_output=True, check=True
    )
    assert found.stdout.decode() == f"{type(thing).__module__} sweet\n"


def test_a_module_s_name_follows_from_path_and_content(tmp_path: Path) -> None:
    names = {PluginFile(tmp_path / name, content).module for name in ("a.py", "b.py") for content in (b"", b"1")}
    assert len(names) == 4
    assert PluginFile(tmp_path / "a.py", b"").module in names
