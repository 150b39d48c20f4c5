"""The embedded EVM on revm, which is fast. It can be used where the package pyrevm has a wheel.

pyrevm keeps accounts and slots warm from one transaction to the next, so gas would be wrong from the second one on.
Therefore each transaction runs inside a checkpoint that is reverted afterwards. Before that, its changes are read from
pyrevm's list of journal entries; then they are written to the `ChainState` and back into pyrevm's database. That list
is meant for debugging and may change with pyrevm. So before the backend is used, `idml.ledger.embedded.backends.check`
compares gas, output, logs and state with known ones.
"""

import importlib
import re
from collections.abc import Iterable
from typing import Any

from idml.ledger.embedded.evm import COINBASE, GAS_CAP, START_S, Evm, ExecutionResult, Log, Transaction
from idml.ledger.embedded.state import Account, Diff
from idml.ledger.errors import EvmError
from idml.protocol.hashing import keccak256

pyrevm: Any = importlib.import_module("pyrevm")  # untyped: its stubs lack arguments that it takes

# Each pattern begins with a word, so that `re` finds it fast. A storage entry without `Some` only marks a slot as warm.
_ADDRESS = "0x([0-9a-f]{40})"
_STORED = re.compile(rf"StorageChange \{{ address: {_ADDRESS}, key: (\d+), had_value: Some")
_TRANSFERRED = re.compile(rf"BalanceTransfer \{{ from: {_ADDRESS}, to: {_ADDRESS}")
_COUNTED = re.compile(rf"NonceChange \{{ address: {_ADDRESS}")
_CREATED = re.compile(rf"AccountCreated \{{ address: {_ADDRESS}")
_CODED = re.compile(rf"CodeChange \{{ address: {_ADDRESS}")
_DESTROYED = re.compile(rf"AccountDestroyed \{{ address: {_ADDRESS}")
_REVERT = re.compile(r"Revert \{ gas_used: (\d+), output: 0x([0-9a-f]*) \}")
_HALT = re.compile(r"Halt \{ reason: .*, gas_used: (\d+) \}")
_NONCES = range(1, 10)
_CODE_PADDING = 33  # revm appends zero bytes to code that it has analysed


