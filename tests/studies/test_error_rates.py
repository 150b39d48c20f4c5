"""Replays: equal models and equal images for all, and the same verdicts as in a run."""

from pathlib import Path
from typing import Any

import pytest

from idml.learning.judging.registry import RULES
from idml.simulation.config import Config, make_config
from idml.simulation.runs import simulate
from idml.store import HONEST
from idml.store.run_store import RunStore
from idml.studies.error_rates import ATTACKS, replay

TINY: dict[str, Any] = {
    "dataset": "digits",
    "devices": 6,
    "encounters": 12,
    "model": "linear",
    "images_per_device": 80,
    "validation_images": 40,
    "baseline_devices": 0,
}


def tiny(**changes: Any) -> Config:
    return make_config({**TINY, **changes})


@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_every_attack_is_judged_by_every_rule_beside_honest_work(algorithm: str, tmp_path: Path) -> None:
    judged = replay(tiny(algorithm=algorithm), every=4)
    kinds = [HONEST, *ATTACKS]
    assert [(one.contact, one.kind) for one in judged] == [
        (contact, kind) for contact in (0, 4, 8) for kind in kinds for _ in range(3)
    ]
    for one in judged:
        assert set(one.harms) == set(RULES.built_in)
    # The same judges for all, and a free rider does no harm to anything, at any rule.
    seats = {kind: [(one.contact, one.validator) for one in judged if one.kind == kind] for kind in kinds}
    assert all(seats[kind] == seats[HONEST] for kind in kinds)
    if algorithm == "oppcl":
        free = [one.harms for one in judged if one.kind == "free_rider"]
        assert all(RULES.find(rule).accepts(harm, 0) for harms in free for rule, harm in harms.items())
    for kind in ("label_flip_all", "random_weights", "scaling", "noise", "backdoor"):
        losses = [[one.harms["loss"] for one in judged if one.kind == each] for each in (HONEST, kind)]
        assert losses[0] != losses[1], kind


def test_a_replay_repeats_itself_and_what_is_judged_changes_nothing_else() -> None:
    whole = replay(tiny(), attacks=["noise", "drift"])
    assert whole == replay(tiny(), attacks=["noise", "drift"])
    honest = [one for one in whole if one.kind == HONEST]
    assert honest == replay(tiny(), attacks=[])
    assert [one for one in whole if one.contact % 3 == 0] == replay(tiny(), attacks=["noise", "drift"], every=3)


def test_drift_stays_within_the_limit_of_each_rule_more_often_than_not() -> None:
    judged = replay(tiny(encounters=60, images_per_device=300, validation_images=100), attacks=["drift"], every=5)
    for name in RULES.built_in:
        rule = RULES.find(name)
        tolerance_bps = round(rule.default_tolerance * 10_000)
        accepted = [rule.accepts(one.harms[name], tolerance_bps) for one in judged if one.kind == "drift"]
        assert sum(accepted) > 0.6 * len(accepted), name


@pytest.mark.parametrize("rule", ["paper", "loss", "mcnemar"])
def test_honest_work_is_judged_as_in_a_run(tmp_path: Path, rule: str) -> None:
    """Until models differ: in the first round of a run nobody has merged anything yet, nor has anyone in a replay."""
    config = tiny(rule=rule, encounters=6)
    simulate(config, tmp_path / "run")
    with RunStore.open(tmp_path / "run") as store:
        votes = {
            (encounter.contact, validator): verdict
            for encounter in store.encounters()
            for validator, verdict in encounter.votes
        }
    found = RULES.find(rule)
    compared = 0
    for one in replay(config, attacks=[]):
        if (verdict := votes.get((one.contact, one.validator))) is not None:
            assert found.accepts(one.harms[rule], config.tolerance_bps) == verdict
            compared += 1
    assert compared > 3
