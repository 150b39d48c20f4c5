"""The embedded EVM on py-evm, which runs everywhere. Only its virtual machine is used, without tries and headers."""

from typing import Any

from eth.abc import ComputationAPI, MessageAPI, StateAPI, TransactionContextAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.message import Message
from eth_typing import Address, BlockNumber, Hash32

from idml.ledger.embedded.evm import COINBASE, GAS_CAP, START_S, Evm, ExecutionResult, Log, Transaction, block_hash
from idml.ledger.embedded.state import ChainState, Diff
from idml.ledger.errors import EvmError
from idml.protocol.hashing import keccak256

_REFUND_QUOTIENT = 5  # EIP-3529
_ABSENT: Any = object()
_JumpTargets = dict[bytes, tuple[set[int], set[int]]]


class _State(CancunState):
    """A `ChainState` as py-evm sees it during one transaction.

    Reads go through to the `ChainState`. Writes stay here and can be undone.
    """

    def __init__(self, world: ChainState, context: ExecutionContext, jump_targets: _JumpTargets) -> None:
        self.execution_context = context
        self.diff = Diff()
        self.jump_targets = jump_targets
        self._world = world
        self._warm: dict[tuple[bytes, int | None], bool] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value

    def snapshot(self) -> Any:
        return len(self._undo)

    def revert(self, snapshot: Any) -> None:
        while len(self._undo) > snapshot:
            table, key, old = self._undo.pop()
            if old is _ABSENT:
                del table[key]
            else:
                table[key] = old

    def commit(self, snapshot: Any) -> None:
        """Do nothing: what is not reverted stands."""

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        original = self._world.account(address).storage.get(slot, 0)
        return self.diff.storage.get((address, slot), original) if from_journal else original

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        self._put(self.diff.storage, (address, slot), value)

    def delete_storage(self, address: Address) -> None:
        """Do nothing: this is called for addresses about to be created, which have no storage."""

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        return self._transient.get((address, slot), b"")

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        self._put(self._transient, (address, slot), value)

    def get_balance(self, address: Address) -> int:
        balance = self.diff.balances.get(address)
        return self._world.account(address).balance if balance is None else balance

    def set_balance(self, address: Address, balance: int) -> None:
        self._put(self.diff.balances, address, balance)

    def get_nonce(self, address: Address) -> int:
        nonce = self.diff.nonces.get(address)
        return self._world.account(address).nonce if nonce is None else nonce

    def set_nonce(self, address: Address, nonce: int) -> None:
        self._put(self.diff.nonces, address, nonce)

    def increment_nonce(self, address: Address) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: Address) -> bytes:
        code = self.diff.codes.get(address)
        return self._world.account(address).code if code is None else code

    def set_code(self, address: Address, code: bytes) -> None:
        self._put(self.diff.codes, address, code)

    def get_code_hash(self, address: Address) -> Hash32:
        return Hash32(keccak256(self.get_code(address)))

    def has_code_or_nonce(self, address: Address) -> bool:
        return self.get_nonce(address) != 0 or self.get_code(address) != b""

    def account_is_empty(self, address: Address) -> bool:
        return not self.has_code_or_nonce(address) and self.get_balance(address) == 0

    def account_exists(self, address: Address) -> bool:
        return not self.account_is_empty(address)

    def touch_account(self, address: Address) -> None:
        """Do nothing: a `ChainState` keeps no empty accounts."""

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        self._put(self._warm, (address, slot), True)

    def is_address_warm(self, address: Address) -> bool:
        return (address, None) in self._warm or address in _Computation.get_precompiles()

    def mark_address_warm(self, address: Address) -> None:
        self._put(self._warm, (address, None), True)


class _Computation(CancunComputation):
    """The computation of the Cancun fork. It remembers the jump targets of contracts that it has run before."""

    def __init__(self, state: StateAPI, message: MessageAPI, transaction_context: TransactionContextAPI) -> None:
        super().__init__(state, message, transaction_context)
        if isinstance(state, _State) and not message.is_create:
            known = state.jump_targets.setdefault(message.code, (set(), set()))
            self.code.valid_positions, self.code.invalid_positions = known  # type: ignore[attr-defined]

    @classmethod
    def consume_initcode_gas_cost(cls, computation: ComputationAPI) -> None:
        """Do nothing: this cost is part of the transaction's intrinsic gas."""


_State.computation_class = _Computation


class PyEvm(Evm):
    """The embedded EVM on py-evm."""

    def __init__(self, *, chain_id: int = 31_337, timestamp_s: int = START_S) -> None:
        super().__init__(chain_id=chain_id, timestamp_s=timestamp_s)
        self._jump_targets: _JumpTargets = {}

    def _execute(self, transaction: Transaction) -> ExecutionResult:
        state = _State(self._world, self._context(transaction), self._jump_targets)
        sender = Address(transaction.sender)
        to = CREATE_CONTRACT_ADDRESS if transaction.to is None else Address(transaction.to)
        state.set_nonce(sender, transaction.nonce + 1)
        message = Message(
            gas=transaction.gas_limit - transaction.intrinsic_gas,
            to=to,
            sender=sender,
            value=transaction.value_wei,
            data=b"" if transaction.to is None else transaction.data,
            code=transaction.data if transaction.to is None else state.get_code(to),
            create_address=transaction.created,  # type: ignore[arg-type]  # None where nothing is created
        )
        state.mark_address_warm(sender)
        state.mark_address_warm(message.storage_address)
        run = _Computation.apply_create_message if message.is_create else _Computation.apply_message
        computation = run(state, message, CancunTransactionContext(gas_price=0, origin=sender))
        if destroyed := computation.get_accounts_for_deletion():
            raise EvmError(f"0x{destroyed[0].hex()} was created and destroyed at once: unsupported")
        gas_used = transaction.gas_limit - computation.get_gas_remaining()
        gas_used -= min(computation.get_gas_refund(), gas_used // _REFUND_QUOTIENT)
        logs = tuple(
            Log(address, tuple(topic.to_bytes(32, "big") for topic in topics), data)
            for address, topics, data in computation.get_log_entries()
        )
        return ExecutionResult(computation.is_success, gas_used, computation.output, logs, state.diff)

    def _reload(self) -> None:
        """Do nothing: this backend has no state beside the `ChainState`."""

    def _context(self, transaction: Transaction) -> ExecutionContext:
        return ExecutionContext(
            coinbase=Address(COINBASE),
            timestamp=self._world.timestamp_s,
            block_number=BlockNumber(transaction.block_number),
            difficulty=0,
            mix_hash=Hash32(bytes(32)),
            gas_limit=GAS_CAP,
            prev_hashes=(Hash32(block_hash(number)) for number in range(transaction.block_number - 1, -1, -1)),
            chain_id=self._world.chain_id,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )
