"""The money side of a run: joining, who may still take part, who fell out, and whether every token is accounted for."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from idml.ledger.controlled import ControlledLedger
from idml.ledger.interface import TxResult
from idml.ledger.records import AccountState
from idml.ledger.wallet import Wallet
from idml.protocol.task import TaskParams
from idml.simulation.config import Config, to_wei

ACCOUNT_ZERO = bytes(20)
_GAS_MONEY_WEI = 10**18
TOKENS_PER_COIN = 10_000


@dataclass(slots=True)
class Bank:
    """Keeps the participants' accounts on the ledger.

    Accounts are read again only where what happened since could matter, so that a contact costs little, and the same
    however many devices there are.

    Args:
        ledger: the contract.
        wallets: by device number; replaced where a device comes back under another name.
        task: the rules, registered by `join`.
        config: how much each device buys and stakes.

    Attributes:
        stakes_wei: by device number.
    """

    ledger: ControlledLedger
    wallets: list[Wallet]
    task: TaskParams
    config: Config
    stakes_wei: dict[int, int] = field(init=False)
    _accounts: dict[int, AccountState] = field(default_factory=dict)
    _touched: Counter[int] = field(default_factory=Counter)
    _left: list[Wallet] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stakes_wei = dict.fromkeys(range(len(self.wallets)), 0)

    def join(self) -> list[tuple[int, TxResult]]:
        """Register the task and let every device buy, deposit and stake; returns who sent what."""
        ledger, sent = self.ledger, []
        for index, wallet in enumerate(self.wallets):
            first = [partial(ledger.create_task, wallet, self.task)] if index == 0 else []
            sent += [(index, result) for result in self._enter(index, wallet, first)]
        # A seat can be drawn by Terms of a later second than the one in which it was taken.
        ledger.warp(ledger.now_s + 1)
        return sent

    def rejoin(self, device: int) -> tuple[Wallet, list[TxResult]]:
        """Let a device come back under another name: as much bought, deposited and staked anew.

        What is left under the old name stays there.
        """
        wallet = Wallet.from_seed(self.config.seed, len(self.wallets) + len(self._left))
        self._left.append(self.wallets[device])
        self.wallets[device] = wallet
        self._accounts.pop(device, None)
        sent = self._enter(device, wallet, [])
        self.ledger.warp(self.ledger.now_s + 1)
        return wallet, sent

    def _enter(self, device: int, wallet: Wallet, first: Sequence[Callable[[], TxResult]]) -> list[TxResult]:
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
        sent = []
        for step in steps:
            ledger.warp(ledger.now_s + 1)  # on a node, no two blocks have the same time
            sent.append(step())
        self.stakes_wei[device] = stake_wei
        return sent

    def obstacle(self, learner: int, neighbor: int) -> str | None:
        """Why two devices cannot have an encounter now, or None."""
        if not self.eligible(neighbor):
            return "the neighbor's stake is below the threshold"
        if not self._covers(neighbor, lambda account: account.stake - account.locked):
            return "the neighbor's free stake does not cover the reward"
        if not self._covers(learner, lambda account: account.balance):
            return "the learner's balance does not cover the reward"
        return None

    def eligible(self, device: int) -> bool:
        """Whether a device's stake lets it be a neighbor or validator."""
        return self.stakes_wei[device] >= to_wei(self.config.stake_threshold)

    def touch(self, devices: Iterable[int]) -> None:
        """Take that an encounter did something to the accounts of some devices."""
        self._touched.update(devices)

    def refresh(self, gains_wei: Iterable[tuple[int, int]]) -> dict[int, int]:
        """Read the stakes that an encounter may have changed; returns those that it did change.

        A reward reaches a stake only while it is below its target.

        Args:
            gains_wei: devices that risked a stake, with what they won or lost of the token.
        """
        changed = {}
        for device, gain_wei in gains_wei:
            if gain_wei >= 0 and self.stakes_wei[device] >= self.config.target_wei:
                continue
            stake_wei = self._read(device).stake
            if stake_wei != self.stakes_wei[device]:
                self.stakes_wei[device] = changed[device] = stake_wei
        return changed

    def tokens(self, prepaid_wei: int) -> Mapping[str, str]:
        """Supply, and the sum of all that anyone holds, as decimal strings in base units: equal, or tokens were lost.

        Args:
            prepaid_wei: what open encounters hold.
        """
        ledger = self.ledger
        held_wei = prepaid_wei + ledger.account(ACCOUNT_ZERO).balance
        for wallet in (*self.wallets, *self._left):
            account = ledger.account(wallet.address)
            held_wei += account.balance + account.stake + account.unbonding + ledger.token_balance_wei(wallet.address)
        return {"supply": str(ledger.token_supply_wei()), "accounts": str(held_wei)}

    def _read(self, device: int) -> AccountState:
        account = self._accounts[device] = self.ledger.account(self.wallets[device].address)
        del self._touched[device]
        return account

    def _covers(self, device: int, part: Callable[[AccountState], int]) -> bool:
        """Whether a part of an account covers the reward."""
        reward_wei, known = to_wei(self.config.reward), self._accounts.get(device)
        # An encounter takes no more than its reward from a balance or a free stake, whatever the role.
        if known is not None and part(known) >= (1 + self._touched[device]) * reward_wei:
            return True
        return part(self._read(device)) >= reward_wei
