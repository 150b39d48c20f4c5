"""Images a second in training and evaluation of both engines, as ratios to a bare PyTorch loop; and merges a second.

The bare loop holds NCHW float32 tensors, slices batches of 32 in order, and has no copy of anything. Images are
random: only their shape costs time.

    python benchmarks/training.py [--nets cnn6 cnn10 cnn14] [--rounds 7]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from timing import alternate, cpu_seconds, ratio
from torch import nn

from idml.learning.algorithms import mean
from idml.learning.arrays import FloatImages, Labels
from idml.learning.engine import Engine
from idml.learning.models import module_factory
from idml.learning.native.engine import NativeEngine
from idml.learning.networks import find_architecture
from idml.learning.torch_engine import EVALUATED_AT_ONCE, TorchEngine

NETS = ("cnn6", "cnn10", "cnn14")
SHAPES = {"fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
BATCH = 32
DROPOUT = 0.25
_TRAINED, _EVALUATED = 5 * BATCH, 3 * EVALUATED_AT_ONCE
_MERGED = 67_000


class BareLoop:
    """A module and torch's own optimizer: what a person writes first."""

    def __init__(self, factory: Callable[[], nn.Module], images: FloatImages, labels: Labels) -> None:
        self._module = factory()
        self._images, self._labels = torch.from_numpy(images), torch.from_numpy(labels)

    def train(self) -> None:
        """One epoch."""
        self._module.train()
        optimizer = torch.optim.SGD(self._module.parameters(), lr=0.02)
        for x, y in zip(torch.split(self._images, BATCH), torch.split(self._labels, BATCH), strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(self._module(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def evaluate(self) -> int:
        """Count correct images."""
        self._module.eval()
        with torch.no_grad():
            batches = zip(torch.split(self._images, BATCH), torch.split(self._labels, BATCH), strict=True)
            return sum(int((self._module(x).argmax(1) == y).sum()) for x, y in batches)


def compare(net: str, shape: tuple[int, int, int], rounds: int) -> dict[str, float]:
    """Measure one network: ratios, and the images a second of the bare loop."""
    architecture = find_architecture(net, image_shape=shape, classes=10, dropout=DROPOUT)
    factory = module_factory(architecture)
    generator = np.random.default_rng(0)
    images, labels = generator.standard_normal((_EVALUATED, *shape), np.float32), generator.integers(0, 10, _EVALUATED)
    few = images[:_TRAINED], labels[:_TRAINED]
    engines: dict[str, Engine] = {"torch": TorchEngine(factory), "native": NativeEngine(architecture)}
    vector = engines["native"].initial(0)
    bare_trains, bare_evaluates = BareLoop(factory, *few), BareLoop(factory, images, labels)
    variants: dict[str, Callable[[], object]] = {"bare train": bare_trains.train}
    for name, engine in engines.items():
        variants[f"{name} train"] = partial(engine.train_epoch, vector, *few, learning_rate=0.02, batch=BATCH, seed=0)
    variants["bare evaluate"] = bare_evaluates.evaluate
    for name, engine in engines.items():
        variants[f"{name} evaluate"] = partial(engine.evaluate, [vector], images, labels)
    taken = alternate(variants, rounds)
    return {
        "train_ratio": ratio(taken["bare train"], taken["torch train"]),
        "eval_ratio": ratio(taken["bare evaluate"], taken["torch evaluate"]),
        "native_train_ratio": ratio(taken["bare train"], taken["native train"]),
        "native_eval_ratio": ratio(taken["bare evaluate"], taken["native evaluate"]),
        "bare_trained_per_s": _TRAINED / sorted(taken["bare train"])[rounds // 2],
        "bare_evaluated_per_s": _EVALUATED / sorted(taken["bare evaluate"])[rounds // 2],
    }


def compare_all(nets: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    """Measure networks on the shapes of both data sets: figures by "net-data set"."""
    torch.set_num_threads(1)
    return {f"{net}-{data}": compare(net, shape, rounds) for net in nets for data, shape in SHAPES.items()}


def merges_per_s(rounds: int = 7, merges: int = 1000) -> float:
    """Averages of two models of 67,000 parameters in a CPU second."""
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(_MERGED, np.float32) for _ in range(2))

    def merge() -> None:
        for _ in range(merges):
            mean(a, b)

    return merges / sorted(cpu_seconds(merge) for _ in range(rounds))[rounds // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(json.dumps(compare_all(options.nets, options.rounds) | {"merges_per_s": merges_per_s()}, indent=2))


if __name__ == "__main__":
    main()
