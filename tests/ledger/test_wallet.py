"""Keys and signatures: equal to eth_keys, and nothing passes that the contract would refuse."""

import pytest
from eth_keys import keys  # type: ignore[attr-defined]
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.ledger.errors import LedgerError
from idml.ledger.wallet import Wallet, recover

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
private_keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


@settings(deadline=None)
@given(private_keys, digests)
def test_equal_to_eth_keys(private_key: bytes, digest: bytes) -> None:
    wallet, reference = Wallet(private_key), keys.PrivateKey(private_key)
    assert wallet.address == reference.public_key.to_canonical_address()
    assert wallet.address_hex == reference.public_key.to_checksum_address()
    expected = reference.sign_msg_hash(digest)
    assert wallet.sign(digest) == expected.to_bytes()[:64] + bytes([27 + expected.v])


@settings(deadline=None)
@given(private_keys, digests, st.integers(0, 64), st.integers(1, 255))
def test_only_the_signature_itself_verifies(private_key: bytes, digest: bytes, at: int, flip: int) -> None:
    wallet = Wallet(private_key)
    signature = wallet.sign(digest)
    assert recover(digest, signature) == wallet.address
    assert Wallet.from_seed(0, 0).verify(wallet.address, digest, signature)
    changed = signature[:at] + bytes([signature[at] ^ flip]) + signature[at + 1 :]
    assert recover(digest, changed) != wallet.address


@settings(deadline=None)
@given(private_keys, digests)
def test_high_s_is_refused(private_key: bytes, digest: bytes) -> None:
    signature = Wallet(private_key).sign(digest)
    s = int.from_bytes(signature[32:64], "big")
    assert s <= ORDER // 2
    mirrored = signature[:32] + (ORDER - s).to_bytes(32, "big") + bytes([55 - signature[64]])
    assert recover(digest, mirrored) is None


@pytest.mark.parametrize(
    "signature",
    [b"", bytes(64), bytes(66), bytes(64) + b"\x1b", b"\xff" * 32 + bytes(31) + b"\x01\x1c", b"\x01" * 64 + b"\x00"],
)
def test_malformed_signatures_recover_nobody(signature: bytes) -> None:
    assert recover(bytes(32), signature) is None


@pytest.mark.parametrize("private_key", [b"", bytes(32), bytes(31), ORDER.to_bytes(32, "big"), b"\xff" * 32])
def test_what_is_no_key_is_refused_without_being_shown(private_key: bytes) -> None:
    with pytest.raises(LedgerError, match="32 bytes") as caught:
        Wallet(private_key)
    assert private_key.hex() not in str(caught.value) or not private_key


def test_simulation_wallets_are_the_same_for_the_same_numbers_and_all_different() -> None:
    addresses = {Wallet.from_seed(seed, index).address for seed in range(20) for index in range(20)}
    assert len(addresses) == 400
    assert Wallet.from_seed(1, 2).address == Wallet.from_seed(1, 2).address


def test_repr_shows_the_address_and_never_the_key() -> None:
    wallet = Wallet((1).to_bytes(32, "big"))
    assert repr(wallet) == "Wallet(0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf)"
