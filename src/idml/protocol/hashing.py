"""Keccak-256 and the 32-byte words of Ethereum's ABI. Signed messages need no other encoding."""

from collections.abc import Callable, Iterable
from importlib import import_module

from eth_hash.auto import keccak as _portable

WORD_BYTES = 32
ZERO_WORD = bytes(WORD_BYTES)
ADDRESS_BYTES = 20


def _fastest() -> Callable[[bytes], bytes]:
    """The fastest Keccak-256 at hand: the C function of the extra `fast` if it is installed, else the portable one.

    The portable one takes seven times as long.
    """
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

    Args:
        value: an integer or a boolean, written big-endian; or 32 bytes for a `bytes32`; or 20 bytes for an `address`,
            which is filled up with zeros in front.

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
    """Encode static ABI values one after another, as `abi.encode` does for a static tuple; see `word`."""
    return b"".join(word(value) for value in values)
