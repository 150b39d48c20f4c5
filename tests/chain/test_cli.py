"""`idml chain` as a user meets it: what it prints, what it refuses, and that no key is ever shown."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chain_nodes import RICH, Process, anvil_command

pytestmark = pytest.mark.slow
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


class Shell:
    """Runs `idml chain` with a keystore and a deployment record of its own."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.url = url
        self.environment = {**os.environ, "IDML_PASSWORD": "secret"}

    def run(self, action: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        common = ["--keystore", str(self.directory / "keys")]
        if action != "accounts":
            common += ["--rpc", self.url, "--deployment", str(self.directory / "deployment.json")]
        command = [sys.executable, "-m", "idml.cli.main", "chain", action, *common, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin, env=self.environment)
        assert KEY not in done.stdout + done.stderr
        return done

    def json(self, action: str, *arguments: str, stdin: str = "") -> dict[str, object]:
        done = self.run(action, "--json", *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found


@pytest.fixture
def shell(anvil: Process, tmp_path: Path) -> Shell:
    return Shell(tmp_path, anvil.url)


def test_from_a_key_to_a_stake(shell: Shell) -> None:
    assert shell.json("accounts", "--import", stdin=KEY + "\n")["account"] == RICH.address_hex
    other = shell.json("accounts", "--new")["account"]
    assert set(shell.json("accounts")) == {RICH.address_hex, other}
    rich = ("--account", RICH.address_hex)
    deployed = shell.json("deploy", *rich, "--threshold", "50")
    assert deployed["chain_id"] == 31_337
    assert shell.json("fund", *rich, "--tokens", "500", "--stake", "200")["balance"] == "300"
    shell.json("fund", *rich, "--to", str(other), "--coins", "0.5")
    known = shell.json("info", "--account", str(other))
    assert (known["stake_threshold"], known["seats"], known["token_supply"]) == ("50", 1, "500")
    account = known["account"]
    assert isinstance(account, dict)
    assert (account["coins"], account["stake"], account["seat"]) == ("0.5", "0", None)
    assert "stake threshold  50" in shell.run("info").stdout


def test_what_it_refuses(shell: Shell, start: Callable[[list[str]], Process]) -> None:
    shell.run("accounts", "--import", stdin=KEY)
    rich = ("--account", RICH.address_hex)
    cases = [
        (shell.run("info"), 1, "deploy with idml chain deploy"),
        (shell.run("deploy", "--account", "0x" + "12" * 20), 1, "no key for 0x1212"),
        (shell.run("deploy"), 2, "--account is needed"),
        (shell.run("deploy", *rich, "--unbonding-days", "1"), 1, "reverted: InvalidUnbondingDelay"),
        (shell.run("fund", "--account", "0x12"), 2, "is no address: it has 40 hexadecimal digits"),
        (shell.run("fund", *rich, "--tokens", "-1"), 2, "is no amount"),
        (shell.run("fund", *rich), 2, "nothing to do"),
        (shell.run("fund", *rich, "--coins", "1"), 2, "--to and --coins go together"),
        (shell.run("accounts", "--import", stdin="not a key"), 1, "64 hexadecimal digits"),
    ]
    assert shell.run("deploy", *rich).returncode == 0
    cases.append((shell.run("deploy", *rich), 1, "is a record of another deployment"))
    cases.append((shell.run("fund", *rich, "--stake", "5"), 1, "reverted: InsufficientBalance"))
    shell.environment["IDML_PASSWORD"] = "wrong"
    cases.append((shell.run("fund", *rich, "--tokens", "5"), 1, "wrong password"))
    del shell.environment["IDML_PASSWORD"]
    cases.append((shell.run("fund", *rich, "--tokens", "5"), 1, "no password: set IDML_PASSWORD"))
    cases.append((shell.run("fund", *rich, "--tokens", "5", "--password-file", "/nowhere"), 1, "no password in"))
    shell.url = start(anvil_command("--chain-id", "7")).url
    cases.append((shell.run("info"), 1, "is on chain 7, the contract on chain 31337"))
    shell.url = "http://127.0.0.1:9"
    cases.append((shell.run("info"), 1, "no answer from http://127.0.0.1:9"))
    for done, code, complaint in cases:
        assert (done.returncode, complaint in done.stderr) == (code, True), (complaint, done.stderr)
        assert "Traceback" not in done.stderr


def test_a_password_file_is_enough(shell: Shell) -> None:
    del shell.environment["IDML_PASSWORD"]
    secret = shell.directory / "password"
    secret.write_text("from a file\n")
    shell.json("accounts", "--import", "--password-file", str(secret), stdin=KEY)
    shell.json("deploy", "--account", RICH.address_hex, "--password-file", str(secret))


def test_no_keys_yet(shell: Shell) -> None:
    assert "make one with idml chain accounts --new" in shell.run("accounts").stderr
