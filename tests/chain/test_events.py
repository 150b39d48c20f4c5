"""Reading events: resume where it stopped, small ranges, and a chain that changes its mind."""

import pytest
from chain_nodes import RICH

from idml.ledger.events import EventFeed
from idml.ledger.mirror import AccountsMirror
from idml.ledger.rpc import RpcLedger

pytestmark = pytest.mark.slow


def names(feed: EventFeed) -> list[str]:
    return [event.name for event in feed.poll().events]


def test_a_feed_goes_on_where_it_stopped(ledger: RpcLedger) -> None:
    ledger.buy(RICH, 10**18)
    ledger.deposit(RICH, 1000)
    feed = EventFeed(ledger)
    assert names(feed) == ["Deposited"]
    assert names(feed) == []
    ledger.withdraw(RICH, 10)
    later = EventFeed(ledger, feed.cursor, blocks_at_once=1)
    news = later.poll()
    assert ([event.name for event in news.events], news.undone_from) == (["Withdrawn"], None)
    mirror = AccountsMirror(ledger.domain, ledger.unbonding_delay_s())
    mirror.apply(EventFeed(ledger).poll().events)
    assert mirror.account(RICH.address) == ledger.account(RICH.address)


def test_small_ranges_and_confirmations_tell_the_same(ledger: RpcLedger) -> None:
    ledger.buy(RICH, 10**18)
    for amount in (1000, 2000, 3000):
        ledger.deposit(RICH, amount)
    assert names(EventFeed(ledger, blocks_at_once=1)) == names(EventFeed(ledger)) == ["Deposited"] * 3
    assert names(EventFeed(ledger, confirmations=1)) == ["Deposited"] * 2


def test_a_reorganization_is_told(ledger: RpcLedger) -> None:
    ledger.buy(RICH, 10**18)
    ledger.deposit(RICH, 1000)
    feed = EventFeed(ledger, blocks_at_once=1)
    assert names(feed) == ["Deposited"]
    block = ledger.block_number
    ledger.deposit(RICH, 5)
    assert names(feed) == ["Deposited"]
    ledger.node.request("anvil_rollback", 1)
    ledger.withdraw(RICH, 7)
    news = feed.poll()
    assert news.undone_from == block + 1
    assert [event.name for event in news.events] == ["Withdrawn"]


def test_a_chain_that_lost_everything_is_read_anew(ledger: RpcLedger) -> None:
    ledger.buy(RICH, 10**18)
    ledger.deposit(RICH, 1000)
    feed = EventFeed(ledger)
    feed.poll()
    ledger.node.request("anvil_rollback", 1)
    news = feed.poll()
    assert news.undone_from == ledger.deployment.block
    assert news.events == ()
