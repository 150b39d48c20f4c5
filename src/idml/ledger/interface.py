"""The contract as everyone else sees it: one `Ledger`, whatever chain is behind it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

from idml.ledger.abi import Abi, decode_error
from idml.ledger.errors import LedgerError
from idml.ledger.evm import Receipt
from idml.ledger.records import AccountState, History
from idml.ledger.wallet import Wallet
from idml.protocol.committee import Seat
from idml.protocol.encounter import Progress
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Domain, Terms
from idml.protocol.task import TaskParams

_UNLIMITED = (1 << 256) - 1
_PERMIT_TYPE = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a contract announced.

    Attributes:
        name: as in the contract's interface.
        arguments: by their Solidity names; addresses and bytes32 as bytes, structs as the protocol's dataclasses.
        block: number of the block.
        timestamp_s: its time, in seconds.
    """

    name: str
    arguments: Mapping[str, object]
    block: int
    timestamp_s: int


@dataclass(frozen=True, slots=True)
class TxResult:
    """A transaction that succeeded.

    Attributes:
        events: of both contracts, in order.
        gas_used: what it costs.
        block: number of its block.
        timestamp_s: time of its block, in seconds.
        step: what it was for, the name of the method; reports tell `report_neighbor` from `report_learner`.
    """

    events: tuple[Event, ...]
    gas_used: int
    block: int
    timestamp_s: int
    step: str


@cache
def token_abi() -> Abi:
    """The interface of IDMLToken."""
    return Abi.load("IDMLToken")


@cache
def idml_abi() -> Abi:
    """The interface of IDML, with structs as the protocol's dataclasses."""
    structs = {
        "Account": AccountState,
        "History": History,
        "Progress": Progress,
        "Seat": Seat,
        "TaskParams": TaskParams,
        "Terms": Terms,
    }
    return Abi.load("IDML", structs)


