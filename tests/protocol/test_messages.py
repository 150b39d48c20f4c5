"""Messages: the hashes are EIP-712's, bound to every field, to the chain and to the contract."""

from dataclasses import astuple, replace

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from idml.protocol.hashing import keccak256, word
from idml.protocol.messages import Domain, Report, Terms, Vote, commitment, committee_seed

words32 = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
terms = st.builds(
    Terms,
    task=words32,
    learner=addresses,
    neighbor=addresses,
    reward=st.integers(0, (1 << 96) - 1),
    model_before=words32,
    learner_commitment=words32,
    neighbor_commitment=words32,
    seats=st.integers(0, (1 << 32) - 1),
    as_of=st.integers(0, (1 << 40) - 1),
    deadline=st.integers(0, (1 << 40) - 1),
    nonce=st.integers(0, (1 << 64) - 1),
)
reports = st.builds(Report, encounter=words32, reporter=addresses, result=words32, secret=words32, previous=words32)
votes = st.builds(Vote, encounter=words32, validator=addresses, seed=words32, result=words32, accept=st.booleans())
domains = st.builds(Domain, chain_id=st.integers(0, 1 << 64), contract=addresses)

TYPES = {
    Terms: "bytes32 task,address learner,address neighbor,uint96 reward,bytes32 modelBefore,bytes32 learnerCommitment,"
    "bytes32 neighborCommitment,uint32 seats,uint40 asOf,uint40 deadline,uint64 nonce",
    Report: "bytes32 encounter,address reporter,bytes32 result,bytes32 secret,bytes32 previous",
    Vote: "bytes32 encounter,address validator,bytes32 seed,bytes32 result,bool accept",
}


@given(domains, st.one_of(terms, reports, votes))
def test_digests_are_those_of_an_independent_eip712_implementation(
    domain: Domain, message: Terms | Report | Vote
) -> None:
    name = type(message).__name__
    fields = [tuple(part.split()) for part in TYPES[type(message)].split(",")]
    values = ["0x" + value.hex() if isinstance(value, bytes) else value for value in astuple(message)]
    signable = encode_typed_data(
        {
            "name": "iDML",
            "version": "1",
            "chainId": domain.chain_id,
            "verifyingContract": "0x" + domain.contract.hex(),
        },
        {name: [{"name": field, "type": kind} for kind, field in fields]},
        dict(zip([field for _, field in fields], values, strict=True)),
    )
    expected = keccak256(b"\x19" + signable.version + signable.header + signable.body)
    assert domain.digest(message) == expected


@given(domains, terms)
def test_a_signature_is_good_on_one_chain_and_one_contract_only(domain: Domain, message: Terms) -> None:
    assert domain.digest(message) != replace(domain, chain_id=domain.chain_id + 1).digest(message)
    other = bytes([domain.contract[0] ^ 1]) + domain.contract[1:]
    assert domain.digest(message) != replace(domain, contract=other).digest(message)


ZERO = bytes(32)
GOOD_TERMS = Terms(ZERO, bytes(20), bytes(20), 0, ZERO, ZERO, ZERO, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("task", b"x"), ("learner", ZERO), ("reward", 1 << 96), ("reward", -1), ("nonce", 1 << 64), ("as_of", 1 << 40)],
)
def test_fields_that_do_not_fit_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} "):
        replace(GOOD_TERMS, **{field: value})  # type: ignore[arg-type]


def test_reports_votes_and_secrets_check_their_lengths() -> None:
    with pytest.raises(ValueError, match="reporter has 3 bytes: must have 20"):
        Report(ZERO, b"abc", ZERO, ZERO)
    with pytest.raises(ValueError, match="seed has 1 bytes"):
        Vote(ZERO, bytes(20), b"a", ZERO, True)
    with pytest.raises(ValueError, match="secret has 2 bytes"):
        commitment(b"ab")
    with pytest.raises(ValueError, match="neighbor_secret has 0 bytes"):
        committee_seed(ZERO, b"")


def test_words_are_the_abis() -> None:
    assert word(1) == bytes(31) + b"\x01"
    assert word(True) == bytes(31) + b"\x01"
    assert word(b"\xff" * 20) == bytes(12) + b"\xff" * 20
    for bad in (1 << 256, -1):
        with pytest.raises(ValueError, match="does not fit"):
            word(bad)
    with pytest.raises(ValueError, match="expected 20 or 32 bytes, got 3"):
        word(b"abc")
