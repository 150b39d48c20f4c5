"""Where the contracts are on a chain: a small record, kept in a file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from idml.ledger.errors import LedgerError
from idml.ledger.wallet import checksum_address, parse_address

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

    def save(self, path: Path) -> None:
        """Write the record to a new file.

        Raises:
            LedgerError: if the file exists or cannot be written.
        """
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(self.to_json(), file, indent=2)
                file.write("\n")
        except FileExistsError:
            raise LedgerError(f"{path} exists: deployment records are not overwritten, name another file") from None
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror or error}") from None

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read a record.

        Raises:
            LedgerError: if the file cannot be read, or is no such record.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror or error}; write it with idml chain deploy") from None
        except ValueError as error:
            raise LedgerError(f"{path} is no deployment record: {error}") from None
        try:
            chain_id, contract, token, block = (record[name] for name in _FIELDS)
            gas = {str(name): int(number) for name, number in record.get("gas", {}).items()}
            return cls(int(chain_id), parse_address(contract), parse_address(token), int(block), gas)
        except (KeyError, TypeError, ValueError, AttributeError, LedgerError) as error:
            raise LedgerError(f"{path} is no deployment record: {error!r}; it has {', '.join(_FIELDS)}") from None
