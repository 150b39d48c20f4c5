"""Fees: what a transaction offers for gas (EIP-1559), and how much more it offers when it is stuck."""

import random
from dataclasses import dataclass

from idml.ledger.chain.answers import to_wei
from idml.ledger.chain.node import Node
from idml.ledger.errors import LedgerError, NodeRefusedError

GWEI = 10**9
_DEFAULT_TIP_WEI = GWEI


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for one gas, in wei.

    Attributes:
        max_wei: the most that it pays, tip included.
        tip_wei: what of that goes to whoever mines it.
    """

    max_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """How to choose fees.

    Args:
        cap_wei: the most that is ever offered for one gas, in wei.
        tip_wei: what is offered to whoever mines the transaction, in wei for one gas; None for what the node suggests.
        spread_wei: the tip is changed by less than this, at random, in wei for one gas. So no two orders are the same
            transaction, also if two programs give them, and what a node says of one is never said of another.
    """

    cap_wei: int = 500 * GWEI
    tip_wei: int | None = None
    spread_wei: int = 10**6

    def suggest(self, node: Node) -> Fees:
        """Choose fees that suffice now and for some blocks to come: twice the base fee, and the tip.

        Raises:
            LedgerError: for a chain without EIP-1559.
        """
        base_fee_wei = node.head().base_fee_wei
        if base_fee_wei is None:
            raise LedgerError(f"the chain of {node.name} has no base fee (EIP-1559): such chains are not supported")
        tip_wei = self._tip(node) if self.tip_wei is None else self.tip_wei
        return self._capped(2 * base_fee_wei + tip_wei, tip_wei)

    def bump(self, offered: Fees, now: Fees) -> Fees | None:
        """Choose fees for a transaction that is to replace one that is stuck.

        Nodes accept a replacement if it offers a tenth more of both fees. An eighth more is safe from rounding.

        Args:
            offered: what the stuck transaction offers.
            now: what `suggest` says now.

        Returns:
            The new fees; None if the cap forbids them.
        """
        max_wei, tip_wei = _eighth_more(offered.max_wei), _eighth_more(offered.tip_wei)
        if max_wei > self.cap_wei:
            return None
        return self._capped(max(max_wei, now.max_wei), max(tip_wei, now.tip_wei))

    def mark(self, fees: Fees) -> Fees:
        """Make fees different from those of all other orders, and leave the most that is paid as it is."""
        tip_wei = fees.tip_wei + random.SystemRandom().randrange(self.spread_wei)
        return Fees(fees.max_wei, tip_wei if tip_wei <= fees.max_wei else max(0, 2 * fees.tip_wei - tip_wei))

    def _tip(self, node: Node) -> int:
        try:
            return node.request("eth_maxPriorityFeePerGas", read=to_wei)
        except NodeRefusedError:
            return _DEFAULT_TIP_WEI

    def _capped(self, max_wei: int, tip_wei: int) -> Fees:
        max_wei = min(max_wei, self.cap_wei)
        return Fees(max_wei, min(tip_wei, max_wei))


def _eighth_more(fee_wei: int) -> int:
    return fee_wei + fee_wei // 8 + 1
