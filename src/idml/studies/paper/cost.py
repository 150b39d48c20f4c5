"""What runs will cost, from how fast this machine trains and scores: said before they begin."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from idml.adapters.registry import ALGORITHMS
from idml.learning.arrays import Labels, RawImages
from idml.learning.backends import make_engine
from idml.learning.data.datasets import find_dataset, load_dataset
from idml.learning.data.registry import DATASETS
from idml.learning.engine import prepare
from idml.simulation.config import Config, make_config
from idml.simulation.setup import blueprint, resolve
from idml.studies.batch import WantedRun

_IMAGES = 320
_TRAIN_IMAGES = {"fashion-mnist": 60_000, "cifar10": 50_000}
"""Of those that are downloaded."""
_LEDGER_S = 0.005
"""Of an encounter, for contract calls and bookkeeping."""
_START_S = 4.0
"""Of a run, to start and to write its report."""


@dataclass(frozen=True, slots=True)
class ComputeCost:
    """Of several runs.

    Args:
        runs: how many.
        encounters: in all of them.
        cpu_s: seconds of one core.
    """

    runs: int
    encounters: int
    cpu_s: float

    def text(self, processes: int) -> str:
        """In words, on so many processes at once."""
        if not self.runs:
            return "no runs to do: a few seconds"
        hours, minutes = divmod(round(self.cpu_s / processes / 60), 60)
        took = f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "a minute"
        return f"{self.runs} runs, {self.encounters:,} encounters: about {took} with {processes} at a time"


def estimate(runs: Sequence[WantedRun], data_dir: str | None = None, *, download: bool = True) -> ComputeCost:
    """What runs will cost.

    Training and scoring are timed for a moment for each network and data set among them.

    Args:
        runs: those to do.
        data_dir: where data are; None: as `idml run` finds them.
        download: whether to get data that are not there; if not, random images stand in for them.

    Raises:
        ConfigError, DataError: if one of them cannot be run.
    """
    alike: dict[tuple[object, ...], list[tuple[WantedRun, Config]]] = defaultdict(list)
    for run in runs:
        config = make_config({**run.settings, **({"data_dir": data_dir} if data_dir else {})})
        config = resolve(config, ALGORITHMS.find(config.algorithm))
        alike[config.dataset, config.model, config.width, config.batch].append((run, config))
    encounters = sum(config.contact_count for jobs in alike.values() for _, config in jobs)
    return ComputeCost(len(runs), encounters, sum(_cost_s(jobs, download) for jobs in alike.values()))


def _cost_s(jobs: Sequence[tuple[WantedRun, Config]], download: bool) -> float:
    """Of runs with one network on one data set."""
    first = jobs[0][1]
    folder = Path(first.data_dir) if first.data_dir else None
    if download or find_dataset(first.dataset, folder):
        dataset = load_dataset(first.dataset, folder)
        images, labels, count = (
            dataset.train_images[:_IMAGES],
            dataset.train_labels[:_IMAGES],
            len(dataset.train_labels),
        )
    else:
        images, labels, count = _stand_in(first.dataset)
    train_s, score_s = _speed(first, images, labels)
    total = 0.0
    for run, config in jobs:
        share = config.images_per_device or count // config.devices
        trained: float = share * (1 + (config.local_epochs or 0))
        scored: float = 2 * config.validators * config.validation_images if config.incentive else 0
        if run.judged is not None:  # honest work and an attack, judged once in a while
            trained, scored = trained * (1 + 1 / run.judged.every), 2 * scored / run.judged.every
        # Measuring accuracy takes a twentieth more.
        total += _START_S + config.contact_count * (1.05 * (trained * train_s + scored * score_s) + _LEDGER_S)
    return total


def _stand_in(dataset: str) -> tuple[RawImages, Labels, int]:
    """Random images, their labels, and how many the data set has: time does not depend on what images show."""
    generator, source = np.random.default_rng(1), DATASETS.find(dataset)
    images = generator.integers(0, 256, (_IMAGES, *source.image_shape), dtype=np.uint8)
    return images, generator.integers(0, source.classes, _IMAGES), _TRAIN_IMAGES[dataset]


def _speed(config: Config, raw: RawImages, labels: Labels) -> tuple[float, float]:
    """Seconds of one core that an image takes in training and in scoring."""
    assert config.backend != "auto"
    engine = make_engine(config.backend, blueprint(config), threads=config.threads)
    images = prepare(raw)
    vector = engine.initial(1)
    times: list[tuple[float, float]] = []
    for _ in range(3):
        begun = time.process_time()
        engine.train_epoch(vector, images, labels, learning_rate=0.01, batch=config.batch or 16, seed=1)
        trained = time.process_time()
        engine.evaluate([vector], images, labels)
        times.append((trained - begun, time.process_time() - trained))
    train_s, score_s = np.array(times).min(axis=0) / len(labels)
    return float(train_s), float(score_s)
