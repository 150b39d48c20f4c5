"""Every line of the README and the pages works as typed on a fresh clone.

Each page is played from top to bottom in a copy of the checkout of its own: commands by a shell, Python by Python. Runs
are made smaller by the `idml` on the path, which plays 20 encounters. A line whose comment says that it needs or takes
something ("needs a Ray cluster", "takes hours") is not played; its options and keys are checked. Nothing is left out
otherwise.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest

from idml.cli.main import make_parser
from idml.simulation.config import ConfigError, make_config, read_values

from .docs_blocks import TOOLS, Block, blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PAGES.remove(ROOT / "docs" / "chain.md")  # tests/cli/test_chain_page.py plays it
ANVIL = ROOT / "contracts" / "node_modules" / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
CLONED = ("README.md", "pyproject.toml", "Makefile", "constraints.txt", "setup.py", "tools", "src", "examples",
          "experiments", "benchmarks")  # fmt: skip
TARGETS = set(
    "run test setup native wheel lint types imports unit pytest bench contracts fuzz analyze artifacts clean".split()  # noqa: SIM905
)
ELSEWHERE = {
    "idml reproduce all --scale smoke": "tests/studies/paper/test_reproduction.py",
    "idml evaluate all --scale smoke --processes 4": "tests/studies/test_attacks.py",
}
"""Commands that take minutes, by the test that plays them."""
SMALLER = {"encounters=800": "encounters=20"}
"""What makes Python on a page smaller."""

IDML = """
import os, shutil, signal, subprocess, sys
arguments = sys.argv[1:]
idml = [sys.executable, "-m", "idml.cli.main"]
if arguments[:1] == ["run"] and "--help" not in arguments:
    if "--resume" in arguments:  # of a run that was really interrupted
        where = arguments[arguments.index("--resume") + 1]
        shutil.rmtree(where, ignore_errors=True)
        keys = "dataset=digits devices=6 encounters=400 images_per_device=60 model=linear checkpoint_s=0".split()
        begun = [*idml, "run", *(word for key in keys for word in ("--set", key)), "--out", where]
        with subprocess.Popen(begun, stderr=subprocess.PIPE, text=True) as process:
            assert any(line.startswith("round 2") for line in iter(process.stderr.readline, ""))
            process.send_signal(signal.SIGINT)
            process.stderr.read()
        assert process.returncode == 130, process.returncode
    elif not any(word.startswith("encounters=") for word in arguments):
        arguments += ["--set", "encounters=20"]
