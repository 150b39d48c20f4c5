"""The native engine computes what PyTorch does in float64, up to float32 rounding, and refuses what does not fit."""

import copy
import ctypes
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from idml.learning.architectures import Architecture
from idml.learning.arrays import FloatImages, FloatVector, Labels
from idml.learning.errors import LearningError
from idml.learning.models import module_factory
from idml.learning.native.engine import MOST_CHANNELS, MOST_SIDE, NativeEngine
from idml.learning.native.library import load_library
from idml.learning.networks import Stack, find_architecture
from idml.learning.registry import MODELS
from idml.learning.torch_engine import TorchEngine

from .reference import Doubles, Reference, difference, network, random_batch, random_vector

NEAR = 5e-6


def named(name: str, shape: tuple[int, int, int], width: int = 16, dropout: float = 0.0) -> Architecture:
    return find_architecture(name, image_shape=shape, classes=10, width=width, dropout=dropout)


GRAY, COLOR = (1, 28, 28), (3, 32, 32)
NETWORKS = {
    "small": named("small", GRAY),
    "small, color": named("small", COLOR),
    "small, 8x8": named("small", (1, 8, 8), 4),
    "linear": named("linear", GRAY),
    "linear, 7 features": network((7, 1, 1), classes=3),
    "cnn6": named("cnn6", GRAY, 8),
    "cnn6, usual width": named("cnn6", GRAY),
    "cnn6, color": named("cnn6", COLOR),
    "cnn6, quarter": named("cnn6", COLOR, 4),
    "cnn6, double": named("cnn6", COLOR, 32),
    "cnn10": named("cnn10", GRAY),
    "cnn14": named("cnn14", COLOR, 8),
    "odd widths": network((2, 19, 19), 12, 20, 36, 24, pools=(1, 2), classes=7),
    "no pool": network((4, 10, 10), 16, 40),
    "six channels": network((6, 13, 13), 16, 48, 256, pools=(1, 2)),
    "one layer": network((3, 14, 14), 24, pools=(0,)),
    "one layer, many channels": network((9, 11, 11), 24, pools=(0,)),
    "one layer, no pool": network((1, 9, 9), 8),
    "248 channels": network((3, 9, 9), 248, 248, pools=(1,)),
    "side 5": network((1, 5, 5), 8, 8, 8, pools=(2,)),
    "pools first": network((1, 21, 21), 8, 24, 8, pools=(0, 1, 2)),
    "one pixel": network((2, 1, 1), 5, 3, classes=2),
    "wide": network((1, 6, 23), 8, 16, pools=(0, 1)),
    "high": network((5, 31, 4), 16, 8, pools=(1,)),
    "two classes": network((3, 12, 12), 1, 1, pools=(1,), classes=2),
}


def rounded(vector: FloatVector, steps: int) -> float:
    """What the float32 of the weights makes of a step, however exact it is."""
    return float(1e-7 * np.linalg.norm(vector) * np.sqrt(steps))


def batch_far_from_edges(reference: Reference, count: int) -> tuple[FloatImages, Labels, Doubles]:
    """Images, labels and exact logits for which rounding decides no ReLU and no pool: then a gradient would jump."""
    for seed in range(100):
        images, labels = random_batch(reference.architecture, count, seed)
        with torch.no_grad():
            reference.margin = np.inf
            exact = reference.logits(images).numpy()
        if reference.margin > 4e-6:
            return images, labels, exact
    raise AssertionError("no such images")


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_gradients_and_steps_are_those_of_float64(name: str) -> None:
    architecture = NETWORKS[name]
    engine, vector = NativeEngine(architecture), random_vector(architecture, 1)
    reference = Reference(architecture, vector)
    images, labels, exact = batch_far_from_edges(reference, 9)
    (logits,) = engine.logits([vector], images)
    assert difference(logits, exact) < NEAR
    assert engine.evaluate([vector], images, labels) == [int((exact.argmax(1) == labels).sum())]
    loss = float(torch.nn.functional.cross_entropy(torch.tensor(exact), torch.tensor(labels)))
    assert engine.loss(vector, images, labels) == pytest.approx(loss, rel=NEAR)
    assert difference(engine.gradient(vector, images, labels), reference.gradient(images, labels)) < NEAR
    # Minibatches of 5 and 4 images: the second finds what the first has left.
    rates = {"momentum": 0.9, "weight_decay": 5e-4}
    trained = engine.train_epoch(vector, images, labels, learning_rate=0.01, batch=5, seed=3, **rates)
    step = reference.steps(images, labels, 5, 3, lr=0.01, **rates) - vector
    assert np.linalg.norm(trained - vector - step) < NEAR * np.linalg.norm(step) + rounded(vector, 2)


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    sides = draw(st.tuples(st.integers(1, 4), st.integers(1, 18), st.integers(1, 18)))
    outputs, pools, least = [], [], min(sides[1:])
    for place in range(draw(st.integers(0, 4))):
        outputs.append(draw(st.sampled_from([1, 3, 8, 9, 16, 17, 24, 32, 40])))
        if least >= 2 and draw(st.booleans()):
            pools.append(place)
            least //= 2
    channels = draw(st.sampled_from([sides[0], 6, 8]))
    dropout = draw(st.sampled_from([0.0, 0.3]))
    return network(
        (channels, *sides[1:]), *outputs, pools=tuple(pools), classes=draw(st.integers(1, 11)), dropout=dropout
    )


