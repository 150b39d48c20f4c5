"""Where the contracts are on a chain: a small record, kept in a file."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from idml.ledger.errors import LedgerError
from idml.ledger.wallet import checksum_address, parse_address
from idml.outside import OutsideError, read_json

_FIELDS = ("chain_id", "contract", "token", "block")


@dataclass(frozen=True, slots=True)
class Deployment:
    """Both contracts, deployed on a chain.

    Args:
        chain_id: EIP-155 chain id.
        contract: address of IDML, 20 bytes.
        token: address of IDMLToken, 20 bytes.
        block: number of the block in which the first of them was created. No event is older.
        gas: gas that deploying took, by contract name; empty if unknown.
    """

    chain_id: int
    contract: bytes
    token: bytes
    block: int
    gas: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The record as it is written to the file."""
        return {**asdict(self), "contract": checksum_address(self.contract), "token": checksum_address(self.token)}

    @staticmethod
    def check_place(path: Path, *, overwrite: bool = False) -> None:
        """Find out whether a record can be written, before a deployment is paid. Makes the folder if there is none.

        Args:
            path: the file that the record is to have.
            overwrite: whether the file may exist.

        Raises:
            LedgerError: if the file exists or cannot be written.
        """
        exists = os.path.exists(path)
        if exists and not overwrite:
            raise LedgerError(_exists(path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a" if exists else "x").close()
            if not exists:
                path.unlink()
        except OSError as error:
            raise LedgerError(_unwritable(path, error)) from None

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write the record to a file.

        Args:
            path: the file.
            overwrite: whether the file may exist.

        Raises:
            LedgerError: if the file exists or cannot be written.
        """
        try:
            with path.open("w" if overwrite else "x", encoding="utf-8") as file:
                json.dump(self.to_json(), file, indent=2)
                file.write("\n")
        except FileExistsError:
            raise LedgerError(_exists(path)) from None
        except OSError as error:
            raise LedgerError(_unwritable(path, error)) from None

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read a record.

        Raises:
            LedgerError: if the file cannot be read, or is no such record.
        """
        try:
            record = read_json(path)
        except OutsideError as error:
            raise LedgerError(f"{error}; write it with idml chain deploy") from None
        try:
            chain_id, contract, token, block = (record[name] for name in _FIELDS)
            gas = {str(name): int(number) for name, number in record.get("gas", {}).items()}
            return cls(int(chain_id), parse_address(contract), parse_address(token), int(block), gas)
        except (KeyError, TypeError, ValueError, AttributeError, LedgerError) as error:
            raise LedgerError(f"{path} is no deployment record: {error!r}; it has {', '.join(_FIELDS)}") from None


def _exists(path: Path) -> str:
    return f"{path} exists: a record says where money is, so name another file with --out, or say --overwrite"


def _unwritable(path: Path, error: OSError) -> str:
    return f"{path} cannot be written: {error.filename or path}: {error.strerror or error}"