os.execv(sys.executable, [*idml, *arguments])
"""

MY_FILE = """
import sys
sys.path.insert(0, "examples")
from custom_dataset import Stripes as MyData
"""

PRELUDE = """
from math import prod
from pathlib import Path
import numpy as np
from torch import nn
import idml
"""
"""What pieces of Python on the page about plug-ins assume."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_block_is_something_that_can_be_checked(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "console":
            for command, conditional in block.commands:
                assert shlex.split(command)[0] in TOOLS, f"{block.where}: {command!r} begins with no known command"
                if conditional or not played(command):
                    check(command, block.where)
        elif block.kind == "toml":
            tomllib.loads("\n".join(block.lines))
        elif block.kind == "python":
            compile("\n".join(block.lines), block.where, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_works_as_typed(page: Path, tmp_path: Path) -> None:
    port = free_port()
    script = play(page, port)
    if not script:
        return
    text = "\n".join(script).replace("127.0.0.1:8545", f"127.0.0.1:{port}")
    if f"127.0.0.1:{port}" in text:
        if not ANVIL.exists():
            pytest.skip("anvil is not installed: npm ci in contracts/")
        text = f"anvil --silent &\n{wait_for(port)}\n{text}"
    clone = tmp_path / "clone"
    environment = prepare(clone, tmp_path / "bin", port)
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-e", "-c", text],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(1_800)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    said = log.read_text("utf-8", "replace")
    at = re.findall(r"^@@ (.*)$", said, re.M)
    assert code == 0, f"{at[-1] if at else page.name}\n{said[-3000:]}"
    assert "Traceback" not in said, said[-3000:]
    if page.name == "README.md":
        assert "Next: put idml on the path" in said


def play(page: Path, port: int) -> list[str]:
    """A script of all that is to be played on a page."""
    script: list[str] = []
    for number, block in enumerate(blocks(page)):
        if block.kind == "console":
            for command, conditional in block.commands:
                if not conditional and played(command):
                    script += [f"echo {shlex.quote(f'@@ {block.where}: {command}')}", command]
                    if command.endswith("&"):
                        script.append(wait_for(port))
        elif block.kind == "python" and not block.conditional:
            named = re.fullmatch(r"# (\w+\.py)", block.lines[0])
            file = named[1] if named else f"block{number}.py"
            script += [f"echo '@@ {block.where}'", f"cat > {file} <<'EOF'\n{python(block)}\nEOF", f"python {file}"]
    return script


def python(block: Block) -> str:
    """A block as a program."""
    text = "\n".join(block.lines)
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    return PRELUDE + text if block.where.startswith("plugins.md") else text


def played(command: str) -> bool:
    """Whether a command is played; others install, are what CI itself runs, or are played by another test."""
    if command in ELSEWHERE:
        return False
    installs = ("pip", ".venv/bin/pip", ".venv/bin/pre-commit")
    word = shlex.split(command)[0]
    return command == "make run" or (word not in installs and word != "make")


def check(command: str, where: str) -> None:
    """Whether a command that is not played names what there is."""
    words = shlex.split(command.removesuffix("&"))
    if words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= TARGETS, where
    elif words[0].endswith("pip"):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for named in re.findall(r"\.\[([\w,]+)\]", command):
            assert set(named.split(",")) <= set(extras), where
            assert "-c constraints.txt" in command, where
    elif words[0].startswith("python"):
        for script in (word for word in words if word.endswith(".py")):
            assert (ROOT / script).is_file(), f"{where}: {script}"
    elif words[0] == "idml":
        options = make_parser().parse_args(words[1:])
        if words[1] == "run":
            wrong = ""
            try:
                make_config(read_values(options.config, options.settings))
            except ConfigError as error:
                wrong = str(error)
            assert not wrong or "there is no folder" in wrong, where  # what such a line needs may be a folder


def prepare(clone: Path, programs: Path, port: int) -> dict[str, str]:
    """Copy what a clone has, put programs on a path, and return the environment."""
    clone.mkdir()
    for name in CLONED:
        found = ROOT / name
        if found.is_dir():
            shutil.copytree(found, clone / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(found, clone)
    (clone / "my_file.py").write_text(MY_FILE)
    programs.mkdir()
    (programs / "small_idml.py").write_text(IDML)
    for folder in (programs, clone / ".venv" / "bin"):
        folder.mkdir(parents=True, exist_ok=True)
        write_program(folder / "idml", f'exec {sys.executable} {programs / "small_idml.py"} "$@"')
        write_program(folder / "python", f'exec {sys.executable} "$@"')
    (clone / ".venv" / "bin" / "activate").write_text("true\n")
    (clone / ".venv" / "run").touch()  # set up: test_wheel.py does that for real
    ended = f"[ -f {programs}/pid ] && kill $(cat {programs}/pid) && sleep 1\necho $$ > {programs}/pid\n"
    write_program(programs / "anvil", f'{ended}exec {ANVIL} --port {port} "$@" > /dev/null')
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("IDML_", "COV_"))}
    return {
        **environment,
        "PATH": f"{programs}{os.pathsep}{environment['PATH']}",
        "PYTHONPATH": str(clone / "src"),
        "XDG_CACHE_HOME": str(clone / "cache"),
        "HOME": str(clone / "home"),
        "COLUMNS": "100",
    }


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def wait_for(port: int) -> str:
    """A line of shell that waits until somebody listens."""
    return f"for _ in $(seq 100); do (echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
