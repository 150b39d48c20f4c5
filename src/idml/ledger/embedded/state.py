"""The state of an embedded chain: accounts, code, storage and clock, with one canonical form as bytes."""

import json
from dataclasses import dataclass, field
from typing import Any

from idml.ledger.errors import EvmError
from idml.outside import parse_json

FORMAT = "idml-evm"
VERSION = 1


@dataclass(slots=True)
class Account:
    """One account. The balance is in wei. The storage maps slots to values, and holds no zeros."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Diff:
    """What one transaction changed: new values by address (20 bytes); for storage, by address and slot."""

    nonces: dict[bytes, int] = field(default_factory=dict)
    balances: dict[bytes, int] = field(default_factory=dict)
    codes: dict[bytes, bytes] = field(default_factory=dict)
    storage: dict[tuple[bytes, int], int] = field(default_factory=dict)


_NOBODY = Account()


@dataclass(slots=True)
class ChainState:
    """Everything that a transaction can read. Whatever else a backend keeps is only a copy of this.

    Args:
        chain_id: the chain id that contracts see.
        timestamp_s: time of the next block, in seconds.
        block_number: number of the last block.
        accounts: all accounts by address (20 bytes).
    """

    chain_id: int
    timestamp_s: int
    block_number: int = 0
    accounts: dict[bytes, Account] = field(default_factory=dict)

    def account(self, address: bytes) -> Account:
        """The account at an address, only to read from; an empty one if there is none."""
        return self.accounts.get(address, _NOBODY)

    def apply(self, diff: Diff) -> None:
        """Write down what a transaction changed."""
        for address, nonce in diff.nonces.items():
            self._existing(address).nonce = nonce
        for address, balance in diff.balances.items():
            self._existing(address).balance = balance
        for address, code in diff.codes.items():
            self._existing(address).code = code
        for (address, slot), value in diff.storage.items():
            storage = self._existing(address).storage
            if value:
                storage[slot] = value
            else:
                storage.pop(slot, None)

    def copy(self) -> "ChainState":
        """An independent copy."""
        accounts = {
            address: Account(account.nonce, account.balance, account.code, dict(account.storage))
            for address, account in self.accounts.items()
        }
        return ChainState(self.chain_id, self.timestamp_s, self.block_number, accounts)

    def dump(self) -> bytes:
        """Write the state as canonical JSON: equal states give equal bytes. Empty accounts are left out (EIP-161)."""
        accounts = {
            address.hex(): {
                "nonce": account.nonce,
                "balance": str(account.balance),
                "code": account.code.hex(),
                "storage": {f"{slot:064x}": f"{value:x}" for slot, value in account.storage.items()},
            }
            for address, account in self.accounts.items()
            if account != _NOBODY
        }
        state = {
            "format": FORMAT,
            "version": VERSION,
            "chain_id": self.chain_id,
            "timestamp_s": self.timestamp_s,
            "block_number": self.block_number,
            "accounts": accounts,
        }
        return json.dumps(state, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes) -> "ChainState":
        """Read a state that `dump` wrote.

        Raises:
            EvmError: for any other bytes.
        """
        try:
            state: dict[str, Any] = parse_json(data)
            if state["format"] != FORMAT or state["version"] != VERSION:
                raise EvmError(f"dump is {state['format']} {state['version']}: this version reads {FORMAT} {VERSION}")
            accounts = {
                bytes.fromhex(address): Account(
                    nonce=int(account["nonce"]),
                    balance=int(account["balance"]),
                    code=bytes.fromhex(account["code"]),
                    storage={int(slot, 16): int(value, 16) for slot, value in account["storage"].items()},
                )
                for address, account in state["accounts"].items()
            }
            return cls(int(state["chain_id"]), int(state["timestamp_s"]), int(state["block_number"]), accounts)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise EvmError(f"not a dump of an embedded EVM: {error!r}") from error

    def _existing(self, address: bytes) -> Account:
        return self.accounts.setdefault(address, Account())
