"""Encounters that are settled from signatures alone: four words for each and a byte for each voter."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from idml.protocol.hashing import WORD_BYTES, word
from idml.protocol.messages import Batch, Domain, Report, Terms, Vote, commitment, committee_seed

WORDS = 4
MAX_PARTIES = 256
SECRET_BYTES = 16
_MAX_VOTERS = 16

Sign = Callable[[bytes, bytes], bytes]
"""Signs a digest (32 bytes) for an address (20 bytes): r, s, v, 65 bytes."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """An encounter that was never opened, with all that its parties stated.

    Args:
        terms: what learner and neighbor agreed on; its commitments are those of the secrets.
        result: the digest that both reported, 32 bytes.
        learner_secret, neighbor_secret: 32 bytes each, of which the last 16 are zero.
        votes: of the first V members of the committee, in its order: address (20 bytes) and verdict.
    """

    terms: Terms
    result: bytes
    learner_secret: bytes
    neighbor_secret: bytes
    votes: tuple[tuple[bytes, bool], ...]

    @property
    def seed(self) -> bytes:
        """From which the committee is drawn, 32 bytes."""
        return committee_seed(self.learner_secret, self.neighbor_secret)

    @property
    def parties(self) -> tuple[bytes, ...]:
        """Learner, neighbor and voters."""
        return (self.terms.learner, self.terms.neighbor, *(voter for voter, _ in self.votes))

    def reports(self, domain: Domain) -> tuple[Report, Report]:
        """The neighbor's, and the learner's that names it."""
        encounter, result = domain.digest(self.terms), self.result
        first = Report(encounter, self.terms.neighbor, result, self.neighbor_secret)
        second = Report(encounter, self.terms.learner, result, self.learner_secret, domain.digest(first))
        return first, second

    def signed_votes(self, domain: Domain) -> tuple[Vote, ...]:
        """The Votes of the committee, in its order."""
        encounter = domain.digest(self.terms)
        return tuple(Vote(encounter, voter, self.seed, self.result, accept) for voter, accept in self.votes)

    def statements(self, domain: Domain) -> tuple[Report | Vote, ...]:
        """What must be signed: the neighbor's Report, the learner's, and the Votes."""
        return (*self.reports(domain), *self.signed_votes(domain))

    def pack(self, index: dict[bytes, int]) -> tuple[bytes, ...]:
        """Four words; `index` says where among the batch's parties an address stands."""
        terms = self.terms
        fields = (
            (index[terms.learner], 8),
            (index[terms.neighbor], 8),
            (terms.deadline - terms.as_of, 24),
            (terms.as_of, 40),
            (terms.seats, 32),
            (terms.nonce, 32),
            (terms.reward, 96),
            (sum(int(accept) << i for i, (_, accept) in enumerate(self.votes)), _MAX_VOTERS),
        )
        first, at = 0, 0
        for value, bits in fields:
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{value} does not fit {bits} bits of a batch")
            first |= value << at
            at += bits
        secrets = (self.learner_secret, self.neighbor_secret)
        if any(any(secret[SECRET_BYTES:]) for secret in secrets):
            raise ValueError(f"a secret of a batch must end with {SECRET_BYTES} zero bytes")
        halves = b"".join(secret[:SECRET_BYTES] for secret in secrets)
        return (word(first), terms.model_before, self.result, halves)


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A batch as the contract takes it: `Batch` is what co-signers sign.

    Args:
        vouchers: in the order of the batch.
    """

    vouchers: tuple[Voucher, ...]

    def __post_init__(self) -> None:
        if not self.vouchers:
            raise ValueError("a batch needs at least one encounter")
        if len({voucher.terms.task for voucher in self.vouchers}) > 1:
            raise ValueError("all encounters of a batch must have the same task")
        if len(self.parties) > MAX_PARTIES:
            raise ValueError(f"{len(self.parties)} parties in a batch: at most {MAX_PARTIES} allowed")
        _ = self.message  # refuses what does not fit its words

    @property
    def parties(self) -> tuple[bytes, ...]:
        """All learners, neighbors and voters, in ascending order."""
        return tuple(sorted({party for voucher in self.vouchers for party in voucher.parties}))

    @property
    def message(self) -> Batch:
        """Task, parties, the words of all encounters, then those of all voters."""
        parties = self.parties
        index = {party: i for i, party in enumerate(parties)}
        packed = tuple(item for voucher in self.vouchers for item in voucher.pack(index))
        voters = bytes(index[voter] for voucher in self.vouchers for voter, _ in voucher.votes)
        return Batch(self.vouchers[0].terms.task, parties, packed + _split(voters))

    def sign_each(self, domain: Domain, sign: Sign) -> tuple[bytes, ...]:
        """Two words for each statement of each encounter."""
        statements = (statement for voucher in self.vouchers for statement in voucher.statements(domain))
        return _compact_all(
            sign(statement.validator if isinstance(statement, Vote) else statement.reporter, domain.digest(statement))
            for statement in statements
        )

    def cosign(self, domain: Domain, sign: Sign) -> tuple[bytes, ...]:
        """Two words for each party."""
        message = self.message
        digest = domain.digest(message)
        return _compact_all(sign(party, digest) for party in message.parties)


def compact(signature: bytes) -> bytes:
    """EIP-2098: r, s, v (65 bytes) in 64 bytes, the parity in the highest bit of s."""
    s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32] + s.to_bytes(32, "big")


def unpack(message: Batch, votes: int, chosen: int = -1) -> tuple[Voucher, ...]:
    """The encounters of a batch, as the contract announced it.

    Args:
        votes: V of the task.
        chosen: bit i set: unpack the i-th; by default all. What the contract skipped may make no sense.

    Raises:
        ValueError: for words that are no batch.
    """
    words_, parties = message.encounters, message.parties
    count = WORD_BYTES * len(words_) // (WORD_BYTES * WORDS + votes)
    if WORDS * count + len(_split(bytes(count * votes))) != len(words_):
        raise ValueError(f"{len(words_)} words are no whole number of encounters with {votes} votes each")
    voters = b"".join(words_[WORDS * count :])
    return tuple(
        unpack_one(message.task, parties, words_[WORDS * i :], voters[votes * i : votes * (i + 1)])
        for i in range(count)
        if chosen >> i & 1
    )


def unpack_one(task: bytes, parties: Sequence[bytes], item: Sequence[bytes], voters: Sequence[int]) -> Voucher:
    """One encounter of a batch.

    Args:
        item: its four words; what follows is not read.
        voters: indices of those who voted among the parties.
    """
    first = int.from_bytes(item[0], "big")
    fields = []
    for bits in (8, 8, 24, 40, 32, 32, 96, _MAX_VOTERS):
        fields.append(first & (1 << bits) - 1)
        first >>= bits
    learner, neighbor, life_s, as_of, seats, nonce, reward, ballots = fields
    secrets = tuple(half + bytes(SECRET_BYTES) for half in (item[3][:SECRET_BYTES], item[3][SECRET_BYTES:]))
    terms = Terms(
        task=task,
        learner=parties[learner],
        neighbor=parties[neighbor],
        reward=reward,
        model_before=item[1],
        learner_commitment=commitment(secrets[0]),
        neighbor_commitment=commitment(secrets[1]),
        seats=seats,
        as_of=as_of,
        deadline=as_of + life_s,
        nonce=nonce,
    )
    cast = tuple((parties[voter], bool(ballots >> i & 1)) for i, voter in enumerate(voters))
    return Voucher(terms, item[2], secrets[0], secrets[1], cast)


def _split(octets: bytes) -> tuple[bytes, ...]:
    """Into words, the last filled up with zeros."""
    return tuple(octets[i : i + WORD_BYTES].ljust(WORD_BYTES, b"\0") for i in range(0, len(octets), WORD_BYTES))


def _compact_all(signatures: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(part for signature in signatures for part in (compact(signature)[:32], compact(signature)[32:]))
