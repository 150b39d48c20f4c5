"""A world small enough to be played in a second or two."""

from pathlib import Path
from typing import Any

import pytest

from idml.adapters.registry import ALGORITHMS
from idml.simulation.config import Config, make_config
from idml.simulation.runs import open_ledger
from idml.simulation.setup import build_world, resolve
from idml.simulation.simulator import Simulator
from idml.store.run_store import RunStore

TINY: dict[str, Any] = {
    "dataset": "digits",
    "devices": 8,
    "encounters": 24,
    "width": 4,
    "images_per_device": 80,
    "validation_images": 40,
    "baseline_devices": 1,
    "rule": "paper",  # on so few images a mean loss says less than a count
}
EXPELLED_MIDWAY: dict[str, Any] = {
    "adversaries": {"random_weights": 2},
    "encounters": 120,
    "reward": 40,
    "images_per_device": 200,
}
# Contacts that end at every stage of an exchange, and encounters that stay open meanwhile.
ON_TRACE: dict[str, Any] = {
    "contacts": str(Path(__file__).parents[2] / "examples" / "contacts.csv"),
    "devices": 20,
    "link_bytes_s": 400,
    "compute_images_s": 20,
    "heterogeneity": 1.0,
}
EXPELLED_ON_TRACE: dict[str, Any] = {
    **ON_TRACE,
    "adversaries": {"random_weights": 3},
    "encounters": 400,
    "reward": 60,
    "images_per_device": 200,
    "compute_images_s": 40,
    "completion_window_s": 300,
    "baseline_devices": 0,
}


def tiny(**changes: Any) -> Config:
    return make_config({**TINY, **changes})


class Played:
    """A finished run with its simulator, so that a test can look at the ledger behind the summary."""

    def __init__(self, directory: Path, config: Config) -> None:
        adapter = ALGORITHMS.find(config.algorithm)
        resolved = resolve(config, adapter)
        with RunStore.create(directory, resolved.to_toml()) as store:
            self.simulator = Simulator(
                build_world(resolved, adapter),
                store,
                lambda _snapshot: None,
                open_ledger(resolved),
            )
            self.summary = self.simulator.run()
        self.store = RunStore.open(directory)
        self.directory = directory


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Plays a tiny run with some keys changed."""
    count = 0

    def run(**changes: Any) -> Played:
        nonlocal count
        count += 1
        return Played(tmp_path / str(count), tiny(**changes))

    return run
