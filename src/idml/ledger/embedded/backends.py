"""Chooses the embedded EVM: the fast one if it is installed and passes a check, else the portable one."""

import logging

from idml.extras import how_to_install
from idml.ledger.embedded.evm import START_S, Evm
from idml.ledger.errors import EvmError, LedgerError
from idml.protocol.hashing import keccak256

_LOG = logging.getLogger(__name__)

# A contract that touches all that a backend reports: reverts on calldata 9 with 0xaa, else stores the calldata in slot
# 0, adds what transient slot 0 holds (nothing, in a new transaction) for slot 1, sets that, creates a contract of one
# byte, logs 0xaa under topic 0xff and returns 0xaa.
_PROBE = bytes.fromhex(
    "60aa5f52"  # mstore(0, 0xaa)
    "5f3560091460"
    "3b"
    "57"  # if calldata == 9 goto revert
    "5f355f55"  # sstore(0, calldata)
    "5f5c5f3501600155"  # sstore(1, calldata + tload(0))
    "60055f5d"  # tstore(0, 5)
    "69600160005360016000f3602052600a60365ff050"  # mstore(32, creation code); create(0, 54, 10)
    "60ff60205fa1"  # log1(0, 32, 0xff), arguments in the order of the stack
    "60205ff3"  # return(0, 32)
    "5b60205ffd"  # revert(0, 32)
)
_CALLDATA = (5, 5, 9, 0, 7)
_KNOWN_GAS = (66_978, 98_861, 59_061, 21_350, 55_049, 98_861)
_KNOWN_STATE = "51fe88746172545017465ca543e099b9910e1d98145d6b10c3bf6b1f8df81f37"


def check(evm: Evm) -> None:
    """Run a known contract on a fresh backend, and compare gas, outputs, logs and state with known ones.

    Raises:
        EvmError: if something differs. It names the first difference.
    """
    sender = b"\xaa" * 20
    evm.fund(sender, 10**18)
    creation = bytes.fromhex(f"60{len(_PROBE):02x}8060095f395ff3") + _PROBE
    contract, gas = evm.deploy(sender, creation)
    receipts = [evm.send(sender, contract, number.to_bytes(32, "big"), 1) for number in _CALLDATA]
    found = (gas, *(receipt.gas_used for receipt in receipts))
    if found != _KNOWN_GAS:
        raise EvmError(f"gas is {found}: must be {_KNOWN_GAS}")
    state = keccak256(evm.dump() + repr(receipts).encode()).hex()
    if state != _KNOWN_STATE:
        raise EvmError(f"state, outputs and logs have digest {state}: must be {_KNOWN_STATE}")


def open_evm(backend: str = "auto", *, chain_id: int = 31_337, timestamp_s: int = START_S) -> Evm:
    """Make an embedded EVM.

    Args:
        backend: `pyevm` runs everywhere. `pyrevm` is about forty times faster and needs the extra `fast`. `auto` takes
            pyrevm if it is installed and passes `check`, else py-evm. Their results are identical.
        chain_id: the chain id that contracts see.
        timestamp_s: time of the first block, in seconds.

    Raises:
        LedgerError: for an unknown backend, or if `pyrevm` was asked for and does not work.
    """
    if backend not in ("auto", "pyevm", "pyrevm"):
        raise LedgerError(f"unknown backend {backend!r}: choose auto, pyevm or pyrevm")
    if backend != "pyevm":
        try:
            from idml.ledger.embedded.revm_backend import Revm

            check(Revm())
            return Revm(chain_id=chain_id, timestamp_s=timestamp_s)
        except ImportError as error:
            if backend == "pyrevm":
                raise LedgerError(f"pyrevm is not installed: {how_to_install('fast')}, or choose pyevm") from error
        except EvmError as error:
            if backend == "pyrevm":
                raise LedgerError(f"pyrevm does not fit, choose pyevm: {error}") from error
            _LOG.warning("pyrevm does not fit, so the slower py-evm is used: %s", error)
    from idml.ledger.embedded.pyevm_backend import PyEvm  # py-evm takes half a second to import

    return PyEvm(chain_id=chain_id, timestamp_s=timestamp_s)