@pytest.mark.slow
@given(
    architecture=architectures(),
    count=st.integers(1, 11),
    batch=st.integers(1, 11),
    seed=st.integers(0, 2**32),
    rates=st.sampled_from([{}, {"momentum": 0.5}, {"weight_decay": 0.01}, {"momentum": 0.9, "weight_decay": 0.01}]),
)
@settings(deadline=None, max_examples=60)
def test_any_network_trains_as_in_float64(
    architecture: Architecture, count: int, batch: int, seed: int, rates: dict[str, float]
) -> None:
    vector, (images, labels) = random_vector(architecture, seed), random_batch(architecture, count, seed + 1)
    reference, engine = Reference(architecture, vector), NativeEngine(architecture)
    exact = reference.logits(images).detach().numpy()
    assert np.linalg.norm(engine.logits([vector], images)[0] - exact) < NEAR * max(float(np.linalg.norm(exact)), 1)
    step = reference.steps(images, labels, batch, seed, lr=0.01, **rates) - vector
    # Rounding may decide a ReLU or a pool that stands at the edge; then single weights differ by more.
    assume(reference.margin > 2e-5)
    trained = engine.train_epoch(vector, images, labels, learning_rate=0.01, batch=batch, seed=seed, **rates)
    assert np.linalg.norm(trained - vector - step) < 2 * NEAR * np.linalg.norm(step) + rounded(vector, count)


@pytest.mark.parametrize("name", [name for name in MODELS.built_in if isinstance(MODELS.find(name), Stack)])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_vectors_are_laid_out_as_pytorchs(name: str, dropout: float) -> None:
    architecture = named(name, (3, 32, 32), 8, dropout)
    native, torchs = NativeEngine(architecture), TorchEngine(module_factory(architecture))
    assert native.layout == torchs.layout
    assert native.size == torchs.size


def test_a_new_model_is_drawn_as_pytorchs() -> None:
    architecture = named("cnn6", COLOR, 32)
    engines = NativeEngine(architecture), TorchEngine(module_factory(architecture))
    offset = 0
    ours, theirs = (engine.initial(1) for engine in engines)
    for name, shape in engines[0].layout:
        size = int(np.prod(shape))
        mine, other = (vector[offset : offset + size].astype(float) for vector in (ours, theirs))
        offset += size
        if len(shape) == 1:
            assert not mine.any()
            continue
        # Six standard errors of a normal sample's mean and deviation.
        assert abs(mine.mean()) < 6 * other.std() / np.sqrt(size), name
        assert abs(mine.std() / other.std() - 1) < 6 * np.sqrt(2 / size), name
    assert engines[0].initial(1).tobytes() == ours.tobytes() != engines[0].initial(2).tobytes()


