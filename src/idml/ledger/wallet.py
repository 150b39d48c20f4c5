"""Keys: who an address is, signing and recovering."""

from collections.abc import Mapping
from typing import Any

from coincurve import PrivateKey, PublicKey

from idml.ledger.errors import LedgerError
from idml.protocol.hashing import keccak256

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class Wallet:
    """A secp256k1 key and the address it controls.

    Args:
        private_key: 32 bytes.

    Raises:
        LedgerError: for bytes that are no private key.
    """

    __slots__ = ("_key", "address")

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < _ORDER:
            raise LedgerError("a private key has 32 bytes and is between 1 and the order of secp256k1")
        self._key = PrivateKey(private_key)
        self.address = _address(self._key.public_key)

    @classmethod
    def create(cls) -> "Wallet":
        """A new wallet from the system's randomness."""
        return cls(PrivateKey().secret)

    @classmethod
    def from_seed(cls, seed: int, index: int) -> "Wallet":
        """A wallet for simulations, the same for the same numbers: anyone can compute its key, so no real money.

        Args:
            seed: of the run, at least 0.
            index: of the participant, at least 0.
        """
        return cls(keccak256(f"idml simulation wallet {seed} {index}".encode()))

    @property
    def address_hex(self) -> str:
        """The address with its EIP-55 checksum."""
        plain = self.address.hex()
        checks = keccak256(plain.encode()).hex()
        return "0x" + "".join(
            char.upper() if int(check, 16) >= 8 else char for char, check in zip(plain, checks, strict=False)
        )

    def sign(self, digest: bytes) -> bytes:
        """Sign 32 bytes (RFC 6979, low s).

        Returns:
            r, s and v (27 or 28), 65 bytes.
        """
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def sign_transaction(self, fields: Mapping[str, Any]) -> bytes:
        """Sign a transaction.

        Args:
            fields: as eth-account takes them (EIP-1559 or legacy), without the sender.

        Returns:
            The raw transaction.
        """
        from eth_account import Account

        return bytes(Account.sign_transaction(dict(fields), self._key.secret).raw_transaction)

    def encrypt(self, password: str) -> dict[str, Any]:
        """The key as Web3 Secret Storage, version 3, for a file."""
        from eth_account import Account

        return dict(Account.encrypt(self._key.secret, password))

    def verify(self, address: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether a signature on 32 bytes is that of an address, its own or another's."""
        return recover(digest, signature) == address

    def __repr__(self) -> str:
        return f"Wallet({self.address_hex})"


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """Who signed.

    Args:
        digest: 32 bytes.
        signature: r, s and v, 65 bytes.

    Returns:
        The address, 20 bytes; None for what the contract would refuse: any other length or v, a high s, no signature.
    """
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _ORDER // 2:
        return None
    try:
        compact = signature[:64] + bytes([signature[64] - 27])
        return _address(PublicKey.from_signature_and_message(compact, digest, hasher=None))
    except ValueError:
        return None


def _address(key: PublicKey) -> bytes:
    return keccak256(key.format(compressed=False)[1:])[12:]


DEVELOPER = Wallet(keccak256(b"idml development deployer"))
"""Deploys on embedded and development chains, so that contracts have the same addresses. Anyone knows its key."""
