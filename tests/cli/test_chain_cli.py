"""`idml chain` as a user meets it, on a real node: what it prints, its exit codes, what it keeps secret."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.chain.keystore import Keystore
from idml.ledger.chain.node import Node
from idml.ledger.wallet import Wallet

from .command import idml

RICH_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # Anvil's account 0
RICH = Wallet(bytes.fromhex(RICH_KEY))
OTHER = Wallet.from_seed(12, 0)
CHEAP = 2  # scrypt's cost: these keys guard nothing


class Shell:
    """A folder in which commands are given. None of them may ever show the private key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {
            "IDML_KEYSTORE": str(folder / "keys"),
            "IDML_PASSWORD": "secret",
            "IDML_JOURNAL": str(folder / "journal"),
        }
        keystore = Keystore(folder / "keys")
        for wallet in (RICH, OTHER):
            keystore.add(wallet, "secret", work_factor=CHEAP)

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("IDML_")}
        variables = {**environment, **self.variables}
        done = idml("chain", *arguments, cwd=self.folder, variables=variables, stdin=stdin)
        assert RICH_KEY not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def ok(self, *arguments: str, stdin: str = "") -> str:
        done = self(*arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def fails(self, *arguments: str, code: int = 1, stdin: str = "") -> str:
        done = self(*arguments, stdin=stdin)
        assert done.returncode == code, done
        assert done.stdout == ""
        return done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.slow
def test_from_nothing_to_a_staked_account(shell: Shell, anvil: Callable[..., Any]) -> None:
    shell.variables["IDML_RPC"] = anvil().url
    printed = shell.ok("deploy", "--from", RICH.address_hex, "--stake-threshold", "0.5").splitlines()
    record = json.loads((shell.folder / "deployment.json").read_text())
    assert printed[0] == f"chain 31337 at {shell.variables['IDML_RPC']}, block 1"
    assert printed[1].split() == ["IDMLToken", record["token"], f"{record['gas']['IDMLToken']:,}", "gas"]
    assert printed[2].split() == ["IDML", record["contract"], f"{record['gas']['IDML']:,}", "gas"]
    assert shell.fails("deploy", "--from", RICH.address_hex).startswith("idml: deployment.json exists")
    below = shell.fails("deploy", "--from", RICH.address_hex, "--out", "deployment.json/x.json")
    assert below.startswith("idml: deployment.json/x.json cannot be written: ")

    who = OTHER.address_hex
    poor = shell.fails("fund", who, "--tokens", "300")
    words = "has 0 of the chain's native currency and needs 0.03 and gas; nothing was sent"
    assert poor == f"idml: too little gas money: {who} {words}\n"
    told = shell.ok("fund", who, "--from", RICH.address_hex, "--send", "0.5", "--tokens", "300", "--stake", "200.25")
    assert [line.split()[1] for line in told.splitlines()[:-1]] == ["sent", "buy", "deposit", "stake"]
    info = shell.ok("info", who)
    assert "stake threshold  0.5 tokens\n" in info
    assert "supply           300 tokens, 300 of them in accounts\n" in info
    assert "balance          99.75 tokens\nstake            200.25 tokens, 0 of them locked; seat 0\n" in info
    facts = json.loads(shell.ok("info", who, "--json"))
    assert facts["accounts"][0]["account"]["stake"] == 200_250_000_000_000_000_000
    assert facts["seats_active"] == 1
    assert json.loads(shell.ok("fund", who, "--stake", "1", "--json"))["accounts"][0]["address"] == who
    refused = shell.fails("fund", who, "--stake", "2000")
    assert refused.startswith("idml: reverted: InsufficientBalance(account=0x")
    made = json.loads(shell.ok("deploy", "--from", RICH.address_hex, "--out", "new/other.json", "--json"))
    assert made == json.loads((shell.folder / "new" / "other.json").read_text())
    again = json.loads(shell.ok("deploy", "--from", RICH.address_hex, "--overwrite", "--json"))
    assert again == json.loads((shell.folder / "deployment.json").read_text()) != record


@pytest.mark.slow
def test_money_comes_out_again(shell: Shell, anvil: Callable[..., Any]) -> None:
    node = anvil()
    shell.variables["IDML_RPC"] = node.url
    who = OTHER.address_hex
    gift = json.loads(shell.ok("fund", who, "--from", RICH.address_hex, "--send", "1", "--json"))
    assert gift["accounts"] == [{"address": who, "native_wei": 10**18}], "this needs no deployment"
    assert [(entry["step"], entry["gas"]) for entry in gift["done"]] == [("send", 21_000)]
    shell.ok("deploy", "--from", RICH.address_hex)
    shell.ok("fund", who, "--tokens", "300", "--stake", "200")

    told = shell.ok("unstake", who, "--tokens", "150.5").splitlines()
    assert len(told) == 3
    assert "150.5 tokens are unbonding until 20" in told[0]
    assert told[0].endswith(" UTC, seat 0 is given up")
    assert told[1].startswith(f"{who}  left: 49.5 staked, 150.5 unbonding, 100 in the balance, 0 in the wallet; 0.96")
    assert told[2].endswith(" gas in all")
    until = told[0].partition("until ")[2].partition(",")[0]
    anew = shell.fails("unstake", who, "--all")
    assert anew.startswith(f"idml: {who}: 150.5 tokens are unbonding until {until}, and unstaking more makes them wait")
    assert f"unbonding        150.5 tokens, until {until}\n" in shell.ok("info", who)
    waits = f"150.5 unbonding: idml chain withdraw from {until} on; 49.5 staked: idml chain unstake\n"
    assert shell.fails("unstake", who, "--finish").endswith(waits)
    assert shell.fails("withdraw", who, "--tokens", "200") == f"idml: {who} can withdraw 100 tokens, not 200: {waits}"

    out = json.loads(shell.ok("withdraw", who, "--tokens", "25.000000000000000001", "--json"))
    assert out["accounts"][0]["wallet_wei"] == 25 * 10**18 + 1
    assert [entry["step"] for entry in out["done"]] == ["withdraw"]
    assert out["gas"] == out["done"][0]["gas"] > 21_000
    assert "redeem 25, or any other multiple" in shell.fails("redeem", who, "--tokens", "25.000000000000000001")
    node.rpc("evm_increaseTime", 7 * 24 * 3600)
    node.rpc("evm_mine")
    assert "150.5 tokens have left the stake\n" in shell.ok("unstake", who, "--finish")
    assert "49.5 tokens are unbonding until" in shell.ok("unstake", who, "--all")
    nothing = shell.fails("unstake", who, "--all")
    assert nothing.startswith(
        f"idml: {who} has nothing to unstake: 25.000000000000000001 in the wallet: idml chain red"
    )
    node.rpc("evm_increaseTime", 7 * 24 * 3600)
    node.rpc("evm_mine")
    told = shell.ok("withdraw", who, "--all").splitlines()
    assert [line.split()[1] for line in told[:-1]] == ["complete_unstake", "withdraw", "left:"]
    native = node.rpc("eth_getBalance", who, "latest")
    told = shell.ok("redeem", who, "--all").splitlines()
    assert told[0].endswith(": 300 tokens became 0.03 of the native currency")
    assert 0.0299 < (int(node.rpc("eth_getBalance", who, "latest"), 16) - int(native, 16)) / 10**18 < 0.03
    for command in ("unstake", "withdraw", "redeem"):
        assert shell.fails(command, who, "--all") == f"idml: {who} has nothing to {command}\n"


@pytest.mark.slow
def test_money_comes_out_of_ganache_too(shell: Shell, ganache: Callable[..., Any]) -> None:
    node = ganache("--wallet.accounts", f"0x{RICH_KEY},{10**20}")
    shell.variables["IDML_RPC"] = node.url
    who = RICH.address_hex
    shell.ok("deploy", "--from", who)
    shell.ok("fund", who, "--tokens", "300", "--stake", "200")
    shell.ok("unstake", who, "--all")
    assert "200 unbonding: idml chain withdraw from" in shell.fails("withdraw", who, "--tokens", "300")
    node.rpc("evm_increaseTime", 7 * 24 * 3600)
    node.rpc("evm_mine")
    shell.ok("withdraw", who, "--tokens", "300")
    assert "300 tokens became 0.03 of the native currency" in shell.ok("redeem", who, "--tokens", "300")


@pytest.mark.slow
def test_what_was_done_before_a_failure_is_told(shell: Shell, anvil: Callable[..., Any]) -> None:
    """Of two accounts the second cannot; a wrong password stops before anything."""
    shell.variables["IDML_RPC"] = anvil().url
    first, second = RICH.address_hex, OTHER.address_hex
    shell.ok("deploy", "--from", first)
    shell.ok("fund", first, "--tokens", "300")
    for extra in ((), ("--json",)):
        done = shell("withdraw", first, second, "--tokens", "1", *extra)
        assert (done.returncode, done.stderr) == (1, f"idml: {second} has nothing to withdraw\n")
        if extra:
            told = json.loads(done.stdout)
            assert [entry["address"] for entry in told["done"]] == [first]
            assert told["gas"] == told["done"][0]["gas"]
            assert "accounts" not in told
        else:
            assert done.stdout.startswith(f"{first}  withdraw in block")
    shell.variables["IDML_PASSWORD"] = "wrong"
    assert "wrong password" in shell.fails("withdraw", first, "--all")
    assert "no key of 0x" in shell.fails("withdraw", "0x" + "11" * 20, "--all")
    assert "that is no address" in shell.fails("withdraw", "x" * 300, "--all")


class Losing:
    """A connection that breaks for good after the node took a number of transactions, until it is mended."""

    def __init__(self, between: Any) -> None:
        self._between = between

    def after(self, transactions: int) -> None:
        def rule(method: str, _params: list[Any], ask: Callable[[], bytes]) -> bytes:
            nonlocal transactions
            answer = ask()
            transactions -= method == "eth_sendRawTransaction"
            if method == "eth_sendRawTransaction" and not transactions:
                self._between.rule = lambda _method, _params, _ask: b"<html>limit reached</html>"
            return answer

        self._between.rule = rule

    def mend(self) -> None:
        self._between.rule = lambda _method, _params, ask: ask()


@pytest.mark.slow
def test_what_may_have_been_sent_is_not_sent_again_unasked(
    shell: Shell, anvil: Callable[..., Any], proxy: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment goes through, and its answers are lost: the command says so, and so does the next."""
    process = anvil()
    between = proxy(process.url)
    shell.variables["IDML_RPC"] = between.url
    monkeypatch.setattr(Node.__init__, "__kwdefaults__", {"timeout_s": 30.0, "patience_s": 1.0})
    losing = Losing(between)
    pay = ("fund", OTHER.address_hex, "--from", RICH.address_hex, "--send", "1")

    losing.after(1)
    told = shell.fails(*pay)
    (transaction,) = re.findall(
        r"; transaction (0x[0-9a-f]{64}) \(nonce 0 of 0xf39F\w+\) may have been sent: the same command says", told
    )
    assert process.rpc("eth_getTransactionReceipt", transaction)["status"] == "0x1"
    losing.mend()
    for _ in range(2):
        assert f"(transaction {transaction}, nonce 0 of {RICH.address_hex}) is in the chain" in shell.fails(*pay)
    assert "sent 1 in block 2" in shell.ok(*pay, "--again")
    assert "sent 1 in block 3" in shell.ok(*pay)
    assert int(process.rpc("eth_getBalance", OTHER.address_hex, "latest"), 16) == 3 * 10**18

    shell.ok("deploy", "--from", RICH.address_hex)
    stake = ("fund", RICH.address_hex, OTHER.address_hex, "--tokens", "300", "--stake", "200")
    for sent in (1, 2, 3, 4, 5):  # the first time, depositing takes a transaction that allows it
        losing.after(sent)
        done = shell(*stake)
        steps = [line.split()[1] for line in done.stdout.splitlines()]
        assert steps == (2 * ["buy", "deposit", "stake"])[: len(steps)]
        assert "may have been sent: the same command says what became of it" in done.stderr
        losing.mend()
        height = process.rpc("eth_blockNumber")
        for _ in range(2):
            assert "; to send another, add --again; nothing was sent\n" in shell.fails(*stake)
        assert process.rpc("eth_blockNumber") == height, "no part of it is done twice"
        for file in (shell.folder / "journal").glob("*.json"):
            file.unlink()
    shell.ok(*stake)


@pytest.mark.slow
def test_without_a_place_to_write_orders_down_nothing_is_sent(shell: Shell, anvil: Callable[..., Any]) -> None:
    process = anvil()
    shell.variables["IDML_RPC"] = process.url
    (shell.folder / "file").touch()
    for extra in ((), ("--journal", "file/deeper")):
        shell.variables["IDML_JOURNAL"] = "file" if not extra else "journal"
        for command in (("deploy",), ("fund", OTHER.address_hex, "--send", "1")):
            told = shell.fails(*command, "--from", RICH.address_hex, *extra)
            assert "cannot be used: " in told
            assert told.endswith("name another folder by --journal or $IDML_JOURNAL; nothing was sent\n")
    assert int(process.rpc("eth_blockNumber"), 16) == 0


@pytest.mark.slow
def test_dead_nodes_and_missing_records_are_one_line(shell: Shell, free_url: str, anvil: Callable[..., Any]) -> None:
    shell.variables["IDML_RPC"] = free_url
    dead = f"idml: no answer from {free_url}: no connection; check the URL and that the node runs\n"
    assert shell.fails("deploy", "--from", RICH.address_hex) == dead
    missing = "idml: deployment.json: No such file or directory; write it with idml chain deploy\n"
    assert shell.fails("info") == missing
    shell.variables["IDML_RPC"] = anvil().url
    shell.ok("deploy", "--from", RICH.address_hex)
    shell.variables["IDML_RPC"] = free_url
    assert shell.fails("info") == dead
    shell.variables["IDML_RPC"] = anvil("--chain-id", "5").url
    assert "serves chain 5, the contracts are on chain 31337" in shell.fails("info")


@pytest.mark.slow
def test_keys_come_from_standard_input_or_a_file_and_go_into_private_files(shell: Shell) -> None:
    made = json.loads(shell.ok("accounts", "create", "--json"))
    key = Path(made["file"])
    assert key.stat().st_mode & 0o777 == 0o600
    assert json.loads(key.read_text())["version"] == 3
    third, fourth = Wallet.from_seed(12, 3), Wallet.from_seed(12, 4)
    printed = shell.ok("accounts", "import", stdin="0x" + third._key.secret.hex() + "\n")
    assert printed.startswith(third.address_hex + "\nkey: ")
    (shell.folder / "password").write_text("other\n")
    (shell.folder / "key").write_text(fourth._key.secret.hex())
    shell.ok("accounts", "import", "key", "--password-file", "password")
    store = Keystore(shell.folder / "keys")
    assert store.open(third.address_hex, "secret").address == third.address
    assert store.open(fourth.address_hex, "other").address == fourth.address
    listed = json.loads(shell.ok("accounts", "list", "--json"))
    assert {known["address"] for known in listed} >= {made["address"], third.address_hex, fourth.address_hex}
    assert third.address_hex in shell.ok("accounts", "list")
    assert "is in the keystore already" in shell.fails("accounts", "import", stdin=RICH_KEY)


@pytest.mark.slow
def test_mistakes_are_one_line(shell: Shell) -> None:
    assert shell.fails("accounts", "import", stdin="zz").startswith("idml: that is no private key")
    assert shell.fails("accounts", "import", "nowhere") == "idml: nowhere: No such file or directory\n"
    assert "seen by others" in shell.fails("accounts", "import", RICH_KEY)
    assert "that is no address" in shell.fails("info", RICH_KEY)
    assert shell.fails("accounts", "create", "--password-file", "no") == "idml: no: No such file or directory\n"
    shell.variables["IDML_PASSWORD"] = ""
    assert "the password is empty" in shell.fails("accounts", "create")
    del shell.variables["IDML_PASSWORD"]
    assert "use --password-file or $IDML_PASSWORD" in shell.fails("accounts", "create")
    shell.variables["IDML_KEYSTORE"] = str(shell.folder / "none")
    assert "make one with idml chain accounts create" in shell.ok("accounts", "list")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: COMMAND"),
        (("fund", "0x12"), "nothing to do"),
        (("fund", "0x12", "--send", "1"), "--send needs --from"),
        (("fund", "0x12", "--send", "-1"), "'-1' is no amount"),
        (("fund", "0x12", "--send", "x"), "'x' is no amount"),
        (("fund", "0x12", "--send", "1e-19"), "'1e-19' is no amount"),
        (("fund", "0x12", "--send", "inf"), "'inf' is no amount"),
        (("fund", "0x12", "--send", "1e999999"), "'1e999999' is no amount"),
        (("unstake", "0x12"), "one of the arguments --tokens --all --finish is required"),
        (("unstake", "0x12", "--tokens", "5", "--all"), "not allowed with argument"),
        (("withdraw", "0x12", "--tokens", "0"), "nothing to do"),
        (("redeem", "0x12", "--tokens", "-1"), "'-1' is no amount"),
        (("withdraw", "0x12", "--tokens", "12345678901.0000000000000000001"), "is no amount"),
        (("deploy", "--from", "0x12", "--rate", "0"), "'0' is no whole number above 0"),
        (("deploy", "--from", "0x12", "--unbonding-days", "x"), "'x' is no number above 0"),
        (("deploy", "--from", "0x12", "--max-fee-gwei", "-3"), "'-3' is no number above 0"),
    ],
)
def test_wrong_command_lines_end_with_code_2(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    assert words in shell.fails(*arguments, code=2)


@pytest.mark.slow
def test_a_password_is_asked_for_on_a_terminal_and_not_shown(shell: Shell) -> None:
    """Typed twice for a new key; what differs is refused."""
    del shell.variables["IDML_PASSWORD"]
    environment = {key: value for key, value in os.environ.items() if key != "IDML_PASSWORD"}
    command = [sys.executable, "-m", "idml.cli.main", "chain", "accounts", "create"]

    def type_in(*lines: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, **shell.variables},
            start_new_session=True,
        )
        os.close(theirs)
        seen, waiting = b"", list(lines)
        while True:
            try:
                chunk = os.read(ours, 1024)
            except OSError:  # the other side is closed
                break
            if not chunk:
                break
            seen += chunk
            if waiting and seen.endswith(b": "):
                os.write(ours, waiting.pop(0).encode() + b"\n")
        os.close(ours)
        return process.wait(), seen.decode()

    before = len(Keystore(shell.folder / "keys").files())
    code, seen = type_in("hunter2", "hunter3")
    assert (code, "idml: the passwords differ" in seen) == (1, True)
    code, seen = type_in("hunter2", "hunter2")
    assert code == 0
    assert "hunter2" not in seen
    files = Keystore(shell.folder / "keys").files()
    assert len(files) == before + 1
    assert Keystore(shell.folder / "keys").open(str(files[-1].path), "hunter2").address == files[-1].address


@pytest.mark.parametrize(
    "command", [(), ("deploy",), ("info",), ("fund",), ("withdraw",), ("accounts",), ("accounts", "import")]
)
def test_help_has_examples(shell: Shell, command: tuple[str, ...]) -> None:
    assert "examples:\n  idml chain " in shell.ok(*command, "--help")


@pytest.mark.slow
def test_a_run_on_a_node_leaves_it_as_it_was(tmp_path: Path, ganache: Callable[..., Any], free_url: str) -> None:
    process = ganache()
    keys = ("dataset=digits", "devices=6", "encounters=6", "images_per_device=60", "baseline_devices=0")
    settings = [part for key in keys for part in ("--set", key)]

    def run(url: str, out: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "idml.cli.main", "run", *settings, "--quiet", "--json", "--rpc", url]
        return subprocess.run([*command, "--out", str(tmp_path / out)], capture_output=True, text=True, check=False)

    done = run(process.url, "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["encounters"] == 6
    assert int(process.rpc("eth_blockNumber"), 16) > 30
    sender, *_ = process.rpc("eth_accounts")
    sent = process.rpc("eth_sendTransaction", {"from": sender, "to": sender, "value": "0x1"})
    assert process.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1", "it mines by itself again"
    dead = run(free_url, "dead")
    assert dead.returncode == 1
    assert dead.stderr.startswith(f"idml: no answer from {free_url}: no connection")
    assert not (tmp_path / "dead").exists()
