"""The state of an opened encounter: the contract's state machine, written again without I/O.

To save gas, the contract stores only the hash of an encounter's `Progress`. Whoever sends a transaction about the
encounter brings the Progress along. Everybody can rebuild it from the contract's events, with `Encounter.follow`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter

from idml.protocol.events import (
    Contested,
    Disputed,
    EncounterEvent,
    Ended,
    Refused,
    Reported,
    Settled,
    ValidationStarted,
    Voted,
)
from idml.protocol.hashing import WORD_BYTES, ZERO_WORD, keccak256, words
from idml.protocol.messages import Domain, Report, Terms, Vote, committee_seed
from idml.protocol.task import TaskParams


class Phase(IntEnum):
    """The steps of an opened encounter; the contract's `Phase`."""

    NONE = 0
    OPEN = 1
    REFUSED = 2
    REPORTED = 3
    DISPUTED = 4
    CONTESTED = 5
    VALIDATING = 6


_PHASES = tuple(Phase)

CONTEST_DELAY_BLOCKS = 2
"""The committee of a contested encounter is drawn from the hash of the block this many blocks after the contest."""

BLOCKHASH_REACH = 256
"""It must be drawn within this many blocks after that one: the contract cannot look up older hashes."""

_MAX_VOTERS = 24
_STAGE_BITS = {
    "phase": 8,
    "since": 40,
    "lane": 8,
    "contest_block": 40,
    "seats": 32,
    "as_of": 40,
    "voted": _MAX_VOTERS,
    "accepts": _MAX_VOTERS,
}
_PLACES = [(sum([*_STAGE_BITS.values()][:index]), (1 << bits) - 1) for index, bits in enumerate(_STAGE_BITS.values())]
"""For each part, the bit at which it begins in the word, and its mask. `Stage` has the same parts in the same order."""
_PLACE_OF = dict(zip(_STAGE_BITS, _PLACES, strict=True))
_parts = attrgetter(*_STAGE_BITS)


def _part(word: int, name: str) -> int:
    """Read one part of a stage's word."""
    at, mask = _PLACE_OF[name]
    return word >> at & mask


def _put(word: int, **parts: int) -> int:
    """Replace parts of a stage's word."""
    for name, part in parts.items():
        at, mask = _PLACE_OF[name]
        word = word & ~(mask << at) | part << at
    return word


def _enter(word: int, phase: Phase, since: int) -> int:
    """Replace phase and time in a stage's word, as a new phase begins."""
    return _put(word, phase=phase, since=since)


@dataclass(frozen=True, slots=True)
class Stage:
    """The part of an encounter's Progress that the contract keeps in one word; the contract's `Stage`.

    Args:
        phase: which step comes next.
        since: when that phase began, in seconds.
        lane: which of the learner's lanes the encounter occupies.
        contest_block: number of the block of the contest; 0 if there was none.
        seats, as_of: those of the Terms; zero once validation has begun.
        voted: bit i says whether the i-th member of the committee voted.
        accepts: bit i says whether the i-th member voted yes.
    """

    phase: Phase
    since: int
    lane: int = 0
    contest_block: int = 0
    seats: int = 0
    as_of: int = 0
    voted: int = 0
    accepts: int = 0

    def pack(self) -> int:
        """Write the stage as one word."""
        return sum([part << at for part, (at, _) in zip(_parts(self), _PLACES, strict=True)])

    @classmethod
    def unpack(cls, word: int) -> "Stage":
        """Read a stage from its word."""
        phase, *others = [word >> at & mask for at, mask in _PLACES]
        return cls(_PHASES[phase], *others)


