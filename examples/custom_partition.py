"""A partition of your own: every device prefers some classes, by shares drawn from a Dirichlet distribution.

python examples/custom_partition.py
idml run --set partition=examples/custom_partition.py:Skewed --set devices=10
"""

import numpy as np

import idml


class Skewed(idml.Partition):
    alpha = 0.3  # the smaller, the more unequal

    def deal(self, dataset: idml.Dataset, *, devices: int, seed: int, images_per_device: int | None) -> idml.Shares:
        generator = np.random.default_rng(seed)  # no draw may come from anything else
        labels = dataset.train_labels
        size = images_per_device or len(labels) // devices
        shares = []
        for _ in range(devices):
            preference = generator.dirichlet(np.full(dataset.classes, self.alpha)) + 1e-9
            chances = preference[labels] / preference[labels].sum()
            shares.append(generator.choice(len(labels), size, replace=False, p=chances))
        return idml.Shares(shares)


if __name__ == "__main__":
    idml.check_partition(Skewed())  # says what is wrong before a run does
