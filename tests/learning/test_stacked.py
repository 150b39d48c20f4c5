"""Models trained and evaluated in one stack come to what each would come to alone, up to rounding."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.calls import Epoch, Query, Sample
from idml.learning.engine import Engine
from idml.learning.errors import LearningError
from idml.learning.models import model_factory
from idml.learning.stacked import StackedEngine, find_cuda
from idml.learning.torch_engine import TorchEngine

SHAPE = (1, 12, 8)
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(find_cuda() is None, reason="torch finds no CUDA device here")),
]


def network(name: str = "small", shape: tuple[int, int, int] = SHAPE, dropout: float = 0.0) -> Callable[[], nn.Module]:
    return model_factory(name, image_shape=shape, classes=10, width=4, dropout=dropout)


def drawn(count: int, seed: int, shape: tuple[int, int, int] = SHAPE) -> tuple[FloatImages, Labels]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, *shape), np.float32), rng.integers(0, 10, count)


def alone(engine: Engine, epoch: Epoch) -> FloatVector:
    fields = {field.name: getattr(epoch, field.name) for field in dataclasses.fields(epoch)}
    return engine.train_epoch(fields.pop("vector"), fields.pop("images"), fields.pop("labels"), **fields)


def assert_same_step(trained: FloatVector, expected: FloatVector, start: FloatVector) -> None:
    # Rounding may decide which of two equal pixels a pool passes on, so single weights may differ: compare the steps.
    assert trained.dtype == np.float32
    assert np.linalg.norm(trained - expected) <= 1e-3 * np.linalg.norm(expected - start)


@st.composite
def epochs_of_a_stack(draw: st.DrawFn, size: Callable[[int], FloatVector]) -> list[Epoch]:
    stack = []
    for seed in draw(st.lists(st.integers(0, 99), min_size=1, max_size=5)):
        images, labels = drawn(draw(st.integers(1, 12)), seed)
        rates = [draw(st.sampled_from(values)) for values in ((0.0, 0.01, 0.1), (0.0, 0.9), (0.0, 0.1))]
        batch = draw(st.sampled_from([3, 5, 32]))
        stack.append(Epoch(size(seed), images, labels, rates[0], batch, seed * 2**57, rates[1], rates[2]))
    return stack


@pytest.mark.parametrize("device", DEVICES)
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_each_model_of_a_stack_is_trained_as_if_alone(device: str, data: st.DataObject) -> None:
    """Whatever the numbers of images, last batches, rates and seeds beside it."""
    single = TorchEngine(network())
    stack = data.draw(epochs_of_a_stack(single.initial))
    trained = StackedEngine(network(), device).train_epochs(stack)
    assert len(trained) == len(stack)
    for epoch, vector in zip(stack, trained, strict=True):
        assert_same_step(vector, alone(single, epoch), epoch.vector)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "shape"), [("linear", (1, 28, 28)), ("cnn6", (3, 32, 32)), ("cnn10", (1, 16, 16)), ("cnn14", (1, 16, 16))]
)
def test_every_network_trains_in_a_stack(device: str, name: str, shape: tuple[int, int, int]) -> None:
    single, stacked = TorchEngine(network(name, shape)), StackedEngine(network(name, shape), device)
    stack = [Epoch(single.initial(i), *drawn(6 + i, i, shape), 0.01, 4, i, 0.5, 0.01) for i in range(3)]
    for epoch, vector in zip(stack, stacked.train_epochs(stack), strict=True):
        assert_same_step(vector, alone(single, epoch), epoch.vector)


@pytest.mark.parametrize("device", DEVICES)
@settings(deadline=None, max_examples=10)
@given(
    samples=st.lists(st.tuples(st.integers(1, 450), st.integers(0, 3)), max_size=4),
    shapes=st.lists(st.sampled_from([SHAPE, (1, 8, 12)]), min_size=4, max_size=4),
)
def test_each_model_of_a_stack_is_evaluated_as_if_alone(
    device: str, samples: list[tuple[int, int]], shapes: list[tuple[int, int, int]]
) -> None:
    single, stacked = TorchEngine(network()), StackedEngine(network(), device)
    stack = [
        Sample([single.initial(10 * i + j) for j in range(vectors)], *drawn(count, i, shape))
        for i, ((count, vectors), shape) in enumerate(zip(samples, shapes, strict=False))
    ]
    counts = stacked.evaluate_samples(stack)
    assert [len(row) for row in counts] == [vectors for _, vectors in samples]
    for sample, row in zip(stack, counts, strict=True):
        assert row == single.evaluate(sample.vectors, sample.images, sample.labels)


@pytest.mark.parametrize("device", DEVICES)
@settings(deadline=None, max_examples=10)
@given(
    queries=st.lists(st.tuples(st.integers(1, 450), st.integers(0, 3)), max_size=4),
    shapes=st.lists(st.sampled_from([SHAPE, (1, 8, 12)]), min_size=4, max_size=4),
)
def test_logits_of_a_stack_are_near_those_of_each_model_alone(
    device: str, queries: list[tuple[int, int]], shapes: list[tuple[int, int, int]]
) -> None:
    single, stacked = TorchEngine(network()), StackedEngine(network(), device)
    stack = [
        Query([single.initial(10 * i + j) for j in range(vectors)], drawn(count, i, shape)[0])
        for i, ((count, vectors), shape) in enumerate(zip(queries, shapes, strict=False))
    ]
    found = stacked.logits_of(stack)
    assert [len(rows) for rows in found] == [vectors for _, vectors in queries]
    for query, rows in zip(stack, found, strict=True):
        for row, expected in zip(rows, single.logits(query.vectors, query.images), strict=True):
            assert row.dtype == np.float32
            np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_dropout_drops_something_else_in_each_model_and_the_same_in_an_equal_call(device: str) -> None:
    engine, (images, labels) = StackedEngine(network(dropout=0.5), device), drawn(16, 0)
    vector = engine.initial(0)
    # One batch of all images in one order, so that only dropout tells the models apart.
    stack = [Epoch(vector, images, labels, 0.1, 16, 7) for _ in range(3)]
    state = torch.get_rng_state()
    one, again = engine.train_epochs(stack), engine.train_epochs(stack)
    assert torch.equal(torch.get_rng_state(), state)
    for i, row in enumerate(one):
        np.testing.assert_allclose(row, again[i], rtol=0, atol=1e-6)
        assert all(np.abs(row - other).max() > 1e-3 for other in one[:i])
    seeds_apart = engine.train_epochs([dataclasses.replace(epoch, seed=8) for epoch in stack])
    assert np.abs(seeds_apart[0] - one[0]).max() > 1e-3


@pytest.mark.slow
def test_dropout_drops_as_much_as_in_a_single_engine() -> None:
    """Over many models the mean step is the same, and so is the spread about it."""
    single, stacked = TorchEngine(network(dropout=0.5)), StackedEngine(network(dropout=0.5), "cpu")
    (images, labels), vector = drawn(8, 0), single.initial(0)
    stack = [Epoch(vector, images, labels, 0.1, 8, seed) for seed in range(400)]
    together = np.stack(stacked.train_epochs(stack)) - vector
    apart = np.stack([alone(single, epoch) for epoch in stack]) - vector
    # Two means of 400 independent draws lie sqrt(2 / 400) of their spread apart.
    apart_by = np.linalg.norm(together.mean(axis=0) - apart.mean(axis=0))
    assert 0.5 < apart_by / (np.sqrt(2 / 400) * np.linalg.norm(apart.std(axis=0))) < 2
    assert together.std() == pytest.approx(apart.std(), rel=0.05)
    # Evaluation drops nothing.
    assert stacked.evaluate([vector], images, labels) == single.evaluate([vector], images, labels)


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_not_a_number_stays_in_its_own_model(device: str) -> None:
    single, stacked = TorchEngine(network()), StackedEngine(network(), device)
    images, labels = drawn(20, 0)
    sound, burst, nothing = single.initial(0), single.initial(1), np.full(single.size, np.nan, np.float32)
    stack = [
        Epoch(nothing, images, labels, 0.1, 8, 0),
        Epoch(sound, images, labels, 0.1, 8, 0),
        Epoch(burst, images, labels, 1e30, 8, 0),
    ]
    lost, kept, blown = stacked.train_epochs(stack)
    assert np.isnan(lost).all()
    assert_same_step(kept, alone(single, stack[1]), sound)
    assert not np.isfinite(blown).all()
    zeros = np.zeros(single.size, np.float32)  # a tie goes to the first class; NaN classifies nothing
    vectors = [nothing, sound, zeros]
    counts = stacked.evaluate(vectors, images, np.zeros(20, np.int64))
    assert counts == [0, *single.evaluate([sound], images, np.zeros(20, np.int64)), 20]


def test_calls_leave_their_arguments_as_they_were_and_results_apart() -> None:
    engine, (images, labels) = StackedEngine(network(), "cpu"), drawn(20, 0)
    vectors = [engine.initial(seed) for seed in range(2)]
    arrays: list[npt.NDArray[Any]] = [*vectors, images, labels]
    for array in arrays:
        array.flags.writeable = False
    copies = [array.copy() for array in arrays]
    one, two = engine.train_epochs([Epoch(vector, images, labels, 0.1, 6, 0) for vector in vectors])
    engine.evaluate(vectors, images, labels)
    for array, before in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, before)
    assert not np.shares_memory(one, two)
    assert one.base is None
    assert engine.train_epochs([]) == []
    assert engine.evaluate_samples([]) == []


class Perceptron(nn.Module):
    """A user's own module: no images, an unused layer, a parameter without a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.unused = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.tensor(1.5))
        self.out = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(torch.tanh(self.hidden(x)))
        return logits * self.scale