def test_nan_and_infinity_come_out_where_pytorch_lets_them_out() -> None:
    architecture = named("cnn6", (1, 8, 8), 4, dropout=0.25)
    native, torchs = NativeEngine(architecture), TorchEngine(module_factory(architecture))
    module = module_factory(architecture)()
    images, labels = random_batch(architecture, 8, 0)
    for place in range(0, native.size, 13):
        vector = random_vector(architecture, 1)
        vector[place] = (np.nan, np.inf, -np.inf)[place % 3]
        torch.nn.utils.vector_to_parameters(torch.tensor(vector), module.parameters())
        with torch.no_grad():
            theirs = module.eval()(torch.tensor(images)).numpy()
        (ours,) = native.logits([vector], images)
        # A transform may make NaN of an infinity, but never a number of a NaN.
        assert not np.isfinite(ours[np.isnan(theirs)]).any(), place
    for spot in [(0, 0, 0, 0), (3, 0, 3, 4), (7, 0, 7, 7)]:
        sick = images.copy()
        sick[spot] = np.nan
        (ours,) = native.logits([random_vector(architecture, 1)], sick)
        assert np.isnan(ours[spot[0]]).all()
        assert np.isfinite(np.delete(ours, spot[0], axis=0)).all()
        for engine in (native, torchs):
            trained = engine.train_epoch(native.initial(0), sick, labels, learning_rate=0.1, batch=8, seed=0)
            assert np.isnan(trained).any()
    nothing = np.full(native.size, np.nan, np.float32)
    assert native.evaluate([nothing, native.initial(0)], images, np.zeros(8, np.int64))[0] == 0
    burst = native.train_epoch(native.initial(0), images, labels, learning_rate=1e30, batch=2, seed=0)
    assert not np.isfinite(burst).all()
    # Nothing of it stays behind.
    sound = native.initial(3)
    fresh = NativeEngine(architecture).train_epoch(sound, images, labels, learning_rate=0.1, batch=3, seed=1)
    used = native.train_epoch(sound, images, labels, learning_rate=0.1, batch=3, seed=1)
    assert used.tobytes() == fresh.tobytes()


def test_a_tie_goes_to_the_first_class() -> None:
    architecture = named("small", (1, 8, 8), 4)
    engine, (images, labels) = NativeEngine(architecture), random_batch(architecture, 30, 0)
    assert engine.evaluate([np.zeros(engine.size, np.float32)], images, labels) == [int((labels == 0).sum())]
    assert engine.evaluate([], images, labels) == []


SMALL = named("small", (3, 8, 8), 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch is 0"),
        ({"batch": 2**63}, "batch is 9223372036854775808: it must be a whole number"),
        ({"batch": 2.5}, r"batch is 2\.5: it must be a whole number"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"vector": np.zeros(3, np.float32)}, r"float32 \(3,\)"),
        ({"vector": np.zeros(620, np.float64)}, "float64"),
        ({"images": np.zeros((4, 3, 8, 8), np.uint8)}, r"prepare\(\)"),
        ({"images": np.zeros((4, 3, 8, 9), np.float32)}, r"takes float32 \(N, 3, 8, 8\)"),
        ({"images": np.zeros((4, 192), np.float32)}, r"float32 \(4, 192\)"),
        ({"images": np.zeros((4, 3, 8, 8), ">f4")}, ">f4"),
        ({"images": np.zeros((4, 8, 8, 3), np.float32).transpose(0, 3, 1, 2)}, "images are not contiguous"),
        ({"images": np.zeros((8, 3, 8, 8), np.float32)[::2]}, "images are not contiguous"),
        ({"labels": np.zeros(4, np.int32)}, "int32"),
        ({"labels": np.zeros(8, np.int64)[::2]}, "labels are not contiguous"),
        ({"labels": np.full(4, -1)}, "a label is -1"),
        ({"labels": np.full(4, 10)}, "a label is 10: this model has 10 classes"),
        ({"learning_rate": np.nan}, "learning_rate nan"),
        ({"momentum": 1.0}, r"momentum 1\.0"),
        ({"weight_decay": -1.0}, r"weight_decay -1\.0"),
        ({"labels": np.zeros(3, np.int64)}, "4 images and 3 labels"),
        ({"images": np.zeros((0, 3, 8, 8), np.float32), "labels": np.zeros(0, np.int64)}, "0 images"),
    ],
)
def test_values_that_do_not_fit_are_named(change: dict[str, object], message: str) -> None:
    engine, (images, labels) = NativeEngine(SMALL), random_batch(SMALL, 4, 0)
    arguments = {"vector": engine.initial(0), "images": images, "labels": labels, "batch": 2, "seed": 0}
    with pytest.raises(LearningError, match=message):
        engine.train_epoch(**(arguments | {"learning_rate": 0.1} | change))  # type: ignore[arg-type]
    if change.keys() & {"images", "labels"}:
        images, labels = change.get("images", images), change.get("labels", labels)  # type: ignore[assignment]
        for call in (engine.gradient, engine.loss):
            with pytest.raises(LearningError, match=message):
                call(engine.initial(0), images, labels)
        with pytest.raises(LearningError, match=message):
            engine.evaluate([], images, labels)


