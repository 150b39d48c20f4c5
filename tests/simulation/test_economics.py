"""What docs/economics.md works out, played: who gains and who loses under both presets, seed by seed."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from idml.economics import (
    NeighborWork,
    Ring,
    Strategy,
    Verdicts,
    honesty_threshold,
    losses,
    rob_neighbor,
    round_moves,
    vote_value,
)
from idml.protocol.task import TOKEN_WEI, preset_task
from idml.simulation.runs import simulate
from idml.store import HONEST, EncounterRecord
from idml.store.run_store import RunStore

from .conftest import tiny

pytestmark = pytest.mark.slow

PRESETS = ("paper", "safe")
DEVICES, REWARD = 14, 10
# Nobody falls out: what is compared is what a strategy earns, not how long it may go on.
SETTING: dict[str, Any] = {
    "model": "linear",
    "devices": DEVICES,
    "encounters": 140,
    "images_per_device": None,
    "baseline_devices": 0,
    "reward": REWARD,
    "stake": 1_000,
    "tolerance": 0.03,
    "checkpoint_s": 100_000,
}


@dataclass(frozen=True)
class Run:
    """A finished run."""

    kinds: dict[int, str]
    summary: dict[str, Any]
    encounters: list[EncounterRecord]
    stakes: dict[int, float]

    def vote(self, kind: str) -> float:
        """What a vote of a kind of device gained on average, in rewards."""
        votes = sum(self.kinds[voter] == kind for encounter in self.encounters for voter, _ in encounter.votes)
        ours = self.summary["kinds"][kind]
        return float(ours["earnings"]["validator"] * ours["devices"] / votes / REWARD)

    def accepted(self, learner: str, neighbor: str) -> list[bool]:
        """Verdicts on encounters of two kinds of device."""
        wanted = (learner, neighbor)
        return [bool(e.accepted) for e in self.encounters if (self.kinds[e.learner], self.kinds[e.neighbor]) == wanted]


def play(directory: Path, preset: str, seed: int, **changes: Any) -> Run:
    where = directory / f"{preset}-{seed}"
    summary = simulate(tiny(**{**SETTING, "preset": preset, "seed": seed, **changes}), where)
    assert summary["tokens"]["supply"] == summary["tokens"]["accounts"]
    with RunStore.open(where) as store:
        stakes = {point.device: point.stake_wei / TOKEN_WEI for point in store.stakes()}
        kinds = {device.device: device.kind for device in store.devices()}
        return Run(kinds, summary, [e for e in store.encounters() if e.status == "settled"], stakes)


def honest_verdicts(*runs: Run) -> Verdicts:
    """How honest validators erred on honest work, and how often together: from committees of none but honest ones."""
    votes: Counter[bool] = Counter()
    full: Counter[int] = Counter()
    for run in runs:
        for encounter in run.encounters:
            found = [verdict for voter, verdict in encounter.votes if run.kinds[voter] == HONEST]
            votes.update(found)
            if len(found) == 3:
                full[sum(found)] += 1
    wrong, size = Fraction(votes[False], votes.total()), full.total()
    alone = Fraction(3 * full[0] + 2 * full[1] + full[2], 3 * size)
    apart, measured = alone**3 + 3 * alone**2 * (1 - alone), Fraction(full[0] + full[1], size)
    return Verdicts(wrong, Fraction(0), together=max(Fraction(0), (measured - apart) / (alone - apart)))


def test_where_verdicts_err_always_no_beats_honest_voting_under_paper_and_not_under_safe(tmp_path: Path) -> None:
    # With no tolerance, and images enough to see small losses, an honest verdict is wrong about one time in five.
    changes = {"adversaries": {"always_no": 1}, "validation_images": 100, "tolerance": 0.0, "encounters": 280}
    runs = {preset: [play(tmp_path, preset, seed, **changes) for seed in range(1, 6)] for preset in PRESETS}
    verdicts = honest_verdicts(*(run for played in runs.values() for run in played))
    accuracy = 1 - verdicts.false_rejection
    assert honesty_threshold(preset_task("safe")) < accuracy < honesty_threshold(preset_task("paper"))
    leads = {preset: [run.vote("always_no") - run.vote(HONEST) for run in played] for preset, played in runs.items()}
    assert fmean(leads["paper"]) > 0.02
    assert fmean(leads["safe"]) < -0.01
    apart = [one - other for one, other in zip(leads["paper"], leads["safe"], strict=True)]
    assert fmean(apart) > 2.776 * stdev(apart) / len(apart) ** 0.5  # Student's t: the 95 % interval excludes 0
    for preset, played in runs.items():
        expected = vote_value(preset_task(preset), Strategy.NO, Strategy.HONEST, verdicts)
        measured = fmean(run.vote("always_no") for run in played)
        assert measured == pytest.approx(float(expected), abs=0.07)  # three times its standard error under `paper`


@pytest.mark.parametrize("preset", PRESETS)
def test_where_most_always_say_yes_that_pays_more_than_looking(tmp_path: Path, preset: str) -> None:
    changes = {"adversaries": {"always_yes": 11}, "validation_images": 10}
    for seed in (1, 2):
        run = play(tmp_path, preset, seed, **changes)
        assert run.vote("always_yes") > run.vote(HONEST)
        expected = vote_value(preset_task(preset), Strategy.HONEST, Strategy.YES, honest_verdicts_of_few(run))
        assert run.vote(HONEST) == pytest.approx(float(expected), abs=0.02)


def honest_verdicts_of_few(run: Run) -> Verdicts:
    """Where hardly any committee is all honest: how single validators erred."""
    found = [v for encounter in run.encounters for voter, v in encounter.votes if run.kinds[voter] == HONEST]
    return Verdicts(Fraction(found.count(False), len(found)), Fraction(0))


def test_a_learner_and_its_ring_rob_good_neighbors_by_open_votes_and_hardly_by_a_drawn_committee(
    tmp_path: Path,
) -> None:
    ring, expected = "collude_learner", {}
    for preset in PRESETS:
        expected[preset] = rob_neighbor(preset_task(preset), Ring(DEVICES, 4), Verdicts(Fraction(0), Fraction(0)))
    assert expected["paper"].success == 1
    verdicts: dict[str, list[bool]] = {preset: [] for preset in PRESETS}
    for seed in (1, 2):
        changes = {"adversaries": {ring: 4}, "validation_images": 100}
        paper, safe = (play(tmp_path, preset, seed, **changes) for preset in PRESETS)
        for preset, run in zip(PRESETS, (paper, safe), strict=True):
            verdicts[preset] += run.accepted(ring, HONEST)
        of = [run.summary["kinds"] for run in (paper, safe)]
        assert of[0][ring]["earnings"]["learner"] == pytest.approx(0, abs=1e-6)  # it pays for nothing that it keeps
        assert of[0][HONEST]["earnings"]["neighbor"] < of[1][HONEST]["earnings"]["neighbor"] - REWARD
        total = [sum(kinds[ring]["earnings"].values()) for kinds in of]
        honest = [sum(kinds[HONEST]["earnings"].values()) for kinds in of]
        assert total[0] > 0 > honest[0]  # under `paper` the ring lives on the others
        assert abs(total[1] - honest[1]) < REWARD * 3
    assert not any(verdicts["paper"])
    robbed = verdicts["safe"].count(False) / len(verdicts["safe"])
    assert robbed == pytest.approx(float(expected["safe"].success), abs=0.12)


def test_honest_stakes_shrink_under_paper_and_are_refilled_under_safe(tmp_path: Path) -> None:
    changes = {"stake": 200, "validation_images": 20}
    runs = {preset: [play(tmp_path, preset, seed, **changes) for seed in (1, 2)] for preset in PRESETS}
    verdicts = honest_verdicts(*(run for played in runs.values() for run in played))
    moves = round_moves(preset_task("paper"), NeighborWork.HONEST, Strategy.HONEST, verdicts, junk=Fraction(0))
    rounds = 140 / DEVICES
    for paper, safe in zip(runs["paper"], runs["safe"], strict=True):
        means = [sum(200 - run.stakes[device] for device in range(DEVICES)) / DEVICES for run in (paper, safe)]
        assert means[0] > 3
        assert max(paper.stakes.values()) <= 200
        assert means[0] / rounds / REWARD == pytest.approx(float(losses(moves)), abs=0.05)
        assert means[1] < 1
