"""The rules of a task, and the two presets that ship (docs/mechanism.md: Joining)."""

from dataclasses import astuple, dataclass
from functools import lru_cache

from idml.protocol.hashing import keccak256, words

FULL_BPS = 10_000
MAX_VOTES = 16
MAX_LIFE_S = 6 * 24 * 3600
TOKEN_WEI = 10**18
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class TaskParams:
    """The immutable rules of a task; the contract's `TaskParams`, field by field.

    Args:
        neighbor_share_bps: the neighbor's share of the reward; validators share the rest.
        good_faith_bps: the share of the reward that a neighbor gets if it reported and the encounter ends incomplete.
        no_vote_bps: the share of the reward that the neighbor gets if fewer than `quorum` voted; the rest is burnt.
        reject_pot_bps: the share of a rejected neighbor's penalty that validators get; the rest is burnt.
        votes: number of votes that settle an encounter (the paper's V), 1 to 16.
        committee_size: number of members drawn to vote (K), at least `votes` and at most 16. With 0, anyone who has
            staked may vote.
        quorum: the least number of votes that decide anything, 1 to `votes`.
        tie_accepts: whether the contribution is accepted if there are as many yes as no votes.
        completion_window_s: time for each report, and time until a refusal or a dispute becomes final.
        voting_window_s: time for the votes.
        tolerance_bps: by how much the metric may fall for a yes (the paper's tau).
        metric: number of the validation rule; 0 is accuracy.
        validation_images: number of samples that a validator scores.
        max_model_bytes: the largest model that a party must accept.

    Shares and `tolerance_bps` are in basis points, 0 to 10,000. Windows last from 1 s to `MAX_LIFE_S`. The last four
    numbers are for parties and validators; the contract keeps them but does not read them.

    Raises:
        ValueError: for a value that the contract would refuse. It names the parameter, the value and the valid range.
    """

    neighbor_share_bps: int
    good_faith_bps: int
    no_vote_bps: int
    reject_pot_bps: int
    votes: int
    committee_size: int
    quorum: int
    tie_accepts: bool
    completion_window_s: int
    voting_window_s: int
    tolerance_bps: int
    metric: int
    validation_images: int
    max_model_bytes: int

    def __post_init__(self) -> None:
        for name in (
            "neighbor_share_bps",
            "good_faith_bps",
            "no_vote_bps",
            "reject_pot_bps",
            "tolerance_bps",
        ):
            _check(name, getattr(self, name), 0, FULL_BPS)
        _check("votes", self.votes, 1, MAX_VOTES)
        if self.committee_size != 0:
            _check("committee_size", self.committee_size, self.votes, MAX_VOTES)
        _check("quorum", self.quorum, 1, self.votes)
        _check("completion_window_s", self.completion_window_s, 1, MAX_LIFE_S)
        _check("voting_window_s", self.voting_window_s, 1, MAX_LIFE_S)
        for name, bits in (("metric", 8), ("validation_images", 16), ("max_model_bytes", 32)):
            _check(name, getattr(self, name), 0, (1 << bits) - 1)
        # Five windows: opening, refusing, each report after a refusal that a report voids, contesting; see the
        # contract.
        life_s = 5 * self.completion_window_s + self.voting_window_s + HOUR_S
        if life_s > MAX_LIFE_S:
            raise ValueError(
                f"5 * completion_window_s + voting_window_s + 1 h is {life_s} s: at most {MAX_LIFE_S} s allowed"
            )

    @property
    def id(self) -> bytes:
        """The task's id, `keccak256(abi.encode(params))`, 32 bytes."""
        return _task_id(self)

    def pack(self) -> int:
        """The task in one word, as the contract stores it: field after field from the lowest bits on."""
        return _pack(self)


_FIELD_BITS = (16, 16, 16, 16, 8, 8, 8, 8, 32, 32, 16, 8, 16, 32)


@lru_cache(maxsize=64)
def _pack(task: TaskParams) -> int:
    packed, at = 0, 0
    for value, bits in zip(astuple(task), _FIELD_BITS, strict=True):
        packed |= int(value) << at
        at += bits
    return packed


@lru_cache(maxsize=64)
def _task_id(task: TaskParams) -> bytes:
    return keccak256(words(astuple(task)))


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}: must be between {low} and {high}")


def preset_task(
    preset: str,
    *,
    votes: int = 3,
    neighbor_share_bps: int = 8_000,
    tolerance_bps: int = 500,
    validation_images: int = 200,
    completion_window_s: int = 3_600,
    voting_window_s: int = 50_000,
    max_model_bytes: int = 1 << 28,
) -> TaskParams:
    """Make the rules of a task by one of the two presets (docs/mechanism.md: Joining).

    Args:
        preset: "paper" for the paper's rules, with its equations corrected so that they conserve tokens; or "safe" for
            the rules that we advise.
        votes: number of votes that settle an encounter (V). With `safe`, the committee has the same size.
        neighbor_share_bps, tolerance_bps, validation_images, completion_window_s, voting_window_s, max_model_bytes: see
            `TaskParams`.

    Returns:
        With `paper`: open voting, quorum 1, good faith 10 %, no-vote share 100 %, rejection pot 100 %.
        With `safe`: a committee of K = V members, quorum V // 2 + 1, good faith 0, a no-vote share equal to the
        neighbor's share, and a rejection pot of twice the validators' share, at most 100 %.

    Raises:
        ValueError: for an unknown preset or a value out of range.
    """
    if preset == "paper":
        good_faith, no_vote, reject_pot, committee, quorum = 1_000, FULL_BPS, FULL_BPS, 0, 1
    elif preset == "safe":
        validator_share_bps = FULL_BPS - neighbor_share_bps
        good_faith, no_vote, reject_pot = 0, neighbor_share_bps, min(FULL_BPS, 2 * validator_share_bps)
        committee, quorum = votes, votes // 2 + 1
    else:
        raise ValueError(f"unknown preset {preset!r}: choose paper or safe")
    return TaskParams(
        neighbor_share_bps=neighbor_share_bps,
        good_faith_bps=good_faith,
        no_vote_bps=no_vote,
        reject_pot_bps=reject_pot,
        votes=votes,
        committee_size=committee,
        quorum=quorum,
        tie_accepts=True,
        completion_window_s=completion_window_s,
        voting_window_s=voting_window_s,
        tolerance_bps=tolerance_bps,
        metric=0,
        validation_images=validation_images,
        max_model_bytes=max_model_bytes,
    )
