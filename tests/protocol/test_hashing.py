"""The hash of everything that is signed."""

import sys

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from idml.protocol import hashing

EMPTY = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(st.binary(max_size=500))
def test_whatever_is_installed_hashes_alike(data: bytes) -> None:
    assert hashing.keccak256(data) == hashing._fastest()(data) == keccak(data)


@pytest.mark.parametrize("module", [None, object()], ids=["missing", "another of this name"])
def test_without_the_extra_it_hashes_all_the_same(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    monkeypatch.setitem(sys.modules, "sha3", module)
    assert hashing._fastest()(b"").hex() == EMPTY
