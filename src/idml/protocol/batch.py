"""Encounters that are settled from signatures alone, without ever having been opened on the ledger.

Many of them go into one transaction, a batch. It holds four 32-byte words for each encounter and one byte for each
voter.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from idml.protocol.hashing import WORD_BYTES, word
from idml.protocol.messages import Batch, Domain, Report, Terms, Vote, commitment, committee_seed

WORDS = 4
MAX_PARTIES = 256
SECRET_BYTES = 16
_MAX_VOTERS = 16

Sign = Callable[[bytes, bytes], bytes]
"""A function that signs for others: from an address (20 bytes) and a digest (32 bytes) it makes r, s, v (65 bytes)."""


@dataclass(frozen=True, slots=True)
class Voucher:
    """One encounter of a batch: all that its parties and validators stated about it.

    Args:
        terms: what learner and neighbor agreed on. Its two commitments are those of the two secrets.
        result: the digest that both parties reported, 32 bytes.
        learner_secret, neighbor_secret: 32 bytes each, of which the last 16 are zero.
        votes: address (20 bytes) and verdict of the first V members of the committee, in the committee's order.
    """

    terms: Terms
    result: bytes
    learner_secret: bytes
    neighbor_secret: bytes
    votes: tuple[tuple[bytes, bool], ...]

    @property
    def seed(self) -> bytes:
        """The seed from which the committee is drawn, 32 bytes."""
        return committee_seed(self.learner_secret, self.neighbor_secret)

    @property
    def parties(self) -> tuple[bytes, ...]:
        """Addresses of the learner, the neighbor and the voters, in this order."""
        return (self.terms.learner, self.terms.neighbor, *(voter for voter, _ in self.votes))

    def reports(self, domain: Domain) -> tuple[Report, Report]:
        """The neighbor's Report, then the learner's, which names the neighbor's by its hash."""
        encounter, result = domain.digest(self.terms), self.result
        first = Report(encounter, self.terms.neighbor, result, self.neighbor_secret)
        second = Report(encounter, self.terms.learner, result, self.learner_secret, domain.digest(first))
        return first, second

    def signed_votes(self, domain: Domain) -> tuple[Vote, ...]:
        """The Votes, in the committee's order."""
        encounter = domain.digest(self.terms)
        return tuple(Vote(encounter, voter, self.seed, self.result, accept) for voter, accept in self.votes)

    def statements(self, domain: Domain) -> tuple[Report | Vote, ...]:
        """All that must be signed: the neighbor's Report, the learner's Report, and the Votes."""
        return (*self.reports(domain), *self.signed_votes(domain))

    def pack(self, index: dict[bytes, int]) -> tuple[bytes, ...]:
        """Write the encounter in its four words.

        Args:
            index: where each address stands in the batch's list of parties.

        Raises:
            ValueError: for a number that does not fit its bits, or a secret that does not end with 16 zero bytes.
        """
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
    """A batch of encounters, ready to be signed and sent to the contract.

    Args:
        vouchers: the encounters, in the order of the batch: at least one, all of the same task, with at most 256
            different parties and voters in all.

    Raises:
        ValueError: if they cannot be put into one batch.
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
        """Addresses of all learners, neighbors and voters, each once, in ascending order."""
        return tuple(sorted({party for voucher in self.vouchers for party in voucher.parties}))

    @property
    def message(self) -> Batch:
        """The message that co-signers sign and that the contract takes.

        It holds the task, the parties, the words of all encounters, and after them the bytes of all voters.
        """
        parties = self.parties
        index = {party: i for i, party in enumerate(parties)}
        packed = tuple(item for voucher in self.vouchers for item in voucher.pack(index))
        voters = bytes(index[voter] for voucher in self.vouchers for voter, _ in voucher.votes)
        return Batch(self.vouchers[0].terms.task, parties, packed + _split(voters))

    def sign_each(self, domain: Domain, sign: Sign) -> tuple[bytes, ...]:
        """Signatures on each statement of each encounter, two words for each statement."""
        statements = (statement for voucher in self.vouchers for statement in voucher.statements(domain))
        return _compact_all(
            sign(statement.validator if isinstance(statement, Vote) else statement.reporter, domain.digest(statement))
            for statement in statements
        )

    def cosign(self, domain: Domain, sign: Sign) -> tuple[bytes, ...]:
        """Signatures of each party on the whole batch, two words for each party."""
        message = self.message
        digest = domain.digest(message)
        return _compact_all(sign(party, digest) for party in message.parties)


def compact(signature: bytes) -> bytes:
    """Write a signature r, s, v (65 bytes) in the 64 bytes of EIP-2098, with the parity in the highest bit of s."""
    s = int.from_bytes(signature[32:64], "big") | (signature[64] - 27) << 255
    return signature[:32] + s.to_bytes(32, "big")


def unpack(message: Batch, votes: int, chosen: int = -1) -> tuple[Voucher, ...]:
    """Read the encounters of a batch that the contract announced.

    Args:
        message: the batch.
        votes: number of votes that settle an encounter of the task (V).
        chosen: bit i says whether to unpack the i-th encounter; by default all are. An encounter that the contract
            skipped may hold anything, so leave those out.

    Raises:
        ValueError: if the words are not a whole number of encounters.
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
    """Read one encounter of a batch.

    Args:
        task: the task's id, 32 bytes.
        parties: the batch's parties, 20 bytes each.
        item: the encounter's four words. More may follow; they are not read.
        voters: where each voter stands among the parties.
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
    """Cut bytes into words; the last one is filled up with zeros."""
    return tuple(octets[i : i + WORD_BYTES].ljust(WORD_BYTES, b"\0") for i in range(0, len(octets), WORD_BYTES))


def _compact_all(signatures: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(part for signature in signatures for part in (compact(signature)[:32], compact(signature)[32:]))
