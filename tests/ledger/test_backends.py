"""The choice of the embedded EVM: the fast one only where it is installed and passes its check."""

import logging
import re
import sys

import pytest

from idml.ledger.embedded import backends
from idml.ledger.embedded.pyevm_backend import PyEvm
from idml.ledger.errors import EvmError, LedgerError


@pytest.fixture
def no_pyrevm(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the extra `fast`."""
    monkeypatch.delitem(sys.modules, "idml.ledger.embedded.revm_backend", raising=False)
    monkeypatch.setitem(sys.modules, "pyrevm", None)


@pytest.fixture
def misfit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the backend reported other gas than the EVM's rules say."""
    pytest.importorskip("pyrevm")
    monkeypatch.setattr(backends, "_KNOWN_GAS", (1,))


def test_the_portable_backend_passes_the_check() -> None:
    backends.check(PyEvm())


def test_auto_takes_the_fast_backend_where_it_fits() -> None:
    pytest.importorskip("pyrevm")
    evm = backends.open_evm(chain_id=5, timestamp_s=77)
    assert type(evm).__name__ == "Revm"
    assert (evm.chain_id, evm.timestamp_s, evm.block_number) == (5, 77, 0)
    assert evm.dump() == backends.open_evm("pyevm", chain_id=5, timestamp_s=77).dump()


@pytest.mark.usefixtures("no_pyrevm")
def test_without_pyrevm_auto_is_portable_and_asking_for_it_says_what_to_do() -> None:
    assert isinstance(backends.open_evm(), PyEvm)
    with pytest.raises(LedgerError, match=r"pip install -c constraints\.txt -e '\.\[fast\]'"):
        backends.open_evm("pyrevm")


@pytest.mark.usefixtures("misfit")
def test_a_backend_that_does_not_fit_is_never_used_silently(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert isinstance(backends.open_evm(), PyEvm)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("pyrevm does not fit, so the slower py-evm is used: gas is (")
    with pytest.raises(LedgerError, match="pyrevm does not fit, choose pyevm: gas is"):
        backends.open_evm("pyrevm")


def test_a_wrong_state_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_KNOWN_STATE", "00")
    with pytest.raises(EvmError, match=r"state, outputs and logs have digest [0-9a-f]{64}: must be 00"):
        backends.check(PyEvm())


def test_what_another_pyrevm_might_say_is_refused_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyrevm")
    from idml.ledger.embedded import revm_backend

    monkeypatch.setattr(revm_backend, "_CODE_PADDING", 32)
    with pytest.raises(EvmError, match="in an unknown form: use the backend pyevm"):
        backends.check(revm_backend.Revm())
    monkeypatch.setattr(revm_backend, "_REVERT", re.compile("Reverted"))
    monkeypatch.setattr(revm_backend, "_CODE_PADDING", 33)
    with pytest.raises(EvmError, match="pyrevm failed in an unknown way: Revert"):
        backends.check(revm_backend.Revm())


def test_an_unknown_backend_is_named() -> None:
    with pytest.raises(LedgerError, match="unknown backend 'geth': choose auto, pyevm or pyrevm"):
        backends.open_evm("geth")
