"""The messages that are signed: Terms, Report, Vote and Batch, with the EIP-712 hashes that the contract checks."""

from dataclasses import dataclass
from functools import lru_cache

from idml.protocol.hashing import ADDRESS_BYTES, WORD_BYTES, ZERO_WORD, keccak256, words

_DOMAIN_TYPE = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_TERMS_TYPE = keccak256(
    b"Terms(bytes32 task,address learner,address neighbor,uint96 reward,bytes32 modelBefore,"
    b"bytes32 learnerCommitment,bytes32 neighborCommitment,uint32 seats,uint40 asOf,uint40 deadline,uint64 nonce)"
)
_REPORT_TYPE = keccak256(b"Report(bytes32 encounter,address reporter,bytes32 result,bytes32 secret,bytes32 previous)")
_VOTE_TYPE = keccak256(b"Vote(bytes32 encounter,address validator,bytes32 seed,bytes32 result,bool accept)")
_BATCH_TYPE = keccak256(b"Batch(bytes32 task,address[] parties,bytes32[] encounters)")
_NAME_HASH = keccak256(b"iDML")
_VERSION_HASH = keccak256(b"1")


def commitment(secret: bytes) -> bytes:
    """Commit to a 32-byte secret: `keccak256(secret)`, 32 bytes."""
    _check_bytes("secret", secret, WORD_BYTES)
    return keccak256(secret)


def committee_seed(learner_secret: bytes, neighbor_secret: bytes) -> bytes:
    """Combine both secrets, 32 bytes each, into the seed from which the committee is drawn, 32 bytes."""
    _check_bytes("learner_secret", learner_secret, WORD_BYTES)
    _check_bytes("neighbor_secret", neighbor_secret, WORD_BYTES)
    return keccak256(learner_secret + neighbor_secret)


