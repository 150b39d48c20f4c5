"""A ledger whose time and money are at hand: what a simulation needs."""

from abc import abstractmethod

from idml.ledger.interface import Ledger


class ControlledLedger(Ledger):
    """A ledger on which each transaction has a block of its own and time passes only when told.

    It takes one transaction at a time.
    """

    @abstractmethod
    def warp(self, timestamp_s: int) -> None:
        """Let time pass: the next block is at this time, in seconds. It stands still otherwise.

        Raises:
            LedgerError: if that moment is past.
        """

    @abstractmethod
    def mine(self, blocks: int) -> None:
        """Add empty blocks."""

    @abstractmethod
    def fund(self, address: bytes, amount_wei: int) -> None:
        """Give a wallet native currency out of nothing, in wei."""

    def close(self) -> None:
        """Let go of what is held outside this process, if anything is."""
