"""What the library has to say: logged for whoever uses it, shown as lines by the command line."""

import logging
import subprocess
import sys

import pytest

from idml.cli.main import main


def say(_options: object) -> int:
    """In place of what a command does."""
    logger = logging.getLogger("idml.somewhere")
    logger.warning("%s is slow", "this")
    logger.info("trying again")
    logger.debug("a detail")
    return 0


@pytest.mark.parametrize(
    ("command", "arguments", "shown"),
    [
        ("gas", [], "idml: this is slow\nidml: trying again\n"),
        ("run", [], "idml: this is slow\nidml: trying again\n"),
        ("run", ["--quiet"], "idml: this is slow\n"),
        ("evaluate", ["all", "--quiet"], "idml: this is slow\n"),
    ],
)
def test_a_command_shows_messages_and_warnings_alone_if_it_is_to_be_quiet(
    command: str,
    arguments: list[str],
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(f"idml.cli.{command}.execute", say)
    logger = logging.getLogger("idml")
    before = logger.level, logger.propagate, list(logger.handlers)
    for _ in range(2):  # each time once
        assert main([command, *arguments]) == 0
        assert capsys.readouterr().err == shown
    assert (logger.level, logger.propagate, logger.handlers) == before


WARNS = """
import logging
from idml.simulation.config import make_config
from idml.simulation.setup import resolve
from idml.adapters.gossip import Gossip
heard = []
class Handler(logging.Handler):
    def emit(self, record):
        heard.append((record.name, record.levelname))
{set_up}
resolve(make_config({{"dataset": "digits", "model": "cnn6", "width": 65}}), Gossip())
logging.getLogger("idml.somewhere").info("trying again")
print(heard)
"""
"""A program that uses the library, which has something to say."""


@pytest.mark.slow
def test_a_program_that_uses_the_library_decides_what_it_hears() -> None:
    program = WARNS.format(set_up='logging.getLogger("idml").addHandler(Handler())')
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[('idml.simulation.setup', 'WARNING')]\n"
    assert done.stderr == ""


@pytest.mark.slow
def test_a_program_that_decides_nothing_hears_warnings_alone() -> None:
    done = subprocess.run([sys.executable, "-c", WARNS.format(set_up="")], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr.endswith("; PyTorch trains instead, several times slower\n")
    assert not done.stderr.startswith("idml: ")
    assert len(done.stderr.splitlines()) == 1
