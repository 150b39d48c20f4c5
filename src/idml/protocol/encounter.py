"""Where an opened encounter stands: the contract's state machine, mirrored without I/O.

The contract stores only the hash of an encounter's `Progress`; whoever acts on it brings the Progress along. Everybody
can rebuild it from the contract's events with `Encounter.follow`.
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
    """Where an opened encounter stands; the contract's `Phase`."""

    NONE = 0
    OPEN = 1
    REFUSED = 2
    REPORTED = 3
    DISPUTED = 4
    CONTESTED = 5
    VALIDATING = 6


_PHASES = tuple(Phase)

CONTEST_DELAY_BLOCKS = 2
"""The committee of a contested encounter is drawn from the hash of this many blocks after the contest's."""

BLOCKHASH_REACH = 256
"""Within so many blocks after that one."""

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
"""Where each part begins in the word, and its mask; `Stage` has the same parts in the same order."""
_PLACE_OF = dict(zip(_STAGE_BITS, _PLACES, strict=True))
_parts = attrgetter(*_STAGE_BITS)


def _part(word: int, name: str) -> int:
    """One part of a stage's word."""
    at, mask = _PLACE_OF[name]
    return word >> at & mask


def _put(word: int, **parts: int) -> int:
    """A stage's word with other parts."""
    for name, part in parts.items():
        at, mask = _PLACE_OF[name]
        word = word & ~(mask << at) | part << at
    return word


def _enter(word: int, phase: Phase, since: int) -> int:
    """A stage's word at the beginning of a phase."""
    return _put(word, phase=phase, since=since)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where an open encounter stands, in one word; the contract's `Stage`.

    Args:
        phase: which step comes next.
        since: when that phase began, in seconds.
        lane: which of the learner's the encounter occupies.
        contest_block: the block of the contest; 0 if there was none.
        seats, as_of: of the Terms; zero from validation on.
        voted: bit i set: the i-th member of the committee voted.
        accepts: bit i set: it voted yes.
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
        """The word."""
        return sum([part << at for part, (at, _) in zip(_parts(self), _PLACES, strict=True)])

    @classmethod
    def unpack(cls, word: int) -> "Stage":
        """Read the word."""
        phase, *others = [word >> at & mask for at, mask in _PLACES]
        return cls(_PHASES[phase], *others)


@dataclass(frozen=True, slots=True)
class Progress:
    """All that is still needed to go on with an open encounter; the contract's `Progress`, field by field.

    Args:
        encounter: its id, 32 bytes.
        learner, neighbor: addresses, 20 bytes each.
        reward: in base units of the token.
        rules: the task in one word, see `TaskParams.pack`.
        stage: where the encounter stands, see `Stage`.
        learner_word: the learner's commitment; from validation on the committee's seed.
        neighbor_word: the neighbor's commitment; its secret once it reported; zero from validation on.
        result: the neighbor's reported digest; zero before it reported.
        committee: who may vote, in the order drawn, empty before validation; in open voting who voted.
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
        """What the contract stores: `keccak256(abi.encode(progress))`, 32 bytes."""
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
        """The same in another stage, and with what else is given."""
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
        """Which of the learner's lanes the encounter occupies."""
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
        """The committee's seed, 32 bytes; only from validation on."""
        return self.learner_word

    @property
    def voters(self) -> tuple[bytes, ...]:
        """Who voted, in the order of the committee."""
        return tuple(voter for voter, _ in self.votes)

    @property
    def votes(self) -> tuple[tuple[bytes, bool], ...]:
        """Voters with their verdicts, in the order of the committee."""
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
        """The block whose hash draws a contested committee; known in the block after it, for `BLOCKHASH_REACH`."""
        return _part(self.stage, "contest_block") + CONTEST_DELAY_BLOCKS

    def due_s(self, task: TaskParams) -> int:
        """The last second at which a party or validator may act in this phase."""
        return self.since + (task.voting_window_s if self.phase is Phase.VALIDATING else task.completion_window_s)

    def late_s(self, task: TaskParams) -> int:
        """When the last quarter of a party's window begins: time to stop waiting for the other."""
        return self.due_s(task) - task.completion_window_s // 4

    def contestable_s(self, task: TaskParams) -> tuple[int, int] | None:
        """The first and the last second at which the neighbor may contest; None where it never may."""
        window_s = task.completion_window_s
        if not task.committee_size or self.phase not in (Phase.REPORTED, Phase.DISPUTED):
            return None
        start = self.since + window_s + 1 if self.phase is Phase.REPORTED else self.since
        return start, start - (self.phase is Phase.REPORTED) + window_s

    def wake_s(self, task: TaskParams, now_s: int) -> int | None:
        """The next second after `now_s` at which time alone allows something new, if any; None where blocks decide."""
        if self.phase is Phase.CONTESTED:
            return None
        contestable = self.contestable_s(task)
        changes = [self.late_s(task)] if self.phase is not Phase.VALIDATING else []
        changes += [contestable[0], contestable[1] + 1] if contestable else [self.due_s(task) + 1]
        return next((change for change in changes if change > now_s), None)

    def finalizable(self, task: TaskParams, now_s: int, block: int) -> bool:
        """Whether anyone may finalize in a block of this time and number.

        Where a committee exists, a neighbor whose learner is silent has one more window to contest. A denial leaves
        one, to contest it or to bring both signed Reports.
        """
        if self.phase is Phase.CONTESTED:
            return block > self.seed_block + BLOCKHASH_REACH
        contestable = self.contestable_s(task)
        return now_s > (contestable[1] if contestable else self.due_s(task))


