"""Node processes, their commands, and waiting for them."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from idml.ledger.errors import NodeError
from idml.ledger.evm import START_S
from idml.ledger.sender import Patience
from idml.ledger.wallet import Wallet

MODULES = Path(__file__).parents[2] / "contracts" / "node_modules"
ANVIL = MODULES / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
GANACHE = MODULES / "ganache" / "dist" / "node" / "cli.js"
RICH = Wallet(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
"""The first of the accounts that Anvil always starts with."""


class Process:
    """A node process.

    Args:
        command: starts it; `{port}` is filled in.
    """

    def __init__(self, command: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.command = [part.format(port=self.port) for part in command]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        for _ in range(300):
            try:
                requests.post(
                    self.url, json={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}, timeout=1
                )
                return
            except requests.RequestException:
                assert self._process.poll() is None, "the node stopped at once"
                time.sleep(0.05)
        raise AssertionError("the node does not answer")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def anvil_command(*options: str) -> list[str]:
    if not ANVIL.is_file():
        pytest.skip("anvil is not installed: npm ci in contracts/, on Linux x86-64")
    return [str(ANVIL), "--port", "{port}", "--silent", "--hardfork", "osaka", *options]


def ganache_command() -> list[str]:
    if not GANACHE.is_file():
        pytest.skip("ganache is not installed: npm ci in contracts/")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START_S - 10))
    options = ["--chain.chainId", "31337", "--chain.time", moment, "--logging.quiet"]
    return ["node", str(GANACHE), "--server.port", "{port}", *options]


QUICK = Patience(poll_s=0.01, stuck_s=1.0, give_up_s=20.0)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Until something is so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if condition():
                return
        except NodeError:
            pass
        time.sleep(0.02)
    raise AssertionError("it never came")
