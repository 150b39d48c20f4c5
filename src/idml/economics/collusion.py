"""Collusion: what a ring of devices that vote for each other can gain, and what its victims lose."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from idml.economics.payoffs import ZERO, NeighborWork, Strategy, Verdicts, accepts, binomial, vote_gains
from idml.protocol.task import FULL_BPS, TaskParams


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring of colluding devices among all devices.

    Args:
        devices: number of devices that may be drawn to vote, with both parties of an encounter counted.
        members: number of those that collude, with the ring's party of an encounter counted.

    Raises:
        ValueError: if there are fewer members than one or fewer others than one.
    """

    devices: int
    members: int

    def __post_init__(self) -> None:
        if not 1 <= self.members < self.devices:
            raise ValueError(
                f"the ring has {self.members} members: must be from 1 to {self.devices - 1}, below devices"
            )


@dataclass(frozen=True, slots=True)
class Raid:
    """The average result of an encounter between a party of the ring and an honest one; gains are shares of the reward.

    Args:
        success: probability of the outcome that the ring votes for.
        outvotes: probability that the ring alone decides, whatever the others vote.
        ring: gain of the ring, its party and its voters together.
        victim: gain of the honest party; negative if it loses.
        bystanders: gain of the honest validators together.
    """

    success: Fraction
    outvotes: Fraction
    ring: Fraction
    victim: Fraction
    bystanders: Fraction


def ring_votes(task: TaskParams, ring: Ring) -> tuple[Fraction, ...]:
    """The probabilities that 0, 1, ... V of the V votes are those of the ring.

    One party of the encounter belongs to the ring. A committee is drawn from all devices but the two parties, and its
    members that belong to the ring vote first. If anyone may vote, the ring brings as many voters as it has.

    Raises:
        ValueError: if fewer than V devices are left to vote.
    """
    pool, members, votes = ring.devices - 2, ring.members - 1, task.votes
    if pool < votes:
        raise ValueError(f"there are {ring.devices} devices: {votes} votes need {votes + 2}")
    if not task.committee_size:
        return tuple(Fraction(count == min(members, votes)) for count in range(votes + 1))
    size = min(task.committee_size, pool)
    found = [ZERO] * (votes + 1)
    for drawn in range(size + 1):
        ways = comb(members, drawn) * comb(pool - members, size - drawn)
        found[min(drawn, votes)] += Fraction(ways, comb(pool, size))
    return tuple(found)


def rob_neighbor(task: TaskParams, ring: Ring, verdicts: Verdicts) -> Raid:
    """A raid on a neighbor: the learner keeps honest work, and its ring votes no.

    If it succeeds, the learner's prepayment returns and the neighbor is fined.
    """
    return _raid(task, ring, verdicts, NeighborWork.HONEST, ring_says=False)


def rob_learner(task: TaskParams, ring: Ring, verdicts: Verdicts) -> Raid:
    """A raid on a learner: the neighbor hands over an attack, and its ring votes yes.

    If it succeeds, the learner pays for the attack.
    """
    return _raid(task, ring, verdicts, NeighborWork.ATTACK, ring_says=True)


def _raid(task: TaskParams, ring: Ring, verdicts: Verdicts, work: NeighborWork, *, ring_says: bool) -> Raid:
    share = Fraction(task.neighbor_share_bps, FULL_BPS)
    success = outvotes = party = voters = victim = bystanders = ZERO
    for probability, own, others_for in _counts(task, ring, verdicts, work):
        votes_for = others_for + own * ring_says
        accepted = accepts(task, votes_for)
        success += probability * (accepted is ring_says)
        learner, neighbor = (Fraction(-1), share) if accepted else (ZERO, Fraction(-1))
        party += probability * (neighbor if ring_says else learner)
        victim += probability * (learner if ring_says else neighbor)
        # A voter counts the yes votes of the others, so who votes yes meets one yes less than there are.
        yes, no = (vote_gains(task)[max(0, votes_for - 1)][1], vote_gains(task)[min(votes_for, task.votes - 1)][0])
        voters += probability * own * (yes if ring_says else no)
        others = task.votes - own
        bystanders += probability * (others_for * yes + (others - others_for) * no)
    for own, probability in enumerate(ring_votes(task, ring)):
        least, most = (own, task.votes) if ring_says else (0, task.votes - own)
        outvotes += probability * (accepts(task, least) is accepts(task, most) is ring_says)
    return Raid(success, outvotes, party + voters, victim, bystanders)


def _counts(
    task: TaskParams, ring: Ring, verdicts: Verdicts, work: NeighborWork
) -> Iterator[tuple[Fraction, int, int]]:
    """All possible cases, as (probability, number of the ring's votes, number of yes votes among the others)."""
    for own, drawn in enumerate(ring_votes(task, ring)):
        for weight, verdict in verdicts.cases(work):
            yes = Strategy.HONEST.votes_yes(verdict)
            for others_for, probability in enumerate(binomial(task.votes - own, yes)):
                yield drawn * weight * probability, own, others_for
