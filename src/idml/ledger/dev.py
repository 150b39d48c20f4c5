"""A development node (Anvil, Ganache): a real chain whose clock and money are at hand, for simulations."""

from idml.ledger.controlled import ControlledLedger
from idml.ledger.errors import NodeError
from idml.ledger.evm import START_S, Receipt
from idml.ledger.node import Node
from idml.ledger.rpc import RpcLedger
from idml.ledger.sender import Patience, Sender
from idml.ledger.wallet import DEVELOPER, Wallet

_QUICK = Patience(poll_s=0.002)
_GAS_LIMIT = 12_000_000


class DevLedger(RpcLedger, ControlledLedger):
    """Deploys the contracts on a development node and controls its time, as `EmbeddedLedger` does.

    Each transaction makes a block of its own. Blocks need different times here, so time moves on by a second where it
    stands still.

    Args:
        url: of the node.
        rate, stake_threshold_wei, unbonding_delay_s: see `RpcLedger.deploy`.

    Raises:
        NodeError: if the node cannot be reached, or is none whose clock can be set.
    """

    def __init__(
        self,
        url: str,
        *,
        rate: int = 10_000,
        stake_threshold_wei: int = 100 * 10**18,
        unbonding_delay_s: int = 7 * 24 * 3600,
    ) -> None:
        node = Node(url)
        client = str(node.ask(lambda web3: web3.client_version)).lower()
        self._is_anvil = "anvil" in client
        if not self._is_anvil and "ganache" not in client:
            raise NodeError(
                f"{url} is {client or 'a node'}: a simulation sets the clock, which only a development node allows: "
                "start anvil or ganache"
            )
        if not self._is_anvil:
            node.request("miner_stop")  # it mines when told, at a time of our choice
        self.node = node
        self._last_s = int(node.ask(lambda web3: web3.eth.get_block("latest")["timestamp"]))
        self._time_s = max(self._last_s + 1, START_S - 2)
        chain_id = node.ask(lambda web3: web3.eth.chain_id)
        sender = Sender(node, chain_id, _QUICK, gas_limit=_GAS_LIMIT, launched=self._mine_now)
        node.request(self._balance_setter, _hex(DEVELOPER.address), hex(10**21))
        deployment = RpcLedger.deploy(
            node,
            DEVELOPER,
            rate=rate,
            stake_threshold_wei=stake_threshold_wei,
            unbonding_delay_s=unbonding_delay_s,
            sender=sender,
            before=self._tick,
        )
        self._time_s = max(self._last_s + 1, START_S)
        super().__init__(node, deployment, sender=sender)

    @property
    def now_s(self) -> int:
        """The time of the next block, in seconds."""
        return self._time_s

    def warp(self, timestamp_s: int) -> None:
        if timestamp_s < self._time_s:
            raise NodeError(f"cannot warp to {timestamp_s}: it is {self._time_s} already")
        self._time_s = timestamp_s

    def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self._tick()
            self.node.request("evm_mine") if self._is_anvil else self._mine_now()

    def fund(self, address: bytes, amount_wei: int) -> None:
        self.node.request(self._balance_setter, _hex(address), hex(self.balance_wei(address) + amount_wei))

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        self._tick()
        return super()._send(sender, to, data, value_wei)

    @property
    def _balance_setter(self) -> str:
        return "anvil_setBalance" if self._is_anvil else "evm_setAccountBalance"

    def _tick(self) -> None:
        """Say when the next block is: later than the last, as nodes want it."""
        self._last_s = self._time_s = max(self._time_s, self._last_s + 1)
        if self._is_anvil:
            self.node.request("evm_setNextBlockTimestamp", self._time_s)

    def _mine_now(self) -> None:
        if not self._is_anvil:
            self.node.request("evm_mine", {"timestamp": self._last_s})


def _hex(address: bytes) -> str:
    return "0x" + address.hex()
