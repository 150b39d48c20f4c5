"""What became of the paper's claims about attackers and accuracy, from the curves and expulsions of runs."""

import math
from collections.abc import Sequence
from statistics import fmean

from idml.studies.estimates import Estimate
from idml.studies.paper.attacks import AWAY, FEW, LAST_ROUNDS, MANY, NONE, PAPER, SAFE, Outcomes, Variant
from idml.studies.paper.section import Claim, Unjudged, Verdict
from idml.studies.scales import PaperSize

_RISEN = 0.9
"""A curve has risen at this share of the lower of the accuracies that two of them end with: the paper has no number."""
_HALTED = 0.005
"""Accuracy that rises by no more from one stretch of rounds to the next has ceased to rise: likewise."""
_WHERE = "IV-C, Fig. 8"
_HELD_BACK = "Validators reject much of the flippers' work from the start, before any flipper is out."
_UNDONE = "A device's own epoch undoes most of what it merged, so that flips of look-alike classes do almost no harm."

Curve = dict[int, float]


def difference(outcomes: Outcomes, variant: Variant, other: Variant) -> Estimate:
    """Final accuracy of a variant less that of another, seed by seed."""
    return Estimate.of_differences(outcomes.final(variant), outcomes.final(other))


def judge(outcomes: Outcomes) -> list[Claim | Unjudged]:
    """What became of each claim about Fig. 8, by one experiment."""
    if outcomes.attack.local_epochs:
        return [_own_epoch(outcomes)]
    rules = (_delayed, _halted, _lower, _follows, _recovers, _rescued)
    return [rule(outcomes) for rule in rules]


def elsewhere(size: PaperSize) -> list[Unjudged]:
    """Say what no experiment on attackers at this scale can tell, and why."""
    learned = "; ".join(learned.title for learned in size.attacked)
    return [
        Unjudged(
            "IV-C",
            "Other algorithms and data sets give similar results.",
            f"Attackers are met with OppCL alone at every scale, and at this one on {learned}.",
        ),
        Unjudged(
            "IV-C",
            "With a clear incentive participants engage, and models are the better for it.",
            "Simulated devices help whenever they are asked to; docs/economics.md has what helping pays.",
        ),
        Unjudged(
            "IV-D",
            "Neither conspiring attackers nor those that stay within the tolerance are wholly held off.",
            "The attackers here flip labels, each for itself; docs/attacks.md has the others.",
        ),
    ]


def delay(curve: Curve, other: Curve, level: float) -> float:
    """Rounds by which a curve reaches a level later than another, of those that both have; not a number if never."""
    both = sorted(curve.keys() & other.keys())
    late, early = (next((number for number in both if one[number] >= level), math.nan) for one in (curve, other))
    return late - early


def _delay(outcomes: Outcomes, variant: Variant) -> Estimate:
    """Rounds by which a variant rises later than without attackers."""
    ends = zip(outcomes.final(variant), outcomes.final(NONE), strict=True)
    return Estimate.of(
        [
            delay(outcomes.curve(variant, seed), outcomes.curve(NONE, seed), _RISEN * min(end))
            for seed, end in zip(outcomes.attack.seeds, ends, strict=True)
        ]
    )


def _delayed(outcomes: Outcomes) -> Claim | Unjudged:
    says = "Attackers delay the rise of accuracy."
    few, many = (_delay(outcomes, variant) for variant in (FEW, MANY))
    if math.isnan(few.mean + many.mean):
        return _unmeasured(outcomes, says)
    names = _names(outcomes)
    return Claim(
        _WHERE,
        says,
        f"{outcomes.attack.title}: {100 * _RISEN:g} % of the lower of the final accuracies (a number of ours) is "
        f"reached {few.text(signed=True)} rounds later than without attackers with {names[0]}, "
        f"{many.text(signed=True)} with {names[1]}.",
        Verdict.of_positive(many),
        "Where attackers lower the level at which accuracy ends, nine tenths of it are soon reached.",
    )


