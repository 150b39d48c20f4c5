"""Adversaries: each does what its name says, and is honest in everything else."""

import numpy as np
import pytest
import torch

from idml.adapters.base import LocalTraining
from idml.adapters.gossip import Gossip
from idml.adapters.oppcl import OppCL
from idml.learning.torch_engine import TorchEngine
from idml.simulation.adversaries import (
    ADVERSARIES,
    AlwaysNo,
    AlwaysYes,
    FreeRider,
    Invert,
    LabelFlip,
    Participant,
    RandomWeights,
)


def training() -> LocalTraining:
    engine = TorchEngine(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)))
    generator = np.random.default_rng(5)
    images = generator.standard_normal((20, 1, 4, 4), dtype=np.float32)
    return LocalTraining(engine, images, generator.integers(0, 3, 20), 0.1, 8, key=(0, "test"))


def models() -> tuple[np.ndarray, np.ndarray]:
    engine = training().engine
    return engine.initial(1), engine.initial(2)


def test_label_flippers_relabel_what_looks_alike_and_nothing_else() -> None:
    labels = np.arange(10)
    assert LabelFlip().labels(labels, "fashion-mnist").tolist() == [0, 1, 2, 1, 4, 5, 6, 5, 8, 9]
    assert labels.tolist() == list(range(10))
    received, own = models()
    honest = OppCL().contribute(received, own, training())
    assert np.array_equal(LabelFlip().contribute(OppCL(), received, own, training()), honest)  # on its own labels


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_free_riders_return_what_came(adapter: OppCL | Gossip) -> None:
    received, own = models()
    means = training()
    assert np.array_equal(FreeRider().contribute(adapter, received, own, means), received)
    assert means.trained_images == 0


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_random_weights_have_nothing_of_the_model_but_its_spread(adapter: OppCL | Gossip) -> None:
    received = np.random.default_rng(0).standard_normal(10_000, dtype=np.float32)
    result = RandomWeights().contribute(adapter, received, received, training())
    assert result.dtype == np.float32
    assert result.std() == pytest.approx(received.std(), rel=0.05)
    assert abs(np.corrcoef(result, received)[0, 1]) < 0.05
    assert np.array_equal(result, RandomWeights().contribute(adapter, received, received, training()))


@pytest.mark.parametrize(
    ("role", "on_good", "on_bad"),
    [
        (Participant, True, False),
        (RandomWeights, True, False),
        (FreeRider, True, False),
        (LabelFlip, True, True),
        (AlwaysYes, True, True),
        (AlwaysNo, False, False),
        (Invert, False, True),
    ],
)
def test_votes(role: type[Participant], on_good: bool, on_bad: bool) -> None:
    voter = role()
    assert (voter.verdict(True), voter.verdict(False)) == (on_good, on_bad)
    if not voter.evaluates:
        assert voter.verdict(None) is on_good


def test_all_are_known_by_their_name_and_work_honestly_where_they_do_not_cheat() -> None:
    expected = {"label_flip", "random_weights", "free_rider", "always_yes", "always_no", "invert"}
    assert {kind for kind, role in ADVERSARIES.items() if role.kind == kind} == expected
    received, own = models()
    honest = OppCL().contribute(received, own, training())
    for role in (AlwaysYes, AlwaysNo, Invert):
        assert np.array_equal(role().contribute(OppCL(), received, own, training()), honest)
    for role in ADVERSARIES.values():
        if role is not LabelFlip:
            assert role().labels(np.arange(10), "fashion-mnist").tolist() == list(range(10))
