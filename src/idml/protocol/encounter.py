"""Where an opened encounter stands: the contract's state machine, mirrored without I/O.

The contract stores only the hash of an encounter's `Progress`; whoever acts on it brings the Progress along. Everybody
can rebuild it from the contract's events with `Encounter.follow`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from operator import attrgetter
from typing import Any

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
_parts = attrgetter(*_STAGE_BITS)


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
        return cls(Phase(phase), *others)


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

    @property
    def where(self) -> Stage:
        """The stage, unpacked."""
        return Stage.unpack(self.stage)

    @property
    def phase(self) -> Phase:
        """Which step comes next."""
        return Phase(self.stage & 0xFF)

    @property
    def since(self) -> int:
        """When the phase began, in seconds."""
        return self.where.since

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
        stage = self.where
        return tuple(
            (member, bool(stage.accepts >> i & 1)) for i, member in enumerate(self.committee) if stage.voted >> i & 1
        )

    @property
    def votes_for(self) -> int:
        """Number of yes votes."""
        return self.where.accepts.bit_count()

    @property
    def votes_against(self) -> int:
        """Number of no votes."""
        stage = self.where
        return stage.voted.bit_count() - stage.accepts.bit_count()

    @property
    def seed_block(self) -> int:
        """The block whose hash draws a contested committee; known in the block after it, for `BLOCKHASH_REACH`."""
        return self.where.contest_block + CONTEST_DELAY_BLOCKS

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


_POSSIBLE = {
    "Refused": (Phase.OPEN,),
    "Reported by the neighbor": (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED),
    "Reported by the learner": (Phase.REPORTED,),
    "Disputed": (Phase.REPORTED,),
    "Contested": (Phase.REPORTED, Phase.DISPUTED),
    "ValidationStarted": (Phase.REPORTED, Phase.CONTESTED),
    "Voted": (Phase.VALIDATING,),
    "Settled": (Phase.VALIDATING,),
    "Ended": (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED, Phase.CONTESTED, Phase.VALIDATING),
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

    def follow(self, name: str, arguments: Mapping[str, Any], now_s: int) -> "Encounter | None":
        """The encounter after one of the contract's events about it.

        Args:
            name: the event's name in the contract's interface.
            arguments: its arguments under their Solidity names; bytes32 and addresses as bytes.
            now_s: timestamp of its block.

        Returns:
            The encounter as it now stands, or None if it is over.

        Raises:
            ValueError: for an event that cannot follow on the present state.
        """
        progress, stage = self.progress, self.progress.where
        reported_by = "neighbor" if arguments.get("reporter") == self.terms.neighbor else "learner"
        step = f"Reported by the {reported_by}" if name == "Reported" else name
        if stage.phase not in _POSSIBLE.get(step, ()):
            raise ValueError(f"{step} cannot follow on phase {stage.phase.name}")
        if name in ("Settled", "Ended"):
            return None
        if step == "Reported by the learner":
            return self  # ValidationStarted or Disputed follows in the same transaction
        changes: dict[str, Any] = {}
        if name == "Refused":
            stage = replace(stage, phase=Phase.REFUSED, since=now_s)
        elif name == "Reported":
            stage = replace(stage, phase=Phase.REPORTED, since=now_s)
            changes = {"result": arguments["result"], "neighbor_word": arguments["secret"]}
        elif name == "Disputed":
            stage = replace(stage, phase=Phase.DISPUTED, since=now_s)
        elif name == "Contested":
            stage = replace(stage, phase=Phase.CONTESTED, since=now_s, contest_block=arguments["blockNumber"])
        elif name == "ValidationStarted":
            secrets = (arguments["secret"], progress.neighbor_word)
            if stage.phase is Phase.CONTESTED:
                secrets = secrets[::-1]
            stage = replace(stage, phase=Phase.VALIDATING, since=now_s, seats=0, as_of=0)
            changes = {
                "learner_word": committee_seed(*secrets),
                "neighbor_word": ZERO_WORD,
                "committee": tuple(arguments["committee"]),
            }
        else:
            stage, changes = self._voted(stage, arguments["validator"], arguments["accept"])
        return Encounter(self.id, self.terms, replace(progress, stage=stage.pack(), **changes))

    def _voted(self, stage: Stage, validator: bytes, accept: bool) -> tuple[Stage, dict[str, Any]]:
        """In open voting whoever votes joins the committee."""
        committee = self.progress.committee
        if validator not in committee:
            committee = (*committee, validator)
        bit = 1 << committee.index(validator)
        stage = replace(stage, voted=stage.voted | bit, accepts=stage.accepts | bit * int(accept))
        return stage, {"committee": committee}
