"""The ledger on any chain whose nodes speak Ethereum's JSON-RPC. It needs the extra `chain`."""

from collections.abc import Sequence
from pathlib import Path

from idml.ledger.abi import Abi, decode_error
from idml.ledger.chain.answers import to_hex
from idml.ledger.chain.node import Node, revert_data
from idml.ledger.chain.receipts import Request, estimate_gas, read_logs
from idml.ledger.chain.sender import Sender, Sending, before_sending
from idml.ledger.deployment import Deployment
from idml.ledger.embedded.evm import Block, Receipt
from idml.ledger.errors import (
    ExecutionReverted,
    GasMoneyError,
    LedgerError,
    NoContractError,
    NodeRefusedError,
    WrongChainError,
)
from idml.ledger.interface import Ledger, idml_abi, token_abi
from idml.ledger.wallet import Wallet, checksum_address
from idml.protocol.events import Event


class RpcLedger(Ledger):
    """Both contracts on a real chain. Any number of threads may send, from the same account or from different ones.

    A transaction that would revert raises `Reverted` before it is sent. If it reverts in its block nevertheless, it
    also raises `Reverted`, with the reason that simulating it there gives.

    Args:
        node: a node of the chain.
        deployment: where the contracts are.
        sending: how to send transactions.

    Raises:
        WrongChainError, NoContractError: if the node's chain is not the one of the deployment.
        NodeUnreachableError: if the node does not answer.
    """

    def __init__(self, node: Node, deployment: Deployment, sending: Sending | None = None) -> None:
        self.node = node
        self.deployment = deployment
        _check(node, deployment)
        self._sender = Sender(node, deployment.chain_id, sending or Sending())
        linked = self._ask(idml_abi(), "token")
        if linked != deployment.token:
            raise NoContractError(
                f"the contract at {checksum_address(deployment.contract)} uses another token than the deployment says"
            )

    @classmethod
    def connect(cls, url: str, deployment: Deployment | Path, sending: Sending | None = None) -> "RpcLedger":
        """Open a ledger.

        Args:
            url: the node's URL.
            deployment: where the contracts are, or the file that says so.
            sending: how to send transactions.
        """
        record = Deployment.load(deployment) if isinstance(deployment, Path) else deployment
        return cls(Node(url), record, sending)

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
        return self.node.head().timestamp_s

    @property
    def block_number(self) -> int:
        return self.node.block_number()

    @property
    def first_block(self) -> int:
        return self.deployment.block

    def block(self, number: int) -> Block | None:
        return self.node.block(number)

    def events(self, first: int, last: int) -> list[tuple[Block, tuple[Event, ...]]] | None:
        found = []
        for block_hash, logs in read_logs(self.node, first, last, (self.token_address, self.contract_address)):
            block = self.node.block(block_hash)
            if block is None:
                return None
            found.append((block, self._read(logs, block.number, block.timestamp_s)))
        return found

    def balance_wei(self, address: bytes) -> int:
        """A wallet's native currency, in wei."""
        return self.node.balance_wei(address)

    def close(self) -> None:
        """Close the connections."""
        self.node.close()

    def _send(self, sender: Wallet, to: bytes, data: bytes, value_wei: int) -> Receipt:
        return self._sender.send(Request(sender, to, data, value_wei))

    def _call(self, to: bytes, data: bytes) -> bytes:
        try:
            return self.node.call({"to": to_hex(to), "data": to_hex(data)})
        except NodeRefusedError as error:
            if (reason := revert_data(error)) is None:
                raise
            raise ExecutionReverted(reason) from error


def pay(node: Node, sender: Wallet, to: bytes, value_wei: int, sending: Sending | None = None) -> Receipt:
    """Send native currency. This needs none of the contracts.

    Args:
        node: a node of the chain.
        sender: key of the account that pays.
        to: address of the account that gets it, 20 bytes.
        value_wei: how much, in wei.
        sending: how to send the transaction.

    Raises:
        Reverted: if there is a contract at the address, and it accepts none.
        LedgerError: if the transaction does not get through; see `Sender.send`.
    """
    with before_sending():
        chain_id = node.chain_id()
    receipt = Sender(node, chain_id, sending or Sending()).send(Request(sender, to, b"", value_wei))
    if not receipt.success:
        raise decode_error(receipt.output)
    return receipt


def deploy(
    node: Node,
    deployer: Wallet,
    *,
    rate: int = 10_000,
    stake_threshold_wei: int = 100 * 10**18,
    unbonding_delay_s: int = 7 * 24 * 3600,
    sending: Sending | None = None,
) -> Deployment:
    """Deploy both contracts on a chain.

    Args:
        node: a node of the chain.
        deployer: key of the account that pays. It has no power over the contracts afterwards.
        rate: tokens for one unit of native currency.
        stake_threshold_wei: the stake that neighbors and validators need, in base units of the token.
        unbonding_delay_s: time between leaving the stake and being free, in seconds; more than six days.
        sending: how to send transactions.

    Raises:
        Reverted: if the contracts refuse these numbers.
        GasMoneyError: if the deployer cannot pay for both contracts.
        LedgerError: if a transaction does not get through; see `Sender.send`.
    """
    sending = sending or Sending()
    with before_sending():
        chain_id = node.chain_id()
    sender = Sender(node, chain_id, sending)

    def order(contract: Abi, *arguments: object) -> Request:
        return Request(deployer, None, contract.creation(*arguments))

    def create(contract: Abi, *arguments: object) -> Receipt:
        receipt = sender.send(order(contract, *arguments))
        if not receipt.success:
            raise decode_error(receipt.output, contract)
        return receipt

    if sending.gas_limit is None:
        # Whether both would get through, before the first is paid. For this, any address does as the token's.
        likely = order(idml_abi(), deployer.address, stake_threshold_wei, unbonding_delay_s)
        with before_sending():
            _rehearse(node, (order(token_abi(), rate), likely), sending.fees.suggest(node).max_wei)
    token = create(token_abi(), rate)
    try:
        contract = create(idml_abi(), token.output, stake_threshold_wei, unbonding_delay_s)
    except LedgerError as error:
        error.add(f"before it, IDMLToken was deployed at {checksum_address(token.output)}")
        raise
    gas = {"IDMLToken": token.gas_used, "IDML": contract.gas_used}
    return Deployment(chain_id, contract.output, token.output, token.block_number, gas)


def _rehearse(node: Node, orders: Sequence[Request], fee_wei: int) -> None:
    """Raise what would keep one of an account's transactions from getting through, with so many wei for a gas."""
    gas = 0
    for order in orders:
        try:
            gas += estimate_gas(node, order)
        except ExecutionReverted as error:
            raise decode_error(error.data, token_abi(), idml_abi()) from None
    wallet = orders[0].wallet
    has_wei = node.balance_wei(wallet.address)
    if has_wei < gas * fee_wei:
        raise GasMoneyError(wallet.address_hex, has_wei, gas * fee_wei)


def _check(node: Node, deployment: Deployment) -> None:
    chain_id = node.chain_id()
    if chain_id != deployment.chain_id:
        raise WrongChainError(
            f"{node.name} serves chain {chain_id}, the contracts are on chain {deployment.chain_id}: "
            "give the URL of that chain, or another deployment record"
        )
    for name, address in (("IDMLToken", deployment.token), ("IDML", deployment.contract)):
        if not node.code(address):
            raise NoContractError(
                f"no {name} at {checksum_address(address)} on chain {chain_id}: "
                "wrong deployment record, or a chain begun anew"
            )
