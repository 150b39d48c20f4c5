"""Real data for the tests that need it, and a user cache of their own for all."""

import os
from pathlib import Path

import numpy as np
import pytest

from idml.learning.data.datasets import Dataset, find_dataset, load_dataset

REAL_DATA = os.environ.get("IDML_DATA")


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache, and no data folder but those that a test names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IDML_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache" / "idml"


def real_data(name: str) -> Path:
    if REAL_DATA is None:
        pytest.skip(f"IDML_DATA names no folder with {name}")
    folder = Path(REAL_DATA).resolve()
    if not find_dataset(name, folder):
        pytest.skip(f"{folder} does not hold {name}")
    return folder


@pytest.fixture(scope="session")
def fashion_mnist_data() -> Path:
    """The folder with Fashion-MNIST."""
    return real_data("fashion-mnist")


@pytest.fixture(scope="session")
def cifar10_data() -> Path:
    """The folder with CIFAR-10."""
    return real_data("cifar10")


@pytest.fixture(scope="session")
def fashion_mnist(fashion_mnist_data: Path) -> Dataset:
    return load_dataset("fashion-mnist", fashion_mnist_data, download=False)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)
