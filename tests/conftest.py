"""Real nodes: Anvil and Ganache as processes of their own, on free ports, gone when their test is over."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

_MODULES = Path(__file__).parents[1] / "contracts" / "node_modules"
_ANVIL = _MODULES / "@foundry-rs" / "anvil-linux-amd64" / "bin" / "anvil"
_GANACHE = _MODULES / "ganache" / "dist" / "node" / "cli.js"
_START_S = 30


class NodeProcess:
    """A node that really runs. `kill` ends it at once, `start` begins it again on the same port."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        give_up_at = time.monotonic() + _START_S
        while True:
            try:
                self.rpc("eth_chainId")
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > give_up_at:
                    self.kill()
                    raise
                time.sleep(0.02)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it; SIGTERM lets Anvil write its state first."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, how)
            self._process.wait(_START_S)
            self._process = None

    def rpc(self, method: str, *params: object) -> Any:
        """Ask the node directly, past the code under test."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=_START_S) as response:
            answer = json.load(response)
        assert "error" not in answer, answer["error"]
        return answer["result"]


def until(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """Wait for something to become true."""
    give_up_at = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < give_up_at, "it never happened"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def free_url() -> str:
    """Where nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture
def anvil() -> Iterator[Callable[..., NodeProcess]]:
    """Starts Anvil with further options; mines a block for each transaction unless told otherwise."""
    binary = str(_ANVIL) if _ANVIL.exists() else shutil.which("anvil")
    if binary is None:
        pytest.skip("anvil is not installed: npm ci in contracts/, or put it on the PATH")
    with _running() as start:
        yield lambda *options, hardfork="osaka": start([binary, "--silent", "--hardfork", hardfork, *options])


@pytest.fixture
def ganache() -> Iterator[Callable[..., NodeProcess]]:
    """Starts Ganache with further options."""
    node = shutil.which("node")
    if node is None or not _GANACHE.exists():
        pytest.skip("ganache is not installed: npm ci in contracts/")
    with _running() as start:
        yield lambda *options: start([node, str(_GANACHE), "--chain.chainId", "31337", "--quiet", *options])


@contextmanager
def _running() -> Iterator[Callable[[list[str]], NodeProcess]]:
    """Starts nodes on free ports; whatever happens, they are gone at the end."""
    running: list[NodeProcess] = []

    def start(command: list[str]) -> NodeProcess:
        port = free_port()
        running.append(NodeProcess([*command, "--port", str(port)], port))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.kill()


class Proxy:
    """Stands between the code and a real node and can spoil the connection.

    `rule` sees each request's method and parameters and a function that passes it on and returns the node's answer. It
    returns what the client gets: bytes as the body, a number as an HTTP status, both, or None for a dropped connection.
    """

    def __init__(self, target: str) -> None:
        self.rule: Callable[[str, list[Any], Callable[[], bytes]], bytes | int | tuple[int, bytes] | None]
        self.rule = lambda _method, _params, ask: ask()
        self.calls: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = json.loads(body)

                def ask() -> bytes:
                    onward = urllib.request.Request(target, body, {"Content-Type": "application/json"})
                    with urllib.request.urlopen(onward, timeout=_START_S) as response:
                        content: bytes = response.read()
                        return content

                proxy.calls.append(request["method"])
                answer = proxy.rule(request["method"], request["params"], ask)
                if answer is None:
                    self.close_connection = True
                    return
                if isinstance(answer, int):
                    answer = answer, b"{}"
                status, content = (200, answer) if isinstance(answer, bytes) else answer
                with suppress(BrokenPipeError):  # the client did not wait for it
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def proxy() -> Iterator[Callable[[str], Proxy]]:
    """Starts a proxy in front of a node's URL."""
    running: list[Proxy] = []

    def start(target: str) -> Proxy:
        running.append(Proxy(target))
        return running[-1]

    yield start
    for each in running:
        each.close()
