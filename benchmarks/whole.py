"""Images trained per CPU second by a whole run, as a ratio to a bare PyTorch loop.

The run is what `idml run` does, from reading the data to the report: fifty devices learn by OppCL with validators and
ledger. Only training images count. Between contacts the bare loop of `training.py` takes its turns,
whose time is not the run's.

    python benchmarks/whole.py [--net cnn6] [--data fashion-mnist] [--backend native] [--encounters 100]
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from timing import cpu_seconds
from training import BATCH, DROPOUT, SHAPES, BareLoop

import idml
from idml.learning.models import model_factory
from idml.simulation.totals import Snapshot

_BARE_IMAGES = 10 * BATCH
_SHAPES = {**SHAPES, "digits": (1, 8, 8)}


def measure(
    net: str,
    encounters: int,
    *,
    devices: int = 50,
    images: int | None = None,
    dataset: str = "fashion-mnist",
    backend: str = "native",
) -> dict[str, float]:
    """Play a run with bare loops in between.

    Args:
        net: its name.
        encounters: contacts of the run.
        devices: participants.
        images: each device has; by default what fifty would have of the data set.
        dataset: a key of `_SHAPES`.
        backend: what computes the networks.
    """
    torch.set_num_threads(1)
    shape = _SHAPES[dataset]
    generator = np.random.default_rng(0)
    bare = BareLoop(
        model_factory(net, image_shape=shape, classes=10, dropout=DROPOUT),
        generator.standard_normal((_BARE_IMAGES, *shape), np.float32),
        generator.integers(0, 10, _BARE_IMAGES),
    )
    bare.train()
    turns: list[float] = []

    def observe(snapshot: Snapshot) -> None:
        if snapshot.stage == "meeting" and snapshot.contact % max(1, encounters // 15) == 0:
            turns.append(cpu_seconds(bare.train))

    with tempfile.TemporaryDirectory() as directory:
        begun = time.process_time()
        run = idml.run(
            Path(directory) / "run",
            observer=observe,
            dataset=dataset,
            model=net,
            batch=BATCH,
            devices=devices,
            encounters=encounters,
            images_per_device=images or {"cifar10": 1_000}.get(dataset, 1_200),
            backend=backend,
        )
        seconds = time.process_time() - begun - sum(turns)
    per_s = run.summary["train_images"] / seconds
    return {"whole_ratio": per_s * statistics.median(turns) / _BARE_IMAGES, "trained_per_s": per_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--net", default="cnn6")
    parser.add_argument("--data", choices=SHAPES, default="fashion-mnist")
    parser.add_argument("--backend", choices=["native", "torch"], default="native")
    parser.add_argument("--encounters", type=int, default=100)
    options = parser.parse_args()
    print(json.dumps(measure(options.net, options.encounters, dataset=options.data, backend=options.backend)))


if __name__ == "__main__":
    main()