def test_vectors_and_images_out_of_shape_are_refused_everywhere() -> None:
    engine, (images, labels) = NativeEngine(SMALL), random_batch(SMALL, 4, 0)
    gaps = np.zeros(2 * engine.size, np.float32)[::2]
    assert np.isfinite(engine.train_epoch(gaps, images, labels, learning_rate=0.1, batch=2, seed=0)).all()
    for vector, message in ((gaps, "vector is not contiguous"), (gaps[:-1], "this model takes float32")):
        for call in (engine.gradient, engine.loss):
            with pytest.raises(LearningError, match=message):
                call(vector, images, labels)
        with pytest.raises(LearningError, match=message):
            engine.evaluate([vector], images, labels)
        with pytest.raises(LearningError, match=message):
            engine.logits([vector], images)
    with pytest.raises(LearningError, match=r"takes float32 \(N, 3, 8, 8\)"):
        engine.logits([engine.initial(0)], images[0])
    assert engine.logits([engine.initial(0)], images[:0])[0].shape == (0, 10)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (network((3, 8, 8), MOST_CHANNELS + 1), "257 channels, of at most 256"),
        (network((MOST_CHANNELS + 1, 8, 8)), "257 channels, of at most 256"),
        (network((3, 8, MOST_SIDE + 1), 8), "513 pixels a side, of at most 512"),
        (network((3, 8, 8), *[8] * 65), "65 convolutions, of at most 64"),
        (network((3, 8, 8), 8, classes=65_537), "65537 classes, of at most 65536"),
        (network((3, 2, 8), 8, 8, pools=(0, 1)), "its numbers or the memory"),
        (network((3, 0, 8), 8), "its numbers or the memory"),
        (network((3, 8, 8), 0), "its numbers or the memory"),
        (network((3, 8, 8), 8, classes=0), "its numbers or the memory"),
        (network((3, 8, 8), 8, dropout=1.0), "its numbers or the memory"),
    ],
)
def test_networks_beyond_the_limits_are_refused(architecture: Architecture, message: str) -> None:
    with pytest.raises(LearningError, match=message):
        NativeEngine(architecture)


def test_the_c_interface_refuses_what_would_read_elsewhere() -> None:
    library, engine = load_library(), NativeEngine(SMALL)
    images, labels = random_batch(SMALL, 4, 0)
    vector, loss, order = engine.initial(0), ctypes.c_double(), np.arange(4)

    def train(labels: np.ndarray, order: np.ndarray, batch: int) -> int:
        arrays = [array.ctypes.data for array in (vector, images, labels, order)]
        return int(library.idml_train(engine._network, *arrays, 4, batch, 0.1, 0.0, 0.0, 1, ctypes.byref(loss)))

    assert train(labels, order, 2) == 0
    for bad in (-1, 10, 2**40):
        assert train(np.array([0, 1, 2, bad]), order, 2) == 1
    for bad in (-1, 4, 2**40):
        assert train(labels, np.array([0, 1, 2, bad]), 2) == 2
    assert train(labels, order, 0) == 3


@pytest.mark.parametrize(("code", "what"), [(1, "a label"), (2, "the order"), (3, "the batch"), (9, "something")])
def test_what_the_library_refuses_is_no_result(code: int, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, (images, labels) = NativeEngine(SMALL), random_batch(SMALL, 4, 0)
    vector = engine.initial(0)
    names = ("idml_train", "idml_gradient", "idml_score")
    monkeypatch.setattr(engine, "_library", SimpleNamespace(**dict.fromkeys(names, lambda *_: code)))
    for call in (
        lambda: engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=2, seed=0),
        lambda: engine.gradient(vector, images, labels),
        lambda: engine.loss(vector, images, labels),
        lambda: engine.evaluate([vector], images, labels),
    ):
        with pytest.raises(LearningError, match=rf"refuses {what}.* \(code {code}\)"):
            call()


def test_a_batch_may_be_numpys_and_larger_than_the_images() -> None:
    engine, (images, labels) = NativeEngine(SMALL), random_batch(SMALL, 4, 0)
    trained = [
        engine.train_epoch(engine.initial(0), images, labels, learning_rate=0.1, batch=int(batch), seed=0).tobytes()
        for batch in (4, np.int64(4), 2**63 - 1)
    ]
    assert len(set(trained)) == 1


def test_an_engine_survives_pickling_and_copying() -> None:
    engine, (images, labels) = NativeEngine(SMALL), random_batch(SMALL, 20, 0)
    vector = engine.initial(0)
    expected = engine.train_epoch(vector, images, labels, learning_rate=0.1, batch=6, seed=0)
    for twin in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine)):
        assert twin.layout == engine.layout
        trained = twin.train_epoch(vector, images, labels, learning_rate=0.1, batch=6, seed=0)
        assert trained.tobytes() == expected.tobytes()
