"""Verdicts follow from intervals: confirmed only where all of one lies on the side of the claim."""

import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from idml.studies.batch import RunBatch
from idml.studies.estimates import Estimate
from idml.studies.paper.accuracy_claims import delay, gains, judge
from idml.studies.paper.attacks import FEW, MANY, NONE, PAPER, Attack, Outcomes, Variant
from idml.studies.paper.section import CHANCE, TOO_SMALL, Claim, Section, Unjudged, Verdict
from idml.studies.paper.vote_claims import TOLERANCES_BPS, VOTERS, claims, spreads, variations
from idml.studies.paper.votes import _row
from idml.studies.scales import SCALES, Learned

SEEDS = (1, 2, 3)
WOBBLE = {1: 0.0, 2: 0.001, 3: -0.001}

CONFIRMED, OPEN, DIFFERENT = Verdict.CONFIRMED, Verdict.OPEN, Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("values", "positive", "at_most_one"),
    [
        ([0.5, 0.6], OPEN, OPEN),
        ([0.5, 0.51], CONFIRMED, CONFIRMED),
        ([-0.5, -0.51], DIFFERENT, CONFIRMED),
        ([2.0, 2.01], CONFIRMED, DIFFERENT),
        ([0.5], OPEN, OPEN),
    ],
)
def test_a_verdict_is_what_the_interval_says(values: list[float], positive: Verdict, at_most_one: Verdict) -> None:
    value = Estimate.of(values)
    assert Verdict.of_positive(value) is positive
    assert Verdict.of_at_most(value, 1.0) is at_most_one


def test_a_claim_of_several_things_needs_all_of_them() -> None:
    assert Verdict.of_all([CONFIRMED, CONFIRMED]) is CONFIRMED
    assert Verdict.of_all([CONFIRMED, OPEN]) is OPEN
    assert Verdict.of_all([OPEN, DIFFERENT, CONFIRMED]) is DIFFERENT


def test_a_claim_that_is_not_confirmed_says_why() -> None:
    for verdict, reason in ((CONFIRMED, ""), (DIFFERENT, "Because."), (OPEN, CHANCE), (Verdict.UNJUDGED, TOO_SMALL)):
        assert Claim("IV", "It is so.", "It was not.", verdict, "Because.").reason == reason


def test_where_runs_are_too_small_no_claim_is_judged_that_rests_on_them() -> None:
    claims = [Claim("IV", "It is so.", "It was.", verdict) for verdict in (CONFIRMED, OPEN, DIFFERENT)]
    found = Section("fig8", "Figure 8", (), claims=claims).without_verdicts()
    assert [claim.verdict for claim in found.claims] == [Verdict.UNJUDGED] * 3
    counted = Section("table2", "Table II", (), claims=claims, scaled=False)
    assert counted.without_verdicts() is counted
    assert not SCALES["smoke"].judges
    assert SCALES["laptop"].judges
    assert SCALES["paper"].judges


Height = Callable[[Variant, int, int], float]
"""Accuracy by variant, seed and round."""


