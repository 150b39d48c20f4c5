"""Real nodes on free ports, surely stopped."""

from collections.abc import Callable, Iterator

import pytest
from chain_nodes import QUICK, RICH, Process, anvil_command

from idml.ledger.rpc import RpcLedger


@pytest.fixture
def start() -> Iterator[Callable[[list[str]], Process]]:
    """Starts a node from its command."""
    processes: list[Process] = []

    def run(command: list[str]) -> Process:
        process = Process(command)
        processes.append(process)
        process.start()
        return process

    yield run
    for process in processes:
        process.kill()


@pytest.fixture
def anvil(start: Callable[[list[str]], Process]) -> Process:
    """A fresh Anvil that mines each transaction at once."""
    return start(anvil_command())


@pytest.fixture
def ledger(anvil: Process) -> RpcLedger:
    """The contracts, deployed on a fresh Anvil."""
    return RpcLedger(anvil.url, RpcLedger.deploy(anvil.url, RICH, patience=QUICK), QUICK)
