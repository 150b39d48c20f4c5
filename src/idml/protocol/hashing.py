"""Keccak-256 and the ABI's 32-byte words, the only encoding the messages need."""

from collections.abc import Callable, Iterable
from importlib import import_module

from eth_hash.auto import keccak as _portable

WORD_BYTES = 32
ZERO_WORD = bytes(WORD_BYTES)
ADDRESS_BYTES = 20


def _fastest() -> Callable[[bytes], bytes]:
    """The C function of the extra `fast`, if that is installed: the portable one takes seven times as long."""
    try:
        keccak_256 = import_module("sha3").keccak_256
    except (ImportError, AttributeError):
        return _portable
    return lambda data: bytes(keccak_256(data).digest())


_keccak = _fastest()


def keccak256(data: bytes) -> bytes:
    """Hash bytes with Keccak-256 as the EVM does (not NIST SHA3-256)."""
    return _keccak(data)


def word(value: int | bytes | bool) -> bytes:
    """Encode one static ABI value as a 32-byte word.

    Integers and booleans are big-endian; 32 bytes stand for `bytes32`, 20 bytes for an `address`.

    Raises:
        ValueError: for bytes of any other length, or an integer outside [0, 2**256).
    """
    if isinstance(value, int):
        if not 0 <= value < 1 << 256:
            raise ValueError(f"{value} does not fit a 256-bit word")
        return int(value).to_bytes(WORD_BYTES, "big")
    if len(value) == WORD_BYTES:
        return value
    if len(value) == ADDRESS_BYTES:
        return bytes(12) + value
    raise ValueError(f"expected 20 or 32 bytes, got {len(value)}: 0x{value.hex()}")


def words(values: Iterable[int | bytes | bool]) -> bytes:
    """Encode static ABI values one after another (`abi.encode` of a static tuple)."""
    return b"".join(word(value) for value in values)
