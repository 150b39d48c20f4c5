"""Adapters: what each algorithm exchanges, judges and merges, and how a third party's is checked and loaded."""

import warnings
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

import idml
from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.checker import check_adapter
from idml.adapters.errors import AdapterError
from idml.adapters.gossip import Gossip
from idml.adapters.keys import draw_seed
from idml.adapters.oppcl import OppCL
from idml.adapters.registry import ALGORITHMS
from idml.learning.torch_engine import TorchEngine

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_algorithm.py"


def engine() -> TorchEngine:
    return TorchEngine(lambda: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)))


def training(key: int = 0) -> LocalTraining:
    generator = np.random.default_rng(5)
    images = generator.standard_normal((20, 1, 4, 4), dtype=np.float32)
    return LocalTraining(engine(), images, generator.integers(0, 3, 20), 0.1, 8, key=(key, "test"))


def two_models() -> tuple[np.ndarray, np.ndarray]:
    return engine().initial(1), engine().initial(2)


@pytest.mark.parametrize("adapter", [OppCL(), Gossip()])
def test_ours_pass_their_own_check(adapter: Adapter) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_adapter(adapter)


def test_oppcl_trains_the_learners_model_and_judges_what_came_back() -> None:
    received, own = two_models()
    result = OppCL().contribute(received, own, training())
    assert np.array_equal(result, training().epoch(received))
    assert OppCL().candidate(received, result) is result
    assert np.allclose(OppCL().merge(received, result), (received + result) / 2)


def test_gossip_sends_its_own_and_judges_the_merged() -> None:
    received, own = two_models()
    means = training()
    result = Gossip().contribute(received, own, means)
    assert np.array_equal(result, own)
    assert result is not own
    assert means.trained_images == 0
    assert np.allclose(Gossip().candidate(received, result), (received + own) / 2)
    assert np.array_equal(Gossip().merge(received, result), Gossip().candidate(received, result))
    assert (OppCL.default_local_epochs, Gossip.default_local_epochs) == (0, 1)


def test_training_depends_on_its_key_and_counts_its_images() -> None:
    start, _ = two_models()
    means = training()
    first, second = means.epoch(start), means.epoch(start)
    assert not np.array_equal(first, second)  # each epoch draws anew
    assert np.array_equal(first, training().epoch(start))
    assert not np.array_equal(first, training(1).epoch(start))
    assert means.trained_images == 40
    assert means.generator("a").random() == training().generator("a").random()
    assert means.generator("a").random() != means.generator("b").random()


def test_keys_tell_integers_from_strings_and_places_apart() -> None:
    keys = [(1, 2), (12,), ("1", 2), (1, "2"), (1, 2, ""), ("1\x1f2",)]
    assert len({draw_seed(*key) for key in keys}) == len(keys)


class Good(Adapter):
    name: ClassVar[str] = "good"

    def contribute(self, received: np.ndarray, own: np.ndarray, training: LocalTraining) -> np.ndarray:
        return training.epoch(received)

    def merge(self, current: np.ndarray, result: np.ndarray) -> np.ndarray:
        mean: np.ndarray = (current + result) / np.float32(2)
        return mean


def variant(**members: object) -> Adapter:
    variant: type[Adapter] = type("Variant", (Good,), members)
    return variant()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"name": ""}, "name is ''"),
        ({"name": "Upper"}, "name is 'Upper'"),
        ({"default_local_epochs": -1}, "default_local_epochs is -1"),
        ({"default_local_epochs": True}, "default_local_epochs is True"),
        ({"sends_own_model": "yes"}, "sends_own_model is 'yes'"),
        ({"contribute": lambda *_: None}, r"contribute\(\) returned NoneType"),
        ({"contribute": lambda self, r, o, t: r.astype(np.float64)}, r"contribute\(\) returned float64"),
        ({"contribute": lambda self, r, o, t: r[:-1]}, "of shape"),
        ({"contribute": lambda self, r, o, t: r * np.float32(np.nan)}, "not finite"),
        ({"contribute": lambda self, r, o, t: np.subtract(r, 1, out=r)}, "changed one of its arguments"),
        ({"contribute": lambda self, r, o, t: o.copy()}, "set sends_own_model = True"),
        ({"contribute": lambda self, r, o, t: 1 / 0}, r"contribute\(\) raised ZeroDivisionError"),
        (
            {"contribute": lambda self, r, o, t: r + np.random.default_rng().random(r.size, np.float32)},
            "two results for equal arguments",
        ),
        (
            {"merge": lambda self, c, r: r + np.random.default_rng().random(r.size, np.float32)},
            r"merge\(\) gave two results",
        ),
    ],
)
def test_the_checker_names_what_would_break_a_run(members: dict[str, object], message: str) -> None:
    with pytest.raises(AdapterError, match=message):
        check_adapter(variant(**members))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"merge": lambda self, c, r: c.copy()}, "accepted contributions are lost"),
        ({"candidate": lambda self, b, r: b}, "validators will accept anything"),
        ({"sends_own_model": True}, "ignores the neighbor's own model"),
    ],
)
def test_the_checker_warns_of_what_is_probably_not_meant(members: dict[str, object], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        check_adapter(variant(**members))


def test_the_checker_takes_adapters_only() -> None:
    with pytest.raises(AdapterError, match="str is no Adapter"):
        check_adapter("oppcl")  # type: ignore[arg-type]


def test_algorithms_are_found_by_name_and_by_file() -> None:
    assert isinstance(ALGORITHMS.find("oppcl"), OppCL)
    assert isinstance(ALGORITHMS.find("gossip"), Gossip)
    assert ALGORITHMS.find(f"{EXAMPLE}:MeetInTheMiddle").name == "meet-in-the-middle"


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapter = ALGORITHMS.find_checked(f"{EXAMPLE}:MeetInTheMiddle")
    run = idml.run(tmp_path / "run", adapter=adapter, dataset="digits", devices=6, encounters=24, batch=32)
    assert run.summary["encounters"] == 24
    assert run.report.is_file()