def gains(curves: Sequence[Curve], rounds: int) -> list[float]:
    """By seed, the mean accuracy of the last rounds less that of as many before.

    Args:
        curves: accuracy by round, one a seed.
        rounds: how many there are.
    """
    stretch = min(LAST_ROUNDS, rounds // 2)
    return [
        _mean(curve, rounds - stretch + 1, rounds) - _mean(curve, rounds - 2 * stretch + 1, rounds - stretch)
        for curve in curves
    ]


def _halted(outcomes: Outcomes) -> Claim | Unjudged:
    says = "With attackers, accuracy ceases to rise after several rounds."
    attack, rounds = outcomes.attack, outcomes.attack.size.rounds
    found = {
        variant: gains([outcomes.curve(variant, seed) for seed in attack.seeds], rounds) for variant in (NONE, MANY)
    }
    if any(map(math.isnan, [*found[NONE], *found[MANY]])):
        return _unmeasured(outcomes, says)
    none, many = Estimate.of(found[NONE]), Estimate.of(found[MANY])
    stretch = min(LAST_ROUNDS, rounds // 2)
    return Claim(
        _WHERE,
        says,
        f"{attack.title}, {_names(outcomes)[1]}: accuracy in the last {stretch} rounds is {many.points(signed=True)} "
        f"points above that of the {stretch} before ({none.points(signed=True)} without attackers); up to "
        f"{100 * _HALTED:g} is called a halt, a number of ours.",
        Verdict.of_at_most(many, _HALTED),
        f"Within {rounds} rounds learning has not come to its end; the paper does not say how many it has.",
    )


def _lower(outcomes: Outcomes) -> Claim:
    few, many, between = (difference(outcomes, *pair) for pair in ((FEW, NONE), (MANY, NONE), (MANY, FEW)))
    names = _names(outcomes)
    fewer, fewest = difference(outcomes, FEW, MANY), difference(outcomes, NONE, FEW)
    return Claim(
        _WHERE,
        "The more attackers, the lower the final accuracy.",
        f"{outcomes.attack.title}: {few.points(signed=True)} points with {names[0]}, {many.points(signed=True)} with "
        f"{names[1]}; {between.points(signed=True)} between them.",
        Verdict.of_all(map(Verdict.of_positive, (fewest, fewer))),
        "Not known: few attackers change little either way.",
        "From no attackers to few, or from few to many, the loss is within chance.",
    )


def _follows(outcomes: Outcomes) -> Claim | Unjudged:
    says, below = f"iDML first follows the curve with {_names(outcomes)[1]}.", list[float]()
    for seed in outcomes.attack.seeds:
        none, many, paper = (outcomes.curve(variant, seed) for variant in (NONE, MANY, PAPER))
        first = min((number for number, _ in outcomes.expulsions(PAPER, seed)[0]), default=math.inf)
        middle = {number: (none[number] + many[number]) / 2 for number in none.keys() & many.keys()}
        below.append(_mean(_less(middle, paper), 1, first - 1))
    if any(map(math.isnan, below)):
        return _unmeasured(outcomes, says)
    value = Estimate.of(below)
    return Claim(
        _WHERE,
        says,
        f"{outcomes.attack.title}, the paper's rules: until the first attacker is out, accuracy is "
        f"{value.points(signed=True)} points below the middle between that curve and the one without attackers.",
        Verdict.of_positive(value),
        _HELD_BACK,
    )


def _recovers(outcomes: Outcomes) -> Claim | Unjudged:
    says, gained = "iDML recovers accuracy once the attackers are out.", list[float]()
    size = outcomes.attack.size
    for place, seed in enumerate(outcomes.attack.seeds):
        out, _ = outcomes.expulsions(PAPER, seed)
        if len(out) < PAPER.count(size):
            why = f"{outcomes.attack.title}: within {size.rounds} rounds not all attackers are out in every seed."
            return Unjudged(_WHERE, says, why)
        last = max(number for number, _ in out)
        ahead = _less(outcomes.curve(PAPER, seed), outcomes.curve(MANY, seed))
        final = outcomes.final(PAPER)[place] - outcomes.final(MANY)[place]
        gained.append(final - _mean(ahead, 1, last))
    if any(map(math.isnan, gained)):
        return _unmeasured(outcomes, says)
    value = Estimate.of(gained)
    return Claim(
        _WHERE,
        says,
        f"{outcomes.attack.title}, the paper's rules: in the last rounds accuracy is {value.points(signed=True)} "
        "points farther above the same without iDML than until the last attacker was out.",
        Verdict.of_positive(value),
        _HELD_BACK,
    )


def _rescued(outcomes: Outcomes) -> Claim:
    paper, safe = (difference(outcomes, variant, NONE) for variant in (PAPER, SAFE))
    rescued = difference(outcomes, PAPER, MANY)
    return Claim(
        _WHERE,
        f"With iDML, accuracy ends higher than without, with {_names(outcomes)[1]}.",
        f"{outcomes.attack.title}, the paper's rules: {rescued.points(signed=True)} points above the same without "
        f"iDML, {paper.points(signed=True)} beside no attackers; preset safe: {safe.points(signed=True)} beside no "
        f"attackers, {difference(outcomes, SAFE, AWAY).points(signed=True)} beside attackers that never help.",
        Verdict.of_positive(rescued),
        "Those that are out help no longer, nor do honest devices that were expelled: others have fewer encounters.",
    )


def _own_epoch(outcomes: Outcomes) -> Claim:
    many = difference(outcomes, MANY, NONE)
    return Claim(
        _WHERE,
        "Attackers lower the final accuracy, where devices train an own epoch after each merge.",
        f"{outcomes.attack.title}: {many.points(signed=True)} points.",
        Verdict.of_positive(difference(outcomes, NONE, MANY)),
        _UNDONE,
        _UNDONE,
    )


def _unmeasured(outcomes: Outcomes, says: str) -> Unjudged:
    why = f"{outcomes.attack.title}: too few of the {outcomes.attack.size.rounds} rounds were measured."
    return Unjudged(_WHERE, says, why)


def _names(outcomes: Outcomes) -> list[str]:
    return [variant.label(outcomes.attack.size) for variant in (FEW, MANY)]


def _less(curve: Curve, other: Curve) -> Curve:
    """One curve less another, where both are measured."""
    return {number: curve[number] - other[number] for number in sorted(curve.keys() & other.keys())}


def _mean(curve: Curve, first: float, last: float) -> float:
    """From one round to another; not a number if none between them is measured."""
    values = [value for number, value in curve.items() if first <= number <= last]
    return fmean(values) if values else math.nan
