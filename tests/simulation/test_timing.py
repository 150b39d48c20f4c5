"""Time that an exchange takes: a contact that ends too early leaves an incomplete encounter, and nothing else."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.adapters.base import Adapter
from idml.adapters.gossip import Gossip
from idml.adapters.oppcl import OppCL
from idml.adapters.registry import ALGORITHMS
from idml.learning.engine import prepare
from idml.ledger.records import History
from idml.protocol.task import TOKEN_WEI
from idml.simulation.config import Config
from idml.simulation.contacts.sources import find_trace
from idml.simulation.measure import TestSet
from idml.simulation.setup import World, build_world, resolve
from idml.simulation.timing import Exchange, ExchangeStage
from idml.simulation.work.runner import TaskRunner
from idml.simulation.work.tasks import ContributeTask

from .conftest import Played, tiny
from .test_runs import assert_tokens_conserved, without_times

DURATIONS = st.floats(0, 1e9)
EXAMPLES = Path(__file__).parents[2] / "examples"
IMAGES = 80  # of a device of `tiny`


def world_of(config: Config, adapter: Adapter | None = None) -> World:
    adapter = adapter or ALGORITHMS.find(config.algorithm)
    return build_world(resolve(config, adapter), adapter)


@given(DURATIONS, DURATIONS, DURATIONS, DURATIONS)
def test_an_exchange_is_broken_off_where_its_contact_ends(send: float, train: float, back: float, more: float) -> None:
    exchange = Exchange(send, train, back)
    assert exchange.broken_off(send + train + back) is None
    assert exchange.broken_off(math.inf) is None
    if send:
        assert exchange.broken_off(0) is ExchangeStage.SENDING
    # Nobody gets less far in a longer contact.
    stages = [ExchangeStage.SENDING, ExchangeStage.TRAINING, ExchangeStage.RETURNING, None]
    places = [stages.index(exchange.broken_off(contact_s)) for contact_s in sorted([0, send, train, back, more])]
    assert places == sorted(places)


def test_exchanges_take_the_slower_link_twice_and_the_neighbors_computing() -> None:
    timing = world_of(tiny(link_bytes_s=1000, compute_images_s=10, heterogeneity=1)).timing
    for learner, neighbor in ((0, 1), (1, 0), (3, 7)):
        exchange = timing.exchange(learner, neighbor)
        slower = min(timing.link_bytes_s[learner], timing.link_bytes_s[neighbor])
        assert exchange.send_s == exchange.return_s == timing.model_bytes / slower
        assert exchange.train_s == IMAGES / timing.compute_images_s[neighbor]


def test_rates_are_lognormal_about_the_configured_ones_and_the_seeds() -> None:
    base: dict[str, Any] = {"devices": 400, "link_bytes_s": 1000, "compute_images_s": 10, "images_per_device": 1}
    alike = world_of(tiny(**base)).timing
    assert set(alike.link_bytes_s) == {1000}
    assert set(alike.compute_images_s) == {10}
    timing = world_of(tiny(**base, heterogeneity=0.5)).timing
    for rates, median in ((timing.link_bytes_s, 1000), (timing.compute_images_s, 10)):
        logs = np.log(rates / median)
        assert abs(logs.mean()) < 4 * 0.5 / math.sqrt(400)
        assert 0.43 < logs.std() < 0.57
    assert abs(np.corrcoef(np.log(timing.link_bytes_s), np.log(timing.compute_images_s))[0, 1]) < 0.2
    again, other = (world_of(tiny(**base, heterogeneity=0.5, seed=seed)).timing for seed in (1, 2))
    assert np.array_equal(again.link_bytes_s, timing.link_bytes_s)
    assert not np.array_equal(other.link_bytes_s, timing.link_bytes_s)


def test_nothing_takes_time_unless_configured() -> None:
    exchange = world_of(tiny()).timing.exchange(0, 1)
    assert exchange == Exchange(0, 0, 0)
    assert exchange.broken_off(0) is None


class TrainTwice(OppCL):
    """Two epochs."""

    name = "twice"

    def contribute(self, received: Any, own: Any, training: Any) -> Any:
        return training.epoch(training.epoch(received))


@pytest.mark.parametrize(("adapter", "epochs"), [(OppCL(), 1), (Gossip(), 0), (TrainTwice(), 2)])
def test_a_rehearsal_finds_what_each_kind_of_device_trains(adapter: Adapter, epochs: int) -> None:
    kinds = {"free_rider": 1, "random_weights": 1, "label_flip": 1, "always_no": 1}
    world = world_of(tiny(compute_images_s=1, adversaries=kinds), adapter)
    test_set = TestSet(prepare(world.dataset.test_images), world.dataset.test_labels, 1, world.settings.seed)
    runner = TaskRunner(world.devices, world.settings, test_set, world.config.task(), adopt_unjudged=False)
    learner = world.devices[0]
    for device in world.devices:
        idle = device.participant.kind in ("free_rider", "random_weights")
        assert world.timing.images[device.index] == (0 if idle else epochs * IMAGES)
        answer = runner.perform(ContributeTask(learner.index, 0, device.index, learner.model, device.model))
        assert answer.values == (world.timing.images[device.index],)


@pytest.fixture
def play_trace(play: Any, tmp_path: Path) -> Callable[..., Played]:
    """Plays a trace in which the exchange takes three times 10 s and a contact lasts 30, 25, 15, 5, 40 s and so on."""
    path = tmp_path / "trace.csv"
    lengths = (30, 25, 15, 5, 40)
    pairs = [(n % 8, (n + 1 + n // 8) % 8) for n in range(20)]
    rows = [f"{100 * n},{a},{b},{100 * n + lengths[n % 5]}\n" for n, (a, b) in enumerate(pairs)]
    path.write_text("time_start,client1,client2,time_end\n" + "".join(rows))
    rates = {"link_bytes_s": world_of(tiny()).timing.model_bytes / 10, "compute_images_s": IMAGES / 10}

    def run(**changes: Any) -> Played:
        played: Played = play(**{"contacts": str(path), "encounters": 20, "baseline_devices": 0, **rates, **changes})
        return played

    return run


def histories(run: Played) -> list[History]:
    accounts = run.simulator._accounts
    assert accounts is not None
    return [accounts.ledger.history(wallet.address) for wallet in accounts.wallets]


@pytest.mark.parametrize("preset", ["safe", "paper"])
def test_contacts_that_end_too_early_are_incomplete_encounters_on_the_ledger(
    play_trace: Callable[..., Played], preset: str
) -> None:
    run = play_trace(preset=preset)
    records = sorted(run.store.encounters(), key=lambda record: record.contact)
    assert [record.status for record in records] == ["settled", *["incomplete"] * 3, "settled"] * 4
    reasons = [
        "",
        *(stage.value for stage in (ExchangeStage.RETURNING, ExchangeStage.TRAINING, ExchangeStage.SENDING)),
        "",
    ]
    assert [record.reason for record in records] == reasons * 4
    assert run.summary["cases"]["incomplete"] == 12
    assert_tokens_conserved(run)
    # Heavy work is done only where somebody still gets the result, or had to send it to know that nobody does.
    assert run.summary["train_images"] == (8 + 4) * IMAGES
    made: dict[int, list[str]] = {record.contact: [] for record in records}
    for transaction in run.store.transactions():
        if transaction.contact is not None:
            made[transaction.contact].append(transaction.step)
    for record in records:
        if record.status == "incomplete":
            reported = ["report_neighbor"] if record.reason == ExchangeStage.RETURNING.value else []
            assert made[record.contact] == ["open", *reported, "finalize"]
            assert (record.result is not None) == bool(reported)
            assert record.votes == ()
    # The paper thanks a neighbor that reported with a tenth of the reward; otherwise everything returns.
    judged = sum({True: 8, False: -10, None: 0}[record.accepted] for record in records)
    paid_wei = sum(record.as_neighbor_wei for record in run.store.earnings()) - judged * TOKEN_WEI
    assert paid_wei == (4 * TOKEN_WEI if preset == "paper" else 0)
    incomplete = [record for record in records if record.status == "incomplete"]
    for device, history in enumerate(histories(run)):
        assert history.incomplete_as_learner == sum(record.learner == device for record in incomplete)
        assert history.incomplete_as_neighbor == sum(record.neighbor == device for record in incomplete)


def test_a_learner_may_have_more_than_64_encounters_open(play: Any, tmp_path: Path) -> None:
    """All contacts but the first four are broken off, and stay open until their windows are over."""
    path, count, rate = tmp_path / "trace.csv", 140, world_of(tiny()).timing.model_bytes
    rows = [f"{10 * n},0,{1 + n % 7},{10 * n + (9 if n < 4 else 0.5)}\n" for n in range(count)]
    path.write_text("time_start,client1,client2,time_end\n" + "".join(rows))
    run = play(contacts=str(path), encounters=count, reward=0.1, link_bytes_s=rate, baseline_devices=0)
    records = sorted(run.store.encounters(), key=lambda record: record.contact)
    assert {record.status for record in records[:4]} == {"settled"}
    assert 0 in {record.learner for record in records[:4]}, "its nonces and its lanes differ from here on"
    assert {(record.status, record.reason) for record in records[4:]} == {("incomplete", ExchangeStage.SENDING.value)}
    assert sum(record.learner == 0 for record in records[4:]) > 64
    assert_tokens_conserved(run)


def test_nobody_learns_from_an_exchange_that_was_broken_off(play_trace: Callable[..., Played]) -> None:
    run = play_trace(link_bytes_s=1)
    assert {record.status for record in run.store.encounters()} == {"incomplete"}
    assert run.summary["train_images"] == 0
    start = world_of(tiny()).devices[0].model
    assert all(device.model == start for device in run.simulator._world.devices)


def test_without_an_incentive_what_is_broken_off_is_not_merged(play_trace: Callable[..., Played]) -> None:
    run = play_trace(incentive=False)
    records = run.store.encounters()
    assert [record.status for record in records] == ["unincentivized", *["incomplete"] * 3, "unincentivized"] * 4
    assert [record.time_s for record in records] == [100 * n for n in range(20)]
    assert run.summary["cases"]["incomplete"] == 12
    assert run.summary["encounters"] == 20
    assert run.summary["train_images"] == 8 * IMAGES


def test_a_run_on_a_trace_repeats(play_trace: Callable[..., Played]) -> None:
    first, second = (play_trace(heterogeneity=1, algorithm="gossip") for _ in range(2))
    assert without_times(first.summary) == without_times(second.summary)
    assert 0 < first.summary["cases"]["incomplete"] < 20
    for record in first.store.encounters():
        blocks_s = [tx.time_s for tx in first.store.transactions() if tx.contact == record.contact]
        assert blocks_s == sorted(blocks_s)


def test_the_example_can_be_played_whole(play: Any) -> None:
    path = str(EXAMPLES / "contacts.csv")
    trace = find_trace(path)
    assert trace is not None
    run = play(
        contacts=path,
        devices=20,
        encounters=None,
        incentive=False,
        local_epochs=0,
        images_per_device=20,
        link_bytes_s=world_of(tiny()).timing.model_bytes / 30,
    )
    assert run.summary["encounters"] == len(trace) == run.summary["config"]["encounters"]
    assert 0 < run.summary["cases"]["incomplete"] < len(trace)
