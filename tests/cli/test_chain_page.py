"""`docs/chain.md` on a fresh node: its commands work as typed, and its numbers are what they cost."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "chain.md").read_text()
ANVIL = "contracts/node_modules/.bin/anvil"
SHIM = '#!/bin/sh\nexec "{python}" {options} "$@"\n'


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[str]:
    """What the page types; what is installed already is left out."""
    typed = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    return [line for line in typed if not line.startswith("npm ")]


@pytest.mark.slow
def test_every_command_works_as_typed(tmp_path: Path) -> None:
    if not (ROOT / ANVIL).exists():
        pytest.skip("anvil is not installed: npm ci in contracts/")
    (tmp_path / "contracts").symlink_to(ROOT / "contracts")
    (tmp_path / "bin").mkdir()
    for name, options in (("idml", "-m idml.cli.main"), ("python", "")):
        shim = tmp_path / "bin" / name
        shim.write_text(SHIM.format(python=sys.executable, options=options))
        shim.chmod(0o755)
    (tmp_path / "look.py").write_text("\n".join(blocks("python")))
    lines = ["set -eo pipefail"]
    for command in commands():
        lines += ["echo " + "'" + "$ " + command.replace("'", "'\\''") + "'", command]
        if ANVIL in command:
            lines.append("until (echo > /dev/tcp/127.0.0.1/8545) 2> /dev/null; do sleep 0.1; done")
    script = "trap 'kill %1' EXIT\n" + "\n".join(lines) + "\ntrap - EXIT\n"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("IDML_")}
    environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script.replace("8545", str(free_port()))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert told() == measured(done.stdout)


def measured(output: str) -> dict[str, int]:
    """The gas of each transaction by its name, the first time that it was sent."""
    found: dict[str, int] = {}
    for name, gas in re.findall(r"^(?:0x\w+  )?(\w+)\b.*?([\d,]+) gas(?=:|$)", output, re.MULTILINE):
        found.setdefault(name, int(gas.replace(",", "")))
    return found


def told() -> dict[str, int]:
    """The same, from the page's table."""
    table = PAGE.partition("## What it costs")[2].partition("\n## ")[0]
    return {
        name: int(gas.replace(",", "")) for name, gas in re.findall(r"^\|.*\| `(\w+)` \| ([\d,]+) \|$", table, re.M)
    }
