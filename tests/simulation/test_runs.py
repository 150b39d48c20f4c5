"""Runs: the same again for the same seed, every token accounted for, and cheats lose."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import idml
from idml.protocol.digest import model_digest, read_canonical
from idml.protocol.task import TOKEN_WEI
from idml.simulation.accounts import Accounts
from idml.simulation.config import to_wei
from idml.simulation.totals import Snapshot

from .conftest import Played, tiny


def without_times(summary: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in summary.items() if key != "wall_s"}, sort_keys=True)


def assert_tokens_conserved(run: Played) -> None:
    tokens = run.summary["tokens"]
    assert set(tokens) == {"supply", "accounts"}
    assert tokens["supply"] == tokens["accounts"]
    assert int(tokens["supply"]) > 0


def assert_earnings_are_the_ledgers(run: Played) -> None:
    """What was booked for each device is what its account gained."""
    accounts = run.simulator._accounts
    assert accounts is not None
    earnings = run.store.earnings()
    assert len(earnings) == len(run.store.devices())
    assert any(record.total_wei for record in earnings)
    for record in earnings:
        account = accounts.ledger.account(accounts.wallets[record.device].address)
        before_wei = to_wei(run.simulator._world.config.tokens)
        assert account.balance + account.stake + account.unbonding - before_wei == record.total_wei
        assert account.locked == 0


def test_the_same_seed_gives_the_same_run(play: Any) -> None:
    first, second, other = play(), play(), play(seed=2)
    assert without_times(first.summary) == without_times(second.summary)
    assert without_times(first.summary) != without_times(other.summary)
    for device in range(8):
        name = f"models/{device}.safetensors"
        assert first.store.model_path(device).read_bytes() == second.store.model_path(device).read_bytes(), name
    assert [r.result for r in first.store.encounters()] == [r.result for r in second.store.encounters()]
    assert first.store.transactions() == second.store.transactions()
    assert first.store.stakes() == second.store.stakes()


def test_both_embedded_evms_give_the_same_run(play: Any) -> None:
    pytest.importorskip("pyrevm", reason="the extra `fast` is not installed")
    changes = {"adversaries": {"random_weights": 2}, "encounters": 16}
    portable, fast = play(evm="pyevm", **changes), play(evm="pyrevm", **changes)
    portable.summary["config"]["evm"] = fast.summary["config"]["evm"]
    assert without_times(portable.summary) == without_times(fast.summary)
    assert portable.store.transactions() == fast.store.transactions()
    assert portable.store.stakes() == fast.store.stakes()


@pytest.mark.parametrize("preset", ["safe", "paper"])
@pytest.mark.parametrize("algorithm", ["oppcl", "gossip"])
def test_tokens_and_earnings_add_up(play: Any, preset: str, algorithm: str) -> None:
    run = play(
        preset=preset,
        algorithm=algorithm,
        partition="two-class",
        reward=15.5,
        adversaries={"random_weights": 1, "always_no": 1, "invert": 1},
    )
    summary = run.summary
    assert_tokens_conserved(run)
    assert_earnings_are_the_ledgers(run)
    assert summary["encounters"] + summary["skipped"] == 24
    assert sum(summary["cases"].values()) == summary["encounters"]
    assert summary["accuracy"]["min"] <= summary["accuracy"]["mean"] <= summary["accuracy"]["max"]


def test_the_ledgers_history_is_what_the_run_recorded(play: Any) -> None:
    run = play(adversaries={"random_weights": 2})
    accounts = run.simulator._accounts
    assert accounts is not None
    settled = [record for record in run.store.encounters() if record.status == "settled"]
    accepted = Counter(record.neighbor for record in settled if record.accepted)
    rejected = Counter(record.neighbor for record in settled if record.accepted is False)
    learned = Counter(record.learner for record in settled)
    voted = Counter(voter for record in settled for voter, _ in record.votes)
    for device, wallet in enumerate(accounts.wallets):
        history = accounts.ledger.history(wallet.address)
        assert history.completed_as_learner == learned[device]
        assert (history.accepted, history.rejected) == (accepted[device], rejected[device])
        assert history.votes_with + history.votes_against == voted[device]


@pytest.mark.slow
def test_random_weights_are_found_out_and_expelled(play: Any) -> None:
    run = play(adversaries={"random_weights": 2}, encounters=120, reward=40, images_per_device=300, voting_window_s=300)
    attackers = {record.device for record in run.store.devices() if record.kind != "honest"}
    assert set(run.summary["expelled"]["attackers"]) == attackers
    assert run.summary["expelled"]["honest"] == []
    assert run.summary["earnings"]["attackers"]["neighbor"] < 0 < run.summary["earnings"]["honest"]["neighbor"]
    assert_tokens_conserved(run)
    for expulsion in run.store.expulsions():
        later = [r for r in run.store.encounters() if r.contact > expulsion.contact and r.neighbor == expulsion.device]
        assert later
        assert {record.status for record in later} == {"skipped"}
        assert not any(
            voter == expulsion.device
            for r in run.store.encounters()
            if r.contact > expulsion.contact
            for voter, _ in r.votes
        )
    stakes = [point.stake_wei for point in run.store.stakes() if point.device == min(attackers)]
    assert stakes[0] == 200 * TOKEN_WEI
    assert stakes[-1] < 100 * TOKEN_WEI


def test_a_committee_that_is_short_settles_with_its_last_vote(play: Any) -> None:
    """Five devices, of which expulsion leaves two judges where three votes are wanted."""
    run = play(devices=5, encounters=60, reward=60, adversaries={"random_weights": 1}, images_per_device=200, width=16)
    assert run.summary["expelled"]["attackers"]
    short = [record for record in run.store.encounters() if record.status == "settled" and len(record.votes) == 2]
    assert short
    steps = Counter(record.step for record in run.store.transactions() if record.contact == short[0].contact)
    assert "finalize" not in steps
    assert_tokens_conserved(run)
    assert_earnings_are_the_ledgers(run)


def play_until_nobody_judges(play: Any, preset: str) -> Played:
    """Three devices and one validator: once the cheat is out, nobody is left to judge the other two."""
    run: Played = play(
        preset=preset,
        devices=3,
        validators=1,
        encounters=60,
        reward=60,
        adversaries={"random_weights": 1},
        voting_window_s=130,
        images_per_device=200,
        width=16,
    )
    assert run.summary["expelled"]["attackers"]
    assert_tokens_conserved(run)
    assert_earnings_are_the_ledgers(run)
    blocks = [tx.block for tx in run.store.transactions()]
    assert blocks == sorted(blocks)
    return run


def test_where_nobody_votes_time_settles(play: Any) -> None:
    run = play_until_nobody_judges(play, "paper")
    unjudged = [record for record in run.store.encounters() if record.case == 1]
    assert len(unjudged) == run.summary["cases"]["1"] > 0
    for record in unjudged:
        assert (record.accepted, record.votes) == (None, ())
        made = [tx for tx in run.store.transactions() if tx.contact == record.contact]
        assert [tx.step for tx in made] == ["open", "report_both", "finalize"]
        assert made[-1].time_s - made[-2].time_s > 130


def test_where_nobody_can_be_drawn_everything_returns_at_once(play: Any) -> None:
    run = play_until_nobody_judges(play, "safe")
    returned = [record for record in run.store.encounters() if record.status == "incomplete"]
    assert returned
    for record in returned:
        made = [tx for tx in run.store.transactions() if tx.contact == record.contact]
        assert [tx.step for tx in made] == ["open", "report_both"]
    assert run.summary["cases"]["1"] == 0


@pytest.mark.parametrize("tokens", [200.000001, 999_999.999999])
def test_any_number_of_tokens_can_be_bought(play: Any, tokens: float) -> None:
    run = play(tokens=tokens, reward=0.000001, encounters=3, stake=150, images_per_device=30)
    assert run.summary["encounters"] == 3
    assert_tokens_conserved(run)


def test_who_cannot_pay_or_stand_surety_meets_in_vain(play: Any) -> None:
    run = play(tokens=250, stake=200, reward=40, images_per_device=30)
    reasons = Counter(record.reason for record in run.store.encounters() if record.status == "skipped")
    assert set(reasons) == {"the learner's balance does not cover the reward"}
    assert run.summary["skipped"] == reasons.total() > 0
    assert_tokens_conserved(run)
    # A stake of exactly the threshold is lost as soon as anything of it is lost.
    run = play(
        stake=100, reward=100, stake_target=0, adversaries={"always_no": 3}, preset="paper", images_per_device=30
    )
    reasons = Counter(record.reason for record in run.store.encounters() if record.status == "skipped")
    assert "the neighbor's stake is below the threshold" in reasons
    assert run.summary["expelled"]["honest"]
    assert_tokens_conserved(run)


def test_without_an_incentive_everything_is_merged(play: Any) -> None:
    changes = {"adversaries": {"random_weights": 3}, "encounters": 40, "images_per_device": 300}
    run = play(incentive=False, **changes)
    assert {record.status for record in run.store.encounters()} == {"unincentivized"}
    assert run.summary["tokens"] == {"supply": "0", "accounts": "0"}
    assert run.summary["encounters"] == 40
    assert run.store.transactions() == []
    assert run.summary["accuracy"]["mean"] < play(**changes).summary["accuracy"]["mean"]


def test_models_on_disk_are_the_devices(play: Any) -> None:
    run = play()
    layout = run.simulator._world.settings.engine.layout
    last = {}
    for device in run.simulator._world.devices:
        vector = read_canonical(run.store.model_path(device.index).read_bytes(), layout)
        assert np.array_equal(vector, device.model.vector)
        last[device.index] = model_digest(vector, layout)
    assert len(set(last.values())) == 8


def test_images_are_counted(play: Any) -> None:
    run = play(local_epochs=1)
    assert run.summary["train_images"] == 24 * 80 * 2 + 6 * 80  # the baseline included
    # Three judges score two models on 40 images; the rest is measuring: every score is a row, but the first model,
    # which all have, is scored once. The baseline is scored on 20 images an epoch, in the end on 36 = 80 * 6 * 3 / 40.
    epochs = run.summary["baseline"]["epochs"]
    assert epochs == 6
    measured = 200 + sum(point.images for point in run.store.accuracy() if point.round)
    assert run.summary["eval_images"] == 24 * 3 * 2 * 40 + measured + epochs * 20 + 36


@pytest.mark.slow
def test_measuring_costs_a_twentieth_of_what_it_measures(play: Any) -> None:
    run = play(encounters=60, images_per_device=300, validation_images=200)
    effort = run.simulator._work
    points = run.store.accuracy()
    rounds = [0, *sorted({point.round for point in points if point.round})]
    assert rounds == list(range(9))
    cost = 3 * effort.trained_images.total() + effort.scored_images.total()
    measured = 200 + sum(point.images for point in points if point.round)
    assert 0.04 * cost < measured <= 0.05 * cost
    # Each round has its share, the end what is left: as many images for each device as for any other.
    for contact in {point.contact for point in points}:
        assert len({point.images for point in points if point.contact == contact}) == 1
    assert sum(point.images for point in points if point.round and point.contact < 59) <= 0.025 * cost


def test_where_nothing_is_trained_little_is_measured(play: Any) -> None:
    run = play(devices=40, encounters=80, model="linear", images_per_device=1, validation_images=1, baseline_devices=0)
    last = [point for point in run.store.accuracy() if point.round]
    assert len(last) == 10
    assert {point.images for point in last} == {20}


@pytest.mark.slow
def test_known_stakes_are_those_on_the_ledger(play: Any) -> None:
    for preset in ("safe", "paper"):
        run = play(
            preset=preset,
            adversaries={"random_weights": 2, "always_no": 1},
            encounters=80,
            reward=40,
            images_per_device=300,
        )
        accounts = run.simulator._accounts
        stakes = [accounts.ledger.account(wallet.address).stake for wallet in accounts.wallets]
        assert [accounts.stake_wei(device) for device in range(8)] == stakes
        assert len(set(stakes)) > 1
        last = {point.device: point.stake_wei for point in run.store.stakes()}
        assert [last[device] for device in range(8)] == stakes


@pytest.mark.slow
def test_what_the_bank_knows_is_what_the_ledger_says(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str | None] = Counter()
    obstacle = Accounts.obstacle

    def compare(accounts: Accounts, learner: int, neighbor: int) -> str | None:
        for device in (learner, neighbor):
            address = accounts.wallets[device].address
            account = accounts.ledger.account(address)
            assert accounts.mirror.account(address) == account
            assert accounts.stake_wei(device) == account.stake
        answer = obstacle(accounts, learner, neighbor)
        asked[answer] += 1
        return answer

    monkeypatch.setattr(Accounts, "obstacle", compare)
    for stake, tokens in ((160, 260), (105, 1000)):
        play(
            tokens=tokens,
            stake=stake,
            reward=55,
            stake_target=0,
            stake_threshold=50,
            encounters=120,
            adversaries={"random_weights": 2, "always_no": 2},
            images_per_device=200,
        )
    assert len(asked) == 4, asked  # none, and each of the three reasons


@pytest.mark.slow
def test_the_observer_sees_every_contact(tmp_path: Path) -> None:
    seen: list[Snapshot] = []
    idml.run(tmp_path / "run", tiny(), observer=seen.append)
    assert [snapshot.contact for snapshot in seen if snapshot.stage == "meeting"] == list(range(1, 25))
    assert [snapshot.stage for snapshot in (*seen[:3], *seen[-4:])] == [
        "loading data",
        "deploying contracts",
        "joining",
        "settling",
        "measuring",
        "training one device alone",
        "done",
    ]
    assert all(earlier.encounters <= later.encounters for earlier, later in pairwise(seen))


@pytest.mark.slow
def test_a_lazy_validator_earns_and_a_contrarian_pays(play: Any) -> None:
    # Of so small a network's contributions, honest ones at times lose more than the usual tolerance.
    run = play(encounters=80, adversaries={"always_no": 1, "always_yes": 1}, images_per_device=300, tolerance=0.15)
    kinds = {record.device: record.kind for record in run.store.devices()}
    judged: dict[str, list[int]] = {"honest": [], "always_no": [], "always_yes": []}
    for record in run.store.earnings():
        judged[kinds[record.device]].append(record.as_validator_wei)
    assert max(judged["always_no"]) < 0 < min(float(np.mean(judged["honest"])), *judged["always_yes"])
