"""Writes orders down before they are sent, so that none is sent twice because nobody could tell what became of it."""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from idml.ledger.chain.answers import MISREAD, from_hex, to_hash, to_hex
from idml.ledger.errors import JournalError
from idml.ledger.wallet import checksum_address
from idml.outside import OutsideError, home_folder, parse_json, read_bytes, usable_path
from idml.protocol.hashing import keccak256

_HOW = "orders are written down there before they are sent; name another folder by --journal or $IDML_JOURNAL"
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """An order that was signed and may have been sent.

    Attributes:
        id: names the order, and no other.
        order: digest of what it is to do, 32 bytes. Equal orders have equal digests.
        nonce: the nonce of all its versions.
        versions: its signed versions, the latest last.
        since_s: when it was first written down, in seconds since 1970.
        command: what the whole command is to do that it is part of; empty if there is none.
    """

    id: str
    order: bytes
    nonce: int
    versions: tuple[bytes, ...]
    since_s: int
    command: str = ""

    @classmethod
    def begin(cls, order: bytes, nonce: int, raw: bytes, command: str = "") -> "OrderEntry":
        """A new order with its first version."""
        return cls(secrets.token_hex(8), order, nonce, (raw,), int(time.time()), command)

    @property
    def hashes(self) -> list[bytes]:
        """The transaction hashes of all versions."""
        return [keccak256(raw) for raw in self.versions]


class Book:
    """The orders of one account on one chain that are not decided. It is used under the lock of `OrderJournal.open`.

    Args:
        path: the file that holds them; None keeps them nowhere.

    Raises:
        JournalError: if the file cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.entries: dict[str, OrderEntry] = {} if path is None else _read(path)

    def write(self, entry: OrderEntry) -> None:
        """Write an order down, or what is new about it. It is on the disk when this returns."""
        self.entries[entry.id] = entry
        self._save()

    def strike(self, entry: OrderEntry) -> None:
        """Forget an order, because what became of it is known and told."""
        if self.entries.pop(entry.id, None) is not None:
            self._save()

    def at(self, nonce: int) -> list[OrderEntry]:
        """The orders with a nonce."""
        return [entry for entry in self.entries.values() if entry.nonce == nonce]

    def _save(self) -> None:
        if self._path is None:
            return
        content = json.dumps([_plain(entry) for entry in self.entries.values()], indent=1) + "\n"
        new = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except OSError as error:
            raise JournalError(f"{self._path} cannot be written: {error.strerror}; {_HOW}") from None
        with suppress(OSError):  # not everywhere can a folder be synced
            folder = os.open(self._path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)


class OrderJournal:
    """A folder with a file for each chain and account from which orders are sent.

    Args:
        directory: made when it is needed.
        patience_s: how long to wait while another process that sends from the same account holds the file, in seconds.
    """

    def __init__(self, directory: Path, *, patience_s: float = 120.0) -> None:
        self.directory = directory
        self._patience_s = patience_s

    @classmethod
    def of_user(cls, variables: Mapping[str, str] = os.environ) -> "OrderJournal":
        """The user's own: `$IDML_JOURNAL`, else `idml/chain` in `$XDG_STATE_HOME` or `~/.local/state`.

        Raises:
            JournalError: if there is no home.
        """
        try:
            if named := variables.get("IDML_JOURNAL"):
                return cls(usable_path(named))
            state = variables.get("XDG_STATE_HOME", "")
            if os.path.isabs(state):  # as the standard demands
                return cls(usable_path(state) / "idml" / "chain")
        except OutsideError as error:
            raise JournalError(f"{error}; {_HOW}") from None
        home = home_folder()
        if home is None:
            raise JournalError(
                "there is no home folder to write orders down before they are sent: name a folder by --journal or "
                "$IDML_JOURNAL"
            )
        return cls(home / ".local" / "state" / "idml" / "chain")

    @contextmanager
    def open(self, chain_id: int, address: bytes) -> Iterator[Book]:
        """Open the file of an account, for a `with` block. Nobody else has it open meanwhile.

        Args:
            chain_id: EIP-155 chain id.
            address: address of the account, 20 bytes.

        Raises:
            JournalError: if it cannot be read or written, or if somebody else has it open for too long.
        """
        path = self.directory / f"{chain_id}-{checksum_address(address)}.json"
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalError(f"{self.directory} cannot be used: {error.strerror}; {_HOW}") from None
        try:
            self._lock(descriptor, path)
            yield Book(path)
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, path: Path) -> None:
        try:
            import fcntl
        except ImportError:  # there are no such locks on Windows
            return
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise JournalError(
                        f"{path} is locked by another process that sends from this account: wait for it, or stop it"
                    ) from None
            time.sleep(_PAUSE_S)


def _plain(entry: OrderEntry) -> dict[str, object]:
    return {
        **asdict(entry),
        "order": to_hex(entry.order),
        "versions": [to_hex(raw) for raw in entry.versions],
        "hashes": [to_hex(version) for version in entry.hashes],  # for whoever reads the file
    }


def _read(path: Path) -> dict[str, OrderEntry]:
    try:
        entries = [_entry(fields) for fields in _list(parse_json(read_bytes(path)))]
    except OutsideError as error:
        if error.missing:
            return {}
        raise JournalError(f"{error}; {_HOW}") from None
    except MISREAD:
        raise JournalError(
            f"{path} is damaged: it says which transactions may have been sent. Look at it, then move it away"
        ) from None
    return {entry.id: entry for entry in entries}


def _entry(fields: dict[str, object]) -> OrderEntry:
    versions = tuple(map(from_hex, _list(fields["versions"])))
    nonce, since_s = fields["nonce"], fields["since_s"]
    if not (versions and isinstance(nonce, int) and isinstance(since_s, int)):
        raise ValueError("no entry")
    return OrderEntry(str(fields["id"]), to_hash(fields["order"]), nonce, versions, since_s, str(fields["command"]))


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value
