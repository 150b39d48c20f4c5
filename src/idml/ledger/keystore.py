"""Keys in files: Web3 Secret Storage, version 3, encrypted with a password."""

import json
import os
import time
from pathlib import Path

from eth_account import Account

from idml.ledger.errors import LedgerError
from idml.ledger.wallet import Wallet


def save_key(wallet: Wallet, directory: Path, password: str) -> Path:
    """Write a new keystore file, readable by its owner alone.

    Returns:
        The file, named as geth names them.

    Raises:
        LedgerError: if there is a file for this address already, the password is empty, or nothing can be written.
    """
    if not password:
        raise LedgerError("the password is empty: choose one, it is all that protects the key")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        existing = find_key(directory, wallet.address)
        if existing is not None:
            raise LedgerError(f"{existing} holds {wallet.address_hex} already: it is never overwritten")
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", time.gmtime())
        path = directory / f"UTC--{stamp}.000000000Z--{wallet.address.hex()}"
        text = json.dumps(wallet.encrypt(password))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise LedgerError(f"cannot write a key to {directory}: {error.strerror}") from error
    return path


def load_key(path: Path, password: str) -> Wallet:
    """Read a keystore file.

    Raises:
        LedgerError: if it cannot be read, is none, or the password is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LedgerError(f"cannot read {path}: {error.strerror}") from error
    try:
        return Wallet(bytes(Account.decrypt(text, password)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if "MAC" in str(error):
            raise LedgerError(f"wrong password for {path}") from error
        raise LedgerError(f"{path} is no keystore file (Web3 Secret Storage, version 3)") from error


def list_keys(directory: Path) -> dict[bytes, Path]:
    """The keystore files of a directory, by address."""
    found: dict[bytes, Path] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        try:
            found[bytes.fromhex(json.loads(path.read_text(encoding="utf-8"))["address"].removeprefix("0x"))] = path
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # some other file
    return found


def find_key(directory: Path, address: bytes) -> Path | None:
    """The keystore file of an address, if a directory holds one."""
    return list_keys(directory).get(address)
