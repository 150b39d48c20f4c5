"""A reader of a ledger's events, as each should be: it can go back to any cursor it has seen."""

from collections.abc import Iterable

from idml.ledger.events import Cursor, EventSync, Update
from idml.ledger.interface import Ledger
from idml.ledger.mirror import AccountsMirror
from idml.protocol.events import Event


class Reader:
    """Takes updates, and holds each to what it promises.

    Attributes:
        events: that it holds to be part of the chain.
        cursors: where it stood; to each of them it can return.
        rollbacks: to where it was sent back.
    """

    def __init__(self, ledger: Ledger, cursors: Iterable[Cursor] = ()) -> None:
        self.ledger = ledger
        self.events: list[Event] = []
        self.cursors = list(cursors)
        self.rollbacks: list[Cursor] = []

    def take(self, update: Update) -> None:
        cursor = update.cursor
        if update.rolled_back:
            assert not update.events
            self.rollbacks.append(cursor)
            self.events = [event for event in self.events if event.block <= cursor.block]
            self.cursors = [*(known for known in self.cursors if known.block < cursor.block), cursor]
        else:
            before = self.cursors[-1].block if self.cursors else 0
            assert all(before < event.block <= cursor.block for event in update.events)
            self.events += update.events
            self.cursors.append(cursor)

    def follow(self, sync: EventSync) -> "Reader":
        for update in sync.poll():
            self.take(update)
        return self

    def mirror(self) -> AccountsMirror:
        mirror = AccountsMirror(self.ledger.domain, self.ledger.unbonding_delay_s())
        mirror.apply(self.events)
        return mirror

    def check(self, *people: bytes) -> None:
        """The events tell the state of the chain."""
        mirror = self.mirror()
        for who in people:
            assert mirror.account(who) == self.ledger.account(who)
