"""A data set, a partition or a network of somebody else's: what would break a run is said in one line."""

import os
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from idml.learning.architectures import Architecture, Convolution
from idml.learning.arrays import Samples
from idml.learning.backends import make_engine, why_not_native
from idml.learning.checker import check_model
from idml.learning.data.checker import check_dataset, check_partition, check_traits
from idml.learning.data.datasets import Dataset
from idml.learning.data.partition import Partition, Shares
from idml.learning.data.registry import DATASETS, PARTITIONS
from idml.learning.data.source import DataSource, TrainingDefaults
from idml.learning.errors import DataError, LearningError
from idml.learning.networks import Network, draw_blueprint, find_architecture
from idml.learning.registry import MODELS
from idml.registry import PluginError

EXAMPLES = Path(__file__).parents[2] / "examples"
HERE: dict[str, Any] = {"image_shape": (1, 8, 8), "classes": 10, "width": 4, "dropout": 0.0}


class Squares(DataSource):
    """Twenty images of two classes."""

    name = "squares"
    image_shape = (1, 8, 8)
    class_names = ("dark", "bright")
    licence = "none needed"

    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        labels = np.arange(20) % 2
        images = (labels[:, None, None, None] * np.full((1, 8, 8), 200)).astype(np.uint8)
        return Samples(images[4:], labels[4:], images[:4], labels[:4])


def squares(**members: object) -> DataSource:
    variant: type[DataSource] = type("Variant", (Squares,), members)
    return variant()


def returning(change: Callable[[Samples], object]) -> DataSource:
    return squares(load=lambda self, data_dir, download: change(Squares().load(data_dir, download=download)))


@pytest.mark.parametrize("name", DATASETS.built_in)
def test_what_is_known_of_our_data_sets_is_as_it_must_be(name: str) -> None:
    check_traits(DATASETS.find(name))


def test_a_good_data_set_passes() -> None:
    check_dataset(DATASETS.find("digits"))
    check_dataset(Squares())
    check_dataset(returning(lambda s: s._replace(train_owners=np.arange(16), test_owners=np.arange(4))))
    signals = returning(
        lambda s: s._replace(
            train_images=s.train_images.astype(np.float32), test_images=s.test_images.astype(np.float32)
        )
    )
    check_dataset(signals)
    check_dataset(squares(look_alikes={0: 1}, tolerances={"loss": 0.2}, defaults=TrainingDefaults(images_per_device=3)))


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({"name": "Upper"}, "name is 'Upper': set a class attribute name"),
        ({"image_shape": (8, 8)}, r"image_shape is \(8, 8\): set \(channels, height, width\)"),
        ({"image_shape": (1, 8, 0)}, r"image_shape is \(1, 8, 0\)"),
        ({"image_shape": [1, 8, 8]}, r"image_shape is \[1, 8, 8\]"),
        ({"class_names": ("one",)}, r"class_names is \('one',\): set a tuple of texts, at least two"),
        ({"class_names": "ab"}, "class_names is 'ab'"),
        ({"licence": ""}, "licence is '': set one line"),
        ({"licence": "a\nb"}, "licence is 'a.nb'"),
        ({"look_alikes": {0: 2}}, r"look_alikes is \{0: 2\}: set classes for classes, each from 0 to 1"),
        ({"look_alikes": [0, 1]}, r"look_alikes is \[0, 1\]"),
        ({"tolerances": {"loss": 1.5}}, r"tolerances is \{'loss': 1.5\}: set numbers from 0 to 1"),
        ({"tolerances": None}, "tolerances is None"),
        ({"defaults": {"batch": 4}}, r"defaults is \{'batch': 4\}: set TrainingDefaults"),
        ({"defaults": TrainingDefaults(batch=0)}, "defaults has batch 0: set a whole number of at least 1"),
        ({"defaults": TrainingDefaults(learning_rate=0)}, "defaults has learning_rate 0: set a number above 0"),
        ({"defaults": TrainingDefaults(learning_rate_decay=-1)}, "defaults has learning_rate_decay -1: set a number"),
        ({"defaults": TrainingDefaults(images_per_device=0)}, "defaults has images_per_device 0: set a whole number"),
        ({"load": lambda *_, **__: 1 / 0}, r"load\(\) raised ZeroDivisionError\('division by zero'\)"),
        ({"load": lambda *_, **__: None}, r"load\(\) returned NoneType: return Samples\(\.\.\.\)"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_named(members: dict[str, object], line: str) -> None:
    with pytest.raises(PluginError, match=f"^{line}"):
        check_dataset(squares(**members))


@pytest.mark.parametrize("missing", ["name", "image_shape", "class_names", "licence"])
def test_what_a_data_set_lacks_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Squares, missing)
    with pytest.raises(PluginError, match=f"^{missing} is None: set "):
        check_dataset(Squares())


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda s: s._replace(train_images=s.train_images.tolist()), "train_images is list: return a numpy array"),
        (lambda s: s._replace(test_images=s.test_images.astype(float)), "test_images is float64: return uint8 from 0"),
        (lambda s: s._replace(train_images=s.train_images[:, 0]), r"train_images has shape \(16, 8, 8\): image_shape"),
        (lambda s: s._replace(test_images=s.test_images[:0], test_labels=s.test_labels[:0]), "test_images is empty"),
        (lambda s: s._replace(train_images=np.full((16, 1, 8, 8), np.nan, np.float32)), "train_images has values tha"),
        (lambda s: s._replace(train_labels=s.train_labels.tolist()), "train_labels is list: return a numpy array"),
        (lambda s: s._replace(train_labels=s.train_labels[1:]), r"train_labels is int64 of shape \(15,\): return int6"),
        (lambda s: s._replace(test_labels=s.test_labels.astype(np.uint8)), r"test_labels is uint8 of shape \(4,\)"),
        (lambda s: s._replace(train_labels=s.train_labels + 1), r"train_labels lies in 1..2: it must lie in 0..1"),
        (lambda s: s._replace(train_labels=s.train_labels - 1), r"train_labels lies in -1..0"),
        (lambda s: s._replace(train_owners=np.arange(16) - 1), r"train_owners lies in -1..14: it must lie in 0 and up"),
        (lambda s: s._replace(test_owners=np.arange(4)), "load.. returned owners of the test part only"),
        (
            lambda s: s._replace(test_images=s.test_images.astype(np.float32)),
            "train_images is uint8, test_images float32: use one type",
        ),
        (
            lambda s: s._replace(train_images=np.random.default_rng().integers(0, 256, (16, 1, 8, 8), dtype=np.uint8)),
            r"load\(\) returned other images or labels in a second call: seed every random draw",
        ),
    ],
)
def test_what_is_wrong_with_loaded_samples_is_named(change: Callable[[Samples], object], line: str) -> None:
    with pytest.raises(PluginError, match=f"^{line}"):
        check_dataset(returning(change))


