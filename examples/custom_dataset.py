"""A data set of your own: noisy images of stripes in three directions.

python examples/custom_dataset.py
idml run --set dataset=examples/custom_dataset.py:Stripes --set devices=10
"""

from pathlib import Path

import numpy as np

import idml


class Stripes(idml.DataSource):
    name = "stripes"
    image_shape = (1, 8, 8)
    class_names = ("horizontal", "vertical", "diagonal")
    licence = "none needed; this file draws the images"

    def load(self, data_dir: Path | None, *, download: bool) -> idml.Samples:
        generator = np.random.default_rng(1)  # a seed: load() returns the same in every call
        row, column = np.indices((8, 8))
        patterns = np.stack([row, column, row + column]) % 4 < 2
        labels = generator.integers(0, 3, 2_500)
        images = (60 * patterns[labels] + generator.integers(0, 196, (2_500, 8, 8))).astype(np.uint8)[:, None]
        return idml.Samples(images[500:], labels[500:], images[:500], labels[:500])


if __name__ == "__main__":
    idml.check_dataset(Stripes())  # says what is wrong before a run does
