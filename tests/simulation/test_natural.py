"""Natural data: each device is a person, and is to be good at that person."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idml.adapters.oppcl import OppCL
from idml.learning.data.datasets import find_dataset
from idml.simulation.config import ConfigError, make_config
from idml.simulation.measure import TestSet
from idml.simulation.runs import simulate
from idml.simulation.setup import build_world, resolve
from idml.store import RunStore

from .conftest import Played
from .test_workers import outcome

NATURAL: dict[str, Any] = {
    "dataset": "hapt",
    "partition": "natural",
    "backend": "torch",
    "model": "small",
    "width": 4,
    "devices": 8,
    "encounters": 16,
    "local_epochs": 1,
    "baseline_devices": 2,
}


@pytest.fixture
def hapt() -> None:
    if not find_dataset("hapt"):
        pytest.skip("hapt is not on this machine: set IDML_DATA")


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_part_of_its_own_is_scored_on_nothing_else(sizes: list[int], seed: int) -> None:
    ends = np.cumsum([0, *sizes])
    shares = [np.arange(start, end) for start, end in pairwise(ends)]
    images = np.arange(ends[-1], dtype=np.float32).reshape(-1, 1, 1, 1)
    test_set = TestSet(images, np.arange(ends[-1]), len(shares), seed, shares)
    assert test_set.size == test_set.part_size == min(sizes)
    for part, share in enumerate(shares):
        shown, labels = test_set.sample(part, len(share))
        assert sorted(labels.tolist()) == share.tolist()
        assert shown[:, 0, 0, 0].tolist() == labels.tolist()
        fewer, _ = test_set.sample(part, test_set.size)
        assert fewer.tolist() == shown[: test_set.size].tolist()


def test_a_common_test_set_is_shared_out_evenly() -> None:
    test_set = TestSet(np.zeros((10, 1, 1, 1), np.float32), np.arange(10), 4, 1)
    assert (test_set.size, test_set.part_size) == (10, 3)
    seen = [label for part in range(4) for label in test_set.sample(part, 3)[1].tolist()]
    assert set(seen) == set(range(10))


@pytest.mark.usefixtures("hapt")
def test_each_device_has_one_person_s_data_and_test(tmp_path: Path) -> None:
    config = resolve(make_config(NATURAL), OppCL())
    world = build_world(config, OppCL())
    owners, tested = world.dataset.train_owners, world.dataset.test_owners
    assert owners is not None
    assert tested is not None
    assert world.test_shares is not None
    persons = []
    for device, share in zip(world.devices, world.test_shares, strict=True):
        (person,) = set(owners[device.data.own].tolist())
        assert set(tested[share].tolist()) == {person}
        assert len(device.data) == (owners == person).sum()
        assert len(share) == (tested == person).sum()
        persons.append(person)
    assert len(set(persons)) == 8
    assert len(build_world(config.model_copy(update={"images_per_device": 20}), OppCL()).devices[3].data) == 20


@pytest.mark.usefixtures("hapt")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"devices": 31}, r"^hapt cannot be dealt out to 31 devices: there are 30 persons, one a device$"),
        ({"images_per_device": 9_999}, r"^hapt cannot be dealt out to 8 devices: 9999 images for each device cannot "),
        ({"dataset": "digits"}, r"^digits cannot be dealt out to 8 devices: nobody says whose its images are: choose "),
    ],
)
def test_what_cannot_be_dealt_out_is_one_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        build_world(resolve(make_config({**NATURAL, **changes}), OppCL()), OppCL())


@pytest.mark.usefixtures("hapt")
def test_the_native_engine_says_that_it_has_two_dimensions(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve(make_config({**NATURAL, "backend": "auto"}), OppCL()).backend == "torch"
    assert "the native engine cannot compute a network of one-dimensional convolutions" in caplog.text
    with pytest.raises(ConfigError, match=r"^backend is 'native': the native engine cannot compute a network of one-"):
        resolve(make_config({**NATURAL, "backend": "native"}), OppCL())
    assert resolve(make_config({**NATURAL, "backend": "auto", "model": "linear"}), OppCL()).backend == "native"


@pytest.mark.slow
@pytest.mark.usefixtures("hapt")
def test_personal_accuracy_is_that_on_one_s_own_test_images(tmp_path: Path) -> None:
    config = make_config({**NATURAL, "encounters": 64, "adversaries": {"label_flip": 2}})
    played = Played(tmp_path / "run", config)
    world, measure = played.simulator._world, played.simulator._measure
    assert world.test_shares is not None
    images, labels = world.dataset.test_images, world.dataset.test_labels
    size = measure._test_set.size
    with RunStore.open(tmp_path / "run") as store:
        last = max(point.round for point in store.accuracy())
        stored = {point.device: point.accuracy for point in store.accuracy() if point.round == last}
    honest = [device for device in world.devices if device.honest]
    assert set(stored) == {device.index for device in honest}
    for part, device in enumerate(honest):
        share = world.test_shares[device.index]
        chosen = measure._test_set._orders[part][:size]
        assert set(chosen.tolist()) <= set(share.tolist())
        (correct,) = world.settings.engine.evaluate([device.model.vector], images[chosen], labels[chosen])
        assert stored[device.index] == pytest.approx(correct / size)
    # Better than always saying the same, and than a model that learned nothing.
    assert np.mean(list(stored.values())) > 0.35


@pytest.mark.slow
@pytest.mark.usefixtures("hapt")
def test_workers_have_everybody_s_own_tests(tmp_path: Path) -> None:
    outcomes = []
    for workers in (1, 2):
        simulate(make_config({**NATURAL, "workers": workers}), tmp_path / str(workers))
        summary, models, records = outcome(tmp_path / str(workers))
        outcomes.append(({**json.loads(summary), "config": None}, models, records))
    assert outcomes[0] == outcomes[1]