def test_a_data_set_may_say_itself_that_it_is_not_there(tmp_path: Path) -> None:
    def load(self: DataSource, data_dir: Path | None, *, download: bool) -> Samples:
        raise DataError(f"not in {data_dir}, download {download}")

    with pytest.raises(DataError, match=f"^not in {tmp_path}, download False$"):
        check_dataset(squares(load=load), tmp_path, download=False)
    assert Squares().is_there(None)


class EveryOther(Partition):
    """One image of so many for each device."""

    def deal(self, dataset: Dataset, *, devices: int, seed: int, images_per_device: int | None) -> Shares:
        return Shares([np.arange(device, len(dataset.train_labels), devices) for device in range(devices)])


def every_other(deal: Callable[..., object]) -> Partition:
    variant: type[Partition] = type("Variant", (EveryOther,), {"deal": deal})
    return variant()


@pytest.mark.parametrize("name", PARTITIONS.built_in)
@pytest.mark.parametrize("images", [None, 20])
def test_our_partitions_pass(name: str, images: int | None) -> None:
    check_partition(PARTITIONS.find(name), images_per_device=images)


def test_a_partition_is_checked_on_the_data_that_it_is_for(digits: Dataset) -> None:
    asked: list[dict[str, object]] = []

    def deal(self: Partition, dataset: Dataset, **arguments: Any) -> Shares:
        asked.append({"dataset": dataset, **arguments})
        return EveryOther().deal(dataset, **arguments)

    check_partition(every_other(deal), digits, devices=7, images_per_device=3)
    expected = {"dataset": digits, "devices": 7, "images_per_device": 3}
    assert [{**one, "seed": 0} for one in asked] == [{**expected, "seed": 0}] * len(asked)


def repaint(self: Partition, dataset: Dataset, **arguments: Any) -> Shares:
    dataset.train_images[:] = 0
    return EveryOther().deal(dataset, **arguments)


def at_will(self: Partition, dataset: Dataset, *, devices: int, **arguments: Any) -> Shares:
    draw = np.random.default_rng().permutation(len(dataset.train_labels))
    return Shares(np.array_split(draw, devices))


def fresh_tests(self: Partition, dataset: Dataset, *, devices: int, **arguments: Any) -> Shares:
    draw = np.random.default_rng().permutation(len(dataset.test_labels))
    return Shares(np.array_split(np.arange(100), devices), np.array_split(draw, devices))