@dataclass(frozen=True, slots=True)
class Terms:
    """What learner and neighbor agree on before they collaborate; the contract's `Terms`.

    Args:
        task: the task's id, 32 bytes.
        learner, neighbor: addresses, 20 bytes each.
        reward: what the learner pays and the neighbor risks, in base units of the token (uint96).
        model_before: digest of the learner's model before the encounter, 32 bytes.
        learner_commitment, neighbor_commitment: hashes of the parties' secrets, see `commitment`, 32 bytes each.
        seats: length of the seat table at `as_of` (uint32).
        as_of: the time that decides which seats may be drawn, in seconds (uint40).
        deadline: the last second at which the encounter may be opened, at most one completion window after `as_of`
            (uint40).
        nonce: a number that the learner uses for one encounter only (uint64).

    Raises:
        ValueError: for a field of the wrong length or out of range.
    """

    task: bytes
    learner: bytes
    neighbor: bytes
    reward: int
    model_before: bytes
    learner_commitment: bytes
    neighbor_commitment: bytes
    seats: int
    as_of: int
    deadline: int
    nonce: int

    def __post_init__(self) -> None:
        for name in ("task", "model_before", "learner_commitment", "neighbor_commitment"):
            _check_bytes(name, getattr(self, name), WORD_BYTES)
        _check_bytes("learner", self.learner, ADDRESS_BYTES)
        _check_bytes("neighbor", self.neighbor, ADDRESS_BYTES)
        for name, bits in (("reward", 96), ("seats", 32), ("as_of", 40), ("deadline", 40), ("nonce", 64)):
            _check_uint(name, getattr(self, name), bits)

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`, 32 bytes."""
        return keccak256(
            _TERMS_TYPE
            + words(
                (
                    self.task,
                    self.learner,
                    self.neighbor,
                    self.reward,
                    self.model_before,
                    self.learner_commitment,
                    self.neighbor_commitment,
                    self.seats,
                    self.as_of,
                    self.deadline,
                    self.nonce,
                )
            )
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A party's statement of what the collaboration produced; the contract's `Report`.

    Args:
        encounter: the encounter's id, 32 bytes.
        reporter: the learner's or the neighbor's address, 20 bytes.
        result: digest of the model that validators judge, or from which they compute the one that they judge, 32 bytes.
        secret: the reporter's secret, whose hash is its commitment, 32 bytes.
        previous: in the learner's Report, the EIP-712 hash of the neighbor's Report; in the neighbor's, zero. 32 bytes.

    Raises:
        ValueError: for a field of the wrong length.
    """

    encounter: bytes
    reporter: bytes
    result: bytes
    secret: bytes
    previous: bytes = ZERO_WORD

    def __post_init__(self) -> None:
        for name in ("encounter", "result", "secret", "previous"):
            _check_bytes(name, getattr(self, name), WORD_BYTES)
        _check_bytes("reporter", self.reporter, ADDRESS_BYTES)

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`, 32 bytes."""
        return keccak256(_REPORT_TYPE + words((self.encounter, self.reporter, self.result, self.secret, self.previous)))


@dataclass(frozen=True, slots=True)
class Vote:
    """A validator's verdict on one encounter; the contract's `Vote`.

    Args:
        encounter: the encounter's id, 32 bytes.
        validator: its address, 20 bytes.
        seed: the committee seed, 32 bytes.
        result: the reported digest, 32 bytes.
        accept: the verdict.

    Raises:
        ValueError: for a field of the wrong length.
    """

    encounter: bytes
    validator: bytes
    seed: bytes
    result: bytes
    accept: bool

    def __post_init__(self) -> None:
        for name in ("encounter", "seed", "result"):
            _check_bytes(name, getattr(self, name), WORD_BYTES)
        _check_bytes("validator", self.validator, ADDRESS_BYTES)

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`, 32 bytes."""
        return keccak256(_VOTE_TYPE + words((self.encounter, self.validator, self.seed, self.result, self.accept)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Many encounters in one message, which each of their parties signs once.

    Args:
        task: the task's id, 32 bytes.
        parties: addresses of all learners, neighbors and voters, 20 bytes each, ascending.
        encounters: words of 32 bytes. The first ones are four for each encounter, the last ones hold a byte for each
            voter; see `idml.protocol.batch`.
    """

    task: bytes
    parties: tuple[bytes, ...]
    encounters: tuple[bytes, ...]

    def struct_hash(self) -> bytes:
        """EIP-712 `hashStruct`, 32 bytes."""
        lists = (keccak256(words(self.parties)), keccak256(words(self.encounters)))
        return keccak256(_BATCH_TYPE + words((self.task, *lists)))


@dataclass(frozen=True, slots=True)
class Domain:
    """The EIP-712 domain of one contract on one chain. A signature made for it is valid nowhere else.

    Args:
        chain_id: EIP-155 chain id.
        contract: address of the contract `IDML`, 20 bytes.
    """

    chain_id: int
    contract: bytes

    def separator(self) -> bytes:
        """The domain separator, 32 bytes."""
        return _separator(self.chain_id, self.contract)

    def digest(self, message: Terms | Report | Vote | Batch) -> bytes:
        """The 32 bytes that are signed for a message. Those of Terms are also the encounter's id."""
        return _digest(self, message)


# Both parties and whoever reads the ledger ask for the hashes of the same few messages one after another.
@lru_cache(maxsize=64)
def _digest(domain: Domain, message: Terms | Report | Vote | Batch) -> bytes:
    return keccak256(b"\x19\x01" + domain.separator() + message.struct_hash())


@lru_cache(maxsize=64)
def _separator(chain_id: int, contract: bytes) -> bytes:
    return keccak256(_DOMAIN_TYPE + words((_NAME_HASH, _VERSION_HASH, chain_id, contract)))


def _check_bytes(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise ValueError(f"{name} has {len(value)} bytes: must have {length}")


def _check_uint(name: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} is {value}: must be between 0 and 2^{bits} - 1")
