"""The ledger in the same process: both contracts on an embedded EVM, without a node, and with time under control."""

from dataclasses import dataclass

from idml.ledger.abi import Abi, decode_error
from idml.ledger.controlled import ControlledLedger
from idml.ledger.embedded.backends import open_evm
from idml.ledger.embedded.evm import START_S, Block, Log, Receipt, Snapshot, contract_address
from idml.ledger.errors import ExecutionReverted, LedgerError
from idml.ledger.interface import idml_abi, token_abi
from idml.ledger.wallet import DEVELOPER, Wallet
from idml.protocol.events import Event
from idml.protocol.hashing import keccak256

_DEPLOYER = DEVELOPER.address
_TOKEN = contract_address(_DEPLOYER, 0)
_CONTRACT = contract_address(_DEPLOYER, 1)


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """A remembered state of an embedded ledger.

    Attributes:
        evm: state of the EVM.
        blocks: all blocks up to there, with their logs; None if the ledger does not keep its blocks.
    """

    evm: Snapshot
    blocks: tuple[tuple[Block, tuple[Log, ...]], ...] | None


class EmbeddedLedger(ControlledLedger):
    """Both contracts on a fresh embedded EVM, where they are deployed first.

    Each transaction has a block of its own, and needs no signature of the sender.

    Args:
        backend: which EVM, see `open_evm`.
        chain_id: the chain id that contracts see.
        rate: tokens for one unit of native currency.
        stake_threshold_wei: the stake that neighbors and validators need, in base units of the token.
        unbonding_delay_s: time between leaving the stake and being free, in seconds; more than six days.
        timestamp_s: time of the first block, in seconds.
        keep_blocks: whether to remember all blocks, which takes memory, so that `EventSync` can read them. To it, a
            `restore` looks like a reorganization. A kept block's hash follows from its content and the block before;
            contracts see another hash, see `block_hash`.

    Attributes:
        deployment_gas: gas that deploying took, by contract name.

    Raises:
        LedgerError: if the backend is not available, or the contracts refuse these numbers.
    """

    def __init__(
        self,
        backend: str = "auto",
        *,
        chain_id: int = 31_337,
        rate: int = 10_000,
        stake_threshold_wei: int = 100 * 10**18,
        unbonding_delay_s: int = 7 * 24 * 3600,
        timestamp_s: int = START_S,
        keep_blocks: bool = False,
    ) -> None:
        self._evm = open_evm(backend, chain_id=chain_id, timestamp_s=timestamp_s)
        self._blocks: list[tuple[Block, tuple[Log, ...]]] | None = [] if keep_blocks else None
        self._keep(chain_id)
        self.deployment_gas = {
            "IDMLToken": self._deploy(token_abi(), rate),
            "IDML": self._deploy(idml_abi(), _TOKEN, stake_threshold_wei, unbonding_delay_s),
        }

    @property
    def contract_address(self) -> bytes:
        return _CONTRACT

    @property
    def token_address(self) -> bytes:
        return _TOKEN

    @property
    def chain_id(self) -> int:
        return self._evm.chain_id

    @property
    def now_s(self) -> int:
        return self._evm.timestamp_s

    @property
    def block_number(self) -> int:
        return self._evm.block_number

    @property
    def first_block(self) -> int:
        return self._kept[1][0].number  # nothing is in block 0

    def block(self, number: int) -> Block | None:
        kept = self._kept
        return kept[number][0] if number < len(kept) else None

    def events(self, first: int, last: int) -> list[tuple[Block, tuple[Event, ...]]]:
        kept = self._kept[first : last + 1]
        found = [(block, self._read(logs, block.number, block.timestamp_s)) for block, logs in kept]
        return [(block, events) for block, events in found if events]

    def warp(self, timestamp_s: int) -> None:
        """Set the time of the next block; see `Evm.warp`."""
        self._evm.warp(timestamp_s)

    def mine(self, blocks: int) -> None:
        """Add empty blocks."""
        self._evm.mine(blocks)
        self._keep()

    def fund(self, address: bytes, amount_wei: int) -> None:
        """Give a wallet native currency out of nothing, in wei."""
        self._evm.fund(address, amount_wei)

    def balance_wei(self, address: bytes) -> int:
        """A wallet's native currency, in wei."""
        return self._evm.balance_wei(address)

    def snapshot(self) -> LedgerSnapshot:
        """Remember the present state; see `Evm.snapshot`."""
        return LedgerSnapshot(self._evm.snapshot(), None if self._blocks is None else tuple(self._blocks))

    def restore(self, snapshot: LedgerSnapshot) -> None:
        """Return to a remembered state."""
        self._evm.restore(snapshot.evm)
        self._blocks = None if snapshot.blocks is None else list(snapshot.blocks)

    def dump(self) -> bytes:
        """Write the present state as bytes. Any embedded ledger that keeps no blocks can `load` it."""
        return self._evm.dump()

    def load(self, data: bytes) -> None:
        """Go on from a state that `dump` wrote. Stake threshold and unbonding delay are those of that ledger.

        Raises:
            EvmError: for any other bytes. The state then stays as it was.
            LedgerError: if this ledger keeps its blocks.
        """
        if self._blocks is not None:
            raise LedgerError(
                "a dump holds no blocks, and this ledger keeps all of them: load it into one without keep_blocks"
            )
        self._evm.load(data)

    def _deploy(self, contract: Abi, *arguments: object) -> int:
        creation = contract.creation(*arguments)
        try:
            gas = self._evm.deploy(_DEPLOYER, creation)[1]
        except ExecutionReverted as error:
            raise decode_error(error.data, contract) from error
        self._keep(creation)
        return gas

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        receipt = self._evm.send(sender.address, to, data, value_wei)
        self._keep((sender.address, to, data, value_wei, receipt), receipt.logs)
        return receipt

    def _call(self, to: bytes, data: bytes) -> bytes:
        return self._evm.call(to, data)

    def _keep(self, content: object = None, logs: tuple[Log, ...] = ()) -> None:
        """Remember the blocks that were just added, with their content and logs, if the ledger keeps its blocks."""
        while self._blocks is not None and len(self._blocks) <= self.block_number:
            before = self._blocks[-1][0].hash if self._blocks else b""
            identity = keccak256(before + repr((self.now_s, content)).encode())
            self._blocks.append((Block(len(self._blocks), identity, self.now_s), logs))

    @property
    def _kept(self) -> list[tuple[Block, tuple[Log, ...]]]:
        """All blocks with their logs; a block's place in the list is its number."""
        if self._blocks is None:
            raise LedgerError("this ledger keeps no blocks to read: make it with EmbeddedLedger(keep_blocks=True)")
        return self._blocks
