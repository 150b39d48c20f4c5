"""Streams that are closed, full, or of another encoding: no command loses its result, or prints a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from idml.cli.main import make_parser
from idml.cli.output import Stream

EXAMPLE = Path(__file__).parents[2] / "examples" / "contacts.csv"
TINY = ["--set", "dataset=digits", "--set", "devices=6", "--set", "encounters=6", "--set", "images_per_device=40",
        "--set", "baseline_devices=0"]  # fmt: skip
RUN = ["run", *TINY, "--quiet", "--out", "{new}"]
COMMANDS: dict[tuple[str, ...], list[str]] = {
    ("list",): ["list"],
    ("data", "check"): ["data", "check", "digits"],
    ("model", "check"): ["model", "check", "small", "--shape", "1,8,8", "--classes", "3"],
    ("run",): RUN,
    ("report",): ["report", "{run}"],
    ("export",): ["export", "{run}", "--to", "csv", "--out", "{new}"],
    ("sweep",): ["sweep", *TINY, "--vary", "seed=1", "--out", "{new}", "--quiet"],
    ("compare",): ["compare", "{run}", "{run}"],
    ("reproduce",): ["reproduce", "table1", "--out", "{new}", "--cost"],
    ("evaluate",): ["evaluate", "rules", "--out", "nowhere/at/all", "--data-dir", "nowhere"],
    ("economics",): ["economics", "--json"],
    ("gas",): ["gas"],
    ("traces", "info"): ["traces", "info", str(EXAMPLE)],
    ("traces", "generate"): ["traces", "generate", str(EXAMPLE), "--devices", "30", "--out", "{new}.csv"],
    ("chain", "deploy"): ["chain", "deploy", "--from", "0x12", "--max-fee-gwei", "-3"],
    ("chain", "info"): ["chain", "info", "--rpc", "nothing"],
    ("chain", "fund"): ["chain", "fund", "0x12", "--from", "0x12", "--send", "x"],
    ("chain", "unstake"): ["chain", "unstake", "x", "--from", "0x12"],
    ("chain", "withdraw"): ["chain", "withdraw", "x", "--from", "0x12"],
    ("chain", "redeem"): ["chain", "redeem", "x", "--from", "0x12"],
    ("chain", "accounts", "create"): ["chain", "accounts", "create", "--keystore", "/dev/null/keys"],
    ("chain", "accounts", "list"): ["chain", "accounts", "list"],
    ("chain", "accounts", "import"): ["chain", "accounts", "import", "--keystore", "/dev/null/keys"],
}
"""Of each command, words that take little time. Those of chains end with an error, which is output as well."""
WAYS = ("whole", "out broken", "out full", "out closed", "err broken", "err full", "err closed", "ascii", "latin-1")
FEW = ("whole", "out full", "err closed")
# One process that forks for each case: it loads all once. What Python does at its end is done in each child.
FORKS = """
import json, os, signal, sys, tempfile
from idml.cli.main import main
import idml.api, rich.console, rich.table

def child(words, way):
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    number = os.fork()
    if number:
        _, status = os.waitpid(number, 0)
        for file in (out, err):
            file.seek(0)
        said = [file.read().decode("utf-8", "replace") for file in (out, err)]
        return [os.waitstatus_to_exitcode(status), *said]
    signal.alarm(60)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    if way in ("ascii", "latin-1"):
        sys.stdout.reconfigure(encoding=way, errors="strict")
        sys.stderr.reconfigure(encoding=way)
    elif way != "whole":
        name, how = way.split()
        number = 1 if name == "out" else 2
        if how == "broken":
            reads, writes = os.pipe()
            os.close(reads)
            os.dup2(writes, number)
        elif how == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), number)
        else:
            os.close(number)
            setattr(sys, "std" + name, None)  # as Python does when it begins
    sys.exit(main(words))

answers = []
for words, way in json.load(open(sys.argv[1])):
    answers.append(child(words, way))
