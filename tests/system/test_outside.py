"""What comes from outside, files and paths, can be anything: it is taken, or refused in one line."""

import argparse
import ast
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import get_args

import pytest
from tests.cli import command

import idml
from idml.adapters.registry import ALGORITHMS
from idml.cli.main import make_parser
from idml.errors import IdmlError
from idml.outside import OutsideError, parse_json, parse_toml, usable_path
from idml.simulation.config import Config, GivenPath, make_config
from idml.simulation.setup import check_plugins, plugin_digests, resolve
from idml.store import RunStore

SOURCES = Path(idml.__file__).parent
PROGRAM = Path(__file__).with_name("outside_files.py")
SLOW = ("config.toml of a run", "summary.json of a run", "run.sqlite of a run", "a model of a run", "a plug-in")
FAST = ("a deployment", "the state of an EVM", "error rates", "a data set of arrays")
"""Readers that take long, and those that are tried each time."""

OPENING = {
    "open", "read_text", "read_bytes", "load", "loads", "loadtxt", "genfromtxt", "fromfile", "memmap", "connect",
    "decompress", "GzipFile", "ZipFile", "BZ2File", "LZMAFile", "Unpickler", "fdopen", "open_code", "CDLL",
}  # fmt: skip
"""Functions that read a file, or what one held, by their last name."""
ASKING = {
    "exists", "is_file", "is_dir", "is_symlink", "is_mount", "resolve", "expanduser", "home", "stat", "lstat",
    "iterdir", "glob", "rglob", "samefile", "owner", "group", "readlink", "walk", "scandir",
}  # fmt: skip
"""Functions that ask the system about a path, and that raise what differs from one Python to the next."""
KNOWN = {
    # where files from outside are read
    "outside.py": "open; os.stat; tomllib.loads",
    "learning/data/npz.py": "path.open; np.load; path.stat",
    "learning/data/hapt.py": "np.load; np.loadtxt; folder.glob",
    "learning/data/fashion_mnist.py": "gzip.decompress",
    "learning/data/cifar10.py": "np.load; _ArrayUnpickler(io.BytesIO(raw), encoding='bytes').load; tarfile.open; "
    "lzma.decompress",
    "learning/data/folders.py": "Image.open; path.rglob; picture.stat",
    "simulation/traces/files.py": "path.open; gzip.GzipFile; zipfile.ZipFile; archive.open; "
    "member.is_dir; lzma.LZMAFile; bz2.BZ2File",
    "store/database.py": "sqlite3.connect",
    "cli/output.py": "open; os.open",  # the null device
    "store/salvage.py": "database.open; sqlite3.connect",
    "store/run_store.py": "sqlite3.connect; (directory / DATABASE).open",
    "store/false_start.py": "directory.iterdir; path.iterdir",
    # files that idml brings, and what the system says of itself
    "ledger/abi.py": "path.read_text; json.loads",
    "learning/native/library.py": "ctypes.CDLL",
    "origin.py": "(folder / reference).read_text; (git / 'HEAD').read_text; git.read_text; packed.read_text; "
    "shared.read_text",
    "reporting/pages.py": "resources.files(package if name == template else __package__).joinpath(name).read_text",
    "reporting/report.py": "resources.files(__package__).joinpath('report.html.j2').read_text",
    "studies/paper/page.py": "resources.files(__package__).joinpath('page.html.j2').read_text",
    "studies/paper/work.py": "Path('/proc/cpuinfo').read_text",
    # files that are written, or locked
    "learning/data/download.py": "os.fdopen",
    "ledger/chain/keystore.py": "os.open; os.fdopen",
    "ledger/chain/journal.py": "os.open; os.fdopen",
    "ledger/deployment.py": "path.open",
    "reporting/tensorboard.py": "directory.glob",
    "store/files.py": "os.open; os.fdopen",
    "store/lock.py": "os.open",
    # between processes of idml
    "checks.py": "pickle.loads",
    "simulation/work/executors/ray_cluster.py": "pickle.loads",
    "simulation/work/executors/ray_driver.py": "pickle.loads",
    "simulation/work/executors/shipping.py": "pickle.loads",
    "simulation/work/executors/wire.py": "os.open; pickle.loads",
    "simulation/work/executors/worker.py": "pickle.loads",
    "studies/batch.py": "self._log.open; json.loads",
    "studies/player.py": "os.fdopen; json.loads",
    # messages
    "protocol/wire.py": "cbor2.loads",
}
"""By module, what it calls of these functions."""
OURS = {
    "RunStore.open", "Keys(options).open", "keys.open", "self.store.open", "self.open", "ledger.open", "connect",
    "RpcLedger.connect", "self.journal.open", "Deployment.load", "ChainState.load", "self._evm.load", "Abi.load",
    "self.load",
    "source.load", "_Random().load", "file.load", "point.load", "read_text", "read_bytes", "outside.read_bytes",
    "PluginFile(Path(os.path.realpath(path)), content).load",
}  # fmt: skip
"""Functions of idml with such a name; what they read is read by one of those above."""


