"""The ledger on a real node: many accounts, stuck transactions, reorganizations, dropped connections, refusals."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from chain_nodes import QUICK, RICH, Process, anvil_command, wait_for

from idml.ledger.embedded import EmbeddedLedger
from idml.ledger.errors import GasMoneyError, LedgerError, NodeError, Reverted, WrongChainError
from idml.ledger.node import Node
from idml.ledger.rpc import Deployment, RpcLedger
from idml.ledger.sender import Patience
from idml.ledger.wallet import Wallet
from idml.protocol.task import TOKEN_WEI, preset_task

COIN_WEI = 10**18
pytestmark = pytest.mark.slow


def funded(ledger: RpcLedger, count: int) -> list[Wallet]:
    wallets = [Wallet.from_seed(7, index) for index in range(count)]
    for wallet in wallets:
        ledger.pay(RICH, wallet.address, COIN_WEI)
    return wallets


def test_it_is_the_same_contract_as_the_embedded_one(ledger: RpcLedger) -> None:
    embedded = EmbeddedLedger()
    embedded.fund(RICH.address, 10 * COIN_WEI)
    for chain in (ledger, embedded):
        results = [
            chain.create_task(RICH, preset_task("safe")),
            chain.buy(RICH, COIN_WEI),
            chain.deposit(RICH, 1_000 * TOKEN_WEI),
            chain.stake(RICH, 200 * TOKEN_WEI),
        ]
        if chain is ledger:
            there = results
    assert [result.gas_used for result in there] == [result.gas_used for result in results]
    assert [[event.name for event in r.events] for r in there] == [[event.name for event in r.events] for r in results]
    assert ledger.account(RICH.address) == embedded.account(RICH.address)
    assert ledger.seat_count() == 1


def test_a_refusal_is_decoded_and_costs_nothing(ledger: RpcLedger) -> None:
    before = ledger.balance_wei(RICH.address)
    with pytest.raises(Reverted, match=r"InsufficientBalance\(account=0x.*available=0, needed=5\)") as refusal:
        ledger.stake(RICH, 5)
    assert refusal.value.arguments == {"account": RICH.address, "available": 0, "needed": 5}
    assert ledger.balance_wei(RICH.address) == before
    with pytest.raises(LedgerError, match="unknown task"):
        ledger.task(bytes(32))


def test_many_accounts_and_threads_at_once(ledger: RpcLedger) -> None:
    wallets = funded(ledger, 4)

    def join(wallet: Wallet) -> None:
        ledger.buy(wallet, COIN_WEI // 100)
        ledger.deposit(wallet, 50 * TOKEN_WEI)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(join, wallets))
        list(pool.map(lambda _: ledger.withdraw(wallets[0], TOKEN_WEI), range(12)))  # one account, many threads
    assert ledger.account(wallets[0].address).balance == 38 * TOKEN_WEI
    assert [ledger.account(wallet.address).balance for wallet in wallets[1:]] == [50 * TOKEN_WEI] * 3


def test_a_send_that_fails_leaves_no_gap_in_the_nonces(ledger: RpcLedger) -> None:
    (poor,) = funded(ledger, 1)
    with pytest.raises(GasMoneyError, match=f"{poor.address_hex} has 10*0 wei of native currency and needs"):
        ledger.buy(poor, COIN_WEI)
    assert ledger.buy(poor, COIN_WEI // 2).gas_used > 21_000


def test_a_stuck_transaction_is_replaced(anvil: Process, ledger: RpcLedger) -> None:
    node = ledger.node
    node.request("evm_setAutomine", False)
    done: list[int] = []
    worker = threading.Thread(target=lambda: done.append(ledger.buy(RICH, COIN_WEI).gas_used))
    worker.start()
    # Blocks that ask more than it first offered; only a replacement can get in.
    wait_for(lambda: node.request("txpool_status")["pending"] == "0x1")
    first = _pending_fee(node)
    wait_for(lambda: _pending_fee(node) >= first * 11 // 10)
    node.request("evm_mine")
    worker.join(10)
    assert done
    node.request("evm_setAutomine", True)
    assert ledger.token_supply_wei() == 10_000 * COIN_WEI  # bought once


def _pending_fee(node: Node) -> int:
    pending = node.request("txpool_content")["pending"]
    return max((int(tx["maxFeePerGas"], 16) for txs in pending.values() for tx in txs.values()), default=0)


def test_a_transaction_that_a_reorganization_drops_is_sent_again(anvil: Process, ledger: RpcLedger) -> None:
    node = ledger.node
    careful = RpcLedger(node, ledger.deployment, replace(QUICK, confirmations=3))
    start, done = ledger.block_number, []
    worker = threading.Thread(target=lambda: done.append(careful.buy(RICH, COIN_WEI)))
    worker.start()
    wait_for(lambda: ledger.block_number == start + 1)
    node.request("anvil_rollback", 1)
    wait_for(lambda: ledger.block_number >= start + 1)
    for _ in range(4):
        node.request("evm_mine")
    worker.join(10)
    assert [result.events[-1].name for result in done] == ["Bought"]
    assert ledger.token_supply_wei() == 10_000 * COIN_WEI


def test_a_dropped_connection_is_survived(start: Callable[[list[str]], Process], tmp_path: Path) -> None:
    process = start(anvil_command("--state", str(tmp_path / "state.json"), "--state-interval", "1"))
    ledger = RpcLedger(process.url, RpcLedger.deploy(process.url, RICH, patience=QUICK), QUICK)
    ledger.buy(RICH, COIN_WEI)
    wait_for(lambda: (tmp_path / "state.json").is_file())
    import time

    time.sleep(2.5)  # the state is written once a second
    process.kill()
    threading.Timer(0.5, process.start).start()
    assert ledger.token_supply_wei() == 10_000 * COIN_WEI


def test_a_node_that_stays_away_is_named() -> None:
    node = Node("http://127.0.0.1:9", retries=1)
    with pytest.raises(NodeError, match=r"no answer from http://127.0.0.1:9: is a node running there\?"):
        node.ask(lambda web3: web3.eth.block_number)
    with pytest.raises(NodeError, match="no URL of a node"):
        Node("127.0.0.1:8545")


def test_no_block_takes_it(anvil: Process, ledger: RpcLedger) -> None:
    ledger.node.request("evm_setAutomine", False)
    hasty = RpcLedger(ledger.node, ledger.deployment, Patience(poll_s=0.01, stuck_s=0.1, give_up_s=1, fee_cap_wei=1))
    with pytest.raises(NodeError, match="refuses"):
        hasty.buy(RICH, 1)  # a fee cap below what the node asks
    hasty = RpcLedger(ledger.node, ledger.deployment, Patience(poll_s=0.01, stuck_s=0.2, give_up_s=1))
    with pytest.raises(NodeError, match=r"no block took transaction 0x.* within 1 s"):
        hasty.buy(RICH, 1)


def test_the_wrong_chain_and_no_contract(start: Callable[[list[str]], Process], ledger: RpcLedger) -> None:
    other = start(anvil_command("--chain-id", "5"))
    with pytest.raises(WrongChainError, match="is on chain 5, the contract on chain 31337: use its node"):
        RpcLedger(other.url, ledger.deployment)
    empty = start(anvil_command())
    with pytest.raises(WrongChainError, match=r"no IDML at 0x.* on chain 31337"):
        RpcLedger(empty.url, ledger.deployment)


def test_numbers_that_the_contract_refuses(anvil: Process) -> None:
    with pytest.raises(Reverted, match="InvalidUnbondingDelay"):
        RpcLedger.deploy(anvil.url, RICH, unbonding_delay_s=1, patience=QUICK)


def test_a_record_of_a_deployment(tmp_path: Path) -> None:
    deployment = Deployment(31_337, b"c" * 20, b"t" * 20, 7, 123)
    path = tmp_path / "deployment.json"
    deployment.save(path)
    assert Deployment.load(path) == deployment
    with pytest.raises(LedgerError, match=r"cannot read .*: deploy with idml chain deploy"):
        Deployment.load(tmp_path / "none.json")
    for text in ("{}", "[]", "no json", '{"chain_id": 1, "contract": "0x12", "token": "0x12", "block": 1}'):
        path.write_text(text)
        with pytest.raises(LedgerError, match="is no record of a deployment"):
            Deployment.load(path)
    with pytest.raises(LedgerError, match="cannot write"):
        deployment.save(tmp_path / "no" / "where.json")


def test_no_key_is_shown(ledger: RpcLedger) -> None:
    secret = "ac0974be"
    assert secret not in repr(RICH) + str(RICH)
    with pytest.raises(Reverted) as refusal:
        ledger.stake(RICH, 5)
    assert secret not in str(refusal.value)
