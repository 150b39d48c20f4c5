"""What the library has to say: logged for whoever uses it, shown as lines by the command line."""

import logging
import subprocess
import sys

import pytest

from idml.cli.main import main


def test_a_command_shows_what_the_library_warns_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(_options: object) -> int:
        logging.getLogger("idml.somewhere").warning("%s is slow", "this")
        logging.getLogger("idml.somewhere").info("a detail")
        return 0

    monkeypatch.setattr("idml.cli.gas.execute", work)
    assert main(["gas"]) == 0
    assert capsys.readouterr().err == "idml: this is slow\n"
    assert main(["gas"]) == 0  # and only once each
    assert capsys.readouterr().err == "idml: this is slow\n"


def test_a_program_that_uses_the_library_decides_what_it_hears() -> None:
    program = """
import logging
from idml.simulation.config import make_config
from idml.simulation.setup import resolve
from idml.adapters.gossip import Gossip
heard = []
class Handler(logging.Handler):
    def emit(self, record):
        heard.append((record.name, record.levelname))
logging.getLogger("idml").addHandler(Handler())
resolve(make_config({"dataset": "digits", "model": "cnn6", "width": 65}), Gossip())
print(heard)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[('idml.simulation.setup', 'WARNING')]\n"
    assert done.stderr == ""