def calls() -> dict[str, set[str]]:
    """By module of the package, the calls in it that open a file or ask about a path."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            _, dot, last = called.rpartition(".")
            if last in OPENING or (dot and last in ASKING and called not in ("ast.walk", f"os.path.{last}")):
                found.setdefault(path.relative_to(SOURCES).as_posix(), set()).add(called)
    return {module: calls - OURS for module, calls in found.items() if calls - OURS}


def test_no_other_module_opens_a_file() -> None:
    """Nor asks about a path but by `os.path`, which answers alike in every Python and raises nothing."""
    assert calls() == {module: set(known.split("; ")) for module, known in KNOWN.items()}


def readers() -> list[str]:
    """The names of `outside_files.READERS`, whose module is a program of its own."""
    tree = ast.parse(PROGRAM.read_bytes())
    (table,) = (
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "READERS"
    )
    assert isinstance(table, ast.Dict)
    return [ast.literal_eval(key) for key in table.keys if key is not None]


def read_spoiled(folder: Path, names: Sequence[str]) -> None:
    command = [sys.executable, str(PROGRAM), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, (done.returncode, done.stderr[-1000:])
    *wrong, tried = done.stdout.splitlines()
    assert not wrong
    assert int(tried.removeprefix("tried ")) > 40 * len(names)


@pytest.mark.parametrize("names", [FAST, pytest.param((), marks=pytest.mark.slow)])
def test_what_is_wrong_with_a_file_is_one_line(names: Sequence[str], tmp_path: Path) -> None:
    read_spoiled(tmp_path, names or [name for name in readers() if name not in (*SLOW, *FAST)])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_what_is_wrong_with_a_file_that_takes_long_is_one_line(tmp_path: Path, name: str) -> None:
    read_spoiled(tmp_path, [name])


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, '["' + "]" * 300, "1" * 5_000, "1e400", "NaN",
                                  '"\\ud800"', "[" * 101 + "]" * 101])  # fmt: skip
def test_json_has_limits(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_brackets_within_texts_do_not_count() -> None:
    value = {"a": "[" * 1_000 + '"\\', "b": [[1.5, "\U0001f600"]] * 200}
    assert parse_json(json.dumps(value)) == value
    assert parse_toml("a = " + "[" * 50 + "]" * 50)


LONG, NULL, OTHER = "n" * 300, "a\0b", "a\udcffb"
NAMES = {
    "too long": LONG,
    "too long inside": f"nowhere/{LONG}/x",
    "null": NULL,
    "not UTF-8": OTHER,
    "endless": "loop/x",
    "empty": "",
}
"""Names that the system cannot be asked about."""
NO_PATHS = {
    "ACCOUNT", "URL", "KEY=VALUE", "KEY=VALUES", "SPEC", "P", "F", "C,H,W", "HOST:PORT", "KIND", "KIND,...", "X", "W",
    "S", "A", "B", "C", "J",
}  # fmt: skip
"""What options that take a text call it, where it is no path, or where it may name a thing as well."""


Option = tuple[tuple[str, ...], argparse.Action]


def options() -> Iterator[Option]:
    """All options and arguments that take a value, by command."""

    def walk(
        parser: argparse.ArgumentParser, path: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], argparse.Action]]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    yield from walk(child, (*path, name))
            elif action.nargs != 0 and action.choices is None:
                yield path, action

    yield from walk(make_parser(), ())


def test_every_option_that_takes_a_path_says_so() -> None:
    """It is read by `usable_path`; whoever adds an option that takes a text says that it is none."""
    for path, action in options():
        if action.type is None:
            metavar = action.metavar or action.dest
            assert metavar in NO_PATHS, f"idml {' '.join(path)} {metavar}: is it a path? Then type=usable_path"
        assert action.type is not Path, path


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_cannot_be_asked_about_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    tried = 0
    for path, action in options():
        if action.type not in (usable_path, None):
            continue
        value = NAMES[name]
        given = [action.option_strings[0], value] if action.option_strings else [value]
        if action.type is None and name not in ("null", "not UTF-8"):
            continue
        done = command.idml(*path, *given, cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), (path, given, done.stderr)
        assert done.stderr.startswith("idml: ")
        tried += 1
    assert tried > 20


TEXTS = [key for key, field in Config.model_fields.items() if "str" in str(field.annotation)]


def test_keys_that_are_paths_say_so() -> None:
    """Each other text is a name, which may be that of a file as well."""
    named = {"algorithm", "dataset", "partition", "model", "contacts", "adversaries", "defence", "rule"}
    marked = {key for key in TEXTS if GivenPath in get_args(Config.model_fields[key].annotation)}
    assert marked == {"data_dir"}
    assert set(TEXTS) == marked | named | {"rpc", "ray_address"}


@pytest.mark.parametrize("shape", ["{}", "{}/", "{}.npz", "{}.py", "{}.py:f", "{}:f"])
def test_a_key_that_cannot_be_asked_about_is_an_error_of_idml(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    for key, name in product(TEXTS, filter(None, NAMES.values())):
        text = shape.format(name)
        values = {key: {text: 1} if key == "adversaries" else text}
        try:
            config = make_config({"dataset": "digits", "devices": 6, **values})
            plugin_digests(config)
            check_plugins(config)
            resolve(config, ALGORITHMS.find(config.algorithm))
        except IdmlError:
            continue


def test_other_paths_of_the_system(tmp_path: Path) -> None:
    for name in NAMES.values():
        if name != "loop/x":
            with pytest.raises(OutsideError):
                usable_path(name)
        with pytest.raises(IdmlError):
            idml.load_run(tmp_path / name)
        if not name:  # that is the folder itself
            continue
        with pytest.raises(IdmlError):
            RunStore.check_free(tmp_path / name if "loop" not in name else "/proc/self/fd/x/" + "n" * 256)


def without_rights() -> None:
    """Have a process of root's read only what its owner may: as another user would."""
    if os.getuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: it counts from the next exec on


