"""The contract as the rest of the package sees it: one interface, `Ledger`, whatever chain is behind it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

from idml.ledger.abi import Abi, decode_error
from idml.ledger.embedded.evm import Block, Log, Receipt
from idml.ledger.errors import LedgerError
from idml.ledger.records import AccountState, History, Release
from idml.ledger.wallet import Wallet
from idml.protocol.committee import Seat
from idml.protocol.encounter import Progress
from idml.protocol.events import EVENTS, Event
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Batch, Domain, Report, Terms, Vote
from idml.protocol.task import TaskParams

_UNLIMITED = (1 << 256) - 1
_PERMIT_TYPE = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


@dataclass(frozen=True, slots=True)
class TxResult:
    """A transaction that succeeded.

    Attributes:
        events: events of both contracts, in order.
        gas_used: gas that it used.
        block: number of its block.
        timestamp_s: time of its block, in seconds.
        step: what it was for: the name of the method; for a Report, `report_neighbor` or `report_learner`.
        data_bytes: number of bytes of its calldata.
    """

    events: tuple[Event, ...]
    gas_used: int
    block: int
    timestamp_s: int
    step: str
    data_bytes: int


@cache
def token_abi() -> Abi:
    """The interface of IDMLToken."""
    return Abi.load("IDMLToken")


@cache
def idml_abi() -> Abi:
    """The interface of IDML. Its structs are the protocol's dataclasses."""
    structs = {
        "Account": AccountState,
        "History": History,
        "Progress": Progress,
        "Release": Release,
        "Report": Report,
        "Vote": Vote,
        "Seat": Seat,
        "TaskParams": TaskParams,
        "Terms": Terms,
    }
    return Abi.load("IDML", structs)