def test_any_module_trains_on_any_input(rng: np.random.Generator) -> None:
    single, stacked = TorchEngine(Perceptron), StackedEngine(Perceptron, "cpu")
    assert stacked.layout == single.layout
    assert stacked.initial(3).tobytes() == single.initial(3).tobytes()
    inputs = rng.standard_normal((60, 6), np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int64)
    epoch = Epoch(single.initial(0), inputs, labels, 0.2, 10, 1, weight_decay=0.1)
    assert_same_step(alone(stacked, epoch), alone(single, epoch), epoch.vector)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"vector": np.zeros(3, np.float32)}, r"float32 \(\d+,\)"),
        ({"images": np.zeros((4, *SHAPE), np.uint8)}, r"prepare\(\)"),
        ({"labels": np.full(4, -100)}, "a label is -100"),
        ({"labels": np.full(4, 10)}, "a label is 10: this model has 10 classes"),
        ({"learning_rate": np.nan}, "learning_rate nan"),
    ],
)
def test_one_epoch_that_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    engine, (images, labels) = StackedEngine(network(), "cpu"), drawn(4, 0)
    sound = Epoch(engine.initial(0), images, labels, 0.1, 2, 0)
    with pytest.raises(LearningError, match=message):
        engine.train_epochs([sound, dataclasses.replace(sound, **change)])  # type: ignore[arg-type]


def test_one_sample_that_does_not_fit_is_named() -> None:
    engine, (images, labels) = StackedEngine(network(), "cpu"), drawn(4, 0)
    for sample in (Sample([engine.initial(0)[1:]], images, labels), Sample([], images, labels[1:])):
        with pytest.raises(LearningError, match=r"float32 \(\d+,\)|one label an image"):
            engine.evaluate_samples([sample])
