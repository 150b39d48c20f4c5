"""Which nonce comes next, for many accounts and many threads: none is lost, none is used twice."""

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

    A nonce is given out under the account's lock and counts as used only if the node took its transaction, so a send
    that fails leaves no gap. Between transactions the node's count is believed, whoever else sends from the account.

    Args:
        count: asks the node for an account's next nonce, what waits in its pool included.
    """

    def __init__(self, count: Callable[[bytes], int]) -> None:
        self._count = count
        self._accounts: defaultdict[bytes, _Account] = defaultdict(_Account)
        self._lock = Lock()

    @contextmanager
    def take(self, address: bytes) -> Iterator[int]:
        """Hold an account and give its next nonce: used and attended unless the context ends with an exception."""
        account = self._account(address)
        with account.lock:
            nonce = self._count(address)
            if account.attended:  # a pool may have forgotten, or not heard yet, what is under way
                nonce = max(nonce, account.following)
            yield nonce
            account.following = nonce + 1
            account.attended.add(nonce)

    def release(self, address: bytes, nonce: int) -> None:
        """Nobody looks after this nonce any more: its transaction is mined, or given up."""
        account = self._account(address)
        with account.lock:
            account.attended.discard(nonce)

    def attended(self, address: bytes, nonce: int) -> bool:
        """Whether somebody looks after a transaction with this nonce."""
        return nonce in self._account(address).attended

    def _account(self, address: bytes) -> _Account:
        with self._lock:
            return self._accounts[address]
