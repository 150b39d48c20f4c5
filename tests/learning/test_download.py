"""Downloads from a real HTTP server: the whole, right file appears, or nothing and one clear line."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from idml.learning.data import cifar10, fashion_mnist
from idml.learning.data.datasets import find_dataset, load_dataset
from idml.learning.data.download import fetch
from idml.learning.errors import DataError

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; some addresses misbehave."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/silent":
            self.server.closing.wait(60)
            return
        if self.path == "/no-http":
            self.wfile.write(b"nonsense\r\n\r\n")
            return
        file = self.server.files.get(self.path.removesuffix("?short").removesuffix("?chunked"))
        if file is None:
            self.send_error(404)
            return
        content = file if isinstance(file, bytes) else file.read_bytes()
        self.send_response(200)
        if self.path.endswith("?chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % len(content) + content[:1000])
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path.endswith("?short") else content)

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    files: dict[str, bytes | Path]
    asked: list[str]
    closing: threading.Event

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked, running.closing = {"/file": CONTENT}, [], threading.Event()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


def failure(url: str, target: Path, *, md5: str = MD5, timeout_s: float = 20.0) -> str:
    with pytest.raises(DataError) as error:
        fetch(url, target, md5=md5, timeout_s=timeout_s)
    message = str(error.value)
    assert "\n" not in message
    assert url in message
    assert str(target) in message
    # Nothing is left behind, neither a file nor a part of one.
    assert list(target.parent.iterdir()) == []
    return message


def test_a_file_arrives_whole_and_makes_its_folder(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file"
    fetch(f"{server.url}/file", target, md5=MD5)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_what_goes_wrong_on_the_way_is_named(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "data" / "file"
    assert f"broke off after {len(CONTENT) // 2:,} of {len(CONTENT):,} bytes" in failure(
        f"{server.url}/file?short", target
    )
    assert "broke off after" in failure(f"{server.url}/file?chunked", target)
    wrong = "0" * 32
    message = failure(f"{server.url}/file", target, md5=wrong)
    assert MD5 in message
    assert wrong in message
    assert "404" in failure(f"{server.url}/elsewhere", target)
    assert "timed out" in failure(f"{server.url}/silent", target, timeout_s=0.1)
    assert "cannot download" in failure(f"{server.url}/no-http", target)


def test_a_refused_connection_is_named(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "refused" in failure(f"http://127.0.0.1:{unused.getsockname()[1]}/file", tmp_path / "data" / "file")


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(DataError, match=f"cannot write to {tmp_path / 'taken' / 'folder'} .*XDG_CACHE_HOME"):
        fetch(f"{server.url}/file", tmp_path / "taken" / "folder" / "file", md5=MD5)
    assert server.asked == []


@pytest.mark.slow
def test_fashion_mnist_is_downloaded_once_and_a_broken_download_goes_on(
    server: Server, fashion_mnist_data: Path, user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "ADDRESS", server.url)
    files = sorted((fashion_mnist_data / "fashion-mnist").glob("*.gz"))
    server.files |= {f"/{path.name}": path for path in files}
    last = server.files.pop("/t10k-labels-idx1-ubyte.gz")
    with pytest.raises(DataError, match="404"):
        load_dataset("fashion-mnist")
    assert not find_dataset("fashion-mnist")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        load_dataset("fashion-mnist", download=False)
    server.files["/t10k-labels-idx1-ubyte.gz"] = last
    assert load_dataset("fashion-mnist").classes == 10
    assert sorted(server.asked) == sorted([f"/{path.name}" for path in files] + ["/t10k-labels-idx1-ubyte.gz"])
    assert find_dataset("fashion-mnist")
    assert load_dataset("fashion-mnist", download=False).classes == 10
    assert sorted(path.name for path in (user_cache / "fashion-mnist").iterdir()) == [path.name for path in files]


def test_another_file_in_the_place_of_cifar10_is_refused(
    server: Server, user_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "ADDRESS", server.url)
    server.files["/cifar-10-python.tar.gz"] = CONTENT
    with pytest.raises(DataError, match=f"MD5 {MD5}, expected c58f30108f718f92721af3b95e74349a"):
        load_dataset("cifar10")
    assert list((user_cache / "cifar10").iterdir()) == []
