"""Adversaries at work in whole runs, on the real roles and the real contract."""

import json
from pathlib import Path
from typing import Any

import pytest

from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Snapshot, Stopped
from idml.store.run_store import RunStore

from .conftest import tiny
from .test_workers import run

BREACHES = ("withhold", "swap", "no_show", "deny", "silent_learner")


def attacked(directory: Path, kind: str, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of a run with three of a kind among ten, and what became of the three."""
    usual = {"devices": 10, "encounters": 60, "model": "linear", "adversaries": {kind: 3}}
    summary = simulate(tiny(**{**usual, **changes}), directory)
    assert summary["tokens"]["supply"] == summary["tokens"]["accounts"]
    return summary, summary["kinds"][kind]


@pytest.mark.parametrize("kind", ["withhold", "swap"])
def test_a_neighbor_that_hands_over_no_result_of_its_own_earns_good_faith_at_most(tmp_path: Path, kind: str) -> None:
    summary, (ours) = attacked(tmp_path / "paper", kind, preset="paper")
    incomplete = summary["cases"]["incomplete"]
    assert incomplete > 10
    assert ours["accepted"] == ours["rejected"] == 0
    assert ours["earnings"]["neighbor"] * 3 == pytest.approx(incomplete * 10 * 0.1)  # 10 % of 10 tokens each


@pytest.mark.slow
def test_under_safe_who_withholds_earns_nothing_and_who_swaps_is_judged_by_what_it_reported(tmp_path: Path) -> None:
    _, withheld = attacked(tmp_path / "withhold", "withhold")
    assert withheld["accepted"] == withheld["rejected"] == 0
    assert withheld["earnings"]["neighbor"] == 0
    _, swapped = attacked(tmp_path / "swap", "swap")
    assert swapped["accepted"] > 5
    assert swapped["earnings"]["neighbor"] == pytest.approx((swapped["accepted"] * 8 - swapped["rejected"] * 10) / 3)


def test_after_a_contest_the_learner_has_the_result_that_it_pays_for(tmp_path: Path) -> None:
    """Encounters are so far apart that each is over before the next, and all are accepted: a swap changes no model."""
    changes = {"devices": 5, "encounters": 30, "contact_interval_s": 40_000, "tolerance": 1.0, "model": "linear"}
    for name, adversaries in (("swapped", {"swap": 4}), ("honest", {})):
        simulate(tiny(adversaries=adversaries, **changes), tmp_path / name)
    with RunStore.open(tmp_path / "swapped") as swapped, RunStore.open(tmp_path / "honest") as honest:
        results = [
            [(encounter.accepted, encounter.result) for encounter in store.encounters()] for store in (swapped, honest)
        ]
        assert "contest" in {transaction.step for transaction in swapped.transactions()}
        models = [[store.model_path(device).read_bytes() for device in range(5)] for store in (swapped, honest)]
    assert results[0] == results[1]
    assert models[0] == models[1]


@pytest.mark.parametrize("preset", ["safe", "paper"])
def test_a_neighbor_that_never_shows_up_earns_nothing(tmp_path: Path, preset: str) -> None:
    summary, ours = attacked(tmp_path / "run", "no_show", preset=preset)
    assert summary["cases"]["incomplete"] > 10
    assert ours["accepted"] == ours["rejected"] == ours["earnings"]["neighbor"] == 0
    assert ours["earnings"]["learner"] < 0  # it pays for the help that it gets


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deny", "silent_learner"])
def test_who_does_not_report_pays_good_faith_under_paper_and_in_full_under_safe(tmp_path: Path, kind: str) -> None:
    summary, ours = attacked(tmp_path / "paper", kind, preset="paper")
    assert summary["cases"]["incomplete"] == 18
    assert ours["earnings"]["learner"] == pytest.approx(-18 * 10 * 0.1 / 3)
    summary, ours = attacked(tmp_path / "safe", kind)
    assert summary["cases"]["incomplete"] == 0
    with RunStore.open(tmp_path / "safe") as store:
        kinds = {device.device: device.kind for device in store.devices()}
        theirs = [encounter for encounter in store.encounters() if kinds[encounter.learner] == kind]
        steps = {transaction.step for transaction in store.transactions()}
    assert {encounter.status for encounter in theirs} == {"settled"}
    assert {"contest", "draw"} <= steps
    accepted = sum(encounter.accepted is True for encounter in theirs)
    assert ours["earnings"]["learner"] == pytest.approx(-10 * accepted / 3, abs=1e-9)


def test_copied_votes_are_on_the_side_of_the_majority(tmp_path: Path) -> None:
    attacked(tmp_path / "run", "copy_votes", preset="paper", validators=3)
    with RunStore.open(tmp_path / "run") as store:
        kinds = {device.device: device.kind for device in store.devices()}
        votes = [
            (encounter.accepted, verdict)
            for encounter in store.encounters()
            if len([v for v, _ in encounter.votes if kinds[v] != "copy_votes"]) == 2
            for voter, verdict in encounter.votes
            if kinds[voter] == "copy_votes"
        ]
    assert len(votes) > 5
    # Two honest votes that differ leave it the choice, and it chooses yes, as a tie of the others does.
    assert all(accepted == verdict for accepted, verdict in votes)


@pytest.mark.slow
def test_where_anyone_may_vote_a_ring_decides_for_its_own_and_where_a_committee_is_drawn_it_does_not(
    tmp_path: Path,
) -> None:
    changes = {"adversaries": {"collude_neighbor": 4}, "images_per_device": 200, "validation_images": 100}
    _, open_vote = attacked(tmp_path / "open", "collude_neighbor", preset="paper", **changes)
    _, drawn = attacked(tmp_path / "drawn", "collude_neighbor", preset="safe", **changes)
    assert open_vote["rejected"] == 0
    assert drawn["rejected"] > 0
    assert drawn["earnings"]["neighbor"] < open_vote["earnings"]["neighbor"]


def test_a_ring_of_learners_gets_work_for_nothing_where_anyone_may_vote(tmp_path: Path) -> None:
    summary, ours = attacked(tmp_path / "run", "collude_learner", preset="paper", adversaries={"collude_learner": 4})
    assert ours["earnings"]["learner"] == pytest.approx(0, abs=1e-9)  # dust of the penalties that it shares out
    assert ours["earnings"]["validator"] > 0
    assert summary["kinds"]["honest"]["rejected"] > 10


@pytest.mark.slow
def test_a_sybil_comes_back_with_another_stake_and_all_tokens_are_accounted_for(tmp_path: Path) -> None:
    changes = {"reward": 60, "encounters": 150, "images_per_device": 200, "validation_images": 100, "tolerance": 0}
    summary, ours = attacked(tmp_path / "run", "sybil", **changes)
    assert ours["rejoined"] >= 2
    assert ours["expelled"] >= 1
    # It takes part again after it has come back, under an address that the ledger pays.
    with RunStore.open(tmp_path / "run") as store:
        (first, *_) = [out for out in store.expulsions() if out.device in summary["expelled"]["attackers"]]
        later = [e for e in store.encounters() if e.contact > first.contact and e.neighbor == first.device]
        stakes = [point.stake_wei for point in store.stakes() if point.device == first.device]
    assert any(encounter.status == "settled" for encounter in later)
    assert stakes.count(200 * 10**18) >= 2


@pytest.mark.parametrize("kind", BREACHES)
def test_without_an_incentive_nothing_is_merged_that_is_not_handed_over(tmp_path: Path, kind: str) -> None:
    _, ours = attacked(tmp_path / "run", kind, incentive=False)
    none = kind in ("withhold", "no_show")
    assert (ours["accepted"] == 0) is none
    assert (ours["rejected"] > 0) is none


@pytest.mark.slow
def test_attacks_do_what_they_want_where_nothing_stops_them(tmp_path: Path) -> None:
    """The trigger works on most images and costs little; flips of everything cost much."""
    changes = {"incentive": False, "encounters": 100, "images_per_device": 300, "model": "linear"}
    clean = simulate(tiny(devices=10, **changes), tmp_path / "clean")
    assert clean["attack_success"] == {}
    backdoor, _ = attacked(tmp_path / "backdoor", "backdoor", **changes)
    assert backdoor["attack_success"]["backdoor"] > 0.5
    assert backdoor["accuracy"]["mean"] > clean["accuracy"]["mean"] - 0.15
    flips, _ = attacked(tmp_path / "flips", "label_flip_all", **changes)
    assert flips["attack_success"]["label_flip_all"] > 0.1
    assert flips["accuracy"]["mean"] < clean["accuracy"]["mean"] - 0.15


@pytest.mark.slow
@pytest.mark.parametrize("defence", ["norm", "krum"])
@pytest.mark.parametrize("incentive", [True, False])
def test_a_defence_leaves_out_what_stands_out(tmp_path: Path, defence: str, incentive: bool) -> None:
    changes = {"images_per_device": 200, "encounters": 120, "adversaries": {"scaling": 2}}
    changes |= {"tolerance": 1.0} if incentive else {"incentive": False}  # the vote lets everything through
    summary, ours = attacked(tmp_path / "run", "scaling", defence=defence, **changes)
    honest = summary["kinds"]["honest"]
    left_out = [
        group["discarded"] / max(1, group["accepted"]) if incentive else group["rejected"] / 12 / group["devices"]
        for group in (ours, honest)
    ]
    assert left_out[0] > left_out[1]


MIXED: dict[str, Any] = {
    "model": "linear",
    "devices": 16,
    "encounters": 96,
    "reward": 60,
    "images_per_device": 120,
    "tolerance": 0.01,
    "defence": "krum",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"adversaries": dict.fromkeys(["sybil", "swap", "deny", "copy_votes", "drift", "backdoor"], 1)},
        {
            "preset": "paper",
            "rule": "balanced",
            "goal": "own",
            "partition": "two-class",
            "adversaries": {"collude_neighbor": 3, "collude_learner": 3, "sybil": 1, "copy_votes": 1},
        },
        {
            "algorithm": "gossip",
            "rule": "loss",
            "tolerance": 0.3,
            "adversaries": {"withhold": 2, "drift": 2, "noise": 2},
        },
        {"incentive": False, "adversaries": {"swap": 2, "no_show": 2, "backdoor": 2}},
    ],
)
def test_any_number_of_workers_gives_the_same_run(tmp_path: Path, changes: dict[str, Any]) -> None:
    one, two, four = (run(tmp_path / str(n), workers=n, **{**MIXED, **changes}) for n in (1, 2, 4))
    assert one == two == four


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"adversaries": {"sybil": 3, "swap": 1, "deny": 1, "copy_votes": 1}},
        {"adversaries": {"drift": 2, "backdoor": 2}, "incentive": False, "algorithm": "gossip"},
    ],
)
def test_a_stopped_run_goes_on_to_the_same_end(tmp_path: Path, changes: dict[str, Any]) -> None:
    def stop(snapshot: Snapshot) -> None:
        if snapshot.contact == 70:
            raise Stopped

    config = tiny(**{**MIXED, **changes})
    whole = simulate(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        simulate(config, tmp_path / "stopped", observer=stop)
    resumed = resume(tmp_path / "stopped")
    for summary in (whole, resumed):
        del summary["wall_s"]
    assert json.dumps(whole, sort_keys=True) == json.dumps(resumed, sort_keys=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ADVERSARIES.built_in)
@pytest.mark.parametrize("preset", ["safe", "paper"])
def test_every_adversary_leaves_the_sum_of_all_tokens_alone(tmp_path: Path, preset: str, kind: str) -> None:
    summary, _ = attacked(tmp_path / "run", kind, preset=preset, reward=40)
    assert sum(summary["cases"].values()) == summary["encounters"]
    assert summary["encounters"] + summary["skipped"] == 60
