"""An EVM in the same process: each transaction gets one block, and there are no fees, no signatures and no node.

Gas is counted as on mainnet. The rules are those of the Cancun fork, with the calldata floor of EIP-7623 and the gas
cap of EIP-7825. For contracts that use no newer opcode or precompile, this gives the gas numbers of Osaka. The price of
gas is zero, so only `gas_used` tells what a transaction would cost. Block hashes follow from the block's number, so
anyone can foresee them. A contract that destroys itself is refused.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NewType, cast

from idml.ledger.embedded.state import ChainState, Diff
from idml.ledger.errors import EvmError, ExecutionReverted
from idml.protocol.hashing import keccak256

GAS_CAP = 1 << 24  # EIP-7825: the most that one transaction may use
START_S = 1_700_000_000
COINBASE = b"\xc0" * 20
INITCODE_LIMIT = 49_152  # EIP-3860
_TX_GAS, _CREATE_GAS, _INITCODE_WORD_GAS = 21_000, 32_000, 2
_ZERO_BYTE_GAS, _BYTE_GAS, _FLOOR_TOKEN_GAS = 4, 16, 10

Snapshot = NewType("Snapshot", ChainState)


@dataclass(frozen=True, slots=True)
class Log:
    """One entry that a contract wrote to the log.

    Attributes:
        address: the contract's address, 20 bytes.
        topics: up to four topics, 32 bytes each.
        data: all the rest.
    """

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A block.

    Attributes:
        number: its number.
        hash: its hash, 32 bytes.
        timestamp_s: its time, in seconds.
        base_fee_wei: its base fee, in wei for one gas; None if the chain has none.
    """

    number: int
    hash: bytes
    timestamp_s: int
    base_fee_wei: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a transaction.

    Attributes:
        success: whether its effects stand. If not, only the sender's nonce changed.
        gas_used: gas that it used, with refunds deducted.
        logs: its log entries, in order; none without success.
        output: what it returned; if it reverted, the reason.
        block_number: number of its block, which holds no other transaction.
        timestamp_s: time of that block, in seconds.
    """

    success: bool
    gas_used: int
    logs: tuple[Log, ...]
    output: bytes
    block_number: int
    timestamp_s: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as a backend runs it. It was checked already, and its intrinsic gas was counted.

    If `to` is None, it creates a contract at the address `created`.
    """

    sender: bytes
    to: bytes | None
    data: bytes
    value_wei: int
    gas_limit: int
    intrinsic_gas: int
    nonce: int
    block_number: int
    created: bytes | None = None


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What a backend answers. In `gas_used`, refunds are deducted, but the calldata floor is not applied yet."""

    success: bool
    gas_used: int
    output: bytes
    logs: tuple[Log, ...] = ()
    diff: Diff = field(default_factory=Diff)


def block_hash(number: int) -> bytes:
    """The hash of a block as contracts see it, 32 bytes.

    It is the hash of the block's number in decimal digits, which is what revm answers if no chain is behind it.
    """
    return keccak256(str(number).encode())


class Evm(ABC):
    """An embedded EVM with its state, a `ChainState`.

    A backend, which is a subclass, only says how one transaction runs. All else is here, so that backends cannot differ
    in it.

    Args:
        chain_id: the chain id that contracts see.
        timestamp_s: time of the first block, in seconds.
    """

    def __init__(self, *, chain_id: int = 31_337, timestamp_s: int = START_S) -> None:
        self._world = ChainState(chain_id, timestamp_s)

    @property
    def chain_id(self) -> int:
        """The chain id that contracts see."""
        return self._world.chain_id

    @property
    def block_number(self) -> int:
        """Number of the last block. Each transaction adds one, and so does each block that is mined empty."""
        return self._world.block_number

    @property
    def timestamp_s(self) -> int:
        """The time of the next block and of calls, in seconds. It stands still until `warp` changes it."""
        return self._world.timestamp_s

    def warp(self, timestamp_s: int) -> None:
        """Set the time of the next block, in seconds.

        Raises:
            EvmError: for a time in the past.
        """
        if timestamp_s < self._world.timestamp_s:
            raise EvmError(f"cannot warp to {timestamp_s}: it is {self._world.timestamp_s} already")
        self._world.timestamp_s = timestamp_s

    def mine(self, blocks: int) -> None:
        """Add empty blocks."""
        self._world.block_number += blocks

    def balance_wei(self, address: bytes) -> int:
        """An account's native currency, in wei."""
        return self._world.account(address).balance

    def fund(self, address: bytes, amount_wei: int) -> None:
        """Give an account native currency out of nothing, in wei."""
        self._apply(Diff(balances={address: self.balance_wei(address) + amount_wei}))

    def deploy(self, sender: bytes, bytecode: bytes) -> tuple[bytes, int]:
        """Create a contract.

        Args:
            sender: address, 20 bytes.
            bytecode: creation code with the constructor's arguments appended.

        Returns:
            The contract's address and the gas used.

        Raises:
            EvmError: if the transaction is invalid.
            ExecutionReverted: if the constructor fails.
        """
        transaction = self._transaction(sender, None, bytecode, 0, GAS_CAP)
        receipt = self._send(transaction)
        if not receipt.success:
            raise ExecutionReverted(receipt.output)
        return cast(bytes, transaction.created), receipt.gas_used

    def send(self, sender: bytes, to: bytes, data: bytes, value_wei: int = 0, gas_limit: int = GAS_CAP) -> Receipt:
        """Run a transaction in a block of its own.

        Args:
            sender: address, 20 bytes. It signs nothing and pays no fee.
            to: address, 20 bytes.
            data: calldata.
            value_wei: native currency that is sent along.
            gas_limit: the most gas that it may use.

        Raises:
            EvmError: if the transaction is invalid: it has too little gas to begin, or more value than the sender has.
        """
        return self._send(self._transaction(sender, to, data, value_wei, gas_limit))

    def call(self, to: bytes, data: bytes, sender: bytes = bytes(20)) -> bytes:
        """Call a contract without changing anything.

        Raises:
            ExecutionReverted: if the call reverts. It holds the bytes that came back.
        """
        outcome = self._ask(self._transaction(sender, to, data, 0, GAS_CAP))
        if not outcome.success:
            raise ExecutionReverted(outcome.output)
        return outcome.output

    def snapshot(self) -> Snapshot:
        """Remember the present state, clock included. `restore` can return to it any number of times."""
        return Snapshot(self._world.copy())

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a remembered state."""
        self._world = snapshot.copy()
        self._reload()

    def dump(self) -> bytes:
        """Write the present state as bytes, which are the same for every backend."""
        return self._world.dump()

    def load(self, data: bytes) -> None:
        """Go on from a state that `dump` wrote, of any backend.

        Raises:
            EvmError: for any other bytes. The state then stays as it was.
        """
        self._world = ChainState.load(data)
        self._reload()

    @abstractmethod
    def _execute(self, transaction: Transaction) -> ExecutionResult:
        """Run a transaction on the present state, without changing that state."""

    def _ask(self, transaction: Transaction) -> ExecutionResult:
        """Run a transaction of which only `success` and `output` are needed. Backends may leave out the rest."""
        return self._execute(transaction)

    @abstractmethod
    def _reload(self) -> None:
        """Take note that the whole state was replaced."""

    def _apply(self, diff: Diff) -> None:
        self._world.apply(diff)

    def _send(self, transaction: Transaction) -> Receipt:
        outcome = self._execute(transaction)
        world = self._world
        world.block_number = transaction.block_number
        outcome.diff.nonces[transaction.sender] = transaction.nonce + 1
        self._apply(outcome.diff)
        gas_used = max(outcome.gas_used, _floor_gas(transaction.data))
        return Receipt(outcome.success, gas_used, outcome.logs, outcome.output, world.block_number, world.timestamp_s)

    def _transaction(self, sender: bytes, to: bytes | None, data: bytes, value_wei: int, gas_limit: int) -> Transaction:
        account = self._world.account(sender)
        zeros = data.count(0)
        intrinsic_gas = _TX_GAS + _ZERO_BYTE_GAS * zeros + _BYTE_GAS * (len(data) - zeros)
        created = None
        if to is None:
            if len(data) > INITCODE_LIMIT:
                raise EvmError(f"creation code has {len(data)} bytes: at most {INITCODE_LIMIT} allowed")
            intrinsic_gas += _CREATE_GAS + _INITCODE_WORD_GAS * ((len(data) + 31) // 32)
            created = contract_address(sender, account.nonce)
        if value_wei > account.balance:
            raise EvmError(f"0x{sender.hex()} has {account.balance} wei: cannot send {value_wei}")
        needed = max(intrinsic_gas, _floor_gas(data))
        if not needed <= gas_limit <= GAS_CAP:
            raise EvmError(f"gas_limit is {gas_limit}: must be between {needed} and {GAS_CAP}")
        return Transaction(
            sender,
            to,
            data,
            value_wei,
            gas_limit,
            intrinsic_gas,
            account.nonce,
            self._world.block_number + 1,
            created,
        )


def contract_address(sender: bytes, nonce: int) -> bytes:
    """The address of a contract that this transaction creates: the last 20 bytes of keccak256(rlp([sender, nonce]))."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    encoded = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    payload = b"\x94" + sender + encoded
    return keccak256(bytes([0xC0 + len(payload)]) + payload)[12:]


def _floor_gas(data: bytes) -> int:
    """The least gas that a transaction with this calldata costs (EIP-7623)."""
    return _TX_GAS + _FLOOR_TOKEN_GAS * (4 * len(data) - 3 * data.count(0))
