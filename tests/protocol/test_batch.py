"""Encounters from signatures: nothing is lost in their words, and what is signed is what EIP-712 and EIP-2098 say."""

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys import keys  # type: ignore[attr-defined]
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.ledger.wallet import Wallet
from idml.protocol.batch import MAX_PARTIES, SECRET_BYTES, WORDS, PackedBatch, Voucher, compact, unpack
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Batch, Domain, Report, Terms, Vote, commitment, committee_seed
from idml.protocol.task import MAX_VOTES

DOMAIN = Domain(5, b"D" * 20)
words32 = st.binary(min_size=32, max_size=32)
secrets = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES).map(lambda half: half + bytes(SECRET_BYTES))


def address(number: int) -> bytes:
    return keccak256(bytes([number]))[12:]


@st.composite
def vouchers(draw: st.DrawFn, task: bytes = b"t" * 32, votes: int = 3) -> Voucher:
    learner, neighbor, *voters = draw(st.permutations(range(votes + 6)))
    own, other = draw(secrets), draw(secrets)
    as_of = draw(st.integers(0, (1 << 40) - 1 - (1 << 24)))
    terms = Terms(
        task=task,
        learner=address(learner),
        neighbor=address(neighbor),
        reward=draw(st.integers(0, (1 << 96) - 1)),
        model_before=draw(words32),
        learner_commitment=commitment(own),
        neighbor_commitment=commitment(other),
        seats=draw(st.integers(0, (1 << 32) - 1)),
        as_of=as_of,
        deadline=as_of + draw(st.integers(0, (1 << 24) - 1)),
        nonce=draw(st.integers(0, (1 << 32) - 1)),
    )
    cast = tuple((address(voter), draw(st.booleans())) for voter in voters[:votes])
    return Voucher(terms, draw(words32), own, other, cast)


batches = st.integers(1, MAX_VOTES).flatmap(
    lambda votes: st.tuples(st.just(votes), st.lists(vouchers(votes=votes), min_size=1, max_size=4).map(tuple))
)


def voucher() -> Voucher:
    own, other = (name * SECRET_BYTES + bytes(SECRET_BYTES) for name in (b"l", b"n"))
    terms = Terms(b"t" * 32, address(1), address(0), 10, b"m" * 32, commitment(own), commitment(other), 5, 90, 100, 7)
    return Voucher(terms, b"r" * 32, own, other, ((address(3), True), (address(2), False)))


@pytest.mark.slow
@given(batches)
def test_what_is_packed_is_unpacked(batch: tuple[int, tuple[Voucher, ...]]) -> None:
    votes, packed = batch
    message = PackedBatch(packed).message
    assert unpack(message, votes) == packed
    assert len(message.encounters) == WORDS * len(packed) + (votes * len(packed) + 31) // 32
    assert list(message.parties) == sorted({party for item in packed for party in item.parties})


@given(batches, st.data())
def test_other_encounters_are_other_words(batch: tuple[int, tuple[Voucher, ...]], data: st.DataObject) -> None:
    message = PackedBatch(batch[1]).message
    at, bit = data.draw(st.integers(0, len(message.encounters) - 1)), data.draw(st.integers(0, 255))
    changed = list(message.encounters)
    changed[at] = (int.from_bytes(changed[at], "big") ^ 1 << bit).to_bytes(32, "big")
    other = replace(message, encounters=tuple(changed))
    assert DOMAIN.digest(other) != DOMAIN.digest(message)


def test_the_statements_are_those_of_the_steps() -> None:
    paper = voucher()
    encounter = DOMAIN.digest(paper.terms)
    first, second, *votes = paper.statements(DOMAIN)
    assert first == Report(encounter, address(0), paper.result, paper.neighbor_secret)
    assert second == Report(encounter, address(1), paper.result, paper.learner_secret, DOMAIN.digest(first))
    seed = committee_seed(paper.learner_secret, paper.neighbor_secret)
    assert votes == [
        Vote(encounter, address(3), seed, paper.result, True),
        Vote(encounter, address(2), seed, paper.result, False),
    ]


