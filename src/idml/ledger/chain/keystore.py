"""Keys on disk, in files of Web3 Secret Storage, which other wallets and nodes read and write too."""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from idml.ledger.errors import KeystoreError, LedgerError
from idml.ledger.wallet import Wallet, parse_address
from idml.outside import OutsideError, home_folder, parse_json, read_text, usable_path


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A keystore file.

    Attributes:
        path: where it is.
        address: the address whose key it says that it holds, 20 bytes. None if it does not say: Foundry writes none.
    """

    path: Path
    address: bytes | None


class Keystore:
    """A folder of keystore files. Only their owner may read them (mode 0600), and none is ever overwritten.

    Args:
        directory: made when the first file is written; by default `$IDML_KEYSTORE`, else `~/.idml/keystore`.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or _usual_folder()

    def create(self, password: str) -> KeyFile:
        """Make a new key and write it to a file, encrypted with a password. No other copy of it exists."""
        return self.add(Wallet.create(), password)

    def add(self, wallet: Wallet, password: str, *, work_factor: int = 1 << 18) -> KeyFile:
        """Write a wallet's key, encrypted.

        Args:
            wallet: holds the key.
            password: the password that will open the file.
            work_factor: see `Wallet.to_keystore`.

        Raises:
            KeystoreError: if the folder holds this address already, the password is empty, or the file cannot be
                written.
        """
        if not password:
            raise KeystoreError("the password is empty: a key needs one")
        for known in self.files():
            if known.address == wallet.address:
                raise KeystoreError(f"{wallet.address_hex} is in the keystore already: {known.path}")
        content = json.dumps(wallet.to_keystore(password, work_factor))
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%fZ")
        path = self.directory / f"UTC--{moment}--{wallet.address.hex()}.json"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(content + "\n")
        except OSError as error:
            raise KeystoreError(f"{error.filename}: {error.strerror}") from None
        return KeyFile(path, wallet.address)

    def files(self) -> list[KeyFile]:
        """All keystore files, the oldest first. Other files in the folder are skipped."""
        found = []
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KeystoreError(f"{self.directory}: {error.strerror}") from None
        for path in (self.directory / name for name in names):
            try:
                found.append(_read(path)[0])
            except KeystoreError:
                continue
        return found

    def find(self, account: str) -> KeyFile:
        """Find a keystore file by its path, or by the address whose key it holds.

        Raises:
            KeystoreError: if there is no such file.
        """
        if os.path.isfile(account):
            return _read(Path(account))[0]
        try:
            address = parse_address(account)
        except LedgerError as error:
            raise KeystoreError(f"{error}, and there is no such file") from None
        for known in self.files():
            if known.address == address:
                return known
        silent = [str(known.path) for known in self.files() if known.address is None]
        also = f"; {', '.join(silent)} may hold it, but only the password tells: name the file" if silent else ""
        raise KeystoreError(f"no key of {account} in {self.directory}: see idml chain accounts list{also}")

    def open(self, account: str, password: str) -> Wallet:
        """Open a keystore file.

        Args:
            account: its path, or the address whose key it holds.
            password: the file's password.

        Raises:
            KeystoreError: if there is no such file, or the password is wrong.
        """
        found = self.find(account)
        try:
            wallet = Wallet.from_keystore(_read(found.path)[1], password)
        except KeystoreError as error:
            raise KeystoreError(f"{found.path}: {error}") from None
        if found.address not in (None, wallet.address):
            raise KeystoreError(f"{found.path}: holds the key of {wallet.address_hex}, not of the address it names")
        return wallet


def parse_private_key(text: str) -> Wallet:
    """Read a private key from hexadecimal digits, with or without 0x.

    Raises:
        KeystoreError: for any other text. The message does not repeat it.
    """
    try:
        return Wallet(bytes.fromhex(text.strip().removeprefix("0x")))
    except (ValueError, LedgerError):
        raise KeystoreError("that is no private key: it has 64 hexadecimal digits, with or without 0x") from None


def _usual_folder() -> Path:
    try:
        if named := os.environ.get("IDML_KEYSTORE"):
            return usable_path(named)
        if (home := home_folder()) is not None:
            return usable_path(home / ".idml" / "keystore")
    except OutsideError as error:
        raise KeystoreError(f"{error}; name another folder with --keystore or $IDML_KEYSTORE") from None
    raise KeystoreError("there is no home folder to keep keys in: name one with --keystore or $IDML_KEYSTORE")


def _read(path: Path) -> tuple[KeyFile, dict[str, object]]:
    try:
        content = parse_json(read_text(path))
        if content["version"] != 3:
            raise KeystoreError(f"{path}: Web3 Secret Storage version {content['version']}, only 3 is supported")
        content["crypto"]["ciphertext"]  # or it is something else
        return KeyFile(path, parse_address(content["address"]) if "address" in content else None), content
    except OutsideError as error:
        raise KeystoreError(str(error)) from None
    except (ValueError, KeyError, TypeError, AttributeError, LedgerError) as error:
        if isinstance(error, KeystoreError):
            raise
        raise KeystoreError(f"{path}: no keystore file (Web3 Secret Storage)") from None
