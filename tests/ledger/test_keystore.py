"""Keys on disk: readable by other programs, for their owner alone, never overwritten, never shown."""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from idml.ledger.chain.keystore import Keystore, parse_private_key
from idml.ledger.errors import KeystoreError, LedgerError, coins
from idml.ledger.wallet import Wallet, checksum_address, parse_address

WALLET = Wallet.from_seed(8, 0)
CHEAP = 2  # scrypt's cost: these keys guard nothing

# The test vector of the Web3 Secret Storage Definition for PBKDF2.
VECTOR: dict[str, Any] = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
VECTOR_KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "deep" / "keys")


def test_what_is_written_can_be_opened_here_and_elsewhere(store: Keystore) -> None:
    known = store.add(WALLET, "secret", work_factor=CHEAP)
    assert store.open(str(known.path), "secret").address == WALLET.address
    assert store.open(WALLET.address_hex, "secret").sign(bytes(32)) == WALLET.sign(bytes(32))
    elsewhere = Account.from_key(Account.decrypt(json.loads(known.path.read_text()), "secret"))
    assert elsewhere.address == WALLET.address_hex
    assert stat.S_IMODE(known.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700


def test_files_of_other_programs_are_opened(store: Keystore) -> None:
    """The vector of the definition, with a password that is no word."""
    wallet = Wallet.from_keystore(VECTOR, "testpassword")
    assert wallet.address == parse_private_key("0x" + VECTOR_KEY).address
    store.directory.mkdir(parents=True)
    (store.directory / "geth").write_text(json.dumps({**VECTOR, "address": wallet.address.hex()}))
    assert store.open(wallet.address_hex, "testpassword").address == wallet.address
    (store.directory / "geth").write_text(json.dumps({**VECTOR, "address": "11" * 20}))
    with pytest.raises(KeystoreError, match=rf"holds the key of {wallet.address_hex}, not of the address it names"):
        store.open("0x" + "11" * 20, "testpassword")


def test_new_keys_are_new(store: Keystore) -> None:
    one, two = store.create("a"), store.create("b")
    assert one.address != two.address
    assert store.files() == [one, two]
    assert two.address is not None
    assert store.open(checksum_address(two.address), "b").address == two.address


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("6087dab2f9fdbbfaddc31a909735c1e6", "6087DAB2F9FDBBFADDC31A909735C1E6"),
        lambda text: text.replace('"id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", ', ""),
        lambda text: text.replace('"crypto"', '"address": "0x008AeEda4D805471dF9b2A5B0f38A0C3bCBA786b", "crypto"'),
        lambda text: text.replace('"crypto"', '"address": "008aeeda4d805471df9b2a5b0f38a0c3bcba786b", "crypto"'),
        lambda text: text.replace('"crypto"', '"address": "008AEEDA4D805471DF9B2A5B0F38A0C3BCBA786B", "crypto"'),
    ],
)
def test_files_as_others_write_them_are_opened(store: Keystore, change: Callable[[str], str]) -> None:
    """Without an address, as Foundry's, without an id, in capital letters, with and without 0x."""
    store.directory.mkdir(parents=True)
    path = store.directory / "theirs"
    path.write_text(change(json.dumps(VECTOR)))
    wallet = store.open(str(path), "testpassword")
    assert wallet.address == parse_private_key(VECTOR_KEY).address
    (known,) = store.files()
    assert known.address in (None, wallet.address)
    if known.address is None:
        with pytest.raises(KeystoreError, match=rf"{path} may hold it, but only the password tells: name the file"):
            store.find(wallet.address_hex)
    else:
        assert store.find(wallet.address_hex) == known


def test_nothing_is_overwritten(store: Keystore) -> None:
    known = store.add(WALLET, "secret", work_factor=CHEAP)
    before = known.path.read_bytes()
    with pytest.raises(KeystoreError, match=f"{WALLET.address_hex} is in the keystore already: {known.path}"):
        store.add(WALLET, "other", work_factor=CHEAP)
    assert known.path.read_bytes() == before
    assert store.files() == [known]