@pytest.mark.parametrize(
    ("deal", "line"),
    [
        (lambda *_, **__: None, r"deal\(\) returned NoneType: return Shares"),
        (lambda *_, **__: 1 / 0, r"deal\(\) raised ZeroDivisionError\('division by zero'\)"),
        (repaint, r"deal\(\) changed the data set: work on a copy"),
        (at_will, r"deal\(\) gave two results for equal arguments: draw only from numpy.random.default_rng\(seed\)"),
        (fresh_tests, r"deal\(\) gave two results for equal arguments"),
    ],
)
def test_what_is_wrong_with_a_partition_is_named(deal: Callable[..., object], line: str) -> None:
    with pytest.raises(PluginError, match=f"^{line}"):
        check_partition(every_other(deal))


def test_a_partition_may_refuse_a_data_set() -> None:
    def deal(self: Partition, dataset: Dataset, **arguments: Any) -> Shares:
        raise LearningError("too few images")

    with pytest.raises(LearningError, match=r"^too few images$"):
        check_partition(every_other(deal))


class Dense(Network):
    """One layer."""

    def build(
        self, *, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float
    ) -> Architecture | nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


class Built(Dense):
    """What a test makes of the arguments. Other processes could not have it, but that is no matter here."""

    def __init__(self, make: Callable[..., object]) -> None:
        self.make = make

    def build(self, **arguments: Any) -> Any:
        return self.make(**arguments)

    def __reduce__(self) -> tuple[type[Dense], tuple[()]]:
        return Dense, ()


def building(build: Callable[..., object]) -> Network:
    return Built(build)


class Scaled(nn.Module):
    """A layer whose logits somebody changes."""

    def __init__(self, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.change = change

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.change(self.layer(images.flatten(1)))


class Idle(Scaled):
    """Has a layer that nothing depends on."""

    def __init__(self) -> None:
        super().__init__(lambda logits: logits)
        self.spare = nn.Linear(3, 3)


class FromZeros(nn.Sequential):
    """Its first layer learns nothing in the first step, as the second is all zeros."""

    def __init__(self) -> None:
        last = nn.Linear(8, 10)
        super().__init__(nn.Flatten(), nn.Linear(64, 8), last)
        nn.init.zeros_(last.weight)


def drawn_by(generator: Callable[[], float]) -> Callable[..., nn.Module]:
    def build(**_: object) -> nn.Module:
        module = Scaled(lambda logits: logits)
        nn.init.constant_(module.layer.bias, generator())
        return module

    return build


@pytest.mark.parametrize("name", MODELS.built_in)
@pytest.mark.parametrize("shape", [(1, 8, 8), (6, 1, 16)])
def test_our_networks_pass(name: str, shape: tuple[int, int, int]) -> None:
    vocabulary = 20 if name == "embedding" else 0
    check_model(MODELS.find(name), image_shape=shape, classes=3, width=4, vocabulary=vocabulary)


def test_a_good_network_passes() -> None:
    check_model(Dense())
    check_model(building(lambda **_: FromZeros()))
    check_model(
        building(lambda dropout, **_: nn.Sequential(cast(nn.Module, Dense().build(**HERE)), nn.Dropout(dropout))),
        dropout=0.5,
    )
    check_model(building(lambda image_shape, classes, **_: Architecture(image_shape, classes, (Convolution(3, True),))))


@pytest.fixture
def torchs_generator() -> Iterator[None]:
    """Put torch's generator back, as a network may draw when it likes."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


@pytest.mark.usefixtures("torchs_generator")
@pytest.mark.parametrize(
    ("build", "line"),
    [
        (lambda **_: None, r"build\(\) returned NoneType: return an Architecture or a torch.nn.Module"),
        (lambda **_: 1 / 0, r"build\(\) raised ZeroDivisionError"),
        (
            lambda image_shape, **_: Architecture(image_shape, 7, ()),
            r"build\(\) described a network of 7 classes for images \(1, 8, 8\): it was asked for 10 and \(1, 8, 8\)",
        ),
        (lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(65, 10)), "the network raised RuntimeError"),
        (
            lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(64, 9)),
            r"the network maps 31 images to .* of shape \(31, ",
        ),
        (lambda **_: Scaled(lambda logits: logits.double()), r"the network maps 31 images to float64 of shape"),
        (lambda **_: Scaled(lambda logits: logits / 0), "the network returns logits that are not finite"),
        (lambda **_: Scaled(lambda logits: logits * random.random()), "the network gave two results for equal images"),
        (
            lambda **_: Idle(),
            r"training leaves 'spare.weight', 'spare.bias' as they are: have the logits depend on",
        ),
        (drawn_by(random.random), r"build\(\) gave two networks for one seed: draw first weights from torch's"),
        (drawn_by(lambda: float("nan")), r"build\(\) gave values that are not finite"),
    ],
)
def test_what_is_wrong_with_a_network_is_named(build: Callable[..., object], line: str) -> None:
    with pytest.raises(PluginError, match=f"^{line}"):
        check_model(building(build))


class Restless(Scaled):
    """Draws outside torch's generator, in training alone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images) * (os.urandom(1)[0] + 1 if self.training else 1)


def test_training_that_differs_is_named() -> None:
    with pytest.raises(PluginError, match=r"^training gave two results for equal arguments: draw from torch"):
        check_model(building(lambda **_: Restless(lambda logits: logits)))


def test_training_that_fails_is_named() -> None:
    class Untrainable(Scaled):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                raise ValueError("not for training")
            return super().forward(images)

    with pytest.raises(PluginError, match=r"^training raised ValueError\('not for training'\)$"):
        check_model(building(lambda **_: Untrainable(lambda logits: logits)))


@pytest.mark.parametrize("default", [-0.1, 1, "0.5", True])
def test_a_default_dropout_out_of_range_is_named(default: object) -> None:
    network = type("Variant", (Dense,), {"default_dropout": default})()
    with pytest.raises(PluginError, match=f"^default_dropout is {default!r}: set a number of at least 0 and below 1$"):
        check_model(network)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (
            lambda **_: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)),
            "layer '1' .* keeps 'running_mean",
        ),
        (lambda **_: nn.Flatten(), "the module has no parameters"),
        (lambda **_: nn.Sequential(nn.Flatten(), nn.Linear(64, 10).double()), "use float32 on cpu"),
        (lambda image_shape, **_: MODELS.find("small").build(**{**HERE, "image_shape": (1, 4, 4)}), "is too small"),
    ],
)
def test_a_network_that_cannot_be_is_named_as_by_the_engine(build: Callable[..., object], line: str) -> None:
    with pytest.raises(LearningError, match=rf"^build\(\): .*{line}"):
        check_model(building(build))


