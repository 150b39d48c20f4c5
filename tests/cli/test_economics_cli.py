"""`idml economics` as a user meets it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from idml.learning.judging.registry import RULES
from idml.store import HONEST
from idml.studies.error_rates import JudgedContribution
from idml.studies.tables import rules_csv

from .command import idml


@cache
def facts(*arguments: str) -> dict[str, Any]:
    done = idml("economics", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_person_is_told_where_the_paper_fails_and_what_to_choose(tmp_path: Path) -> None:
    picture = tmp_path / "regions.png"
    told = idml("economics", "--set", "preset=paper", "--picture", str(picture))
    assert told.returncode == 0, told.stderr
    text = " ".join(told.stdout.split())
    for line in (
        "always voting no beats honest voting below an accuracy of 89.6%",
        "always yes pays best, and no rule that pays by agreement is without this: +0.067 r a vote",
        "a ring of 3 outvotes the others in 100.0% of its encounters",
        "Honest stakes shrink: 20 rewards that nothing refills lose",
        "V = K = ",
        "stake = stake_target = 120: the least that lasts an honest device 1,000 rounds (with it: 156,000 rounds); ",
    ):
        assert line in text
    assert f"picture: {picture}" in told.stdout.replace("\n", "")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_machine_gets_the_numbers_of_the_task_that_it_asks_about() -> None:
    safe, paper = facts(), facts("--set", "preset=paper", "--set", "devices=40")
    assert safe["paper"]["here"]["accuracy_needed"] == pytest.approx(0.7321, abs=1e-4)
    assert paper["paper"]["here"]["accuracy_needed"] == pytest.approx(0.8956, abs=1e-4)
    assert safe["stakes"]["honest"]["rounds"] is None  # for ever
    assert paper["stakes"]["honest"]["rounds"] < 1_000
    assert paper["ring"]["members"] == 8  # a fifth
    assert paper["ring"]["raids"]["robs a neighbor, open voting"]["outvotes"] == 1


def test_the_page_says_what_the_command_answers() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "economics.md").read_text("utf-8").split())
    calm, usual = facts("--junk", "0")["paper"]["paper"], facts()
    assert (f"{calm['honest_among_yes']:.3f}", f"{calm['stake_rounds']:.0f}") == ("0.053", "194")
    assert "always yes, honest voting at 90 % | +.067, +.053 |" in page
    assert "at 80 %, 90 %, 95 % | 64, 194, 550 rounds |" in page
    paper, advice = usual["paper"]["paper"], usual["advice"]
    assert (f"{paper['honest_among_yes']:.3f}", f"{paper['stake_rounds']:.0f}") == ("0.048", "184")
    assert "honest voting in (b) then gains +.048, and the stake in (d) lasts 184 rounds" in page
    assert (advice["votes"], advice["stake"], f"{advice['life_rounds']:.3g}") == (5, 120, "1.56e+05")
    assert "an honest device lasts 156,000 rounds with these 120 tokens" in page


@pytest.mark.parametrize(
    ("preset", "column", "votes", "lasts"),
    [
        ("safe", 2, "+.071, +.054, −.054", "ever, 12 rounds, ever"),
        ("paper", 3, "+.084, +.041, −.041", "687, 10, 158 rounds"),
    ],
)
def test_the_page_says_what_measured_rates_pay(preset: str, column: int, votes: str, lasts: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "economics.md").read_text("utf-8").splitlines()
    start = next(place for place, line in enumerate(page) if line.startswith("| 5 % of attacks by look-alike flips"))
    said = [line.split("|")[column].strip() for line in page[start : start + 5]]
    found = facts("--set", f"preset={preset}", "--false-rejection", "0.016", "--miss", "0", "--together", "1")
    gains = [found["validators"][name]["honest"] for name in ("honest", "always yes", "always no")]
    assert ", ".join(_signed(gain) for gain in gains) == votes == said[2]
    works = [found["neighbors"][name]["gain"] for name in ("honest work", "attack", "free ride")]
    assert [round(gain, 3) for gain in works] == [0.771, -1, 0.8]
    assert said[3] == "+.771, −1, +.800"
    rounds = [found["stakes"][name]["rounds"] for name in ("honest", "attacker", "free rider")]
    assert [each and round(each) for each in rounds] == [
        None if "ever" in each else int(each.split()[0]) for each in lasts.split(", ")
    ]
    assert said[4] == lasts
    advice = found["advice"]
    assert (advice["votes"], advice["neighbor_share"], advice["reject_pot_share"]) == (5, 0.95, 0.4)
    assert (advice["stake"], f"{advice['life_rounds']:.3g}", round(advice["attacker_rounds"])) == (110, "3.26e+03", 2)


def _signed(gain: float) -> str:
    return f"{gain:+.3f}".replace("0.", ".").replace("-", "−")


def test_what_is_given_changes_what_pays() -> None:
    usual = facts("--false-rejection", "0.2", "--miss", "1/10", "--junk", "0.1")
    assert usual["rates"]["miss"] == 0.1
    assert usual["regions"]["best_vote"] == "honest"
    costly = facts("--false-rejection", "0.2", "--junk", "0.1", "--cost-evaluate", "0.05", "--cost-work", "0.3")
    assert costly["regions"]["best_vote"] == "always yes"
    gains = [found["validators"]["honest"]["honest"] for found in (usual, costly)]
    assert gains[0] - gains[1] == pytest.approx(0.05)
    works = [found["neighbors"]["honest work"]["gain"] for found in (usual, costly)]
    assert works[0] - works[1] == pytest.approx(0.3)


def test_who_takes_the_advice_has_honest_voting_lead_and_stakes_that_last() -> None:
    advice = facts("--junk", "0.1", "--life", "5000")["advice"]
    keys = ("neighbor_share", "reject_pot_share", "committee", "stake")
    settings = [f"--set={key}={advice[key]}" for key in keys]
    settings += [f"--set=validators={advice['votes']}", f"--set=stake_target={advice['stake']}", "--junk=0.1"]
    taken = facts(*settings)
    assert taken["regions"]["best_vote"] == "honest"
    best = max(gain["honest"] for name, gain in taken["validators"].items() if name not in ("honest", "copying"))
    assert taken["validators"]["honest"]["honest"] - best >= advice["lead"] >= 0.01
    rounds = taken["stakes"]["honest"]["rounds"]
    assert rounds is None or rounds >= 5_000


def rates(path: Path) -> Path:
    """Contributions judged by three: of ten honest ones two are rejected by all, of ten attacks one passes them all."""
    judged = [
        JudgedContribution(contact, 0, kind, validator, dict.fromkeys(RULES.built_in, 1.0 if bad else -1.0))
        for place, (kind, wrong) in enumerate(((HONEST, 2), ("label_flip", 9), ("free_rider", 0), ("noise", 7)))
        for contact in range(10 * place, 10 * place + 10)
        for validator in range(3)
        for bad in [contact % 10 < wrong]
    ]
    cell = {"dataset": "digits", "partition": "iid", "algorithm": "oppcl"}
    path.write_text(rules_csv([(cell, judged)], ["label_flip", "free_rider", "noise"]))
    return path


def test_error_rates_come_from_what_was_measured(tmp_path: Path) -> None:
    path = rates(tmp_path / "rules.csv")
    found = facts("--rates", str(path))
    assert found["rates"]["false_rejection"] == 0.2
    assert found["rates"]["miss"] == 0.2  # one of ten, and three of ten
    assert found["rates"]["free_pass"] == 1
    assert found["rates"]["together"] == 1  # no committee was of two minds
    assert found["neighbors"]["label flip"]["accepted"] == pytest.approx(0.1)
    assert found["neighbors"]["honest work"]["accepted"] == pytest.approx(0.8)


def test_error_rates_are_those_of_all_encounters_at_the_tolerance_asked_for(tmp_path: Path) -> None:
    # Honest work is rejected, and drift passes, in a learner's sixth encounter alone; noise passes a wide tolerance.
    judged = [
        JudgedContribution(encounter, encounter, kind, validator, dict.fromkeys(RULES.built_in, harm))
        for encounter in (0, 5)
        for kind, harm in ((HONEST, 2.0 if encounter else 0.0), ("noise", 0.9), ("drift", 0.3 if encounter else 2.0))
        for validator in range(3)
    ]
    cell = {"dataset": "digits", "partition": "iid", "algorithm": "oppcl"}
    path = tmp_path / "rules.csv"
    path.write_text(rules_csv([(cell, judged)], ["noise", "drift"]))
    usual = facts("--rates", str(path), "--set", "rule=loss", "--set", "dataset=digits")["rates"]
    assert (usual["false_rejection"], usual["miss"]) == (0.5, 0.25)
    wide = facts("--rates", str(path), "--set", "rule=loss", "--set", "dataset=digits", "--set", "tolerance=1")["rates"]
    assert (wide["false_rejection"], wide["miss"]) == (0.5, 1)
    before = [line.split(",") for line in path.read_text().splitlines()]
    place = before[0].index("from_encounter")
    old = [line[:place] + line[place + 1 :] for line in before if line[place] != "6"]
    (tmp_path / "old.csv").write_text("".join(",".join(line) + "\n" for line in old))
    again = facts("--rates", str(tmp_path / "old.csv"), "--set", "rule=loss", "--set", "dataset=digits")["rates"]
    assert again == usual


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--false-rejection", "2"], "idml: --false-rejection is '2': must be a number from 0 to 1"),
        (["--junk", "much"], "idml: --junk is 'much': must be a number from 0 to 1"),
        (["--miss", "1/0"], "idml: --miss is '1/0': must be a number from 0 to 1"),
        (["--ring", "50"], "idml: the ring has 50 devices: must be from 1 to 49, below devices"),
        (["--wrong", "0"], "idml: the share of wrong verdicts is 0: must lie between 0 and 1"),
        (["--life", "0"], "idml: the life of an honest stake is 0 rounds: must be at least 1"),
        (["--picture", "x.gif"], "idml: --picture is 'x.gif': name a .png, .svg or .pdf file"),
        (["--picture", "no/x.png"], "idml: no/x.png: No such file or directory"),
        (["none.toml"], "idml: none.toml: No such file or directory"),
        (["--set", "votes=3"], "idml: votes is 3: unknown key; "),
        (["--set", "reward=0"], "idml: reward is 0: without payments there are no payoffs"),
        (["--set", "incentive=false"], "idml: incentive is false: without payments there are no payoffs"),
        (["--rates", "none.csv"], "idml: none.csv: No such file or directory"),
        (["--rates", "bad.csv"], "idml: bad.csv: no rules.csv of idml evaluate: column dataset is missing"),
        (["--rates", "rules.csv", "--miss", "0.1"], "idml: --miss and --rates: give one of the two"),
        (
            ["--rates", "rules.csv", "--set", "partition=two-class"],
            "idml: rules.csv: has no error rates for partition ",
        ),
        (["--rates", "broken.csv"], "idml: broken.csv:2: invalid literal for int() with base 10: 'x'"),
        (["--rates", "many.csv"], "idml: many.csv:2: 31 errors of 30"),
        (["--rates", "bytes.csv"], "idml: bytes.csv: no text in UTF-8: "),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(tmp_path: Path, arguments: list[str], line: str) -> None:
    text = rates(tmp_path / "rules.csv").read_text()
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\n")
    head, first, *_ = text.splitlines()
    (tmp_path / "broken.csv").write_text(f"{head}\n{first.replace(',30,', ',x,', 1)}\n")
    (tmp_path / "many.csv").write_text(f"{head}\n{first.replace(',30,6,', ',30,31,', 1)}\n")
    done = idml("economics", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(line), done.stderr
    assert done.stderr.count("\n") == 1