def test_everybody_signs_what_it_states_and_once_what_all_agree_on() -> None:
    wallets = [Wallet.from_seed(4, i) for i in range(4)]
    by_address = {wallet.address: wallet for wallet in wallets}
    learner, neighbor, *voters = (wallet.address for wallet in wallets)
    terms = replace(voucher().terms, learner=learner, neighbor=neighbor)
    paper = replace(voucher(), terms=terms, votes=tuple((voter, True) for voter in voters))
    packed = PackedBatch((paper,))

    def sign(who: bytes, digest: bytes) -> bytes:
        return by_address[who].sign(digest)

    def signers(signed: tuple[bytes, ...], digests: list[bytes]) -> list[bytes]:
        """Who signed, by EIP-2098 as eth_keys reads it."""
        found = []
        for i, digest in enumerate(digests):
            s = int.from_bytes(signed[2 * i + 1], "big")
            parity, low = s >> 255, s & (1 << 255) - 1
            signature = keys.Signature(vrs=(parity, int.from_bytes(signed[2 * i], "big"), low))
            found.append(signature.recover_public_key_from_msg_hash(digest).to_canonical_address())
        return found

    statements = [DOMAIN.digest(statement) for statement in paper.statements(DOMAIN)]
    assert signers(packed.sign_each(DOMAIN, sign), statements) == [neighbor, learner, *voters]
    agreed = [DOMAIN.digest(packed.message)] * 4
    assert signers(packed.cosign(DOMAIN, sign), agreed) == list(packed.message.parties)


@settings(deadline=None)
@given(st.integers(1, 1 << 255), words32)
def test_compact_signatures_are_those_of_eip_2098(key: int, digest: bytes) -> None:
    wallet = Wallet(keccak256(key.to_bytes(32, "big")))
    signature = wallet.sign(digest)
    signed = Account.unsafe_sign_hash(digest, keccak256(key.to_bytes(32, "big")))
    packed = compact(signature)
    assert len(packed) == 64
    assert int.from_bytes(packed[:32], "big") == signed.r
    assert int.from_bytes(packed[32:], "big") == signed.s | (signed.v - 27) << 255


@pytest.mark.slow
@settings(deadline=None)
@given(batches, st.integers(0, 1 << 64))
def test_the_hash_of_a_batch_is_that_of_an_independent_implementation(
    batch: tuple[int, tuple[Voucher, ...]], chain_id: int
) -> None:
    message = PackedBatch(batch[1]).message
    domain = Domain(chain_id, b"D" * 20)
    fields = [("bytes32", "task"), ("address[]", "parties"), ("bytes32[]", "encounters")]
    signable = encode_typed_data(
        {"name": "iDML", "version": "1", "chainId": chain_id, "verifyingContract": "0x" + domain.contract.hex()},
        {"Batch": [{"name": name, "type": kind} for kind, name in fields]},
        {
            "task": message.task,
            "parties": ["0x" + party.hex() for party in message.parties],
            "encounters": list(message.encounters),
        },
    )
    assert domain.digest(message) == keccak256(b"\x19" + signable.version + signable.header + signable.body)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nonce": 1 << 32}, "4294967296 does not fit 32 bits of a batch"),
        ({"deadline": 90 + (1 << 24)}, "16777216 does not fit 24 bits"),
        ({"deadline": 89}, "-1 does not fit 24 bits"),
    ],
)
def test_terms_that_do_not_fit_a_batch_are_refused(changes: dict[str, Any], message: str) -> None:
    terms = replace(voucher().terms, **changes)
    with pytest.raises(ValueError, match=message):
        PackedBatch((replace(voucher(), terms=terms),))


@pytest.mark.parametrize("which", ["learner_secret", "neighbor_secret"])
def test_a_secret_that_fills_its_word_is_refused(which: str) -> None:
    with pytest.raises(ValueError, match="a secret of a batch must end with 16 zero bytes"):
        PackedBatch((replace(voucher(), **{which: bytes(31) + b"\x01"}),))  # type: ignore[arg-type]


def test_what_is_no_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one encounter"):
        PackedBatch(())
    other = replace(voucher(), terms=replace(voucher().terms, task=b"o" * 32))
    with pytest.raises(ValueError, match="the same task"):
        PackedBatch((voucher(), other))
    with pytest.raises(ValueError, match="4 words are no whole number of encounters"):
        unpack(Batch(b"t" * 32, (), (bytes(32),) * 4), 3)


def test_a_batch_has_at_most_256_parties() -> None:
    def between(learner: int) -> Voucher:
        parties = [keccak256(learner.to_bytes(2, "big"))[12:], address(0)]
        terms = replace(voucher().terms, learner=parties[0], neighbor=parties[1])
        return replace(voucher(), terms=terms, votes=((address(1), True),))

    fits = tuple(between(i + 1_000) for i in range(MAX_PARTIES - 2))
    assert len(PackedBatch(fits).message.parties) == MAX_PARTIES
    with pytest.raises(ValueError, match="257 parties in a batch: at most 256 allowed"):
        PackedBatch((*fits, between(2_000)))