@dataclass(frozen=True, slots=True)
class Progress:
    """All that is still needed to go on with an open encounter; the contract's `Progress`, field by field.

    Args:
        encounter: its id, 32 bytes.
        learner, neighbor: addresses, 20 bytes each.
        reward: what the learner paid, in base units of the token.
        rules: the task in one word, see `TaskParams.pack`.
        stage: where the encounter stands, in one word, see `Stage`.
        learner_word: the learner's commitment; once validation has begun, the committee's seed. 32 bytes.
        neighbor_word: the neighbor's commitment; once it has reported, its secret; once validation has begun, zero.
            32 bytes.
        result: the digest that the neighbor reported, 32 bytes; zero before it reported.
        committee: addresses of those who may vote, in the order drawn; empty before validation. In open voting, those
            who have voted.
    """

    encounter: bytes
    learner: bytes
    neighbor: bytes
    reward: int
    rules: int
    stage: int
    learner_word: bytes
    neighbor_word: bytes
    result: bytes = ZERO_WORD
    committee: tuple[bytes, ...] = ()

    def state_hash(self) -> bytes:
        """The hash that the contract stores: `keccak256(abi.encode(progress))`, 32 bytes."""
        head_words = 10
        return keccak256(
            words(
                (
                    WORD_BYTES,
                    self.encounter,
                    self.learner,
                    self.neighbor,
                    self.reward,
                    self.rules,
                    self.stage,
                    self.learner_word,
                    self.neighbor_word,
                    self.result,
                    head_words * WORD_BYTES,
                    len(self.committee),
                    *self.committee,
                )
            )
        )

    def moved(
        self,
        stage: int,
        learner_word: bytes | None = None,
        neighbor_word: bytes | None = None,
        result: bytes | None = None,
        committee: tuple[bytes, ...] | None = None,
    ) -> "Progress":
        """A copy with another stage, and with whatever else is given.

        Args:
            stage: the new stage in one word.
            learner_word, neighbor_word, result, committee: new values; None keeps the present one.
        """
        # Written out, as `dataclasses.replace` takes five times as long and this is done for every event.
        return Progress(
            self.encounter,
            self.learner,
            self.neighbor,
            self.reward,
            self.rules,
            stage,
            self.learner_word if learner_word is None else learner_word,
            self.neighbor_word if neighbor_word is None else neighbor_word,
            self.result if result is None else result,
            self.committee if committee is None else committee,
        )

    @property
    def where(self) -> Stage:
        """The stage, unpacked."""
        return Stage.unpack(self.stage)

    @property
    def lane(self) -> int:
        """The one of the learner's lanes that the encounter occupies."""
        return _part(self.stage, "lane")

    @property
    def phase(self) -> Phase:
        """Which step comes next."""
        return _PHASES[self.stage & 0xFF]

    @property
    def since(self) -> int:
        """When the phase began, in seconds."""
        return _part(self.stage, "since")

    @property
    def seed(self) -> bytes:
        """The committee's seed, 32 bytes. It is known only once validation has begun."""
        return self.learner_word

    @property
    def voters(self) -> tuple[bytes, ...]:
        """Addresses of those who voted, in the committee's order."""
        return tuple(voter for voter, _ in self.votes)

    @property
    def votes(self) -> tuple[tuple[bytes, bool], ...]:
        """Addresses of those who voted, each with its verdict, in the committee's order."""
        voted, accepts = _part(self.stage, "voted"), _part(self.stage, "accepts")
        return tuple((member, bool(accepts >> i & 1)) for i, member in enumerate(self.committee) if voted >> i & 1)

    @property
    def votes_for(self) -> int:
        """Number of yes votes."""
        return _part(self.stage, "accepts").bit_count()

    @property
    def votes_against(self) -> int:
        """Number of no votes."""
        return _part(self.stage, "voted").bit_count() - self.votes_for

    @property
    def seed_block(self) -> int:
        """Number of the block from whose hash a contested committee is drawn.

        The contract can look the hash up from the next block on, for `BLOCKHASH_REACH` blocks.
        """
        return _part(self.stage, "contest_block") + CONTEST_DELAY_BLOCKS

    def due_s(self, task: TaskParams) -> int:
        """The last second at which a party or validator may act in this phase."""
        return self.since + (task.voting_window_s if self.phase is Phase.VALIDATING else task.completion_window_s)

    def late_s(self, task: TaskParams) -> int:
        """The second at which the last quarter of a party's window begins.

        From then on a party no longer waits for the other.
        """
        return self.due_s(task) - task.completion_window_s // 4

    def contestable_s(self, task: TaskParams) -> tuple[int, int] | None:
        """The first and the last second at which the neighbor may contest; None if it may not in this phase."""
        window_s = task.completion_window_s
        if not task.committee_size or self.phase not in (Phase.REPORTED, Phase.DISPUTED):
            return None
        start = self.since + window_s + 1 if self.phase is Phase.REPORTED else self.since
        return start, start - (self.phase is Phase.REPORTED) + window_s

    def wake_s(self, task: TaskParams, now_s: int) -> int | None:
        """The next second after `now_s` at which something new is allowed only because time has passed.

        None if there is no such second, or if blocks decide instead of time.
        """
        if self.phase is Phase.CONTESTED:
            return None
        contestable = self.contestable_s(task)
        changes = [self.late_s(task)] if self.phase is not Phase.VALIDATING else []
        changes += [contestable[0], contestable[1] + 1] if contestable else [self.due_s(task) + 1]
        return next((change for change in changes if change > now_s), None)

    def finalizable(self, task: TaskParams, now_s: int, block: int) -> bool:
        """Whether anyone may finalize the encounter in a block of this time and number.

        In a task with committees, a neighbor whose learner stays silent has one more window in which to contest. After
        a denial it has one window in which to contest, or to bring both signed Reports.
        """
        if self.phase is Phase.CONTESTED:
            return block > self.seed_block + BLOCKHASH_REACH
        contestable = self.contestable_s(task)
        return now_s > (contestable[1] if contestable else self.due_s(task))


