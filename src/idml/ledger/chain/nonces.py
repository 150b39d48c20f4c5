"""Gives out the nonces of many accounts to many threads, so that none is lost and none is used twice."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class _Account:
    lock: Lock = field(default_factory=Lock)
    following: int = 0
    attended: set[int] = field(default_factory=set)


class Nonces:
    """The nonces of all accounts that a process sends from.

    A nonce is given out under the account's lock. It counts as used only if the node accepted its transaction, so a
    transaction that could not be sent leaves no gap. If no transaction is under way, the node's count is believed, so
    others may send from the account too.

    Args:
        count: asks the node for the next nonce of an account, after all that waits in the node's pool.
        taken: asks the node whether a transaction waits with a nonce, beyond a gap.
    """

    def __init__(self, count: Callable[[bytes], int], taken: Callable[[bytes, int], bool]) -> None:
        self._count = count
        self._taken = taken
        self._accounts: defaultdict[bytes, _Account] = defaultdict(_Account)
        self._lock = Lock()

    @contextmanager
    def take(self, address: bytes, floor: int = 0) -> Iterator[int]:
        """Lock an account and give out its next nonce, for a `with` block.

        If the block ends without an exception, the nonce is used, and somebody is expected to look after its
        transaction until `release`.

        Args:
            address: the account.
            floor: all nonces below it are known to be used.
        """
        account = self._account(address)
        with account.lock:
            nonce = max(self._count(address), floor)
            if account.attended:  # the node's pool may not know all that is under way, or may have forgotten it
                nonce = max(nonce, account.following)
            while self._taken(address, nonce):
                nonce += 1
            yield nonce
            account.following = nonce + 1
            account.attended.add(nonce)

    def release(self, address: bytes, nonce: int) -> None:
        """Take note that nobody looks after this nonce any more: its transaction is mined or given up."""
        account = self._account(address)
        with account.lock:
            account.attended.discard(nonce)

    def attended(self, address: bytes, nonce: int) -> bool:
        """Whether somebody still looks after a transaction with this nonce."""
        return nonce in self._account(address).attended

    def _account(self, address: bytes) -> _Account:
        with self._lock:
            return self._accounts[address]
