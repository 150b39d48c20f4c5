"""The participants' accounts: joining, who may still take part, and whether every token is accounted for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from idml.ledger.controlled import ControlledLedger
from idml.ledger.interface import TxResult
from idml.ledger.mirror import AccountsMirror, Changes
from idml.ledger.wallet import DEVELOPER, Wallet
from idml.protocol.task import TaskParams
from idml.simulation.config import Config, to_wei

_GAS_MONEY_WEI = 10**18
TOKENS_PER_COIN = 10_000


@dataclass(frozen=True, slots=True)
class Posted:
    """A transaction, and what it changed.

    Args:
        sender: device number; None: nobody's device.
        result: what the ledger says.
        changes: by the mirror.
    """

    sender: int | None
    result: TxResult
    changes: Changes


@dataclass(slots=True)
class Accounts:
    """Keeps the participants' accounts: whatever is sent is posted here, and follows from its events alone.

    Args:
        ledger: the contract.
        wallets: by device number; replaced where a device comes back under another name.
        task: the rules, registered by `join`.
        config: how much each device buys and stakes.

    Attributes:
        mirror: all accounts and open encounters.
        keeper: sends what anyone may send and no device does.
        threshold_wei: the stake that a neighbor or validator needs.
        devices: their numbers by account, also by those that they left behind.
        signers: wallets by account, likewise, and the keeper's.
    """

    ledger: ControlledLedger
    wallets: list[Wallet]
    task: TaskParams
    config: Config
    mirror: AccountsMirror = field(init=False)
    keeper: Wallet = DEVELOPER
    threshold_wei: int = field(init=False)
    devices: dict[bytes, int] = field(init=False)
    signers: dict[bytes, Wallet] = field(init=False)
    _left: list[Wallet] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mirror = AccountsMirror(self.ledger.domain, self.ledger.unbonding_delay_s())
        self.threshold_wei = to_wei(self.config.stake_threshold)
        self.devices = {wallet.address: index for index, wallet in enumerate(self.wallets)}
        self.signers = {wallet.address: wallet for wallet in (*self.wallets, self.keeper)}

    def post(self, sender: int | None, result: TxResult) -> Posted:
        """Take what a transaction did."""
        return Posted(sender, result, self.mirror.apply(result.events))

    def join(self) -> list[Posted]:
        """Register the task and let every device buy, deposit and stake."""
        ledger, posted = self.ledger, []
        for index, wallet in enumerate(self.wallets):
            first = [partial(ledger.create_task, wallet, self.task)] if index == 0 else []
            posted += self._enter(index, wallet, first)
        # A seat can be drawn by Terms of a later second than the one in which it was taken.
        ledger.warp(ledger.now_s + 1)
        return posted

    def rejoin(self, device: int) -> tuple[Wallet, list[Posted]]:
        """Let a device come back under another name: as much bought, deposited and staked anew.

        What is left under the old name stays there.
        """
        wallet = Wallet.from_seed(self.config.seed, len(self.wallets) + len(self._left))
        self._left.append(self.wallets[device])
        self.wallets[device] = wallet
        self.devices[wallet.address] = device
        self.signers[wallet.address] = wallet
        posted = self._enter(device, wallet, [])
        self.ledger.warp(self.ledger.now_s + 1)
        return wallet, posted

    def _enter(self, device: int, wallet: Wallet, first: Sequence[Callable[[], TxResult]]) -> list[Posted]:
        """Take some steps first, then buy, deposit and stake."""
        ledger, config = self.ledger, self.config
        amount_wei, stake_wei = to_wei(config.tokens), to_wei(config.stake)
        price_wei = -(-amount_wei // TOKENS_PER_COIN)
        ledger.fund(wallet.address, price_wei + _GAS_MONEY_WEI)
        steps: list[Callable[[], TxResult]] = list(first)
        if price_wei:
            steps.append(partial(ledger.buy, wallet, price_wei))
            steps.append(partial(ledger.approve, wallet, amount_wei))
            steps.append(partial(ledger.deposit, wallet, amount_wei))
        if config.target_wei:
            steps.append(partial(ledger.set_target, wallet, config.target_wei))
        if stake_wei:
            steps.append(partial(ledger.stake, wallet, stake_wei))
        posted = []
        for step in steps:
            ledger.warp(ledger.now_s + 1)  # on a node, no two blocks have the same time
            posted.append(self.post(device, step()))
        return posted

    def obstacle(self, learner: int, neighbor: int) -> str | None:
        """Why two devices cannot have an encounter now, or None."""
        reward_wei = to_wei(self.config.reward)
        if not self.eligible(neighbor):
            return "the neighbor's stake is below the threshold"
        account = self.mirror.account(self.wallets[neighbor].address)
        if account.stake - account.locked < reward_wei:
            return "the neighbor's free stake does not cover the reward"
        if self.mirror.account(self.wallets[learner].address).balance < reward_wei:
            return "the learner's balance does not cover the reward"
        return None

    def eligible(self, device: int) -> bool:
        """Whether a device's stake lets it be a neighbor or validator."""
        return self.stake_wei(device) >= self.threshold_wei

    def stake_wei(self, device: int) -> int:
        """A device's stake."""
        return self.mirror.stake_wei(self.wallets[device].address)

    def tokens(self) -> Mapping[str, str]:
        """Supply as the token has it, and the sum of all that anyone holds by the events, as decimal strings in base
        units: equal, or tokens were lost."""
        ledger = self.ledger
        in_wallets = sum(ledger.token_balance_wei(wallet.address) for wallet in (*self.wallets, *self._left))
        held_wei = self.mirror.total_wei() + in_wallets
        return {"supply": str(ledger.token_supply_wei()), "accounts": str(held_wei)}
