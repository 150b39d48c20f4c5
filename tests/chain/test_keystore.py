"""Keys in files: encrypted, private, never overwritten, and what is wrong with bad ones."""

from pathlib import Path

import pytest

from idml.ledger.errors import LedgerError
from idml.ledger.keystore import find_key, list_keys, load_key, save_key
from idml.ledger.wallet import Wallet

pytestmark = pytest.mark.slow


def test_a_key_survives_in_a_private_file(tmp_path: Path) -> None:
    wallet = Wallet.create()
    path = save_key(wallet, tmp_path / "keys", "correct horse")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key(path, "correct horse").address == wallet.address
    assert list_keys(tmp_path / "keys") == {wallet.address: path}
    assert find_key(tmp_path / "keys", b"x" * 20) is None
    with pytest.raises(LedgerError, match="wrong password"):
        load_key(path, "wrong")
    with pytest.raises(LedgerError, match="never overwritten"):
        save_key(wallet, tmp_path / "keys", "other")


def test_what_is_no_keystore(tmp_path: Path) -> None:
    (tmp_path / "noise.txt").write_text("noise")
    (tmp_path / "list.json").write_text("[]")
    assert list_keys(tmp_path) == {}
    assert list_keys(tmp_path / "nowhere") == {}
    for name in ("noise.txt", "list.json"):
        with pytest.raises(LedgerError, match="no keystore file"):
            load_key(tmp_path / name, "x")
    with pytest.raises(LedgerError, match="cannot read"):
        load_key(tmp_path / "nowhere", "x")
    with pytest.raises(LedgerError, match="password is empty"):
        save_key(Wallet.create(), tmp_path, "")
    with pytest.raises(LedgerError, match="cannot write a key"):
        save_key(Wallet.create(), tmp_path / "noise.txt" / "x", "password")
