"""What `idml chain` asks and does, on a real node."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from idml.ledger.chain.describe import describe, equip
from idml.ledger.chain.node import Node
from idml.ledger.chain.rpc import RpcLedger, deploy, pay
from idml.ledger.chain.sender import Sending
from idml.ledger.errors import Reverted
from idml.ledger.wallet import Wallet
from idml.protocol.task import TOKEN_WEI

RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))  # Anvil's account 0


def test_accounts_are_equipped_and_described(anvil: Callable[..., Any]) -> None:
    node = Node(anvil().url)
    made = deploy(node, RICH, rate=3)
    ledger = RpcLedger(node, made, Sending(poll_s=0.05))
    sent = list(equip(ledger, RICH, tokens_wei=300 * TOKEN_WEI + 1, stake_wei=200 * TOKEN_WEI))
    assert [result.step for result in sent] == ["buy", "deposit", "stake"]
    assert [result.step for result in equip(ledger, RICH, stake_wei=TOKEN_WEI)] == ["stake"]
    assert list(equip(ledger, RICH)) == []
    stranger = bytes(19) + b"\x07"
    facts = json.loads(json.dumps(describe(ledger, [RICH.address, stranger])))
    assert facts["client"].startswith("anvil/")
    assert (facts["rate"], facts["seats"], facts["seats_active"]) == (3, 1, 1)
    assert facts["in_contract_wei"] == 300 * TOKEN_WEI + 1
    assert facts["supply_wei"] - facts["in_contract_wei"] == facts["accounts"][0]["wallet_wei"] == 2, "rounded up"
    assert facts["accounts"][0]["account"]["stake"] == 201 * TOKEN_WEI
    assert facts["accounts"][1]["native_wei"] == 0
    assert facts["accounts"][1]["address"] == "0x" + "0" * 39 + "7"


def test_contracts_that_take_no_money_say_so(anvil: Callable[..., Any]) -> None:
    node = Node(anvil().url)
    ledger = RpcLedger(node, deploy(node, RICH), Sending(poll_s=0.05))
    with pytest.raises(Reverted):
        pay(node, RICH, ledger.contract_address, 5)