class Revm(Evm):
    """The embedded EVM on pyrevm."""

    _engine: Any
    _block_set: tuple[int, int]

    def __init__(self, *, chain_id: int = 31_337, timestamp_s: int = START_S) -> None:
        super().__init__(chain_id=chain_id, timestamp_s=timestamp_s)
        self._reload()

    def _execute(self, transaction: Transaction) -> ExecutionResult:
        return self._perform(transaction, changes=True)

    def _ask(self, transaction: Transaction) -> ExecutionResult:
        return self._perform(transaction, changes=False)

    def _perform(self, transaction: Transaction, *, changes: bool) -> ExecutionResult:
        engine = self._engine
        block = transaction.block_number, self._world.timestamp_s
        if block != self._block_set:
            engine.set_block_env(self._block(transaction.block_number))
            self._block_set = block
        checkpoint = engine.snapshot()
        try:
            output = self._run(transaction)
            if not changes:
                return ExecutionResult(True, engine.result.gas_used, output)
            diff = self._changes()
            if transaction.created is not None:
                output = diff.codes.get(transaction.created, b"")
            logs = tuple(
                Log(bytes.fromhex(log.address[2:]), tuple(log.data[0]), log.data[1]) for log in engine.result.logs
            )
            return ExecutionResult(True, engine.result.gas_used, output, logs, diff)
        except RuntimeError as error:
            return _failure(str(error))
        finally:
            engine.revert(checkpoint)

    def _run(self, transaction: Transaction) -> bytes:
        sender, data, value_wei = _hex(transaction.sender), transaction.data, transaction.value_wei
        if transaction.to is None:
            self._engine.deploy(sender, data, value=value_wei, gas=transaction.gas_limit)
            return b""
        to = _hex(transaction.to)
        return bytes(self._engine.message_call(sender, to, data, value=value_wei, gas=transaction.gas_limit))

    def _changes(self) -> Diff:
        """Read what the transaction changed. What an inner call rolled back is no longer in the journal."""
        engine, diff = self._engine, Diff()
        text = engine.journal_str
        journal = text[text.rindex(", journal: [") :]
        if destroyed := _DESTROYED.search(journal):
            raise EvmError(f"0x{destroyed[1]} was created and destroyed at once: unsupported")
        for address, slot in set(_STORED.findall(journal)):
            diff.storage[bytes.fromhex(address), int(slot)] = engine.storage("0x" + address, int(slot))
        for address in _CODED.findall(journal):
            diff.codes[bytes.fromhex(address)] = self._code("0x" + address)
        moved = {address for pair in _TRANSFERRED.findall(journal) for address in pair}
        for address in moved.union(_COUNTED.findall(journal), _CREATED.findall(journal)):
            info, who = engine.basic("0x" + address), bytes.fromhex(address)
            before = self._world.account(who)
            if (info.balance, info.nonce) != (before.balance, before.nonce):
                diff.balances[who], diff.nonces[who] = info.balance, info.nonce
        return diff

    def _code(self, address: str) -> bytes:
        code = bytes(self._engine.get_code(address))[:-_CODE_PADDING]
        if keccak256(code) != bytes(self._engine.basic(address).code_hash):
            raise EvmError(f"pyrevm returns the code of {address} in an unknown form: use the backend pyevm")
        return code

    def _apply(self, diff: Diff) -> None:
        super()._apply(diff)
        self._write(diff.nonces.keys() | diff.balances.keys() | diff.codes.keys(), diff.storage.items())

    def _reload(self) -> None:
        cfg = pyrevm.CfgEnv(chain_id=self._world.chain_id)
        self._block_set = self._world.block_number, self._world.timestamp_s
        self._engine = pyrevm.EVM(
            pyrevm.Env(cfg=cfg, block=self._block(self._world.block_number)), gas_limit=GAS_CAP, spec_id="CANCUN"
        )
        accounts = self._world.accounts
        slots = (((address, slot), value) for address, of in accounts.items() for slot, value in of.storage.items())
        self._write(accounts, slots)

    def _write(self, addresses: Iterable[bytes], slots: Iterable[tuple[tuple[bytes, int], int]]) -> None:
        engine = self._engine
        for address in addresses:
            engine.insert_account_info(_hex(address), self._info(self._world.account(address)))
        for (address, slot), value in slots:
            # To insert a slot loads the account into the journal, which would hide the next slot: so each slot has a
            # checkpoint of its own.
            checkpoint = engine.snapshot()
            engine.insert_account_storage(_hex(address), slot, value)
            engine.revert(checkpoint)

    def _info(self, account: Account) -> Any:
        """An account in the form of pyrevm's database."""
        plain = pyrevm.AccountInfo(nonce=account.nonce, balance=account.balance, code=account.code or None)
        if not account.code or account.balance or account.nonce not in _NONCES:
            return plain
        # If it is given plain code, revm looks for jump targets in every call, which takes as long as a small call
        # itself. Code that it has created itself it has analysed: so let it create the account once, and keep that
        # code.
        checkpoint = self._engine.snapshot()
        try:
            created = self._engine.deploy(_hex(COINBASE), _creating(account), gas=GAS_CAP)
            analysed = self._engine.basic(created)
            return analysed if (analysed.nonce, analysed.code_hash) == (plain.nonce, plain.code_hash) else plain
        except RuntimeError:
            return plain  # code that no transaction may create
        finally:
            self._engine.revert(checkpoint)

    def _block(self, number: int) -> Any:
        return pyrevm.BlockEnv(
            number=number,
            coinbase=_hex(COINBASE),
            timestamp=self._world.timestamp_s,
            difficulty=0,
            prevrandao=bytes(32),
            basefee=0,
            gas_limit=GAS_CAP,
            excess_blob_gas=0,
        )


def _hex(address: bytes) -> str:
    return "0x" + address.hex()


def _creating(account: Account) -> bytes:
    """Creation code that leaves a new contract with this account's nonce and code."""
    # With each contract that it creates, its nonce grows by one. So it creates empty ones: 3 times PUSH1 0, CREATE,
    # POP.
    counting = bytes.fromhex("600060006000f050") * (account.nonce - 1)
    size, start = len(account.code).to_bytes(2, "big"), bytes([len(counting) + 14])
    # PUSH2 size, PUSH1 start, PUSH1 0, CODECOPY, PUSH2 size, PUSH1 0, RETURN
    return (
        counting + b"\x61" + size + b"\x60" + start + bytes.fromhex("60003961") + size + b"\x60\x00\xf3" + account.code
    )


def _failure(text: str) -> ExecutionResult:
    if match := _REVERT.fullmatch(text):
        return ExecutionResult(False, int(match[1]), bytes.fromhex(match[2]))
    if match := _HALT.fullmatch(text):
        return ExecutionResult(False, int(match[1]), b"")
    raise EvmError(f"pyrevm failed in an unknown way: {text}")
