"""The participants' accounts in a run: how devices join, which may still take part, and where all tokens are."""

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
        sender: number of the device that sent it; None if it was no device.
        result: the ledger's answer.
        changes: what it changed, by the mirror.
    """

    sender: int | None
    result: TxResult
    changes: Changes


@dataclass(slots=True)
class Accounts:
    """The participants' accounts on the ledger. They are kept up to date from the events of each transaction.

    Args:
        ledger: the contract.
        wallets: key of each device, by number. It is replaced if a device comes back with a new account.
        task: the rules, which `join` registers.
        config: says how much each device buys and stakes.

    Attributes:
        mirror: all accounts and open encounters.
        keeper: sends the transactions that anyone may send and no device does.
        threshold_wei: the stake that a neighbor or validator needs, in base units.
        devices: the number of the device for each account (20-byte address), given-up ones included.
        signers: the wallet for each account, given-up ones and the keeper's included.
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
        """Follow the events of a transaction."""
        return Posted(sender, result, self.mirror.apply(result.events))

    def join(self) -> list[Posted]:
        """Register the task, and let every device buy, deposit and stake tokens."""
        ledger, posted = self.ledger, []
        for index, wallet in enumerate(self.wallets):
            first = [partial(ledger.create_task, wallet, self.task)] if index == 0 else []
            posted += self._enter(index, wallet, first)
        # A seat can only be drawn for Terms of a later second than the one in which it was taken.
        ledger.warp(ledger.now_s + 1)
        return posted

    def rejoin(self, device: int) -> tuple[Wallet, list[Posted]]:
        """Let a device come back with a new account. It buys, deposits and stakes as much as it did first.

        What is left in its old account stays there.

        Returns:
            The new key, and the transactions.
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
        """Send the first steps, then buy, deposit and stake."""
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
        """Why two devices cannot have an encounter now; None if they can."""
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
        """Whether a device has the stake that a neighbor or validator needs."""
        return self.stake_wei(device) >= self.threshold_wei

    def stake_wei(self, device: int) -> int:
        """A device's stake, in base units."""
        return self.mirror.stake_wei(self.wallets[device].address)

    def tokens(self) -> Mapping[str, str]:
        """Where all tokens are, to check that none was lost.

        Returns:
            "supply", which the token says, and "accounts", which is the sum of all that anyone holds. Both are in base
            units as decimal strings. They must be equal.
        """
        ledger = self.ledger
        in_wallets = sum(ledger.token_balance_wei(wallet.address) for wallet in (*self.wallets, *self._left))
        held_wei = self.mirror.total_wei() + in_wallets
        return {"supply": str(ledger.token_supply_wei()), "accounts": str(held_wei)}
