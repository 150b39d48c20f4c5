"""Where an opened encounter stands: the contract's state machine, mirrored without I/O.

The contract stores only the hash of an encounter's `Progress`; whoever acts on it brings the Progress along. Everybody
can rebuild it from the contract's events with `Encounter.follow`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from idml.protocol.hashing import WORD_BYTES, ZERO_WORD, keccak256, words
from idml.protocol.messages import Domain, Report, Terms, Vote
from idml.protocol.task import TaskParams


class Phase(IntEnum):
    """Where an opened encounter stands; the contract's `Phase`."""

    NONE = 0
    OPEN = 1
    REFUSED = 2
    REPORTED = 3
    DISPUTED = 4
    VALIDATING = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of an open encounter; the contract's `Progress`, field by field.

    Args:
        phase: where the encounter stands.
        since: when that phase began, in seconds.
        result: the neighbor's reported digest; zero before it reported.
        neighbor_report: EIP-712 hash of the neighbor's Report while the learner's is awaited or in dispute, else zero.
        neighbor_secret: likewise.
        seed: the committee seed; zero before both reported.
        committee: who may vote, in the order drawn; empty before validation and in open voting.
        voters: who voted, in the order of the votes.
        ballots: bit i set: `voters[i]` voted yes.
    """

    phase: Phase
    since: int
    result: bytes = ZERO_WORD
    neighbor_report: bytes = ZERO_WORD
    neighbor_secret: bytes = ZERO_WORD
    seed: bytes = ZERO_WORD
    committee: tuple[bytes, ...] = ()
    voters: tuple[bytes, ...] = ()
    ballots: int = 0

    def state_hash(self) -> bytes:
        """What the contract stores: `keccak256(abi.encode(progress))`, 32 bytes."""
        head_words = 9
        committee_at = head_words * WORD_BYTES
        voters_at = committee_at + (1 + len(self.committee)) * WORD_BYTES
        return keccak256(
            words(
                (
                    WORD_BYTES,
                    self.phase,
                    self.since,
                    self.result,
                    self.neighbor_report,
                    self.neighbor_secret,
                    self.seed,
                    committee_at,
                    voters_at,
                    self.ballots,
                    len(self.committee),
                    *self.committee,
                    len(self.voters),
                    *self.voters,
                )
            )
        )

    @property
    def votes(self) -> tuple[tuple[bytes, bool], ...]:
        """Voters with their verdicts, in the order of the votes."""
        return tuple((voter, bool(self.ballots >> i & 1)) for i, voter in enumerate(self.voters))

    @property
    def votes_for(self) -> int:
        """Number of yes votes."""
        return self.ballots.bit_count()

    @property
    def votes_against(self) -> int:
        """Number of no votes."""
        return len(self.voters) - self.votes_for

    def due_s(self, task: TaskParams) -> int:
        """The last second at which a party or validator may act in this phase."""
        return self.since + (task.voting_window_s if self.phase is Phase.VALIDATING else task.completion_window_s)

    def finalizable_after_s(self, task: TaskParams) -> int:
        """Anyone may finalize at any later second than this one.

        Where a committee exists, a neighbor whose learner is silent or denies has one more window to contest.
        """
        contest_s = task.completion_window_s if task.committee_size else 0
        if self.phase is Phase.REPORTED:
            return self.due_s(task) + contest_s
        if self.phase is Phase.DISPUTED:
            return self.since + contest_s if contest_s else self.since - 1
        return self.due_s(task)


_POSSIBLE = {
    "Refused": (Phase.OPEN,),
    "Reported by the neighbor": (Phase.OPEN, Phase.REFUSED),
    "Reported by the learner": (Phase.REPORTED,),
    "Disputed": (Phase.REPORTED,),
    "ValidationStarted": (Phase.REPORTED,),
    "Voted": (Phase.VALIDATING,),
    "Settled": (Phase.VALIDATING,),
    "Ended": (Phase.OPEN, Phase.REFUSED, Phase.REPORTED, Phase.DISPUTED),
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
    def opened(cls, domain: Domain, terms: Terms, now_s: int) -> "Encounter":
        """The encounter as it stands after `open` at `now_s`."""
        return cls(domain.digest(terms), terms, Progress(Phase.OPEN, now_s))

    def report(self, reporter: bytes, result: bytes, secret: bytes) -> Report:
        """The Report that a party (20-byte address) would sign now, naming its predecessor."""
        return Report(self.id, reporter, result, secret, self.progress.neighbor_report)

    def vote(self, validator: bytes, accept: bool) -> Vote:
        """The Vote that a validator (20-byte address) would sign now."""
        return Vote(self.id, validator, self.progress.seed, self.progress.result, accept)

    def follow(self, name: str, arguments: Mapping[str, Any], now_s: int, domain: Domain) -> "Encounter | None":
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
        progress = self.progress
        reported_by = "neighbor" if arguments.get("reporter") == self.terms.neighbor else "learner"
        step = f"Reported by the {reported_by}" if name == "Reported" else name
        if progress.phase not in _POSSIBLE.get(step, ()):
            raise ValueError(f"{step} cannot follow on phase {progress.phase.name}")
        if name in ("Settled", "Ended"):
            return None
        if name == "Refused":
            return replace(self, progress=Progress(Phase.REFUSED, now_s))
        if name == "Reported" and reported_by == "neighbor":
            result, secret = arguments["result"], arguments["secret"]
            said = domain.digest(Report(self.id, self.terms.neighbor, result, secret))
            return replace(self, progress=Progress(Phase.REPORTED, now_s, result, said, secret))
        if name == "Reported":
            return self  # the learner's: ValidationStarted or Disputed follows in the same transaction
        if name == "Disputed":
            return replace(self, progress=replace(progress, phase=Phase.DISPUTED, since=now_s))
        if name == "ValidationStarted":
            committee = tuple(arguments["committee"])
            return replace(
                self,
                progress=Progress(
                    Phase.VALIDATING, now_s, progress.result, seed=arguments["seed"], committee=committee
                ),
            )
        ballots = progress.ballots | (int(arguments["accept"]) << len(progress.voters))
        voters = (*progress.voters, arguments["validator"])
        return replace(self, progress=replace(progress, voters=voters, ballots=ballots))
