"""Tables of error rates: what they count, over which encounters, at which tolerances."""

import csv
import io
from dataclasses import fields

import pytest

from idml.learning.judging.registry import RULES
from idml.store import HONEST
from idml.studies.attacks import PEACE, AttackRow
from idml.studies.error_rates import JudgedContribution
from idml.studies.estimates import Estimate
from idml.studies.tables import attacks_markdown, rules_csv, rules_markdown

# Harms by encounter: the sixth is the first that is told apart.
EARLY = {HONEST: 0.4, "noise": 0.0, "free_rider": 0.0}
LATE = {HONEST: 0.0, "noise": 0.4, "free_rider": 0.0}
ATTACKS = ["noise", "free_rider"]


def judged(encounters: int = 10) -> list[JudgedContribution]:
    """Every contribution judged by three."""
    return [
        JudgedContribution(encounter, encounter, kind, validator, dict.fromkeys(RULES.built_in, harm))
        for encounter in range(encounters)
        for kind, harm in (EARLY if encounter < 5 else LATE).items()
        for validator in range(3)
    ]


def lines(found: list[JudgedContribution]) -> dict[tuple[str, ...], dict[str, str]]:
    rows = csv.DictReader(io.StringIO(rules_csv([({"dataset": "digits"}, found)], ATTACKS)))
    keys = ("from_encounter", "rule", "tolerance", "kind")
    return {tuple(row[key] for key in keys): row for row in rows}


@pytest.mark.parametrize(
    ("cut", "tolerance", "kind", "errors", "of"),
    [
        ("1", "0.3", HONEST, "5", "10"),
        ("6", "0.3", HONEST, "0", "5"),
        ("1", "0.3", "noise", "5", "10"),
        ("6", "0.3", "noise", "0", "5"),
        ("6", "1", "noise", "5", "5"),
        ("6", "0.05", "noise", "0", "5"),
        ("6", "0.05", "free_rider", "5", "5"),
    ],
)
def test_errors_are_counted_from_an_encounter_on(cut: str, tolerance: str, kind: str, errors: str, of: str) -> None:
    row = lines(judged())[cut, "loss", tolerance, kind]
    assert (row["verdict_errors"], row["verdicts"]) == (errors, of)
    assert row["default"] == ("yes" if tolerance == "0.3" else "no")


def test_what_is_no_matter_of_tolerance_is_counted_in_each_cut() -> None:
    rows = lines(judged())
    for tolerance in ("0.05", "1"):
        assert float(rows["1", "loss", tolerance, "noise"]["area"]) == pytest.approx(0.5)
        assert float(rows["6", "loss", tolerance, "noise"]["area"]) == 1
        assert float(rows["6", "loss", tolerance, "noise"]["false_rejections_at_0.95"]) == 0


def test_a_page_says_both_cuts_and_marks_the_default() -> None:
    page = rules_markdown(judged(), ATTACKS, "digits")
    whole, late = page.split("### From each learner's sixth encounter on (5 committees)\n")
    assert whole.startswith("### All encounters (10 committees)\n")
    assert "| `loss` | **0.3** | 50.0% (23.7% to 76.3%) | 50.0% | 100.0% |" in whole
    assert "| `loss` | **0.3** | 0.0% (0.0% to 43.4%) | 0.0% | 100.0% |" in late
    assert "| `loss` | 1 | 0.0% (0.0% to 43.4%) | 100.0% | 100.0% |" in late
    assert "| `loss` | 100.0% | 100.0% |" in whole
    assert "| `loss` | 0.0% | 100.0% |" in late
    on_cifar = rules_markdown(judged(), ATTACKS, "cifar10")
    assert "| `loss` | **0.1** |" in on_cifar
    assert "| `loss` | 0.3 |" in on_cifar


def test_a_cut_in_which_nothing_was_judged_has_no_rows() -> None:
    assert {key[0] for key in lines(judged(5))} == {"1"}
    page = rules_markdown(judged(5), ATTACKS, "digits")
    assert page.endswith("### From each learner's sixth encounter on (0 committees)\n\nNothing so late was judged.\n")


def attack(kind: str, variant: str, **known: float) -> AttackRow:
    names = [field.name for field in fields(AttackRow)][3:]
    return AttackRow(
        kind, variant, 2, **{name: Estimate.of([known[name]]) if name in known else None for name in names}
    )


def test_a_page_of_attacks_says_what_is_lost_and_who_falls_out_when_for_every_kind() -> None:
    rows = [
        attack(PEACE, "none", accuracy=0.8),
        attack(PEACE, "idml", accuracy=0.8, honest_expelled=0),
        attack("noise", "none", accuracy=0.7, lost=0.1),
        attack("noise", "idml", accuracy=0.82, lost=-0.02, expelled=1, expelled_round=7, honest_expelled=0),
        attack("deny", "none", accuracy=0.8, lost=0),
        attack("deny", "idml", accuracy=0.8, lost=0, expelled=0.5, expelled_round=9, honest_expelled=0),
    ]
    models, fates = attacks_markdown(rows).split("\n\n")
    head, _, *lines = models.splitlines()
    place = head.split(" | ").index("lost, points: none")
    lost = {line.split(" | ")[0]: line.split(" | ")[place : place + 2] for line in lines}
    assert lost == {"| nobody": ["–", "–"], "| noise": ["+10.0", "-2.0"], "| deny": ["+0.0", "+0.0"]}
    head, _, *lines = fates.splitlines()
    assert head.startswith("| with idml | expelled | in round |")
    assert [line.split(" | ")[:3] for line in lines] == [
        ["| nobody", "–", "–"],
        ["| noise", "100 %", "7.0"],
        ["| deny", "50 %", "9.0"],
    ]