def test_problems_are_one_line_each(store: Keystore, tmp_path: Path) -> None:
    known = store.add(WALLET, "secret", work_factor=CHEAP)
    stranger = Wallet.from_seed(8, 1)
    with pytest.raises(KeystoreError, match=f"^{known.path}: wrong password$"):
        store.open(WALLET.address_hex, "wrong")
    with pytest.raises(KeystoreError, match="the password is empty"):
        store.add(stranger, "")
    with pytest.raises(KeystoreError, match=f"no key of {stranger.address_hex} in"):
        store.find(stranger.address_hex)
    with pytest.raises(KeystoreError, match=r"is no address: .* and there is no such file"):
        store.find("missing.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(KeystoreError, match=r"Not a directory|File exists"):
        Keystore(tmp_path / "file").add(stranger, "secret", work_factor=CHEAP)
    for content, words in (
        ("nonsense", "no keystore file"),
        ("[]", "no keystore file"),
        ('{"version": 3}', "no keystore file"),
        ('{"version": 3, "address": "12"}', "no keystore file"),
        ('{"version": 1}', "version 1, only 3 is supported"),
    ):
        (tmp_path / "file").write_text(content)
        with pytest.raises(KeystoreError, match=words):
            store.find(str(tmp_path / "file"))
    (store.directory / "README").write_text("not a key")
    (store.directory / "folder").mkdir()
    assert store.files() == [known]
    assert not Keystore(tmp_path / "nowhere").files()


@pytest.mark.parametrize(
    "change",
    [
        {"crypto": {}},
        {"crypto": {**VECTOR["crypto"], "kdf": "argon2"}},
        {"crypto": {**VECTOR["crypto"], "mac": "zz"}},
        {"version": 4},
        {"crypto": 5},
    ],
)
def test_damaged_files_are_told_from_wrong_passwords(change: dict[str, Any]) -> None:
    with pytest.raises(KeystoreError, match="no keystore"):
        Wallet.from_keystore({**VECTOR, **change}, "testpassword")


@pytest.mark.parametrize("text", ["", "zz" * 32, "11" * 31, "00" * 32, "ff" * 32, VECTOR_KEY + "00"])
def test_what_is_no_key_is_not_repeated(text: str) -> None:
    with pytest.raises(KeystoreError, match="that is no private key") as caught:
        parse_private_key(text)
    assert not text or text not in str(caught.value)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IDML_KEYSTORE", str(tmp_path))
    assert Keystore().directory == tmp_path
    monkeypatch.delenv("IDML_KEYSTORE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Keystore().directory == tmp_path / ".idml" / "keystore"


def test_a_folder_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(KeystoreError, match="Not a directory"):
        Keystore(tmp_path / "file" / "keys").add(WALLET, "secret", work_factor=CHEAP)
    with pytest.raises(KeystoreError, match="Not a directory"):
        Keystore(tmp_path / "file").files()
    with pytest.raises(KeystoreError, match=r"^/proc/nowhere"):  # where nobody may make a folder
        Keystore(Path("/proc/nowhere/keys")).add(WALLET, "secret", work_factor=CHEAP)
    monkeypatch.setenv("IDML_KEYSTORE", "n" * 300)
    with pytest.raises(KeystoreError, match=r"File name too long; name another folder with --keystore"):
        Keystore()
    monkeypatch.delenv("IDML_KEYSTORE")
    monkeypatch.setattr("idml.ledger.chain.keystore.home_folder", lambda: None)
    with pytest.raises(KeystoreError, match="there is no home folder to keep keys in"):
        Keystore()


@given(st.binary(min_size=20, max_size=20))
def test_addresses_are_read_as_they_are_written(address: bytes) -> None:
    shown = checksum_address(address)
    for text in (shown, shown.lower(), address.hex(), "0x" + address.hex().upper()):
        assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "0x", "0x12", "0x" + "zz" * 20, "0x" + "11" * 21])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(LedgerError, match="is no address"):
        parse_address(text)


def test_a_key_in_an_addresss_place_is_not_repeated(store: Keystore) -> None:
    for read in (parse_address, store.find):
        with pytest.raises(LedgerError, match="that is no address") as caught:
            read(VECTOR_KEY)
        assert VECTOR_KEY not in str(caught.value)


def test_a_typing_mistake_in_an_address_is_noticed() -> None:
    shown = WALLET.address_hex
    place = next(index for index, char in enumerate(shown) if index > 1 and char.isalpha())
    with pytest.raises(LedgerError, match="wrong checksum"):
        parse_address(shown[:place] + shown[place].swapcase() + shown[place + 1 :])


@pytest.mark.parametrize(
    ("wei", "shown"), [(0, "0"), (10**18, "1"), (15 * 10**17, "1.5"), (1, "0." + "0" * 17 + "1"), (10**20, "100")]
)
def test_amounts_are_shown_exactly(wei: int, shown: str) -> None:
    assert coins(wei) == shown


def test_without_eth_account_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eth_account", None)
    with pytest.raises(LedgerError, match=r"pip install -c constraints\.txt -e '\.\[chain\]'"):
        WALLET.to_keystore("secret")


def test_keys_do_not_show() -> None:
    wallet = parse_private_key(VECTOR_KEY)
    shown = repr(wallet) + str(wallet) + repr(wallet._key)
    assert VECTOR_KEY not in shown.lower()
    assert str(int(VECTOR_KEY, 16)) not in shown
