"""The ledger in the same process: both contracts on an embedded EVM, no node, time under control."""

from idml.ledger.abi import Abi, decode_error
from idml.ledger.backends import open_evm
from idml.ledger.controlled import ControlledLedger
from idml.ledger.errors import ExecutionReverted
from idml.ledger.evm import START_S, Receipt, Snapshot, contract_address
from idml.ledger.interface import idml_abi, token_abi
from idml.ledger.wallet import DEVELOPER, Wallet

_DEPLOYER = DEVELOPER.address
_TOKEN = contract_address(_DEPLOYER, 0)
_CONTRACT = contract_address(_DEPLOYER, 1)


class EmbeddedLedger(ControlledLedger):
    """Deploys IDMLToken and IDML on a fresh embedded EVM. One block a transaction; wallets need no signature to send.

    Args:
        backend: see `open_evm`.
        chain_id: what the chain calls itself.
        rate: tokens per unit of native currency.
        stake_threshold_wei: the stake that neighbors and validators need, in base units of the token.
        unbonding_delay_s: time between leaving the stake and being free; more than six days.
        timestamp_s: time of the first block, in seconds.

    Attributes:
        deployment_gas: gas by contract name.

    Raises:
        LedgerError: for a backend that cannot be had, or contracts that refuse these numbers.
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
    ) -> None:
        self._evm = open_evm(backend, chain_id=chain_id, timestamp_s=timestamp_s)
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
        """The last block."""
        return self._evm.block_number

    def warp(self, timestamp_s: int) -> None:
        """Let time pass; see `Evm.warp`."""
        self._evm.warp(timestamp_s)

    def mine(self, blocks: int) -> None:
        """Add empty blocks."""
        self._evm.mine(blocks)

    def fund(self, address: bytes, amount_wei: int) -> None:
        """Give a wallet native currency out of nothing, in wei."""
        self._evm.fund(address, amount_wei)

    def balance_wei(self, address: bytes) -> int:
        """A wallet's native currency, in wei."""
        return self._evm.balance_wei(address)

    def snapshot(self) -> Snapshot:
        """Remember the present state; see `Evm.snapshot`."""
        return self._evm.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Return to a remembered state."""
        self._evm.restore(snapshot)

    def dump(self) -> bytes:
        """The present state as bytes; any embedded ledger can `load` it."""
        return self._evm.dump()

    def load(self, data: bytes) -> None:
        """Go on from what `dump` wrote, threshold and delay of that ledger included.

        Raises:
            EvmError: for anything else; the state stays as it was.
        """
        self._evm.load(data)

    def _deploy(self, contract: Abi, *arguments: object) -> int:
        try:
            return self._evm.deploy(_DEPLOYER, contract.creation(*arguments))[1]
        except ExecutionReverted as error:
            raise decode_error(error.data, contract) from error

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        return self._evm.send(sender.address, to, data, value_wei)

    def _call(self, to: bytes, data: bytes) -> bytes:
        return self._evm.call(to, data)