LANES = 64
"""Number of lanes in which a learner may open any encounter.

A lane is a slot for one open encounter. There are as many lanes again, each of them kept for one of the learner's next
nonces.
"""


def free_lane(busy: Collection[int], nonce: int) -> int:
    """Choose a lane for a new encounter: the lowest free one, or if none is free the one that is kept for its nonce.

    Args:
        busy: the lanes in which the learner has an encounter open.
        nonce: nonce of the encounter to be opened. The lane kept for it can only be busy with the encounter of 64
            nonces before. Then the contract answers `LaneBusy` until that one is over.
    """
    return next((lane for lane in range(LANES) if lane not in busy), LANES + nonce % LANES)


_POSSIBLE: dict[type[EncounterEvent], tuple[Phase, ...]] = {
    Refused: (Phase.OPEN,),
    Reported: (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED),
    Disputed: (Phase.REPORTED,),
    Contested: (Phase.REPORTED, Phase.DISPUTED),
    ValidationStarted: (Phase.REPORTED, Phase.CONTESTED),
    Voted: (Phase.VALIDATING,),
    Settled: (Phase.VALIDATING,),
    Ended: (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED, Phase.VALIDATING),
}
"""For each event, the phases in which it can happen."""


@dataclass(frozen=True, slots=True)
class Encounter:
    """An opened encounter: its id, its Terms and where it stands.

    Args:
        id: EIP-712 hash of the Terms under the contract's domain, 32 bytes.
        terms: what learner and neighbor agreed on.
        progress: where it stands.
    """

    id: bytes
    terms: Terms
    progress: Progress

    @classmethod
    def opened(cls, domain: Domain, terms: Terms, task: TaskParams, now_s: int, lane: int = 0) -> "Encounter":
        """The encounter as it stands right after transaction `open`.

        Args:
            domain: the contract's EIP-712 domain.
            terms: what learner and neighbor agreed on.
            task: the rules.
            now_s: time of the transaction's block, in seconds.
            lane: which of the learner's lanes it occupies.
        """
        encounter = domain.digest(terms)
        stage = Stage(Phase.OPEN, now_s, lane, 0, terms.seats, terms.as_of)
        progress = Progress(
            encounter,
            terms.learner,
            terms.neighbor,
            terms.reward,
            task.pack(),
            stage.pack(),
            terms.learner_commitment,
            terms.neighbor_commitment,
        )
        return cls(encounter, terms, progress)

    def report(self, reporter: bytes, result: bytes, secret: bytes, domain: Domain) -> Report:
        """The Report that a party would sign now. The learner's names the neighbor's by its hash.

        Args:
            reporter: address of the learner or the neighbor, 20 bytes.
            result: digest of what the collaboration produced, 32 bytes.
            secret: the reporter's secret, 32 bytes.
            domain: the contract's EIP-712 domain.
        """
        if reporter == self.terms.neighbor:
            return Report(self.id, reporter, result, secret)
        progress = self.progress
        previous = domain.digest(Report(self.id, self.terms.neighbor, progress.result, progress.neighbor_word))
        return Report(self.id, reporter, result, secret, previous)

    def vote(self, validator: bytes, accept: bool) -> Vote:
        """The Vote that a validator (20-byte address) would sign now."""
        return Vote(self.id, validator, self.progress.seed, self.progress.result, accept)

    def follow(self, event: EncounterEvent) -> "Encounter | None":
        """The encounter as it stands after one of the contract's events about it.

        Returns:
            A new object; None if the event ends the encounter.

        Raises:
            ValueError: for an event of another encounter, or one that cannot happen in the present state.
        """
        if event.encounter != self.id:
            raise ValueError(f"{type(event).__name__} is about 0x{event.encounter.hex()}, not 0x{self.id.hex()}")
        phase = self.progress.phase
        by_learner = isinstance(event, Reported) and event.reporter != self.terms.neighbor
        if phase not in ((Phase.REPORTED,) if by_learner else _POSSIBLE.get(type(event), ())):
            who = " by the learner" if by_learner else ""
            raise ValueError(f"{type(event).__name__}{who} cannot follow on phase {phase.name}")
        if isinstance(event, Settled | Ended):
            return None
        if by_learner:
            return self  # ValidationStarted or Disputed follows in the same transaction
        return Encounter(self.id, self.terms, self._after(event))

    def _after(self, event: EncounterEvent) -> Progress:
        """The progress after an event that does not end the encounter."""
        at, now_s = self.progress, event.timestamp_s
        match event:
            case Refused():
                return at.moved(_enter(at.stage, Phase.REFUSED, now_s))
            case Reported():
                stage = _enter(at.stage, Phase.REPORTED, now_s)
                return at.moved(stage, neighbor_word=event.secret, result=event.result)
            case Disputed():
                return at.moved(_enter(at.stage, Phase.DISPUTED, now_s))
            case Contested():
                return at.moved(_put(_enter(at.stage, Phase.CONTESTED, now_s), contest_block=event.block_number))
            case ValidationStarted():
                secrets = (event.secret, at.neighbor_word)
                if at.phase is Phase.CONTESTED:
                    secrets = secrets[::-1]
                stage = _put(_enter(at.stage, Phase.VALIDATING, now_s), seats=0, as_of=0)
                return at.moved(stage, committee_seed(*secrets), ZERO_WORD, committee=event.committee)
        assert isinstance(event, Voted)
        return self._voted(event.validator, event.accept)

    def _voted(self, validator: bytes, accept: bool) -> Progress:
        """The progress after a vote. In open voting, whoever votes is added to the committee."""
        at, committee = self.progress, self.progress.committee
        if validator in at.voters:
            raise ValueError(f"0x{validator.hex()} has voted already")
        if validator not in committee:
            committee = (*committee, validator)
        bit = 1 << committee.index(validator)
        voted, accepts = _part(at.stage, "voted"), _part(at.stage, "accepts")
        word = _put(at.stage, voted=voted | bit, accepts=accepts | bit * int(accept))
        return at.moved(word, committee=committee)
