"""Keys and addresses: signing, and finding out who signed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from coincurve import PrivateKey, PublicKey

from idml.ledger.errors import KeystoreError, LedgerError, NotInstalledError
from idml.protocol.hashing import keccak256

if TYPE_CHECKING:
    from eth_account import Account

_KEY_BYTES = 32
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
        if len(private_key) != _KEY_BYTES or not 0 < int.from_bytes(private_key, "big") < _ORDER:
            raise LedgerError("a private key has 32 bytes and is between 1 and the order of secp256k1")
        self._key = PrivateKey(private_key)
        self.address = _address(self._key.public_key)

    @classmethod
    def create(cls) -> "Wallet":
        """A new wallet, with a key from the system's source of randomness."""
        return cls(PrivateKey().secret)

    @classmethod
    def from_seed(cls, seed: int, index: int) -> "Wallet":
        """A wallet for simulations: the same numbers always give the same key.

        Anyone can compute this key, so never use it for real money.

        Args:
            seed: the run's seed, at least 0.
            index: the participant's number, at least 0.
        """
        return cls(keccak256(f"idml simulation wallet {seed} {index}".encode()))

    @property
    def address_hex(self) -> str:
        """The address in hexadecimal digits with its EIP-55 checksum."""
        return checksum_address(self.address)

    def sign(self, digest: bytes) -> bytes:
        """Sign a digest of 32 bytes, deterministically (RFC 6979) and with a low s.

        Returns:
            r, s and v (27 or 28), 65 bytes.
        """
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])

    def sign_transaction(self, fields: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """Sign a transaction. Needs the extra `chain`.

        Args:
            fields: the fields of JSON-RPC, with numbers as int and bytes as bytes. With `to` None, a contract is
                created.

        Returns:
            The signed transaction and its hash.
        """
        known = {key: value for key, value in fields.items() if value is not None}
        signed = _accounts().sign_transaction(known, self._key.secret)
        return bytes(signed.raw_transaction), bytes(signed.hash)

    def to_keystore(self, password: str, work_factor: int = 1 << 18) -> dict[str, Any]:
        """Encrypt the key with a password, as a Web3 Secret Storage object (version 3, scrypt).

        Args:
            password: whoever has both the object and the password has the key.
            work_factor: the cost of scrypt, a power of two. The default takes about a second and 256 MB of memory.
        """
        keystore: dict[str, Any] = _accounts().encrypt(self._key.secret, password, kdf="scrypt", iterations=work_factor)
        return keystore

    @classmethod
    def from_keystore(cls, keystore: Mapping[str, Any], password: str) -> "Wallet":
        """Decrypt a key from a Web3 Secret Storage object, whichever program wrote it.

        Raises:
            KeystoreError: for a wrong password, or an object of another kind.
        """
        accounts = _accounts()
        try:
            return cls(bytes(accounts.decrypt(dict(keystore), password)))
        except ValueError as error:
            if "MAC" in str(error):
                raise KeystoreError("wrong password") from None
            raise KeystoreError(f"no keystore (Web3 Secret Storage): {error}") from None
        except (KeyError, TypeError, AttributeError, NotImplementedError) as error:
            raise KeystoreError(f"no keystore (Web3 Secret Storage): {error!r}") from None

    def verify(self, address: bytes, digest: bytes, signature: bytes) -> bool:
        """Whether a signature on a digest (32 bytes) is that of an address (20 bytes), this wallet's or any other."""
        return recover(digest, signature) == address

    def __repr__(self) -> str:
        return f"Wallet({self.address_hex})"


def checksum_address(address: bytes) -> str:
    """Write an address (20 bytes) in hexadecimal digits with its EIP-55 checksum."""
    plain = address.hex()
    checks = keccak256(plain.encode()).hex()
    return "0x" + "".join(
        char.upper() if int(check, 16) >= 8 else char for char, check in zip(plain, checks, strict=False)
    )


def parse_address(text: str) -> bytes:
    """Read an address from hexadecimal digits: 20 bytes.

    Raises:
        LedgerError: if the text is no address, or its checksum is wrong, which most likely means a typing mistake.
    """
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != 20:
        shown = repr(text) if len(text) < 2 * _KEY_BYTES else "that"  # a private key in the wrong place is not repeated
        raise LedgerError(f"{shown} is no address: it has 0x and 40 hexadecimal digits")
    digits = text.removeprefix("0x")
    if digits not in (digits.lower(), digits.upper()) and digits != checksum_address(address)[2:]:
        raise LedgerError(f"{text} has a wrong checksum: look for a typing mistake")
    return address


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """Find out who signed a digest.

    Args:
        digest: 32 bytes.
        signature: r, s and v, 65 bytes.

    Returns:
        The signer's address, 20 bytes. None for what the contract would refuse: another length, another v, a high s, or
        something that is no signature.
    """
    if len(signature) != 65 or signature[64] not in (27, 28) or int.from_bytes(signature[32:64], "big") > _ORDER // 2:
        return None
    try:
        compact = signature[:64] + bytes([signature[64] - 27])
        return _address(PublicKey.from_signature_and_message(compact, digest, hasher=None))
    except ValueError:
        return None


def _accounts() -> "type[Account]":
    """Import eth-account only when it is needed, because that takes half a second."""
    try:
        from eth_account import Account
    except ImportError as error:
        raise NotInstalledError(error) from error
    return Account


def _address(key: PublicKey) -> bytes:
    return keccak256(key.format(compressed=False)[1:])[12:]


DEVELOPER = Wallet(keccak256(b"idml development deployer"))
"""The account that deploys on embedded and development chains, so that contracts have the same addresses everywhere.

Anyone knows its key.
"""
