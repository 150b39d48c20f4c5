"""A library that must not compute here is not used: PyTorch takes over with one line, or the run ends in that line."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from idml.adapters.registry import ALGORITHMS
from idml.learning.backends import make_engine
from idml.learning.native import library
from idml.learning.native.build import compilers, library_path
from idml.learning.native.library import TRIALS, NativeError
from idml.simulation.config import Config, ConfigError, make_config
from idml.simulation.setup import blueprint, resolve

FUNCTIONS = ("create", "destroy", "parameters", "bytes", "train", "gradient", "logits", "score", "dropout", "trial")
OTHER_SOURCES = "the native engine was built from other sources; build it with: python -m idml.learning.native.build"
MISCOMPUTES = "the native engine does not compute what it should; build it with: python -m idml.learning.native.build"


@pytest.fixture(autouse=True)
def loads_anew() -> Iterator[None]:
    """The library that other tests have loaded stays theirs."""
    library.load_library.cache_clear()
    yield
    library.load_library.cache_clear()


def config(backend: str) -> Config:
    return make_config({"dataset": "digits", "devices": 8, "images_per_device": 40, "backend": backend})


def assert_pytorch_takes_over(caplog: pytest.LogCaptureFixture, problem: str) -> None:
    assert resolve(config("auto"), ALGORITHMS.find("oppcl")).backend == "torch"
    (line,) = caplog.messages
    assert line.startswith(problem)
    assert line.endswith("; PyTorch trains instead, several times slower")
    with pytest.raises(ConfigError) as refused:
        resolve(config("native"), ALGORITHMS.find("oppcl"))
    assert str(refused.value) == f"backend is 'native': {line.removeprefix('idml: ').partition('; PyTorch')[0]}"
    with pytest.raises(NativeError, match="native engine"):
        make_engine("native", blueprint(config("auto")))


def test_the_library_as_it_is_here_loads() -> None:
    assert resolve(config("auto"), ALGORITHMS.find("oppcl")).backend == "native"


@pytest.mark.parametrize(
    ("constant", "value"),
    [
        ("ABI", library.ABI + 1),
        ("DEFINITION", library.DEFINITION + 1),
        ("TRIALS", (*TRIALS, 0)),
        ("TRIALS", TRIALS[:-1]),
    ],
)
def test_one_from_other_sources_is_not_used(
    constant: str, value: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, constant, value)
    assert_pytorch_takes_over(caplog, OTHER_SOURCES)


@pytest.mark.parametrize("number", library._SELF_TEST)
def test_one_that_fails_a_trial_of_the_self_test_is_not_used(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "TRIALS", (*TRIALS[:number], TRIALS[number] ^ 1, *TRIALS[number + 1 :]))
    assert_pytorch_takes_over(caplog, MISCOMPUTES)


def test_one_with_a_wrong_number_in_it_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The real library, but for a factor of Winograd's transforms."""
    built = library_path().read_bytes()
    factor = np.float32(1 / 24).tobytes()
    assert factor in built
    broken = tmp_path / "broken.so"
    broken.write_bytes(built.replace(factor, np.float32(1 / 25).tobytes()))
    monkeypatch.setattr(library, "library_path", lambda: broken)
    assert_pytorch_takes_over(caplog, MISCOMPUTES)


@pytest.mark.parametrize("kind", ["empty", "text", "cut off", "another library"])
def test_a_file_that_is_not_the_library_is_not_used(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "broken.so"
    if kind == "another library":
        shutil.copy(sys.modules["_ctypes"].__file__ or "", path)
    else:
        path.write_bytes({"empty": b"", "text": b"no library\n", "cut off": library_path().read_bytes()[:40]}[kind])
    monkeypatch.setattr(library, "library_path", lambda: path)
    assert_pytorch_takes_over(caplog, "the native engine cannot be loaded (")


def test_one_that_this_processor_cannot_run_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A library that knows no instruction set to use here."""
    if not compilers():
        pytest.skip("there is no compiler")
    answers = dict.fromkeys((*FUNCTIONS, "instruction_set"), 0)
    answers |= {"abi": library.ABI, "definition": library.DEFINITION, "trials": len(TRIALS)}
    source, path = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text("".join(f"long idml_{name}(void) {{ return {value}; }}\n" for name, value in answers.items()))
    compiler = compilers()[0]
    command = [sys.executable, "-m", "ziglang", "c++"] if compiler == "zig" else [compiler]
    subprocess.run([*command, "-shared", "-fPIC", "-x", "c", str(source), "-o", str(path)], check=True)
    monkeypatch.setattr(library, "library_path", lambda: path)
    assert_pytorch_takes_over(caplog, "this processor lacks the instructions of the native engine (AVX2 and FMA)")