TINY = ("dataset=auto", "model=linear", "devices=6", "encounters=6", "images_per_device=40", "validation_images=20",
        "baseline_devices=0", "test_images=50")  # fmt: skip


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder into which nobody can look."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.slow
def test_a_folder_that_cannot_be_looked_into_is_one_line(locked: Path) -> None:
    """Tried in one process for all options, whatever else they ask for being nowhere."""
    (locked.parent / "file").touch()
    cases, all_options = [], list(options())
    for path, action in all_options:
        if action.type is not usable_path:
            continue
        fillers = []
        for other in [other for where, other in all_options if where == path and other is not action]:
            wanted = other.required or other.dest == "out"
            if wanted and other.option_strings:
                fillers += [other.option_strings[0], "file/x" if other.type is usable_path else "5"]
            elif wanted and other.nargs not in ("?", "*"):
                fillers.append("file/x" if other.type is usable_path else "0x" + "12" * 20)
        if path == ("chain", "fund"):
            fillers += ["--stake", "1"]
        elif path[:1] == ("chain",) and path[1:] in (("unstake",), ("withdraw",), ("redeem",)):
            fillers += ["--all"]
        if path == ("compare",):
            fillers = ["nowhere"]
        if path == ("export",):
            fillers += ["--to", "csv"]
        if path in (("evaluate",), ("reproduce",)):
            fillers = [{"evaluate": "rules", "reproduce": "fig7"}[path[0]], *fillers]
        if path == ("run",):
            fillers += [word for key in TINY for word in ("--set", key)]
        if path == ("sweep",):
            fillers += ["--vary", "seed=1"]
        if path[0] == "chain" and any(other.dest == "rpc" for where, other in all_options if where == path):
            fillers += ["--rpc", "http://127.0.0.1:1"]
        if path == ("run",) and action.dest == "resume":
            fillers = []
        before = [*path, *fillers, *action.option_strings[:1]]
        cases += [[*before, value] for value in ("locked", "locked/inside", "file/inside")]
    done = subprocess.run(
        [sys.executable, "-c", PLAY, json.dumps(cases)],
        capture_output=True, text=True, cwd=locked.parent, preexec_fn=without_rights, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [f"tried {len(cases)}"]


PLAY = """
import io, json, os, sys, traceback
from contextlib import redirect_stderr, redirect_stdout
from idml.cli.main import main
os.environ["IDML_PASSWORD"] = "secret"
os.environ.pop("IDML_DATA", None)
cases = json.loads(sys.argv[1])
for case in cases:
    out, err = io.StringIO(), io.StringIO()
    print(case, file=sys.stderr, flush=True)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(case)
        if code not in (1, 2) or (code and not err.getvalue().splitlines()[-1].startswith("idml: ")):
            print(case, code, err.getvalue())
    except BaseException as error:
        print(case, repr(error), err.getvalue()[-300:], traceback.extract_tb(error.__traceback__)[-3:])
print("tried", len(cases))
"""


@pytest.mark.slow
@pytest.mark.parametrize("home", ["locked/home", "a" * 300, None])
def test_a_home_that_cannot_be_used_still_runs_on_digits(locked: Path, home: str | None) -> None:
    kept = {key: value for key, value in os.environ.items() if key not in ("HOME", "IDML_DATA", "XDG_CACHE_HOME")}
    variables = kept | ({} if home is None else {"HOME": str(locked.parent / home)})
    settings = [word for key in TINY for word in ("--set", key)]
    done = subprocess.run(
        [sys.executable, "-m", "idml.cli.main", "run", "--out", "run", *settings],
        capture_output=True, text=True, cwd=locked.parent, env=variables, preexec_fn=without_rights, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "digits" in done.stderr


def test_nobody_needs_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_number: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "IDML_DATA", "IDML_KEYSTORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    config = resolve(make_config({"devices": 6}), ALGORITHMS.find("oppcl"))
    assert config.dataset == "digits"
    for arguments, words in (
        (("chain", "accounts", "list"), "there is no home folder to keep keys in"),
        (("data", "check", "fashion-mnist"), "there is no home folder"),
    ):
        done = command.idml(*arguments)
        assert done.returncode in (1, 2)
        assert words in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
