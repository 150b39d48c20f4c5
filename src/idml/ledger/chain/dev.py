"""The ledger for simulations on a development node, Anvil or Ganache: real blocks, with time under control."""

from idml.ledger.chain.answers import to_hex
from idml.ledger.chain.fees import FeePolicy
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import RpcLedger, deploy
from idml.ledger.chain.sender import Sending
from idml.ledger.controlled import ControlledLedger
from idml.ledger.embedded.evm import GAS_CAP, START_S, Receipt
from idml.ledger.errors import LedgerError
from idml.ledger.wallet import DEVELOPER, Wallet

_DEPLOYMENT_MONEY_WEI = 10**18
# The gas limit is fixed, so that transactions that revert are mined, as on the embedded EVM. There is no tip, because
# nobody competes, and no chance in it, so that the same run makes the same blocks.
_SENDING = Sending(
    gas_limit=GAS_CAP, fees=FeePolicy(tip_wei=0, spread_wei=1), poll_s=0.05, stuck_after_s=10, give_up_after_s=20
)


class DevNode(Node):
    """A node that lets its time be set. Each transaction gets a block of its own, at `next_timestamp_s`.

    Args:
        url: see `Node`.

    Attributes:
        next_timestamp_s: time of the next block, in seconds. At first it is the time of the node's last block, or of an
            embedded EVM's first block if that is later.

    Raises:
        LedgerError: if the node does not let its time be set.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.next_timestamp_s = max(self.head().timestamp_s, START_S)
        self._mines_on_demand = False
        if self.knows("evm_setNextBlockTimestamp", self.next_timestamp_s):
            return
        if not self.knows("evm_setTime", 1_000 * self.next_timestamp_s):
            version: str = self.request("web3_clientVersion")
            raise LedgerError(
                f"{self.name} ({version}) does not let time be moved: a simulation needs a development node, "
                "anvil or ganache"
            )
        self._mines_on_demand = True
        self.request("miner_stop")

    def broadcast(self, raw: bytes) -> None:
        if self._mines_on_demand:
            super().broadcast(raw)
            self.mine()
        else:
            self.request("evm_setNextBlockTimestamp", self.next_timestamp_s)
            super().broadcast(raw)

    def waiting(self, *_place: object, **_beside: object) -> bytes | None:
        return b""  # each transaction is mined at once

    def mine(self) -> None:
        """Mine the transactions that wait, if there are any."""
        if self._mines_on_demand:
            self.request("evm_mine", {"timestamp": self.next_timestamp_s, "blocks": 1})
        else:
            self.request("evm_setNextBlockTimestamp", self.next_timestamp_s)
            self.request("evm_mine")

    def fund(self, address: bytes, amount_wei: int) -> None:
        """Give an account native currency out of nothing, in wei. For this, Ganache mines an empty block."""
        method = "evm_setAccountBalance" if self._mines_on_demand else "anvil_setBalance"
        self.request(method, to_hex(address), hex(self.balance_wei(address) + amount_wei))

    def close(self) -> None:
        """Let the node mine by itself again, and close the connections."""
        if self._mines_on_demand:
            self.request("miner_start")
        super().close()


class DevLedger(RpcLedger, ControlledLedger):
    """Fresh contracts on a development node, deployed by `DEVELOPER`.

    If the node was just started, at a time not later than `START_S`, and has the chain id of an embedded ledger,
    everything happens as on that ledger: the same addresses, the same encounters, the same events.

    Args:
        url: the node's URL.
        rate: tokens for one unit of native currency.
        stake_threshold_wei: the stake that neighbors and validators need, in base units of the token.
        unbonding_delay_s: time between leaving the stake and being free, in seconds; more than six days.

    Raises:
        LedgerError: if the node does not answer or does not let its time be set.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: int = 10_000,
        stake_threshold_wei: int = 100 * 10**18,
        unbonding_delay_s: int = 7 * 24 * 3600,
    ) -> None:
        self._dev = DevNode(url)
        self._dev.fund(DEVELOPER.address, _DEPLOYMENT_MONEY_WEI)
        deployment = deploy(
            self._dev,
            DEVELOPER,
            rate=rate,
            stake_threshold_wei=stake_threshold_wei,
            unbonding_delay_s=unbonding_delay_s,
            sending=_SENDING,
        )
        super().__init__(self._dev, deployment, _SENDING)

    @property
    def now_s(self) -> int:
        return self._dev.next_timestamp_s

    def warp(self, timestamp_s: int) -> None:
        if timestamp_s < self.now_s:
            raise LedgerError(f"cannot warp to {timestamp_s}: it is {self.now_s} already")
        self._dev.next_timestamp_s = timestamp_s

    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self._dev.mine()

    def fund(self, address: bytes, amount_wei: int) -> None:
        self._dev.fund(address, amount_wei)

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        receipt = super()._send(sender, to, data, value_wei)
        if receipt.timestamp_s != self.now_s:
            raise LedgerError(
                f"{self._dev.name} mined at {receipt.timestamp_s} instead of {self.now_s}: "
                "let it mine a block for each transaction, not by the clock"
            )
        return receipt
