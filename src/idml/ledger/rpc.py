"""The contract on any chain behind a JSON-RPC node."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxParams

from idml.ledger.abi import decode_error
from idml.ledger.errors import LedgerError, WrongChainError
from idml.ledger.evm import Receipt, contract_address
from idml.ledger.interface import Ledger, idml_abi, token_abi
from idml.ledger.node import Node, revert_data
from idml.ledger.sender import Patience, Sender, _data_of
from idml.ledger.wallet import Wallet


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts are.

    Args:
        chain_id: EIP-155 chain id.
        contract, token: addresses of IDML and IDMLToken, 20 bytes.
        block: in which IDML was created; its events begin here.
        gas: that it cost to create both; 0 if that is not known.
    """

    chain_id: int
    contract: bytes
    token: bytes
    block: int
    gas: int = 0

    def save(self, path: Path) -> None:
        """Write a JSON file, whole or not at all."""
        text = json.dumps({key: _plain(value) for key, value in asdict(self).items()}, indent=2) + "\n"
        part = path.with_name(path.name + ".part")
        try:
            part.write_text(text, encoding="utf-8")
            os.replace(part, path)
        except OSError as error:
            raise LedgerError(f"cannot write {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read what `save` wrote.

        Raises:
            LedgerError: if there is no such file, or it holds something else.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            contract, token = (bytes.fromhex(values[name][2:]) for name in ("contract", "token"))
            deployment = cls(int(values["chain_id"]), contract, token, int(values["block"]), int(values.get("gas", 0)))
        except OSError as error:
            raise LedgerError(f"cannot read {path}: {error.strerror}: deploy with idml chain deploy") from error
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"{path} is no record of a deployment: write it with idml chain deploy") from error
        if {len(contract), len(token)} != {20}:
            raise LedgerError(f"{path} is no record of a deployment: an address has 20 bytes")
        return deployment


class RpcLedger(Ledger):
    """iDML's contract behind a node; any number of accounts and threads may use one.

    Args:
        node: the node, or its URL.
        deployment: where the contracts are.
        patience: how transactions are waited for.
        sender: sends them, if it is not to be made here.

    Raises:
        WrongChainError: if the node is on another chain or there is no contract.
        NodeError: if the node cannot be reached.
    """

    def __init__(
        self,
        node: Node | str,
        deployment: Deployment,
        patience: Patience | None = None,
        *,
        sender: Sender | None = None,
    ) -> None:
        self.node = Node(node) if isinstance(node, str) else node
        self.deployment = deployment
        chain_id = self.node.ask(lambda web3: web3.eth.chain_id)
        if chain_id != deployment.chain_id:
            raise WrongChainError(
                f"{self.node.url} is on chain {chain_id}, the contract on chain {deployment.chain_id}: use its node"
            )
        for name, address in (("IDML", deployment.contract), ("IDMLToken", deployment.token)):
            checksummed = Web3.to_checksum_address(address)
            if not self.node.ask(lambda web3, at=checksummed: web3.eth.get_code(at)):  # type: ignore[misc]
                raise WrongChainError(f"no {name} at {checksummed} on chain {chain_id}: deploy it or mend the record")
        self._sender = sender or Sender(self.node, chain_id, patience or Patience())

    @classmethod
    def deploy(
        cls,
        node: Node | str,
        wallet: Wallet,
        *,
        rate: int = 10_000,
        stake_threshold_wei: int = 100 * 10**18,
        unbonding_delay_s: int = 7 * 24 * 3600,
        patience: Patience | None = None,
        sender: Sender | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> Deployment:
        """Create both contracts.

        Args:
            wallet: pays for it; gets no rights from it.
            rate: tokens per unit of native currency.
            stake_threshold_wei: the stake that neighbors and validators need, in base units of the token.
            unbonding_delay_s: time between leaving the stake and being free; more than six days.
            before: called before each transaction.

        Raises:
            Reverted: if a contract refuses these numbers.
            GasMoneyError, NodeError: if a transaction cannot be sent.
        """
        node = Node(node) if isinstance(node, str) else node
        chain_id = node.ask(lambda web3: web3.eth.chain_id)
        sender = sender or Sender(node, chain_id, patience or Patience())
        who = Web3.to_checksum_address(wallet.address)

        def create(code: bytes) -> tuple[bytes, Receipt]:
            before()
            nonce = node.ask(lambda web3: web3.eth.get_transaction_count(who, "pending"))
            receipt = sender.send(wallet, None, code, 0)
            if not receipt.success:
                raise decode_error(receipt.output, idml_abi(), token_abi())
            return contract_address(wallet.address, nonce), receipt

        token, first = create(token_abi().creation(rate))
        contract, second = create(idml_abi().creation(token, stake_threshold_wei, unbonding_delay_s))
        return Deployment(chain_id, contract, token, second.block_number, first.gas_used + second.gas_used)

    @property
    def contract_address(self) -> bytes:
        return self.deployment.contract

    @property
    def token_address(self) -> bytes:
        return self.deployment.token

    @property
    def chain_id(self) -> int:
        return self.deployment.chain_id

    @property
    def now_s(self) -> int:
        return self.node.ask(lambda web3: int(web3.eth.get_block("latest")["timestamp"]))

    @property
    def block_number(self) -> int:
        """The last block."""
        return int(self.node.ask(lambda web3: web3.eth.block_number))

    def balance_wei(self, address: bytes) -> int:
        """A wallet's native currency, in wei."""
        who = Web3.to_checksum_address(address)
        return int(self.node.ask(lambda web3: web3.eth.get_balance(who)))

    def pay(self, sender: Wallet, to: bytes, amount_wei: int) -> Receipt:
        """Send native currency.

        Raises:
            LedgerError: if the receiver refuses it.
        """
        receipt = self._sender.send(sender, to, b"", amount_wei)
        if not receipt.success:
            raise LedgerError(f"{Web3.to_checksum_address(to)} refuses native currency")
        return receipt

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        return self._sender.send(sender, to, data, value_wei)

    def _call(self, to: bytes, data: bytes) -> bytes:
        call: TxParams = {"to": Web3.to_checksum_address(to), "data": cast(Any, Web3.to_hex(data))}

        def question(web3: Web3) -> bytes:
            try:
                return bytes(web3.eth.call(call))
            except ContractLogicError as error:
                raise decode_error(_data_of(error), idml_abi(), token_abi()) from error
            except Web3RPCError as error:
                reverted = revert_data(error)
                if reverted is None:
                    raise
                raise decode_error(reverted, idml_abi(), token_abi()) from error

        return self.node.ask(question)


def _plain(value: int | bytes) -> int | str:
    return Web3.to_checksum_address(value) if isinstance(value, bytes) else value
