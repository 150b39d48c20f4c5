"""Tables of error rates: what they count, over which encounters, at which tolerances."""

import csv
import io

import pytest

from idml.evaluation.error_rates import Judged
from idml.evaluation.tables import rules_csv, rules_markdown
from idml.learning.validation import rule_names
from idml.store import HONEST

# Harms by encounter: the sixth is the first that is told apart.
EARLY = {HONEST: 0.4, "noise": 0.0, "free_rider": 0.0}
LATE = {HONEST: 0.0, "noise": 0.4, "free_rider": 0.0}
ATTACKS = ["noise", "free_rider"]


def judged(encounters: int = 10) -> list[Judged]:
    """Every contribution judged by three."""
    return [
        Judged(encounter, encounter, kind, validator, dict.fromkeys(rule_names(), harm))
        for encounter in range(encounters)
        for kind, harm in (EARLY if encounter < 5 else LATE).items()
        for validator in range(3)
    ]


def lines(found: list[Judged]) -> dict[tuple[str, ...], dict[str, str]]:
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
