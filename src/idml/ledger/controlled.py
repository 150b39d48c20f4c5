"""The kind of ledger that a simulation needs: one that lets it set the time and make money."""

from abc import abstractmethod

from idml.ledger.interface import Ledger


class ControlledLedger(Ledger):
    """A ledger on which each transaction has a block of its own, and time passes only when told.

    It takes one transaction at a time, so only one thread may use it.
    """

    @abstractmethod
    def warp(self, timestamp_s: int) -> None:
        """Set the time of the next block, in seconds. Without this, time stands still.

        Raises:
            LedgerError: for a time in the past.
        """

    @abstractmethod
    def mine(self, blocks: int) -> None:
        """Add empty blocks."""

    @abstractmethod
    def fund(self, address: bytes, amount_wei: int) -> None:
        """Give a wallet native currency out of nothing, in wei."""

    def close(self) -> None:
        """Release what is held outside this process, such as connections."""