json.dump(answers, open(sys.argv[2], "w"))
"""


def commands() -> Iterator[tuple[str, ...]]:
    """All that can be asked for, without those that only hold others."""

    def walk(parser: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        inner = [a.choices for a in getattr(parser, "_actions", ()) if isinstance(getattr(a, "choices", None), dict)]
        if not inner:
            yield path
        for choices in inner:
            for name, child in choices.items():
                yield from walk(child, (*path, name))

    yield from walk(make_parser(), ())


def test_all_commands_are_tried() -> None:
    assert set(commands()) == set(COMMANDS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "run"
    words = [sys.executable, "-m", "idml.cli.main", *RUN[:-1], str(directory), "--no-report"]
    subprocess.run(words, check=True, capture_output=True)
    return directory


def outcomes(folder: Path, cases: list[tuple[list[str], str]]) -> list[tuple[int, str, str]]:
    """The exit code of each case, and what it said."""
    (folder / "cases").write_text(json.dumps(cases))
    words = [sys.executable, "-c", FORKS, str(folder / "cases"), str(folder / "answers")]
    subprocess.run(words, check=True, timeout=600, cwd=folder)
    return [(code, out, err) for code, out, err in json.loads((folder / "answers").read_text())]


def try_all(names: Iterable[tuple[str, ...]], ways: Iterable[str], run: Path, folder: Path, *extra: str) -> None:
    cases: list[tuple[list[str], str]] = []
    for place, name in enumerate(names):
        for way in ways:
            new = str(folder / f"new-{place}-{way.replace(' ', '-')}")
            shutil.copytree(run, f"{new}-run")
            words = [word.format(new=new, run=f"{new}-run") for word in COMMANDS[name]]
            cases.append(([*name, *extra] if extra else words, way))
    found = dict(zip([(tuple(case[0]), case[1], index) for index, case in enumerate(cases)],
                     outcomes(folder, cases), strict=True))  # fmt: skip
    whole: tuple[int, str, str] = (0, "", "")
    for (given, way, _), (code, out, err) in found.items():
        what = f"{' '.join(given)} with {way}: {code}\n{out}\n{err}"
        assert "Traceback" not in err, what
        assert "Exception ignored" not in err, what
        if way == "whole":
            whole = (code, out, err)
            continue
        broken = way in ("out broken", "out full") and whole[1] and not whole[0]
        assert code == (1 if broken else whole[0]), what
        if broken and way == "out full":
            assert "idml: standard output: No space left on device\n" in err, what
        if given[0] == "run" and not extra:
            assert (Path(given[-1]) / "summary.json").exists(), what
            assert (Path(given[-1]) / "report.html").exists(), what


@pytest.mark.slow
def test_a_run_loses_nothing(run: Path, tmp_path: Path) -> None:
    try_all([("run",)], WAYS, run, tmp_path)


@pytest.mark.slow
def test_no_command_loses_anything(run: Path, tmp_path: Path) -> None:
    try_all([name for name in COMMANDS if name != ("run",)], FEW, run, tmp_path)


@pytest.mark.slow
def test_help_of_no_command_ends_in_a_traceback(run: Path, tmp_path: Path) -> None:
    try_all(COMMANDS, FEW, run, tmp_path, "--help")


def test_nothing_is_cut_or_wrapped_in_a_pipe() -> None:
    environment: dict[str, Any] = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    name = EXAMPLE.parent / f"{'long' * 60}.csv"
    words = [sys.executable, "-m", "idml.cli.main", "traces", "info", str(name)]
    short = [*words[:-1], str(EXAMPLE)]
    done = subprocess.run(short, capture_output=True, text=True, env=environment, check=True)
    assert "…" not in done.stdout
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.stderr.count("\n") == 1


def test_a_character_that_a_stream_has_not_costs_itself_alone(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="latin-1") as file:
        stream = Stream(file)
        assert stream.write("6 … ü") == 5
        stream.flush()
        assert stream.problem is None
    assert (tmp_path / "out").read_text("latin-1") == "6 ? ü"