class Made(Outcomes):
    """Outcomes of runs that nobody ran: curves by a formula, attackers out in given rounds."""

    height: Height
    out: list[int]

    def curve(self, variant: Variant, seed: int) -> dict[int, float]:
        return {number: self.height(variant, seed, number) for number in range(self.attack.size.rounds + 1)}

    def expulsions(self, variant: Variant, seed: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return [(number, 100 * number) for number in self.out], []


def judged(tmp_path: Path, height: Height, out: list[int]) -> dict[str, Claim | Unjudged]:
    """By the beginning of what it says, each claim of an experiment of ten attackers over 40 rounds."""
    made = Made(Attack(SCALES["laptop"].paper, Learned("digits", "small", seeds=len(SEEDS)), 0), RunBatch(tmp_path))
    object.__setattr__(made, "height", height)
    object.__setattr__(made, "out", out)
    return {one.says: one for one in judge(made)}


def as_in_the_paper(variant: Variant, seed: int, number: int) -> float:
    """Attacked curves rise later and lower; iDML is on the attacked one until round 20, then on the other."""
    if variant not in (NONE, FEW, MANY):
        variant = MANY if number <= 20 else NONE
    top, speed = {NONE: (0.9, 2), FEW: (0.88, 3), MANY: (0.8, 4)}[variant]
    # Seeds differ in what attackers do, as they would.
    return (top + WOBBLE[seed] * (variant is not NONE)) * (1 - math.exp(-number / speed))


def test_curves_like_the_paper_s_confirm_all_that_it_says(tmp_path: Path) -> None:
    for says, one in judged(tmp_path, as_in_the_paper, [12] * 5 + [20] * 5).items():
        assert isinstance(one, Claim), says
        assert one.verdict is CONFIRMED, (says, one.measured)


def test_curves_that_are_alike_confirm_nothing_but_the_halt(tmp_path: Path) -> None:
    def alike(variant: Variant, seed: int, number: int) -> float:
        # Each pair of variants differs one way in one seed and the other way in another.
        place = (NONE, FEW, MANY).index(variant) if variant in (NONE, FEW, MANY) else 3
        return 0.9 * (1 - math.exp(-number / 2)) + 0.001 * ((place + 1) * (seed - 2)) * (number > 0)

    found = judged(tmp_path, alike, [12] * 5 + [20] * 5)
    verdicts = {says: one.verdict for says, one in found.items() if isinstance(one, Claim)}
    halted = "With attackers, accuracy ceases to rise after several rounds."
    assert verdicts.pop(halted) is CONFIRMED
    assert set(verdicts.values()) == {OPEN}, verdicts


def test_few_attackers_within_chance_leave_open_that_more_is_worse(tmp_path: Path) -> None:
    def height(variant: Variant, seed: int, number: int) -> float:
        if variant is FEW:
            return 0.9 + 0.01 * (seed - 2)
        return as_in_the_paper(variant, seed, number)

    found = judged(tmp_path, height, [12] * 10)["The more attackers, the lower the final accuracy."]
    assert isinstance(found, Claim)
    assert found.verdict is OPEN


def test_what_a_run_cannot_tell_is_not_judged(tmp_path: Path) -> None:
    found = judged(tmp_path, as_in_the_paper, [12] * 9)["iDML recovers accuracy once the attackers are out."]
    assert isinstance(found, Unjudged)
    assert "within 40 rounds not all attackers are out in every seed" in found.why
    found = judged(tmp_path, as_in_the_paper, [1] * 10)["iDML first follows the curve with 10 attackers."]
    assert isinstance(found, Unjudged)


def test_idml_that_never_leaves_the_unattacked_curve_does_not_first_follow_the_other(tmp_path: Path) -> None:
    def height(variant: Variant, seed: int, number: int) -> float:
        return as_in_the_paper(NONE if variant is PAPER else variant, seed, number)

    found = judged(tmp_path, height, [12] * 10)["iDML first follows the curve with 10 attackers."]
    assert isinstance(found, Claim)
    assert found.verdict is DIFFERENT


def test_delays_and_gains_are_what_curves_say() -> None:
    assert delay({0: 0.1, 2: 0.4, 4: 0.6}, {0: 0.1, 2: 0.6, 3: 0.6, 4: 0.7}, 0.5) == 2
    assert math.isnan(delay({0: 0.1, 2: 0.4}, {0: 0.1, 2: 0.6}, 0.5))
    assert gains([{1: 0.1, 2: 0.2, 3: 0.4, 4: 0.6}], 4) == pytest.approx([0.35])
    assert math.isnan(gains([{4: 0.6}], 4)[0])


def panels(
    height: Callable[[str, str, int, int], float], noise: float = 0.0
) -> dict[tuple[str, str], dict[tuple[int, int], list[float]]]:
    """Shares by a formula of algorithm, partition, number of voters and tolerance; seeds differ by little and noise."""
    random = Random(1)
    return {
        (algorithm, partition): {
            (voters, bps): [
                height(algorithm, partition, voters, bps)
                + 0.001 * (seed - 2) * (voters + bps / 300)
                + random.uniform(-noise, noise)
                for seed in SEEDS
            ]
            for voters in VOTERS
            for bps in TOLERANCES_BPS
        }
        for algorithm in ("gossip", "oppcl")
        for partition in ("iid", "two-class")
    }


def like_fig_7(algorithm: str, partition: str, voters: int, bps: int) -> float:
    share = 0.9 if algorithm == "gossip" else 0.6
    share += (0.04 if algorithm == "gossip" else 0.3) * min(bps, 1_000) / 1_000
    return share + (0.004 * (voters - 3) * (1 if voters != 9 else 0) if partition == "two-class" else 0)


def test_votes_like_the_paper_s_confirm_all_that_it_says() -> None:
    for claim in claims("digits", panels(like_fig_7)):
        assert claim.verdict is CONFIRMED, (claim.says, claim.measured)


def test_votes_that_differ_widely_between_seeds_confirm_nothing() -> None:
    for claim in claims("digits", panels(like_fig_7, noise=1.0)):
        assert claim.verdict is not CONFIRMED, (claim.says, claim.measured)


def test_more_voters_that_accept_ten_points_more_are_different() -> None:
    found = claims("digits", panels(lambda *what: 0.5 + 0.02 * what[2]))
    assert all(claim.reason for claim in found if claim.verdict is not CONFIRMED)
    by_says = {claim.says: claim.verdict for claim in found}
    assert by_says["With IID data, voting accuracy is stable across numbers of voters."] is DIFFERENT
    assert by_says["Three voters are a good choice, with IID data."] is DIFFERENT
    assert by_says["Few voters, such as three, do without IID data too."] is DIFFERENT


def test_spreads_and_variations_are_taken_seed_by_seed() -> None:
    shares = {(voters, bps): [0.5, 0.5 + 0.01 * voters] for voters in VOTERS for bps in TOLERANCES_BPS}
    assert spreads(shares) == pytest.approx([0, 0.06])
    assert variations(shares) == pytest.approx([0, 0.01 * math.sqrt(5)])


def test_a_band_of_shares_is_the_interval_within_0_and_1() -> None:
    assert _row(3, "", 300, Estimate.of([0.9, 0.8]))["high"] == 1
    row = _row(3, "", 300, Estimate.of([0.5, 0.51, 0.52]))
    assert (row["low"], row["high"]) == pytest.approx((0.51 - 0.02484, 0.51 + 0.02484), abs=1e-5)
    assert _row(3, "", 300, Estimate.of([0.5]))["low"] == 0.5
