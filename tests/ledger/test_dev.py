"""A simulation's ledger on a development node: time and money under control, refusals as on the embedded EVM."""

from collections.abc import Callable
from typing import Any

import pytest

from idml.ledger.chain.dev import DevLedger
from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.events import EventSync
from idml.ledger.interface import Ledger
from idml.ledger.wallet import Wallet
from idml.protocol.task import TOKEN_WEI

from .reader import Reader

POOR = Wallet.from_seed(4, 4)


def test_a_simulations_ledger_needs_a_node_whose_time_can_be_moved(
    anvil: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    between = proxy(anvil().url)
    gone = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}'
    between.rule = lambda method, _params, ask: gone if method.startswith("evm_") else ask()
    with pytest.raises(LedgerError, match=r"\(anvil/v[0-9.]+\) does not let time be moved: .* anvil or ganache"):
        DevLedger(between.url)


def test_a_simulations_ledger_moves_time_and_makes_money(
    anvil: Callable[..., Any], ganache: Callable[..., Any]
) -> None:
    for process in (anvil("--timestamp", "1700000000"), ganache("--chain.time", "2023-11-14T22:13:20Z")):
        ledger = DevLedger(process.url)
        assert ledger.contract_address == EmbeddedLedger().contract_address
        start_s = ledger.now_s
        ledger.fund(POOR.address, TOKEN_WEI)
        ledger.fund(POOR.address, TOKEN_WEI)
        assert ledger.balance_wei(POOR.address) == 2 * TOKEN_WEI
        first, second = ledger.set_target(POOR, 1), ledger.set_target(POOR, 2)
        assert (first.timestamp_s, second.timestamp_s) == (start_s, start_s)
        assert second.block == first.block + 1
        ledger.warp(start_s + 1_000)
        assert ledger.set_target(POOR, 3).timestamp_s == start_s + 1_000
        before = ledger.block_number
        with pytest.raises(Reverted, match="InsufficientBalance"):
            ledger.withdraw(POOR, 5)
        assert ledger.block_number == before + 1, "as on the embedded EVM, a refused transaction is mined"
        ledger.mine(3)
        assert (ledger.block_number, ledger.now_s) == (before + 4, start_s + 1_000)
        with pytest.raises(LedgerError, match=f"cannot warp to {start_s}: it is {start_s + 1_000} already"):
            ledger.warp(start_s)
        ledger.close()
        assert isinstance(ledger, Ledger)


def test_a_development_node_tells_a_reader_what_an_embedded_ledger_tells(anvil: Callable[..., Any]) -> None:
    """But for the hashes of blocks, which are each chain's own."""
    told = []
    for ledger in (EmbeddedLedger(keep_blocks=True), DevLedger(anvil("--timestamp", "1699999990").url)):
        ledger.fund(POOR.address, TOKEN_WEI)
        ledger.buy(POOR, 7)
        ledger.warp(ledger.now_s + 1)
        ledger.deposit(POOR, 70_000)
        ledger.warp(ledger.now_s + 1)
        with pytest.raises(Reverted, match="InsufficientBalance"):
            ledger.withdraw(POOR, 70_001)
        ledger.warp(ledger.now_s + 1)
        ledger.mine(2)
        ledger.warp(ledger.now_s + 1)
        ledger.set_target(POOR, 1)
        reader = Reader(ledger).follow(EventSync(ledger, blocks_at_once=3))
        blocks = [ledger.block(number) for number in range(ledger.block_number - 6, ledger.block_number + 2)]
        times = [block and block.timestamp_s for block in blocks]
        told.append((ledger.first_block, reader.events, [cursor.block for cursor in reader.cursors], times))
        reader.check(POOR.address)
    assert told[0] == told[1]


def test_a_node_that_keeps_its_own_time_is_noticed(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    between = proxy(anvil().url)
    done = b'{"jsonrpc":"2.0","id":0,"result":null}'
    ledger = DevLedger(between.url)
    between.rule = lambda method, _params, ask: done if method == "evm_setNextBlockTimestamp" else ask()
    ledger.fund(POOR.address, TOKEN_WEI)
    ledger.warp(ledger.now_s + 1_000)
    with pytest.raises(LedgerError, match=r"instead of .*: let it mine a block for each transaction"):
        ledger.set_target(POOR, 1)
