"""Test accuracy of the native engine beside PyTorch's, over pairs of runs from the same weights, images and order.

They differ in rounding and in what dropout drops, so single pairs differ by chance; their mean must not.

    python benchmarks/accuracy.py [--net cnn6] [--data fashion-mnist] [--seeds 40] [--epochs 4]
"""

import argparse
import json
import statistics

import numpy as np
import torch

from idml.learning.data.datasets import Dataset, load_dataset
from idml.learning.data.registry import DATASETS
from idml.learning.engine import Engine, prepare
from idml.learning.models import module_factory
from idml.learning.native.engine import NativeEngine
from idml.learning.networks import find_architecture
from idml.learning.registry import MODELS
from idml.learning.torch_engine import TorchEngine

_IMAGES, _TESTED = 1_200, 10_000


def compare(net: str, dataset: Dataset, seeds: int, epochs: int, *, learning_rate: float = 0.05) -> dict[str, object]:
    """Train pairs of models.

    Returns:
        native, torch: mean accuracy.
        difference: native less torch, mean over pairs; error: its standard error.
    """
    dropout = 0.25 if net.startswith("cnn") else 0.0
    architecture = find_architecture(net, image_shape=dataset.image_shape, classes=dataset.classes, dropout=dropout)
    native, reference = NativeEngine(architecture), TorchEngine(module_factory(architecture))
    tested = prepare(dataset.test_images[:_TESTED]), dataset.test_labels[:_TESTED]

    def accuracy(engine: Engine, seed: int) -> float:
        chosen = np.random.default_rng(seed).choice(len(dataset.train_labels), _IMAGES, replace=False)
        images, labels = prepare(dataset.train_images[chosen]), dataset.train_labels[chosen]
        vector = native.initial(seed)
        for epoch in range(epochs):
            rate = learning_rate / (1 + 0.05 * epoch)
            vector = engine.train_epoch(vector, images, labels, learning_rate=rate, batch=16, seed=1_000 * seed + epoch)
        return engine.evaluate([vector], *tested)[0] / len(tested[1])

    pairs = [(accuracy(native, seed), accuracy(reference, seed)) for seed in range(seeds)]
    differences = [ours - theirs for ours, theirs in pairs]
    return {
        "net": net,
        "data": dataset.source.name,
        "seeds": seeds,
        "epochs": epochs,
        "native": round(statistics.mean(ours for ours, _ in pairs), 5),
        "torch": round(statistics.mean(theirs for _, theirs in pairs), 5),
        "difference": round(statistics.mean(differences), 5),
        "error": round(statistics.stdev(differences) / seeds**0.5, 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--net", choices=MODELS.built_in, default="cnn6")
    parser.add_argument("--data", choices=DATASETS.built_in, default="fashion-mnist")
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(compare(options.net, load_dataset(options.data), options.seeds, options.epochs)))


if __name__ == "__main__":
    main()
