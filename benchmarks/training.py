"""CPU time of one epoch and of one evaluation: the engine on flat vectors against a plain torch loop.

Variants run in turn, round after round, on one thread; reported are the median of the CPU seconds and the median of
the ratios within a round, which a busy machine disturbs least. Images are random: only their shape costs time.

    python benchmarks/training.py [--model small] [--shape 1 28 28] [--images 1200] [--batch 16] [--rounds 9]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from idml.learning.arrays import FloatImages, Labels
from idml.learning.engine import TorchEngine
from idml.learning.models import MODELS, model_factory


class PlainLoop:
    """A module, torch's optimizer, and a state dict in and out: what the engine replaces."""

    def __init__(self, factory: Callable[[], nn.Module]) -> None:
        self.module = factory()
        self.state = {name: value.clone() for name, value in self.module.state_dict().items()}

    def train(self, images: FloatImages, labels: Labels, batch: int) -> dict[str, torch.Tensor]:
        self.module.load_state_dict(self.state)
        self.module.train()
        optimizer = torch.optim.SGD(self.module.parameters(), lr=0.02)
        inputs, targets = torch.from_numpy(images), torch.from_numpy(labels)
        for chosen in torch.split(torch.randperm(len(labels)), batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.module(inputs[chosen]), targets[chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return {name: value.clone() for name, value in self.module.state_dict().items()}

    def evaluate(self, images: FloatImages, labels: Labels) -> int:
        self.module.eval()
        with torch.no_grad():
            return int((self.module(torch.from_numpy(images)).argmax(1) == torch.from_numpy(labels)).sum())


def measure(variants: dict[str, Callable[[], object]], rounds: int) -> None:
    """Print for each variant the median CPU milliseconds and the first variant's time over its own."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, run in variants.items():
            start = time.process_time()
            run()
            taken[name].append(time.process_time() - start)
    first = next(iter(variants))
    for name, seconds in taken.items():
        # The first round warms up.
        ratio = statistics.median(a / b for a, b in zip(taken[first][1:], seconds[1:], strict=True))
        print(f"{name:24} {1000 * statistics.median(seconds[1:]):9.1f} ms {ratio:6.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--shape", type=int, nargs=3, default=[1, 28, 28], metavar=("C", "H", "W"))
    parser.add_argument("--images", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    channels, height, width = arguments.shape
    factory = model_factory(arguments.model, image_shape=(channels, height, width), classes=10)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((arguments.images, channels, height, width), np.float32)
    labels = rng.integers(0, 10, arguments.images)
    engine, plain = TorchEngine(factory), PlainLoop(factory)
    vector = engine.initial(0)
    print(f"{arguments.model}, {engine.size:,} weights, {arguments.images:,} images {arguments.shape}")
    measure(
        {
            "epoch, plain torch": lambda: plain.train(images, labels, arguments.batch),
            "epoch, engine": lambda: engine.train_epoch(
                vector, images, labels, learning_rate=0.02, batch=arguments.batch, seed=0
            ),
        },
        arguments.rounds,
    )
    some = images[:200], labels[:200]
    measure(
        {
            "200 images, plain torch": lambda: plain.evaluate(*some),
            "200 images, engine": lambda: engine.evaluate([vector], *some),
        },
        10 * arguments.rounds,
    )


if __name__ == "__main__":
    main()
