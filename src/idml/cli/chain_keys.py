"""`idml chain accounts`: keys in files, and the passwords that open them."""

import argparse
import getpass
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from idml.cli.chain_options import Commands, action, add_keystore, print_json
from idml.outside import OutsideError, read_text, usable_path

if TYPE_CHECKING:
    from idml.ledger.chain.keystore import KeyFile
    from idml.ledger.wallet import Wallet


_NO_ADDRESS = "(the file names no address)"


def add_accounts(actions: Commands) -> None:
    parser = actions.add_parser(
        "accounts",
        help="make, list and import keys",
        description="Keys in files of Web3 Secret Storage (version 3), encrypted with a password, mode 0600.",
        epilog="examples:\n  idml chain accounts create\n  idml chain accounts list\n"
        "  idml chain accounts import < key.txt              the key never stands on a command line",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for execute, name, words in (
        (create, "create", "make a key"),
        (list_keys, "list", "show which keys there are"),
        (import_key, "import", "take in a private key from a file, standard input, or a prompt"),
    ):
        own = action(kinds, execute, name, words, f"idml chain accounts {name}")
        add_keystore(own, password=execute is not list_keys)
        if execute is import_key:
            own.add_argument(
                "file", nargs="?", type=usable_path, metavar="FILE", help="holds the key in hexadecimal digits"
            )


def create(options: argparse.Namespace) -> int:
    """Make a key."""
    keys = Keys(options)
    return _print_key(options, keys.store.create(keys.new_password()))


def import_key(options: argparse.Namespace) -> int:
    """Take in a key that exists."""
    from idml.ledger.chain.keystore import parse_private_key
    from idml.ledger.errors import KeystoreError

    if options.file is not None:
        try:
            text = read_text(options.file)
        except OutsideError as error:
            if re.fullmatch("(0x)?[0-9a-fA-F]{64}", str(options.file)):
                raise KeystoreError(
                    "a private key on a command line is seen by others and kept by the shell: do not use this one "
                    "any more, and give keys by standard input, at the prompt or in a file"
                ) from None
            raise KeystoreError(str(error)) from None
    elif sys.stdin.isatty():
        text = getpass.getpass("Private key (not shown): ")
    else:
        text = sys.stdin.readline()
    wallet = parse_private_key(text)
    keys = Keys(options)
    return _print_key(options, keys.store.add(wallet, keys.new_password()))


def list_keys(options: argparse.Namespace) -> int:
    """Show which keys there are."""
    store = Keys(options).store
    files = [{"address": _shown(known), "file": str(known.path)} for known in store.files()]
    if options.json:
        print_json(files)
    elif files:
        print("\n".join(f"{known['address'] or _NO_ADDRESS:<42}  {known['file']}" for known in files))
    else:
        print(f"no keys in {store.directory}; make one with idml chain accounts create")
    return 0


class Keys:
    """The keystore of a command line, and where its passwords come from."""

    def __init__(self, options: argparse.Namespace) -> None:
        from idml.ledger.chain.keystore import Keystore

        self.store = Keystore(options.keystore)
        self._password_file: Path | None = getattr(options, "password_file", None)
        self._opened: dict[str, Wallet] = {}

    def address(self, account: str) -> bytes:
        """The address that an argument names: itself, or that of a keystore file."""
        from idml.ledger.wallet import parse_address

        if not os.path.isfile(account):
            return parse_address(account)
        return self.store.find(account).address or self.open(account).address

    def open(self, account: str) -> "Wallet":
        """The wallet of an account; its password is asked for once."""
        found = self.store.find(account)
        path = str(found.path)
        if path not in self._opened:
            self._opened[path] = self.store.open(path, self._password(_shown(found) or path))
        return self._opened[path]

    def new_password(self) -> str:
        """A password for a new file: typed twice, for nobody can recover it."""
        from idml.ledger.errors import KeystoreError

        password = self._given()
        if password is None:
            password = _prompt("New password: ")
            if _prompt("The same again: ") != password:
                raise KeystoreError("the passwords differ")
        return password

    def _password(self, account: str) -> str:
        password = self._given()
        return _prompt(f"Password of {account}: ") if password is None else password

    def _given(self) -> str | None:
        from idml.ledger.errors import KeystoreError

        if self._password_file is None:
            return os.environ.get("IDML_PASSWORD")
        try:
            # With the mark, if there is one: it has been part of passwords with which keys were encrypted.
            return read_text(self._password_file, "utf-8").partition("\n")[0].rstrip("\r")
        except OutsideError as error:
            raise KeystoreError(str(error)) from None


def _prompt(words: str) -> str:
    from idml.ledger.errors import KeystoreError

    if not sys.stdin.isatty():
        raise KeystoreError("no terminal to ask for a password: use --password-file or $IDML_PASSWORD")
    return getpass.getpass(words)


def _shown(known: "KeyFile") -> str | None:
    """The address that a keystore file names, if it names one."""
    from idml.ledger.wallet import checksum_address

    return None if known.address is None else checksum_address(known.address)


def _print_key(options: argparse.Namespace, known: "KeyFile") -> int:
    shown, path = _shown(known), str(known.path)
    if options.json:
        print_json({"address": shown, "file": path})
    else:
        print(f"{shown}\nkey: {path} (opens with its password only: keep both)")
    return 0
