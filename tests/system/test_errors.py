"""Whatever idml raises for its users is an `IdmlError`, and the command line shows it in one line."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import idml
from idml.cli.main import main
from idml.errors import IdmlError

NOT_FOR_USERS = {
    "idml.learning.native.build.BuildError": "runs while idml is being installed, when nothing of it can be imported",
    "idml.ledger.chain.sender._NonceUsedError": "has the sender take another nonce",
    "idml.ledger.chain.transport.PassingError": "has the node asked again",
    "idml.ledger.chain.transport._TooLongError": "has the node asked again",
    "idml.simulation.totals.Stopped": "is no error: an observer stops a run by it",
    "idml.simulation.work.executors.stacked._Abandoned": "ends a thread, and nobody may take it for an error",
}


def exceptions() -> Iterator[type[BaseException]]:
    """All classes of exceptions that the package defines."""
    for module in pkgutil.walk_packages(idml.__path__, "idml."):
        if module.name.endswith(("__main__", "libidml_native", "revm_backend")):
            continue
        for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(found, BaseException) and found.__module__ == module.name:
                yield found


def test_every_error_has_the_one_base() -> None:
    found = {f"{error.__module__}.{error.__qualname__}": error for error in exceptions()}
    assert len(found) > 20
    assert idml.IdmlError is IdmlError
    assert {name for name, error in found.items() if not issubclass(error, IdmlError)} == set(NOT_FOR_USERS)


@pytest.mark.parametrize("error", [error for error in exceptions() if issubclass(error, IdmlError)])
def test_the_command_line_shows_it_in_one_line(
    error: type[IdmlError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: object) -> int:
        raise error.__new__(error, "what is wrong")

    monkeypatch.setattr("idml.cli.gas.execute", fail)
    assert main(["gas"]) == error.exit_code
    assert capsys.readouterr().err == "idml: what is wrong\n"


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_options: object) -> int:
        raise RuntimeError("a fault")

    monkeypatch.setattr("idml.cli.gas.execute", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        main(["gas"])