@pytest.mark.parametrize(
    ("check", "kind"), [(check_dataset, "DataSource"), (check_partition, "Partition"), (check_model, "Network")]
)
def test_checks_take_their_kind_only(check: Callable[[Any], None], kind: str) -> None:
    with pytest.raises(PluginError, match=f"^str is no {kind}: subclass idml.{kind}$"):
        check("small")


def test_a_module_goes_to_torch_and_nowhere_else() -> None:
    blueprint = draw_blueprint(Dense(), **HERE)
    assert not isinstance(blueprint, Architecture)
    assert why_not_native(blueprint) == "the native engine cannot compute a module of PyTorch"
    with pytest.raises(LearningError, match=r"^backend is 'native': it cannot compute a module of PyTorch$"):
        make_engine("native", blueprint)
    engine = make_engine("torch", blueprint)
    assert engine.layout == (("1.weight", (10, 64)), ("1.bias", (10,)))
    again = pickle.loads(pickle.dumps(engine))
    assert again.initial(3).tobytes() == engine.initial(3).tobytes()
    with pytest.raises(LearningError, match="is no stack of convolutions"):
        find_architecture(f"{EXAMPLES}/custom_model.py:TwoLayers", image_shape=(1, 8, 8), classes=10)


def test_the_examples_pass_their_checks_and_do_what_they_say() -> None:
    stripes = DATASETS.find_checked(f"{EXAMPLES}/custom_dataset.py:Stripes")
    samples = stripes.load(None, download=True)
    assert sorted(np.unique(samples.train_labels)) == [0, 1, 2]
    # What shines through the noise of all horizontal stripes changes from row to row alone.
    mean = samples.train_images[samples.train_labels == 0].mean(axis=(0, 1))
    assert np.ptp(mean, axis=0).min() > 40 > 30 > np.ptp(mean, axis=1).max()
    skewed = PARTITIONS.find_checked(f"{EXAMPLES}/custom_partition.py:Skewed")
    held = Dataset(stripes, *samples)
    shares = skewed.deal(held, devices=20, seed=1, images_per_device=50)
    most = [np.bincount(samples.train_labels[share], minlength=3).max() for share in shares.train]
    even = PARTITIONS.find("iid").deal(held, devices=20, seed=1, images_per_device=50)
    assert np.mean(most) > np.mean([np.bincount(samples.train_labels[share]).max() for share in even.train]) + 10
    check_model(MODELS.find_checked(f"{EXAMPLES}/custom_model.py:TwoLayers"), image_shape=(3, 32, 32), classes=4)