class Ledger(ABC):
    """iDML's contract and its token. Subclasses say how a transaction is sent and a question asked.

    Whatever changes state takes the sender's wallet first, returns a `TxResult`, and raises `Reverted` where the
    contract refuses. Amounts `*_wei` are base units of the token, except where the text says native currency.
    Addresses have 20 bytes, ids and digests 32.
    """

    @property
    @abstractmethod
    def contract_address(self) -> bytes:
        """Where IDML lives, 20 bytes."""

    @property
    @abstractmethod
    def token_address(self) -> bytes:
        """Where IDMLToken lives, 20 bytes."""

    @property
    @abstractmethod
    def chain_id(self) -> int:
        """EIP-155 chain id."""

    @property
    @abstractmethod
    def now_s(self) -> int:
        """The chain's time, in seconds."""

    @abstractmethod
    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        """Run a transaction; `value_wei` is native currency."""

    @abstractmethod
    def _call(self, to: bytes, data: bytes) -> bytes:
        """Ask without changing anything."""

    @property
    def domain(self) -> Domain:
        """What signatures are bound to."""
        return Domain(self.chain_id, self.contract_address)

    # The token

    def buy(self, sender: Wallet, value_wei: int) -> TxResult:
        """Buy tokens for native currency, `value_wei` of it."""
        return self._transact(sender, "buy", token_abi(), "buy", value_wei=value_wei)

    def redeem(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Give tokens back for native currency."""
        return self._transact(sender, "redeem", token_abi(), "redeem", amount_wei)

    def approve(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Allow the contract to take so many tokens from the sender's wallet."""
        return self._transact(sender, "approve", token_abi(), "approve", self.contract_address, amount_wei)

    def token_balance_wei(self, address: bytes) -> int:
        """Tokens in a wallet (or, for the contract's address, in all accounts)."""
        return cast(int, self._ask(token_abi(), "balanceOf", address))

    def token_supply_wei(self) -> int:
        """All tokens there are."""
        return cast(int, self._ask(token_abi(), "totalSupply"))

    # Accounts

    def deposit(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Move tokens from the wallet to the account.

        Where the contract may not take so many yet, a first transaction allows it to take any number, once for all;
        its gas and events are part of the result.
        """
        allowance = self._ask(token_abi(), "allowance", sender.address, self.contract_address)
        before = self.approve(sender, _UNLIMITED) if cast(int, allowance) < amount_wei else None
        result = self._transact(sender, "deposit", idml_abi(), "deposit", amount_wei)
        if before is None:
            return result
        events, gas_used = before.events + result.events, before.gas_used + result.gas_used
        return TxResult(events, gas_used, result.block, result.timestamp_s, result.step)

    def deposit_with_permit(self, sender: Wallet, amount_wei: int, deadline_s: int) -> TxResult:
        """Move tokens from the wallet to the account, allowed by a signature that is good until `deadline_s`."""
        nonce = cast(int, self._ask(token_abi(), "nonces", sender.address))
        numbers = b"".join(number.to_bytes(32, "big") for number in (amount_wei, nonce, deadline_s))
        padding = bytes(12)
        permit = _PERMIT_TYPE + padding + sender.address + padding + self.contract_address + numbers
        separator = cast(bytes, self._ask(token_abi(), "DOMAIN_SEPARATOR"))
        signature = sender.sign(keccak256(b"\x19\x01" + separator + keccak256(permit)))
        v, r, s = signature[64], signature[:32], signature[32:64]
        return self._transact(
            sender, "deposit_with_permit", idml_abi(), "depositWithPermit", amount_wei, deadline_s, v, r, s
        )

    def withdraw(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Move tokens from the free balance to the wallet."""
        return self._transact(sender, "withdraw", idml_abi(), "withdraw", amount_wei)

    def stake(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Pledge from the free balance; takes a seat where the stake now suffices and the sender may have one."""
        return self._transact(sender, "stake", idml_abi(), "stake", amount_wei)

    def request_unstake(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Begin to unbond free stake; restarts the delay for all that is unbonding."""
        return self._transact(sender, "request_unstake", idml_abi(), "requestUnstake", amount_wei)

    def complete_unstake(self, sender: Wallet) -> TxResult:
        """Move what has finished unbonding to the free balance."""
        return self._transact(sender, "complete_unstake", idml_abi(), "completeUnstake")

    def set_target(self, sender: Wallet, target_wei: int) -> TxResult:
        """Set up to which stake rewards are staked."""
        return self._transact(sender, "set_target", idml_abi(), "setTarget", target_wei)

    def take_seat(self, sender: Wallet) -> TxResult:
        """Take a seat."""
        return self._transact(sender, "take_seat", idml_abi(), "takeSeat")

    def flush(self, sender: Wallet) -> TxResult:
        """Burn what account 0 holds."""
        return self._transact(sender, "flush", idml_abi(), "flush")

    # Encounters

    def create_task(self, sender: Wallet, params: TaskParams) -> TxResult:
        """Register a task; its id is `params.id`."""
        return self._transact(sender, "create_task", idml_abi(), "createTask", params)

    def open(
        self, sender: Wallet, terms: Terms, learner_signature: bytes = b"", neighbor_signature: bytes = b""
    ) -> TxResult:
        """Open an encounter; its id is `domain.digest(terms)`. The sender's own signature may be left out."""
        return self._transact(sender, "open", idml_abi(), "open", terms, learner_signature, neighbor_signature)

    def reject(self, sender: Wallet, terms: Terms, progress: Progress) -> TxResult:
        """Refuse to collaborate, as the neighbor."""
        return self._transact(sender, "reject", idml_abi(), "reject", terms, progress)

    def report(
        self,
        sender: Wallet,
        terms: Terms,
        progress: Progress,
        reporter: bytes,
        result: bytes,
        secret: bytes,
        signature: bytes = b"",
    ) -> TxResult:
        """Bring a party's report. The sender's own signature may be left out."""
        step = "report_neighbor" if reporter == terms.neighbor else "report_learner"
        return self._transact(sender, step, idml_abi(), "report", terms, progress, reporter, result, secret, signature)

    def vote(
        self, sender: Wallet, terms: Terms, progress: Progress, validator: bytes, accept: bool, signature: bytes = b""
    ) -> TxResult:
        """Bring a validator's vote. The sender's own signature may be left out."""
        return self._transact(sender, "vote", idml_abi(), "vote", terms, progress, validator, accept, signature)

    def finalize(self, sender: Wallet, terms: Terms, progress: Progress) -> TxResult:
        """End an encounter whose time is over."""
        return self._transact(sender, "finalize", idml_abi(), "finalize", terms, progress)

    # Views

    def account(self, address: bytes) -> AccountState:
        """A participant's account; empty for strangers."""
        return cast(AccountState, self._ask(idml_abi(), "account", address))

    def history(self, address: bytes) -> History:
        """A participant's record; empty for strangers."""
        return cast(History, self._ask(idml_abi(), "history", address))

    def seat_count(self) -> int:
        """Length of the seat table."""
        return cast(int, self._ask(idml_abi(), "seatCount"))

    def seat(self, index: int) -> Seat:
        """One seat of the table, `index` below `seat_count()`."""
        return cast(Seat, self._ask(idml_abi(), "seat", index))

    def task(self, task_id: bytes) -> TaskParams:
        """A registered task.

        Raises:
            LedgerError: if nobody registered it.
        """
        output = self._call(self.contract_address, idml_abi().encode("task", task_id))
        if not any(output):
            raise LedgerError(f"unknown task 0x{task_id.hex()}: register it with create_task")
        return cast(TaskParams, idml_abi().decode("task", output))

    def state_hash(self, encounter: bytes) -> bytes:
        """`Progress.state_hash()` of an open encounter; zero if it was never opened or is over."""
        return cast(bytes, self._ask(idml_abi(), "stateHash", encounter))

    def committee_of(self, terms: Terms, seed: bytes) -> tuple[bytes, ...]:
        """The committee that Terms and seed determine, in the order drawn."""
        return cast("tuple[bytes, ...]", self._ask(idml_abi(), "committeeOf", terms, seed))

    def stake_threshold_wei(self) -> int:
        """The stake that neighbors and validators need."""
        return cast(int, self._ask(idml_abi(), "stakeThreshold"))

    def unbonding_delay_s(self) -> int:
        """Time between leaving the stake and being free, in seconds."""
        return cast(int, self._ask(idml_abi(), "unbondingDelay"))

    def _transact(
        self, sender: Wallet, step: str, contract: Abi, function: str, *arguments: object, value_wei: int = 0
    ) -> TxResult:
        receipt = self._send(sender, self._address(contract), contract.encode(function, *arguments), value_wei)
        if not receipt.success:
            raise decode_error(receipt.output, contract, token_abi())
        known = {self.token_address: token_abi(), self.contract_address: idml_abi()}
        events = tuple(
            Event(*decoded, receipt.block_number, receipt.timestamp_s)
            for log in receipt.logs
            if log.address in known and (decoded := known[log.address].event(log))
        )
        return TxResult(events, receipt.gas_used, receipt.block_number, receipt.timestamp_s, step)

    def _ask(self, contract: Abi, function: str, *arguments: object) -> object:
        output = self._call(self._address(contract), contract.encode(function, *arguments))
        return cast(object, contract.decode(function, output))

    def _address(self, contract: Abi) -> bytes:
        return self.token_address if contract is token_abi() else self.contract_address
