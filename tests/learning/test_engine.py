"""Training on flat vectors equals training with torch.optim, and equal arguments give equal bits."""

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.data.datasets import Dataset
from idml.learning.engine import prepare
from idml.learning.errors import LearningError
from idml.learning.models import build_model, model_factory
from idml.learning.torch_engine import EVALUATED_AT_ONCE, TorchEngine

SHAPE = (1, 28, 28)


def make_engine(name: str = "small", shape: tuple[int, int, int] = SHAPE, dropout: float = 0.0) -> TorchEngine:
    return TorchEngine(model_factory(name, image_shape=shape, classes=10, width=8, dropout=dropout))


def random_images(count: int, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> tuple[FloatImages, Labels]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, *shape), np.float32), rng.integers(0, 10, count)


def plain_torch_epoch(
    module: nn.Module,
    images: FloatImages,
    labels: Labels,
    *,
    batch: int,
    seed: int,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> FloatVector:
    """One epoch as a textbook writes it: the reference."""
    sgd = torch.optim.SGD(module.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    order = np.random.default_rng(seed).permutation(len(labels))
    module.train()
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        sgd.zero_grad()
        loss = nn.functional.cross_entropy(module(torch.tensor(images[chosen])), torch.tensor(labels[chosen]))
        torch.autograd.backward(loss)
        sgd.step()
    return np.concatenate([p.detach().numpy().ravel() for p in module.parameters()])


@pytest.mark.parametrize("name", ["small", "cnn6"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize(
    "extra", [{}, {"momentum": 0.9}, {"weight_decay": 0.01}, {"momentum": 0.5, "weight_decay": 0.1}]
)
def test_an_epoch_equals_a_plain_torch_loop(name: str, shape: tuple[int, int, int], extra: dict[str, float]) -> None:
    engine, (images, labels) = make_engine(name, shape), random_images(37, shape)
    vector = engine.initial(3)
    torch.manual_seed(3)
    module = build_model(name, image_shape=shape, classes=10, width=8)
    expected = plain_torch_epoch(module, images, labels, batch=8, seed=5, lr=0.02, **extra)
    trained = engine.train_epoch(vector, images, labels, learning_rate=0.02, batch=8, seed=5, **extra)
    # Rounding may decide which of two equal pixels a pool passes on, so single weights may differ: compare the steps.
    assert np.linalg.norm(trained - expected) < 1e-3 * np.linalg.norm(expected - vector)


def test_the_layout_names_the_parameters_in_the_order_of_the_vector() -> None:
    engine = make_engine()
    torch.manual_seed(11)
    module = build_model("small", image_shape=SHAPE, classes=10, width=8)
    assert [name for name, _ in engine.layout] == list(module.state_dict())
    offset, vector = 0, engine.initial(11)
    for name, shape in engine.layout:
        count = int(np.prod(shape))
        np.testing.assert_array_equal(vector[offset : offset + count].reshape(shape), module.state_dict()[name].numpy())
        offset += count
    assert offset == engine.size == len(vector)
    assert vector.dtype == np.float32
    assert vector.flags.c_contiguous


@settings(deadline=None, max_examples=25)
@given(
    count=st.integers(1, 20),
    batch=st.integers(1, 24),
    seed=st.integers(0, 2**64 - 1),
    dropout=st.sampled_from([0.0, 0.5]),
    before=st.lists(st.sampled_from(["train", "evaluate", "draw", "initial", "threads", "engine"]), max_size=4),
)
def test_bits_do_not_depend_on_what_ran_before(
    count: int, batch: int, seed: int, dropout: float, before: list[str]
) -> None:
    shape = (1, 8, 8)
    images, labels = random_images(count, shape)
    fresh = make_engine(shape=shape, dropout=dropout)
    vector = fresh.initial(1)
    expected = fresh.train_epoch(vector, images, labels, learning_rate=0.1, batch=batch, seed=seed)
    used = make_engine(shape=shape, dropout=dropout)
    threads = torch.get_num_threads()
    for step in before:
        if step == "train":
            used.train_epoch(vector * 2, *random_images(9, shape, 5), learning_rate=1, batch=4, seed=0, momentum=0.9)
        elif step == "evaluate":
            used.evaluate([vector, vector * 3], images, labels)
        elif step == "draw":
            torch.rand(3)
        elif step == "initial":
            used.initial(8)
        elif step == "threads":
            torch.set_num_threads(2)
        else:
            make_engine("cnn6", shape).initial(4)
    again = used.train_epoch(vector, images, labels, learning_rate=0.1, batch=batch, seed=seed)
    torch.set_num_threads(threads)
    assert again.tobytes() == expected.tobytes()


def test_dropout_and_order_follow_the_seed() -> None:
    images, labels = random_images(32)
    for engine in (make_engine(), make_engine(dropout=0.5)):
        vector = engine.initial(0)
        one, two = (
            engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=8, seed=seed) for seed in (1, 2)
        )
        assert one.tobytes() != two.tobytes()
    # One batch with all images leaves the order without effect on the sum, so that only dropout differs.
    engine = make_engine(dropout=0.5)
    vector = engine.initial(0)
    one, two = (engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=32, seed=seed) for seed in (1, 2))
    assert np.abs(one - two).max() > 1e-3


def test_calls_leave_their_arguments_and_torch_as_they_were() -> None:
    engine, (images, labels) = make_engine(dropout=0.3), random_images(20)
    vector = engine.initial(0)
    for array in (vector, images, labels):
        array.flags.writeable = False
    copies = vector.copy(), images.copy(), labels.copy()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with torch.no_grad():
        trained = engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=6, seed=0)
    kept = trained.copy()
    engine.evaluate([vector], images, labels)
    engine.train_epoch(vector, images, labels, learning_rate=0.3, batch=6, seed=1)
    for now, before in zip((vector, images, labels), copies, strict=True):
        np.testing.assert_array_equal(now, before)
    np.testing.assert_array_equal(trained, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_initial_models_follow_the_seed() -> None:
    engine = make_engine()
    assert engine.initial(4).tobytes() == make_engine().initial(4).tobytes()
    assert engine.initial(4).tobytes() != engine.initial(5).tobytes()


def test_evaluation_counts_what_one_image_at_a_time_gives() -> None:
    engine, (images, labels) = make_engine("cnn6"), random_images(60)
    vectors = [engine.initial(seed) for seed in range(3)]
    counts = engine.evaluate(vectors, images, labels)
    for seed, count in enumerate(counts):
        torch.manual_seed(seed)
        module = build_model("cnn6", image_shape=SHAPE, classes=10, width=8).eval()
        with torch.no_grad():
            hits = [int(module(torch.tensor(x[None])).argmax()) == y for x, y in zip(images, labels, strict=True)]
        assert count == sum(hits)
    assert len(set(counts)) > 1
    assert engine.evaluate([], images, labels) == []


@given(
    count=st.integers(1, 2 * EVALUATED_AT_ONCE + 1),
    seed=st.integers(0, 99),
    others=st.lists(st.integers(1, 450), max_size=3),
    place=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_nothing_that_is_evaluated_beside_or_before_a_sample_changes_its_count(
    count: int, seed: int, others: list[int], place: int
) -> None:
    # Weights of class 1 are those of class 0 backwards, and images are palindromes: both logits are equal but for
    # the order in which they are summed, so the last bits alone decide each image.
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((count, 32), np.float32)
    images = np.concatenate([half, half[:, ::-1]], axis=1).reshape(count, 1, 8, 8)
    labels = np.zeros(count, np.int64)
    weights = rng.standard_normal(64, np.float32)
    vector = np.concatenate([weights, weights[::-1], np.zeros(2, np.float32)])
    fresh = TorchEngine(model_factory("linear", image_shape=(1, 8, 8), classes=2))
    (alone,) = fresh.evaluate([vector], images, labels)
    used = TorchEngine(model_factory("linear", image_shape=(1, 8, 8), classes=2))
    for other in others:
        used.evaluate([vector * 2], rng.standard_normal((other, 1, 8, 8), np.float32), np.zeros(other, np.int64))
    vectors = [used.initial(i) for i in range(3)]
    vectors.insert(place, vector)
    padded = np.concatenate([images, images], axis=1)[:, :1]  # the same values at other addresses
    assert used.evaluate(vectors, padded, labels)[place] == alone
    # A sample is cut from its own start, so whole passes add up.
    cut = EVALUATED_AT_ONCE
    parts = [used.evaluate([vector], images[i : i + cut], labels[i : i + cut])[0] for i in range(0, count, cut)]
    assert sum(parts) == alone
    assert used.evaluate([np.full(used.size, np.nan, np.float32)], images, labels) == [0]


@given(count=st.integers(1, 2 * EVALUATED_AT_ONCE + 1), place=st.integers(0, 2))
@settings(max_examples=20, deadline=None)
def test_logits_depend_on_their_vector_and_images_alone_and_are_those_that_are_counted(count: int, place: int) -> None:
    engine, (images, labels) = make_engine(), random_images(count)
    vectors = [engine.initial(seed) for seed in range(3)]
    rows = engine.logits(vectors, images)
    assert [row.shape for row in rows] == [(count, 10)] * 3
    assert all(row.dtype == np.float32 for row in rows)
    assert [int((row.argmax(axis=1) == labels).sum()) for row in rows] == engine.evaluate(vectors, images, labels)
    (alone,) = engine.logits([vectors[place]], images.copy())
    assert alone.tobytes() == rows[place].tobytes()
    assert engine.logits([], images) == []


def test_logits_are_those_of_the_module() -> None:
    engine, (images, _) = make_engine("cnn6"), random_images(30)
    torch.manual_seed(4)
    module = build_model("cnn6", image_shape=SHAPE, classes=10, width=8).eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    (found,) = engine.logits([engine.initial(4)], images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(LearningError, match="0 images"):
        engine.logits([engine.initial(4)], images[:0])
    with pytest.raises(LearningError, match="prepare"):
        engine.logits([engine.initial(4)], np.zeros((3, *SHAPE), np.uint8))


def test_a_tie_goes_to_the_first_class() -> None:
    engine, (images, labels) = make_engine(), random_images(30)
    assert engine.evaluate([np.zeros(engine.size, np.float32)], images, labels) == [int((labels == 0).sum())]


def test_nan_and_infinity_come_out_and_classify_nothing() -> None:
    engine, (images, labels) = make_engine(), random_images(20)
    vector = engine.initial(0)
    vector[-1] = np.nan
    assert np.isnan(engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=8, seed=0)).any()
    burst = engine.train_epoch(engine.initial(0), images, labels, learning_rate=1e30, batch=2, seed=0)
    assert not np.isfinite(burst).all()
    everything_nan = np.full(engine.size, np.nan, np.float32)
    assert engine.evaluate([everything_nan], images, np.zeros(20, np.int64)) == [0]


class Perceptron(nn.Module):
    """A user's own module: not a Sequential, no images, an unused layer."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.unused = nn.Linear(3, 3)
        self.out = nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(torch.tanh(self.hidden(x)))
        return logits


def test_any_module_trains_on_any_input(rng: np.random.Generator) -> None:
    engine = TorchEngine(Perceptron)
    inputs = rng.standard_normal((200, 6), np.float32)
    labels = (inputs[:, 0] > inputs[:, 1]).astype(np.int64)
    vector = engine.initial(0)
    for epoch in range(20):
        vector = engine.train_epoch(vector, inputs, labels, learning_rate=0.2, batch=10, seed=epoch)
    assert engine.evaluate([vector], inputs, labels)[0] > 190


class Frozen(Perceptron):
    def __init__(self) -> None:
        super().__init__()
        self.hidden.weight.requires_grad_(False)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (
            lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)),
            "layer '1' .Batch.* keeps 'running_mean'",
        ),
        (nn.ReLU, "no parameters"),
        (Frozen, "'hidden.weight' is frozen"),
        (lambda: nn.Linear(2, 2, dtype=torch.float64), "'weight' is torch.float64"),
        (lambda: nn.LazyLinear(2), "'weight' has no shape"),
    ],
)
def test_modules_that_a_vector_cannot_carry_are_refused(factory: object, message: str) -> None:
    with pytest.raises(LearningError, match=message):
        TorchEngine(factory)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"vector": np.zeros(3, np.float32)}, r"float32 \(3,\)"),
        ({"vector": np.zeros(2970, np.float64)}, "float64"),
        ({"images": np.zeros((4, *SHAPE), np.uint8)}, r"prepare\(\)"),
        ({"labels": np.zeros(4, np.int32)}, "int32"),
        ({"labels": np.full(4, -100)}, "a label is -100"),
        ({"learning_rate": -0.1}, r"learning_rate -0\.1"),
        ({"learning_rate": np.nan}, "learning_rate nan"),
        ({"momentum": 1.0}, r"momentum 1\.0"),
        ({"weight_decay": -1.0}, r"weight_decay -1\.0"),
        ({"labels": np.zeros(3, np.int64)}, "4 images and 3 labels"),
        ({"images": np.zeros((0, *SHAPE), np.float32), "labels": np.zeros(0, np.int64)}, "0 images"),
    ],
)
def test_values_that_do_not_fit_are_named(change: dict[str, object], message: str) -> None:
    engine, (images, labels) = make_engine(), random_images(4)
    arguments = {"vector": engine.initial(0), "images": images, "labels": labels, "batch": 2, "seed": 0}
    with pytest.raises(LearningError, match=message):
        engine.train_epoch(**(arguments | {"learning_rate": 0.1} | change))  # type: ignore[arg-type]


def test_an_engine_survives_pickling_and_copying() -> None:
    engine, (images, labels) = make_engine(), random_images(20)
    vector = engine.initial(0)
    expected = engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=6, seed=0)
    for twin in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine)):
        assert twin.layout == engine.layout
        trained = twin.train_epoch(vector, images, labels, learning_rate=0.1, batch=6, seed=0)
        assert trained.tobytes() == expected.tobytes()


def test_thread_counts_below_one_are_refused() -> None:
    with pytest.raises(LearningError, match="threads is 0"):
        TorchEngine(Perceptron, threads=0)


def test_prepare_scales_every_byte_by_the_same_fixed_rule() -> None:
    every_byte = np.arange(256, dtype=np.uint8)
    scaled = prepare(every_byte.reshape(1, 1, 16, 16))
    assert scaled.dtype == np.float32
    assert scaled.shape == (1, 1, 16, 16)
    np.testing.assert_allclose(scaled.ravel(), (every_byte / 255 - 0.35) / 0.33, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_the_small_net_learns_digits(digits: Dataset) -> None:
    engine = TorchEngine(model_factory("small", image_shape=digits.image_shape, classes=10))
    images, vector = prepare(digits.train_images), engine.initial(0)
    for epoch in range(6):
        vector = engine.train_epoch(vector, images, digits.train_labels, learning_rate=0.1, batch=16, seed=epoch)
    [correct] = engine.evaluate([vector], prepare(digits.test_images), digits.test_labels)
    assert correct > 0.9 * len(digits.test_labels)


def learned(dataset: Dataset, name: str, count: int, epochs: int, learning_rate: float) -> float:
    """Test accuracy on 2,000 images after training on the first `count`."""
    engine = TorchEngine(model_factory(name, image_shape=dataset.image_shape, classes=10))
    images, labels = prepare(dataset.train_images[:count]), dataset.train_labels[:count]
    vector = engine.initial(0)
    for epoch in range(epochs):
        vector = engine.train_epoch(vector, images, labels, learning_rate=learning_rate, batch=16, seed=epoch)
    return engine.evaluate([vector], prepare(dataset.test_images[:2000]), dataset.test_labels[:2000])[0] / 2000


@pytest.mark.slow
def test_the_small_net_learns_fashion_mnist(fashion_mnist: Dataset) -> None:
    assert learned(fashion_mnist, "small", 1200, 6, 0.02) > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn6", "cnn10", "cnn14"])
def test_deep_nets_learn_fashion_mnist_without_batch_normalization(fashion_mnist: Dataset, name: str) -> None:
    assert learned(fashion_mnist, name, 1200, 4, 0.02) > 0.65
