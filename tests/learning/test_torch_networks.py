"""The networks for rows and for tokens: they have the promised layers, and are trained alone and in a stack alike."""

import numpy as np
import pytest
from torch import nn

from idml.learning.backends import make_engine
from idml.learning.calls import Epoch
from idml.learning.checker import check_model
from idml.learning.errors import LearningError
from idml.learning.models import module_factory
from idml.learning.native.engine import NativeEngine
from idml.learning.networks import Blueprint, Linear, Network, draw_blueprint
from idml.learning.registry import MODELS
from idml.learning.stacked import StackedEngine
from idml.learning.torch_engine import TorchEngine


def blueprint(name: str, length: int, vocabulary: int = 0, dropout: float = 0.0) -> Blueprint:
    network = MODELS.find(name)
    return draw_blueprint(
        network, image_shape=(1, 1, length), classes=3, width=5, dropout=dropout, vocabulary=vocabulary
    )


def test_the_layers_are_as_promised() -> None:
    rows = make_engine("torch", blueprint("mlp", 7))
    assert [shape for _, shape in rows.layout] == [(20, 7), (20,), (3, 20), (3,)]
    tokens = make_engine("torch", blueprint("embedding", 4, vocabulary=11))
    assert [shape for _, shape in tokens.layout] == [(11, 5), (20, 20), (20,), (3, 20), (3,)]
    dropping = module_factory(blueprint("mlp", 7, dropout=0.5))()
    assert [layer.p for layer in dropping.modules() if isinstance(layer, nn.Dropout)] == [0.5]


@pytest.mark.parametrize(("name", "vocabulary"), [("mlp", 0), ("embedding", 11)])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_they_pass_the_check(name: str, vocabulary: int, dropout: float) -> None:
    shape = (1, 1, 3)
    check_model(MODELS.find(name), image_shape=shape, classes=4, width=2, dropout=dropout, vocabulary=vocabulary)


@pytest.mark.parametrize(("name", "vocabulary"), [("mlp", 0), ("embedding", 11)])
def test_a_stack_trains_them_as_one_engine_does(name: str, vocabulary: int) -> None:
    factory = module_factory(blueprint(name, 6, vocabulary))
    single, stacked = TorchEngine(factory), StackedEngine(factory, "cpu")
    rng = np.random.default_rng(1)
    stack = []
    for seed in range(3):
        values = rng.integers(0, vocabulary or 9, (8 + seed, 1, 1, 6)).astype(np.float32)
        stack.append(Epoch(single.initial(seed), values, rng.integers(0, 3, 8 + seed), 0.1, 4, seed))
    for epoch, vector in zip(stack, stacked.train_epochs(stack), strict=True):
        alone = single.train_epoch(
            epoch.vector, epoch.images, epoch.labels, learning_rate=0.1, batch=4, seed=epoch.seed
        )
        assert np.allclose(vector, alone, atol=1e-5)


def test_tokens_need_a_vocabulary() -> None:
    with pytest.raises(
        LearningError, match=r"^vocabulary is 0: this network takes sequences of tokens, no other data$"
    ):
        blueprint("embedding", 4)


def test_a_network_of_ones_own_gets_the_vocabulary_if_it_asks_for_it() -> None:
    class Counting(Network):
        def build(
            self, *, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float, vocabulary: int = 0
        ) -> nn.Module:
            return nn.Sequential(nn.Flatten(), nn.Linear(image_shape[2], vocabulary), nn.Linear(vocabulary, classes))

    drawn = draw_blueprint(Counting(), image_shape=(1, 1, 4), classes=3, width=5, dropout=0.0, vocabulary=17)
    assert make_engine("torch", drawn).layout[0][1] == (17, 4)


def test_the_dense_layer_alone_takes_a_row_of_any_length_in_both_engines() -> None:
    architecture = Linear().build(image_shape=(1, 1, 3), classes=2)
    native, torchs = NativeEngine(architecture), TorchEngine(module_factory(architecture))
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(40, 1, 1, 3)).astype(np.float32)
    labels = (rows[:, 0, 0, 0] > 0).astype(np.int64)
    start = torchs.initial(1)
    ours, theirs = (
        engine.train_epoch(start, rows, labels, learning_rate=0.5, batch=4, seed=1) for engine in (native, torchs)
    )
    assert np.allclose(ours, theirs, atol=1e-5)
    assert native.evaluate([ours], rows, labels) == torchs.evaluate([ours], rows, labels)
    assert native.evaluate([ours], rows, labels)[0] > native.evaluate([start], rows, labels)[0]
