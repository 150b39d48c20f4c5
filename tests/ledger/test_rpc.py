"""The ledger on a real node: the same contract, the same results, and clear words where something is wrong."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.fees import GWEI, FeePolicy
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import RpcLedger, deploy, pay
from idml.ledger.chain.sender import Sending
from idml.ledger.deployment import Deployment
from idml.ledger.embedded.evm import GAS_CAP
from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.errors import (
    ExecutionReverted,
    GasMoneyError,
    LedgerError,
    NoContractError,
    NodeRefusedError,
    NodeUnreachableError,
    Reverted,
    WrongChainError,
)
from idml.ledger.interface import Ledger, TxResult
from idml.ledger.wallet import Wallet
from idml.protocol.task import TOKEN_WEI

from ..conftest import until

RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))  # Anvil's account 0
POOR = Wallet.from_seed(4, 4)
QUICK = Sending(poll_s=0.05)
UNKNOWN = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32601,"message":"Method not found"}}'


@pytest.fixture
def ledger(anvil: Callable[..., Any]) -> RpcLedger:
    node = Node(anvil().url)
    return RpcLedger(node, deploy(node, RICH, sending=QUICK), QUICK)


def test_a_real_node_does_what_the_embedded_evm_does(ledger: RpcLedger) -> None:
    """Same events, and the same gas with the same hard fork."""

    def play(chain: Ledger) -> list[TxResult]:
        return [
            chain.buy(RICH, TOKEN_WEI),
            chain.deposit(RICH, 500 * TOKEN_WEI),
            chain.stake(RICH, 300 * TOKEN_WEI),
            chain.set_target(RICH, 5),
            chain.deposit_with_permit(RICH, 10, 1 << 40),
            chain.withdraw(RICH, 7),
            chain.redeem(RICH, 10_000),
        ]

    embedded = EmbeddedLedger(chain_id=31_337)
    embedded.fund(RICH.address, 100 * TOKEN_WEI)
    gas = ledger.deployment.gas
    assert gas == embedded.deployment_gas
    for real, expected in zip(play(ledger), play(embedded), strict=True):
        assert (real.step, real.gas_used) == (expected.step, expected.gas_used)
        assert [type(event) for event in real.events] == [type(event) for event in expected.events]
    assert ledger.account(RICH.address) == embedded.account(RICH.address)
    assert ledger.token_supply_wei() == embedded.token_supply_wei()
    assert (ledger.chain_id, ledger.rate()) == (31_337, 10_000)
    assert ledger.stake_threshold_wei() == embedded.stake_threshold_wei()
    assert ledger.block_number == ledger.deployment.block + 9
    assert ledger.now_s == ledger.node.head().timestamp_s


def test_money_can_be_sent(ledger: RpcLedger) -> None:
    assert pay(ledger.node, RICH, POOR.address, 5).gas_used == 21_000
    assert ledger.balance_wei(POOR.address) == 5
    ledger.close()


@pytest.mark.parametrize(("gas_limit", "traces"), [(None, True), (300_000, True), (300_000, False)])
def test_refusals_carry_the_contracts_error(
    anvil: Callable[..., Any], proxy: Callable[..., Any], gas_limit: int | None, traces: bool
) -> None:
    """Noticed before it is sent, or, with a fixed gas limit, found in its trace or by simulating it in its block."""
    between = proxy(anvil().url)
    between.rule = lambda method, _params, ask: ask() if traces or method != "debug_traceTransaction" else UNKNOWN
    node = Node(between.url)
    ledger = RpcLedger(node, deploy(node, RICH), replace(QUICK, gas_limit=gas_limit))
    before = ledger.block_number
    with pytest.raises(Reverted, match="InsufficientBalance") as caught:
        ledger.withdraw(RICH, 5)
    assert caught.value.arguments == {"account": RICH.address, "available": 0, "needed": 5}
    assert ledger.block_number - before == (gas_limit is not None)
    with pytest.raises(Reverted, match="ZeroRate"):
        deploy(node, RICH, rate=0, sending=Sending(gas_limit=gas_limit and 2_000_000))
    assert ledger.stake_threshold_wei() > 0, "the nonces go on"
    ledger.buy(RICH, 5)


@pytest.mark.parametrize("traces", [True, False])
def test_what_only_gas_broke_has_no_reason(anvil: Callable[..., Any], proxy: Callable[..., Any], traces: bool) -> None:
    """A transaction that ran out of gas succeeds when it is simulated with more."""
    between = proxy(anvil().url)
    between.rule = lambda method, _params, ask: ask() if traces or method != "debug_traceTransaction" else UNKNOWN
    node = Node(between.url)
    stingy = RpcLedger(node, deploy(node, RICH, sending=QUICK), replace(QUICK, gas_limit=30_000))
    with pytest.raises(Reverted, match=r"Unknown\(data=0x\)"):
        stingy.buy(RICH, TOKEN_WEI)


def test_a_reason_that_nobody_tells_is_no_error(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    """That the transaction reverted is known."""
    between = proxy(anvil().url)
    node = Node(between.url, patience_s=0.2)
    ledger = RpcLedger(node, deploy(node, RICH, sending=QUICK), replace(QUICK, gas_limit=300_000))
    between.rule = lambda method, _params, ask: (
        UNKNOWN if method == "debug_traceTransaction" else b"<html>" if method == "eth_call" else ask()
    )
    with pytest.raises(Reverted, match=r"Unknown\(data=0x\)"):
        ledger.withdraw(RICH, 5)


def test_a_reason_that_a_later_transaction_covers_up_is_traced(anvil: Callable[..., Any]) -> None:
    """In one block: the last tokens are withdrawn, withdrawn again, and deposited anew."""
    process = anvil()
    node = Node(process.url)
    deployment = deploy(node, RICH, sending=QUICK)
    ledger = RpcLedger(node, deployment, replace(QUICK, gas_limit=300_000))
    ledger.buy(RICH, TOKEN_WEI)
    ledger.deposit(RICH, 5)
    process.rpc("evm_setAutomine", False)
    steps = (ledger.withdraw, ledger.withdraw, ledger.deposit)
    with ThreadPoolExecutor(3) as threads:
        sent = []
        for count, step in enumerate(steps, start=1):
            sent.append(threads.submit(step, RICH, 5))
            until(partial(lambda number: int(process.rpc("txpool_status")["pending"], 16) == number, count))
        process.rpc("evm_mine")
    assert sent[0].result().block == sent[2].result().block
    with pytest.raises(Reverted, match="InsufficientBalance") as caught:
        sent[1].result()
    assert caught.value.arguments == {"account": RICH.address, "available": 0, "needed": 5}


def test_a_failing_question_says_why(ledger: RpcLedger) -> None:
    with pytest.raises(ExecutionReverted) as caught:
        ledger._call(ledger.contract_address, b"\x01\x02\x03\x04")
    assert caught.value.data == b"", "no function has this selector"
    with pytest.raises(NodeRefusedError, match="eth_call"):
        ledger._call(bytes(19), b"")


@pytest.mark.parametrize("gas_limit", [None, GAS_CAP])
@pytest.mark.parametrize("value_wei", [3, 7])
def test_too_little_gas_money_names_account_and_amounts(
    anvil: Callable[..., Any], gas_limit: int | None, value_wei: int
) -> None:
    process = anvil()
    node = Node(process.url)
    ledger = RpcLedger(node, deploy(node, RICH), replace(QUICK, gas_limit=gas_limit))
    process.rpc("anvil_setBalance", POOR.address_hex, hex(5))
    with pytest.raises(GasMoneyError, match=POOR.address_hex) as caught:
        ledger.buy(POOR, value_wei)
    assert caught.value.has_wei == 5
    assert caught.value.needs_wei > 5
    assert "has 0.000000000000000005 of the chain's native currency and needs " in str(caught.value)


def test_another_refusal_is_told_in_the_nodes_words(ledger: RpcLedger) -> None:
    stingy = RpcLedger(ledger.node, ledger.deployment, replace(QUICK, gas_limit=100))
    with pytest.raises(NodeRefusedError, match="intrinsic gas too low"):
        stingy.set_target(RICH, 5)
    broken = Sending(fees=FeePolicy(cap_wei=1, tip_wei=0))
    with pytest.raises(NodeRefusedError, match="max fee per gas less than block base fee"):
        RpcLedger(ledger.node, ledger.deployment, broken).set_target(RICH, 5)
    ledger.set_target(RICH, 5)


def test_estimates_that_a_node_refuses_for_its_own_reasons(
    anvil: Callable[..., Any], proxy: Callable[..., Any]
) -> None:
    between = proxy(anvil().url)
    down = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"upstream is down"}}'
    between.rule = lambda method, _params, ask: down if method == "eth_estimateGas" else ask()
    with pytest.raises(NodeRefusedError, match=r"upstream is down \(code -32000\); nothing was sent$"):
        pay(Node(between.url), RICH, POOR.address, 5, QUICK)


def test_wrong_chains_and_missing_contracts_are_noticed_when_connecting(
    ledger: RpcLedger, anvil: Callable[..., Any], tmp_path: Path
) -> None:
    record = tmp_path / "deployment.json"
    ledger.deployment.save(record)
    assert RpcLedger.connect(ledger.node.name, record).deployment == ledger.deployment
    with pytest.raises(WrongChainError, match="serves chain 5, the contracts are on chain 31337"):
        RpcLedger.connect(anvil("--chain-id", "5").url, record)
    with pytest.raises(NoContractError, match=r"no IDMLToken at 0x[0-9a-fA-F]{40} on chain 31337: wrong deployment"):
        RpcLedger.connect(anvil().url, ledger.deployment)
    other = deploy(ledger.node, RICH)
    with pytest.raises(NoContractError, match="uses another token"):
        RpcLedger(ledger.node, replace(other, token=ledger.deployment.token))
    with pytest.raises(NoContractError, match="no IDML at"):
        RpcLedger(ledger.node, replace(other, contract=bytes(20)))


@pytest.mark.parametrize("keep", [True, False])
def test_chains_that_lack_what_fees_need(anvil: Callable[..., Any], proxy: Callable[..., Any], keep: bool) -> None:
    """A node without a hint for the tip gets a default; one without a base fee is refused."""
    between = proxy(anvil(hardfork="osaka" if keep else "berlin").url)
    between.rule = lambda method, _params, ask: UNKNOWN if method == "eth_maxPriorityFeePerGas" else ask()
    node = Node(between.url)
    if keep:
        fees = FeePolicy().suggest(node)
        assert fees.tip_wei == GWEI < fees.max_wei
    else:
        with pytest.raises(LedgerError, match="has no base fee"):
            FeePolicy().suggest(node)


def test_a_block_that_a_node_lost_is_said(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    between = proxy(anvil().url)
    lost = b'{"jsonrpc":"2.0","id":0,"result":null}'
    between.rule = lambda method, _params, ask: lost if method == "eth_getBlockByHash" else ask()
    with pytest.raises(LedgerError, match=r"a receipt but not its block 0x.*: is it in sync\?; transaction 0x.* may"):
        deploy(Node(between.url), RICH, sending=replace(QUICK, give_up_after_s=0.5))


def test_deployment_records(tmp_path: Path) -> None:
    record = Deployment(5, b"\x01" * 20, b"\x02" * 20, 7, {"IDML": 9})
    path = tmp_path / "chain.json"
    record.save(path)
    assert Deployment.load(path) == record
    for write in (record.save, Deployment.check_place):
        with pytest.raises(LedgerError, match=r"chain.json exists: a record says where money is"):
            write(path)
    moved = replace(record, block=8)
    Deployment.check_place(path, overwrite=True)
    assert Deployment.load(path) == record, "it was only looked at"
    moved.save(path, overwrite=True)
    assert Deployment.load(path) == moved
    with pytest.raises(LedgerError, match="No such file"):
        record.save(tmp_path / "nowhere" / "chain.json")
    with pytest.raises(LedgerError, match="write it with idml chain deploy"):
        Deployment.load(tmp_path / "missing.json")
    for text in ("nonsense", "[]", '{"chain_id": 5}', path.read_text().replace("01" * 20, "01"), "5"):
        path.write_text(text)
        with pytest.raises(LedgerError, match=r"is no deployment record|not valid JSON"):
            Deployment.load(path)


def test_where_a_record_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "chain.json"
    Deployment.check_place(deep)
    assert list(deep.parent.iterdir()) == [], "the folder is made, and nothing else"
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "else")
    for place in ("file/chain.json", "file/deeper/chain.json", "x" * 300, "dangling"):
        with pytest.raises(LedgerError, match="cannot be written"):
            Deployment.check_place(tmp_path / place)
    with pytest.raises(LedgerError, match="Is a directory"):
        Deployment.check_place(tmp_path / "a", overwrite=True)


def test_a_deployment_that_cannot_succeed_costs_nothing(anvil: Callable[..., Any]) -> None:
    """Neither with numbers that only the second contract refuses, nor with money for the first one alone."""
    node = Node(anvil().url)
    had_wei = node.balance_wei(RICH.address)
    with pytest.raises(Reverted, match="InvalidUnbondingDelay"):
        deploy(node, RICH, unbonding_delay_s=3 * 86_400, sending=QUICK)
    assert node.balance_wei(RICH.address) == had_wei
    fee_wei = FeePolicy().suggest(node).max_wei
    pay(node, RICH, POOR.address, 5_000_000 * fee_wei, QUICK)
    had_wei = node.balance_wei(POOR.address)
    with pytest.raises(GasMoneyError, match="needs up to"):
        deploy(node, POOR, sending=QUICK)
    assert node.balance_wei(POOR.address) == had_wei


def test_a_deployment_that_breaks_off_says_what_is_there(anvil: Callable[..., Any], proxy: Callable[..., Any]) -> None:
    process = anvil()
    between = proxy(process.url)

    def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes | int:
        return 503 if between.calls.count("eth_sendRawTransaction") > 1 else ask()

    between.rule = rule
    token = r"transaction 0x\w+ \(nonce 1 of .*\) may have been sent: .*; before it, IDMLToken was deployed at (0x\w+)$"
    with pytest.raises(NodeUnreachableError, match=token) as caught:
        deploy(Node(between.url, patience_s=0.2), RICH, sending=QUICK)
    address = str(caught.value).rpartition(" ")[2]
    assert len(process.rpc("eth_getCode", address, "latest")) > 2
