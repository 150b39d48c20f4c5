"""A transaction under way: its versions, and how they are told."""

from dataclasses import dataclass, field

from idml.ledger.chain.fees import Fees
from idml.ledger.chain.receipts import Request


@dataclass(slots=True)
class Flight:
    """A transaction under way. It may have several versions, with the same nonce and rising fees.

    Attributes:
        order: what it is to do.
        gas_limit, nonce: those of all versions.
        fees: what the latest version offers.
        raw: the latest version, signed.
        hashes: hashes of all versions.
        seen: whether one of them was in the chain when it was last looked for.
        obstacle: what keeps it from being mined, in words; empty if nothing is known.
    """

    order: Request
    gas_limit: int
    nonce: int
    fees: Fees
    raw: bytes = b""
    hashes: list[bytes] = field(default_factory=list)
    seen: bool = False
    obstacle: str = ""

    def sign(self, chain_id: int, fees: Fees) -> None:
        """Sign a new version, with these fees."""
        order = self.order
        fields = {
            "type": 2,
            "chainId": chain_id,
            "to": order.to,
            "data": order.data,
            "value": order.value_wei,
            "gas": self.gas_limit,
            "nonce": self.nonce,
            "maxFeePerGas": fees.max_wei,
            "maxPriorityFeePerGas": fees.tip_wei,
        }
        self.raw, version = order.wallet.sign_transaction(fields)
        self.fees = fees
        self.hashes.append(version)

    def __str__(self) -> str:
        latest, *others = (f"0x{version.hex()}" for version in reversed(self.hashes))
        before = f", before that {', '.join(others)}" if others else ""
        return f"transaction {latest} (nonce {self.nonce} of {self.order.wallet.address_hex}{before})"
