"""What became of the paper's claims about votes, from the shares of honest work that voters accept."""

from collections.abc import Mapping, Sequence
from statistics import pstdev

from idml.studies.estimates import Estimate
from idml.studies.paper.attacks import ALGORITHMS
from idml.studies.paper.section import Claim, Unjudged, Verdict

VOTERS = (3, 5, 7, 9)
TOLERANCES_BPS = (0, 50, 100, 200, 300, 400, 500, 600, 800, 1_000, 1_500, 2_000)
PAPER_BPS = 300
"""Table I's tolerance."""
_STRICT_BPS, _LENIENT_BPS = 100, 800
_STABLE = 0.05
"""Voting accuracies that differ by no more are called stable: the paper gives no number."""
_WHERE = "IV-C, Fig. 7"
_FEW_IMAGES = (
    "Each validator judges on few images of its own, and what one errs by chance, a majority of more makes up for."
)
_HALF = "Gossip is judged on the mean of two models, which moves a learner by half the way, and not after own training."

Shares = Mapping[tuple[int, int], Sequence[float]]
"""By number of voters and tolerance: a share for each seed."""
Panels = Mapping[tuple[str, str], Shares]
"""By algorithm and partition, of honest work."""

UNJUDGED = (
    Unjudged(_WHERE, "With very few voters, three are a good choice.", "Fewer than three voters are not replayed."),
    Unjudged(
        "IV-D",
        "Measures other than accuracy, such as loss, may show better what a contribution is worth.",
        "Fig. 7 has the paper's rule alone; docs/validation.md compares it with rules by other measures.",
    ),
)


def claims(dataset: str, panels: Panels) -> list[Claim]:
    """Judge what Fig. 7 is said to show.

    Args:
        dataset: a name.
        panels: of that data set: both algorithms, both partitions.
    """
    return [
        _stable(dataset, panels),
        _fluctuates(dataset, panels),
        _few_suffice(dataset, panels, "iid", "Three voters are a good choice, with IID data."),
        _few_suffice(dataset, panels, "two-class", "Few voters, such as three, do without IID data too."),
        _lenient(dataset, panels),
        _generalizes(dataset, panels),
        _varies(dataset, panels),
        _never_all(dataset, panels),
    ]


def spreads(shares: Shares) -> list[float]:
    """By seed, how far apart the numbers of voters are, at the tolerance from .03 on where they are farthest."""
    seeds = range(len(shares[VOTERS[0], PAPER_BPS]))
    return [
        max(
            max(shares[voters, bps][seed] for voters in VOTERS) - min(shares[voters, bps][seed] for voters in VOTERS)
            for bps in TOLERANCES_BPS
            if bps >= PAPER_BPS
        )
        for seed in seeds
    ]


def variations(shares: Shares) -> list[float]:
    """By seed, the standard deviation over all numbers of voters and tolerances."""
    return [pstdev(values) for values in zip(*shares.values(), strict=True)]


def _both(values: Mapping[str, Estimate], *, signed: bool = False) -> str:
    gossip, oppcl = (values[algorithm].text(scale=100, signed=signed) for algorithm in ("gossip", "oppcl"))
    return f"{gossip} (gossip) and {oppcl} points (OppCL)"


def _stable(dataset: str, panels: Panels) -> Claim:
    found = {algorithm: Estimate.of(spreads(panels[algorithm, "iid"])) for algorithm in ("gossip", "oppcl")}
    return Claim(
        _WHERE,
        "With IID data, voting accuracy is stable across numbers of voters.",
        f"{dataset}: 3 to 9 voters differ by {_both(found)} at the τ from .03 on where they differ most; up to "
        f"{100 * _STABLE:g} are called stable, a number of ours.",
        Verdict.of_all(Verdict.of_at_most(value, _STABLE) for value in found.values()),
        _FEW_IMAGES,
    )


def _fluctuates(dataset: str, panels: Panels) -> Claim:
    more = {
        algorithm: Estimate.of_differences(spreads(panels[algorithm, "two-class"]), spreads(panels[algorithm, "iid"]))
        for algorithm in ("gossip", "oppcl")
    }
    return Claim(
        _WHERE,
        "Without IID data, it fluctuates among numbers of voters.",
        f"{dataset}: they differ by {_both(more, signed=True)} more than with IID data.",
        Verdict.of_all(map(Verdict.of_positive, more.values())),
        "Where validators agree, whether they accept or reject, it does not matter how many they are.",
    )


def _few_suffice(dataset: str, panels: Panels, partition: str, says: str) -> Claim:
    more = {
        algorithm: Estimate.of_differences(
            panels[algorithm, partition][9, PAPER_BPS], panels[algorithm, partition][3, PAPER_BPS]
        )
        for algorithm in ("gossip", "oppcl")
    }
    return Claim(
        _WHERE,
        says,
        f"{dataset}, τ = .03: nine voters accept {_both(more, signed=True)} more of honest work than three; up to "
        f"{100 * _STABLE:g} are called as good, a number of ours.",
        Verdict.of_all(Verdict.of_at_most(value, _STABLE) for value in more.values()),
        _FEW_IMAGES,
    )


def _lenient(dataset: str, panels: Panels) -> Claim:
    more = {
        panel: Estimate.of_differences(shares[3, _LENIENT_BPS], shares[3, _STRICT_BPS])
        for panel, shares in panels.items()
    }
    return Claim(
        _WHERE,
        "A larger tolerance accepts more of honest work.",
        f"{dataset}, three voters, τ = .08 beside .01: {_each(more, signed=True)} points.",
        Verdict.of_all(map(Verdict.of_positive, more.values())),
    )


def _generalizes(dataset: str, panels: Panels) -> Claim:
    more = Estimate.of_differences(panels["gossip", "iid"][3, PAPER_BPS], panels["oppcl", "iid"][3, PAPER_BPS])
    return Claim(
        _WHERE,
        "Gossip is more generalizable per training instance than OppCL: more of its work passes.",
        f"{dataset}, IID, three voters, τ = .03: gossip's voting accuracy is {more.text(scale=100, signed=True)} "
        "points above OppCL's.",
        Verdict.of_positive(more),
        _HALF,
    )


def _varies(dataset: str, panels: Panels) -> Claim:
    gossip, oppcl = (variations(panels[algorithm, "iid"]) for algorithm in ("gossip", "oppcl"))
    more = Estimate.of_differences(oppcl, gossip)
    return Claim(
        _WHERE,
        "Voting accuracy varies more with OppCL than with gossip.",
        f"{dataset}, IID: over numbers of voters and tolerances its standard deviation is "
        f"{more.text(scale=100, signed=True)} points above gossip's.",
        Verdict.of_positive(more),
        _HALF,
    )


def _never_all(dataset: str, panels: Panels) -> Claim:
    rejected = {panel: Estimate.of([1 - share for share in shares[3, PAPER_BPS]]) for panel, shares in panels.items()}
    return Claim(
        "IV-D",
        "A tolerance cannot wholly keep honest work from being rejected.",
        f"{dataset}, three voters, τ = .03: {_each(rejected)} % are rejected.",
        Verdict.of_all(map(Verdict.of_positive, rejected.values())),
    )


def _each(values: Mapping[tuple[str, str], Estimate], *, signed: bool = False) -> str:
    partitions = {"iid": "IID", "two-class": "not IID"}
    return ", ".join(
        f"{value.text(scale=100, signed=signed)} ({ALGORITHMS[algorithm]}, {partitions[partition]})"
        for (algorithm, partition), value in values.items()
    )