class Ledger(ABC):
    """iDML's contract and its token on some chain. A subclass says how transactions and calls get there.

    Each method that changes state takes the sender's wallet first, returns a `TxResult`, and raises `Reverted` if the
    contract refuses. Amounts `*_wei` are in base units of the token, unless native currency is mentioned. Addresses
    have 20 bytes, ids and digests 32.
    """

    @property
    @abstractmethod
    def contract_address(self) -> bytes:
        """Address of IDML, 20 bytes."""

    @property
    @abstractmethod
    def token_address(self) -> bytes:
        """Address of IDMLToken, 20 bytes."""

    @property
    @abstractmethod
    def chain_id(self) -> int:
        """EIP-155 chain id."""

    @property
    @abstractmethod
    def now_s(self) -> int:
        """The chain's time, in seconds."""

    @property
    @abstractmethod
    def block_number(self) -> int:
        """Number of the last block."""

    # What `EventSync` reads. The chain may change between two of these calls.

    @property
    @abstractmethod
    def first_block(self) -> int:
        """Number of the block in which the first of the contracts was created. No event is older."""

    @abstractmethod
    def block(self, number: int) -> Block | None:
        """A block by its number; None if the chain has none of that number."""

    @abstractmethod
    def events(self, first: int, last: int) -> list[tuple[Block, tuple[Event, ...]]] | None:
        """The events of both contracts in a range of blocks.

        Args:
            first, last: numbers of the first and the last block of the range.

        Returns:
            The blocks that hold events, each with all of its events, in order. None if the chain changed meanwhile.

        Raises:
            NodeRefusedError: if a node refuses so many blocks, or so many events, at once.
        """

    @abstractmethod
    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        """Run a transaction that takes `value_wei` of native currency along."""

    @abstractmethod
    def _call(self, to: bytes, data: bytes) -> bytes:
        """Call a contract without changing anything."""

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain of the contract, to which signatures are bound."""
        return Domain(self.chain_id, self.contract_address)

    # The token

    def buy(self, sender: Wallet, value_wei: int) -> TxResult:
        """Buy tokens for native currency, `value_wei` of it."""
        return self._transact(sender, "buy", token_abi(), "buy", value_wei=value_wei)

    def redeem(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Give tokens back for native currency."""
        return self._transact(sender, "redeem", token_abi(), "redeem", amount_wei)

    def approve(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Allow the contract to take this many tokens from the sender's wallet."""
        return self._transact(sender, "approve", token_abi(), "approve", self.contract_address, amount_wei)

    def rate(self) -> int:
        """Base units of the token for one wei of native currency."""
        return cast(int, self._ask(token_abi(), "RATE"))

    def token_balance_wei(self, address: bytes) -> int:
        """The tokens in a wallet. For the contract's address, the tokens in all accounts together."""
        return cast(int, self._ask(token_abi(), "balanceOf", address))

    def token_supply_wei(self) -> int:
        """All tokens that exist."""
        return cast(int, self._ask(token_abi(), "totalSupply"))

    # Accounts

    def deposit(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Move tokens from the wallet to the account.

        If the contract may not take as many yet, a first transaction allows it, once and for all, to take any number.
        The gas and the events of that transaction are part of the result.
        """
        allowance = self._ask(token_abi(), "allowance", sender.address, self.contract_address)
        before = self.approve(sender, _UNLIMITED) if cast(int, allowance) < amount_wei else None
        result = self._transact(sender, "deposit", idml_abi(), "deposit", amount_wei)
        if before is None:
            return result
        events, gas_used = before.events + result.events, before.gas_used + result.gas_used
        data_bytes = before.data_bytes + result.data_bytes
        return TxResult(events, gas_used, result.block, result.timestamp_s, result.step, data_bytes)

    def deposit_with_permit(self, sender: Wallet, amount_wei: int, deadline_s: int) -> TxResult:
        """Move tokens from the wallet to the account. A signature that is valid until `deadline_s` allows it."""
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
        """Move tokens from the free balance to the stake.

        If the stake now suffices and the sender may have a seat, it takes one.
        """
        return self._transact(sender, "stake", idml_abi(), "stake", amount_wei)

    def request_unstake(self, sender: Wallet, amount_wei: int) -> TxResult:
        """Begin to take free stake out. This restarts the delay for all that is unbonding already."""
        return self._transact(sender, "request_unstake", idml_abi(), "requestUnstake", amount_wei)

    def complete_unstake(self, sender: Wallet) -> TxResult:
        """Move what has finished unbonding to the free balance."""
        return self._transact(sender, "complete_unstake", idml_abi(), "completeUnstake")

    def set_target(self, sender: Wallet, target_wei: int) -> TxResult:
        """Set the target: rewards go to the stake while it is below this amount."""
        return self._transact(sender, "set_target", idml_abi(), "setTarget", target_wei)

    def set_budget(self, sender: Wallet, reward_max_wei: int, nonces: int) -> TxResult:
        """Raise the budget, which pays for encounters that are settled from signatures alone.

        Args:
            reward_max_wei: the most that one such encounter may cost.
            nonces: for how many of the learner's next nonces, at most 64.
        """
        return self._transact(sender, "set_budget", idml_abi(), "setBudget", reward_max_wei, nonces)

    def request_release(self, sender: Wallet, reward_max_wei: int, nonces: int, retired: int = 0) -> TxResult:
        """Ask to lower the budget and to retire nonces that will not be used.

        Args:
            reward_max_wei, nonces: the lower budget, see `set_budget`.
            retired: bit i says whether to use up nonce `nonce_base + i`, with the `nonce_base` of now.
        """
        arguments = (reward_max_wei, nonces, retired)
        return self._transact(sender, "request_release", idml_abi(), "requestRelease", *arguments)

    def complete_release(self, sender: Wallet) -> TxResult:
        """Carry out what `request_release` asked for, one unbonding delay after it."""
        return self._transact(sender, "complete_release", idml_abi(), "completeRelease")

    def take_seat(self, sender: Wallet) -> TxResult:
        """Take a seat, from which committees are drawn."""
        return self._transact(sender, "take_seat", idml_abi(), "takeSeat")

    def flush(self, sender: Wallet) -> TxResult:
        """Burn what account 0 holds."""
        return self._transact(sender, "flush", idml_abi(), "flush")

    # Encounters

    def create_task(self, sender: Wallet, params: TaskParams) -> TxResult:
        """Register a task; its id is `params.id`."""
        return self._transact(sender, "create_task", idml_abi(), "createTask", params)

    def open(
        self,
        sender: Wallet,
        terms: Terms,
        learner_signature: bytes = b"",
        neighbor_signature: bytes = b"",
        *,
        lane: int = 0,
    ) -> TxResult:
        """Open an encounter. Its id is `domain.digest(terms)`.

        Args:
            terms: what learner and neighbor agreed on.
            learner_signature, neighbor_signature: on the Terms. The sender's own may be left out.
            lane: one of 0 to 63 in which the learner has no other encounter open. Or 64 + nonce % 64, which is kept for
                this nonce: no encounter with another nonce in reach can occupy it.
        """
        return self._transact(sender, "open", idml_abi(), "open", terms, lane, learner_signature, neighbor_signature)

    def reject(self, sender: Wallet, progress: Progress) -> TxResult:
        """Refuse to collaborate, as the neighbor."""
        return self._transact(sender, "reject", idml_abi(), "reject", progress)

    def report(
        self,
        sender: Wallet,
        progress: Progress,
        reporter: bytes,
        result: bytes,
        secret: bytes,
        signature: bytes = b"",
    ) -> TxResult:
        """Bring the Report of one party. If the sender is that party, its signature may be left out."""
        step = "report_neighbor" if reporter == progress.neighbor else "report_learner"
        if reporter == sender.address and not signature:
            return self._transact(sender, step, idml_abi(), "report", progress, result, secret)
        return self._transact(sender, step, idml_abi(), "reportFor", progress, reporter, result, secret, signature)

    def report_both(
        self,
        sender: Wallet,
        progress: Progress,
        result: bytes,
        neighbor_secret: bytes,
        learner_secret: bytes,
        neighbor_signature: bytes,
        learner_signature: bytes = b"",
    ) -> TxResult:
        """Bring two Reports that agree. If the learner sends them, its signature may be left out."""
        arguments = (progress, result, neighbor_secret, learner_secret, neighbor_signature, learner_signature)
        return self._transact(sender, "report_both", idml_abi(), "reportBoth", *arguments)

    def contest(self, sender: Wallet, progress: Progress) -> TxResult:
        """Ask for a committee, as the neighbor of a learner that is silent or denies."""
        return self._transact(sender, "contest", idml_abi(), "contest", progress)

    def draw(self, sender: Wallet, progress: Progress) -> TxResult:
        """Draw the committee of a contested encounter, after the block whose hash is its seed."""
        return self._transact(sender, "draw", idml_abi(), "draw", progress)

    def vote(
        self, sender: Wallet, progress: Progress, validator: bytes, accept: bool, signature: bytes = b""
    ) -> TxResult:
        """Bring a validator's vote. If the sender is that validator, its signature may be left out."""
        if validator == sender.address and not signature:
            return self._transact(sender, "vote", idml_abi(), "vote", progress, accept)
        return self._transact(sender, "vote", idml_abi(), "voteFor", progress, validator, accept, signature)

    def finalize(self, sender: Wallet, progress: Progress) -> TxResult:
        """End an encounter whose time is over."""
        return self._transact(sender, "finalize", idml_abi(), "finalize", progress)

    # Many encounters in one transaction

    def settle(self, sender: Wallet, batch: Batch, signatures: Sequence[bytes]) -> TxResult:
        """Settle a batch of one encounter. This is cheaper than `settle_batch`, but all parties must sign with keys."""
        first = int.from_bytes(batch.encounters[0], "big")
        learner, neighbor = batch.parties[first & 0xFF], batch.parties[first >> 8 & 0xFF]
        arguments = (batch.task, learner, neighbor, batch.encounters[:4], signatures)
        return self._transact(sender, "settle", idml_abi(), "settle", *arguments)

    def settle_batch(
        self, sender: Wallet, batch: Batch, signatures: Sequence[bytes], wallet_signatures: Sequence[bytes] = ()
    ) -> TxResult:
        """Settle a batch from the signatures on all statements of its encounters; see `PackedBatch.sign_each`.

        Args:
            batch: the encounters.
            signatures: two words for each statement.
            wallet_signatures: signatures of parties that are contract wallets (ERC-1271).
        """
        arguments = (batch.task, batch.parties, batch.encounters, signatures, wallet_signatures)
        return self._transact(sender, "settle_batch", idml_abi(), "settleBatch", *arguments)

    def settle_cosigned(
        self, sender: Wallet, batch: Batch, signatures: Sequence[bytes], wallet_signatures: Sequence[bytes] = ()
    ) -> TxResult:
        """Settle a batch from one signature of each party on the whole batch; see `PackedBatch.cosign`.

        Args:
            batch: the encounters.
            signatures: two words for each party.
            wallet_signatures: signatures of parties that are contract wallets (ERC-1271).
        """
        arguments = (batch.task, batch.parties, batch.encounters, signatures, wallet_signatures)
        return self._transact(sender, "settle_cosigned", idml_abi(), "settleCosigned", *arguments)

    # Offences

    def prove_equivocation(
        self, sender: Wallet, a: Terms, signature_on_a: bytes, b: Terms, signature_on_b: bytes
    ) -> TxResult:
        """Punish a learner that signed two Terms with one nonce."""
        arguments = (a, signature_on_a, b, signature_on_b)
        return self._transact(sender, "prove_equivocation", idml_abi(), "proveEquivocation", *arguments)

    def prove_double_vote(
        self, sender: Wallet, terms: Terms, a: Vote, signature_on_a: bytes, b: Vote, signature_on_b: bytes
    ) -> TxResult:
        """Punish a validator that signed two different Votes under one seed."""
        arguments = (terms, a, signature_on_a, b, signature_on_b)
        return self._transact(sender, "prove_double_vote", idml_abi(), "proveDoubleVote", *arguments)

    # Views

    def account(self, address: bytes) -> AccountState:
        """A participant's account. It is empty if the address never took part."""
        return cast(AccountState, self._ask(idml_abi(), "account", address))

    def history(self, address: bytes) -> History:
        """What a participant has done so far. It is empty if the address never took part."""
        return cast(History, self._ask(idml_abi(), "history", address))

    def seat_count(self) -> int:
        """Length of the seat table."""
        return cast(int, self._ask(idml_abi(), "seatCount"))

    def seat(self, index: int) -> Seat:
        """One seat of the table, by its index, which must be below `seat_count()`."""
        return cast(Seat, self._ask(idml_abi(), "seat", index))

    def task(self, task_id: bytes) -> TaskParams:
        """A registered task.

        Raises:
            LedgerError: if nobody has registered it.
        """
        output = self._call(self.contract_address, idml_abi().encode("task", task_id))
        if not any(output):
            raise LedgerError(f"unknown task 0x{task_id.hex()}: register it with create_task")
        return cast(TaskParams, idml_abi().decode("task", output))

    def state_hash(self, learner: bytes, lane: int = 0) -> bytes:
        """`Progress.state_hash()` of the encounter that is open in a learner's lane; if none is, 0 or 1 as 32 bytes."""
        return cast(bytes, self._ask(idml_abi(), "stateHash", learner, lane))

    def pending_release(self, address: bytes) -> Release:
        """What `request_release` asked for. Its `release_at` is 0 if nothing waits."""
        return cast(Release, self._ask(idml_abi(), "pendingRelease", address))

    def committee_of(self, terms: Terms, seed: bytes) -> tuple[bytes, ...]:
        """The committee that these Terms and this seed (32 bytes) lead to, in the order drawn."""
        return cast("tuple[bytes, ...]", self._ask(idml_abi(), "committeeOf", terms, seed))

    def stake_threshold_wei(self) -> int:
        """The stake that neighbors and validators need."""
        return cast(int, self._ask(idml_abi(), "stakeThreshold"))

    def unbonding_delay_s(self) -> int:
        """How long tokens wait between leaving the stake and becoming free, in seconds."""
        return cast(int, self._ask(idml_abi(), "unbondingDelay"))

    def _transact(
        self, sender: Wallet, step: str, contract: Abi, function: str, *arguments: object, value_wei: int = 0
    ) -> TxResult:
        data = contract.encode(function, *arguments)
        receipt = self._send(sender, self._address(contract), data, value_wei)
        if not receipt.success:
            raise decode_error(receipt.output, contract, token_abi())
        events = self._read(receipt.logs, receipt.block_number, receipt.timestamp_s)
        return TxResult(events, receipt.gas_used, receipt.block_number, receipt.timestamp_s, step, len(data))

    def _read(self, logs: Iterable[Log], block: int, timestamp_s: int) -> tuple[Event, ...]:
        """Decode the events of both contracts in a block. Logs of other contracts are skipped."""
        known = {self.token_address: token_abi(), self.contract_address: idml_abi()}
        return tuple(
            EVENTS[name](block, timestamp_s, *arguments)
            for log in logs
            if log.address in known and (decoded := known[log.address].event(log))
            for name, arguments in [decoded]
        )

    def _ask(self, contract: Abi, function: str, *arguments: object) -> object:
        output = self._call(self._address(contract), contract.encode(function, *arguments))
        return cast(object, contract.decode(function, output))

    def _address(self, contract: Abi) -> bytes:
        return self.token_address if contract is token_abi() else self.contract_address