LANES = 64
"""Lanes in which a learner may open any encounter. As many more are kept, one for each nonce in reach."""


def free_lane(busy: Collection[int], nonce: int) -> int:
    """The lowest lane in which a learner has no encounter open, or the one that is kept for a nonce.

    Args:
        busy: the lanes in which it has one.
        nonce: of the encounter to be opened. Only the encounter of 64 nonces before can keep its lane busy: then the
            contract answers `LaneBusy` until that one is over.
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
"""On which phases an event can follow."""


@dataclass(frozen=True, slots=True)
class Encounter:
    """An opened encounter: its Terms, its id and where it stands.

    Args:
        id: EIP-712 hash of the Terms under the contract's domain, 32 bytes.
    """

    id: bytes
    terms: Terms
    progress: Progress

    @classmethod
    def opened(cls, domain: Domain, terms: Terms, task: TaskParams, now_s: int, lane: int = 0) -> "Encounter":
        """The encounter as it stands after `open` at `now_s`."""
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
        """The Report that a party (20-byte address) would sign now; the learner's names the neighbor's."""
        if reporter == self.terms.neighbor:
            return Report(self.id, reporter, result, secret)
        progress = self.progress
        previous = domain.digest(Report(self.id, self.terms.neighbor, progress.result, progress.neighbor_word))
        return Report(self.id, reporter, result, secret, previous)

    def vote(self, validator: bytes, accept: bool) -> Vote:
        """The Vote that a validator (20-byte address) would sign now."""
        return Vote(self.id, validator, self.progress.seed, self.progress.result, accept)

    def follow(self, event: EncounterEvent) -> "Encounter | None":
        """The encounter after one of the contract's events about it; None if that ends it.

        Raises:
            ValueError: for an event of another encounter, or one that cannot follow on the present state.
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
        """In open voting whoever votes joins the committee."""
        at, committee = self.progress, self.progress.committee
        if validator in at.voters:
            raise ValueError(f"0x{validator.hex()} has voted already")
        if validator not in committee:
            committee = (*committee, validator)
        bit = 1 << committee.index(validator)
        voted, accepts = _part(at.stage, "voted"), _part(at.stage, "accepts")
        word = _put(at.stage, voted=voted | bit, accepts=accepts | bit * int(accept))
        return at.moved(word, committee=committee)
