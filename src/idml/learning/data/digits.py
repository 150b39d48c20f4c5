"""The UCI handwritten digits: 1,797 grey images of 8x8 pixels, bundled with scikit-learn, so found everywhere."""

from pathlib import Path
from types import MappingProxyType

import numpy as np

from idml.learning.arrays import Samples
from idml.learning.data.source import DataSource, TrainingDefaults


class Digits(DataSource):
    """Handwritten digits of 8x8 pixels, a small set that comes with scikit-learn."""

    name = "digits"
    image_shape = (1, 8, 8)
    class_names = tuple(str(digit) for digit in range(10))
    licence = "CC BY 4.0; Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, data set 80"
    look_alikes = MappingProxyType({8: 1, 9: 3})  # the two pairs whose mean images are nearest
    # 300 of the 1,437 images, shared between devices: 29 of a device's own would teach a model next to nothing, and on
    # so few a single image is a step of 3 %.
    defaults = TrainingDefaults(batch=4, learning_rate=0.05, learning_rate_decay=0.5, images_per_device=300)

    def load(self, data_dir: Path | None, *, download: bool) -> Samples:
        """Return the digits: values 0..16 scaled to 0..255, 1,437 training and 360 test images.

        Every fifth image in the order of the classes is a test image, so that each class has its share.
        """
        del data_dir, download
        from sklearn.datasets import load_digits  # here, as it takes a second to import

        bunch = load_digits()
        images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
        labels = bunch.target.astype(np.int64)
        tested = np.zeros(len(labels), bool)
        tested[np.argsort(labels, kind="stable")[::5]] = True
        return Samples(images[~tested], labels[~tested], images[tested], labels[tested])
