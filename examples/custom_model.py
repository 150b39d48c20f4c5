"""A network of your own: two dense layers, as a module of PyTorch.

python examples/custom_model.py
idml run --set model=examples/custom_model.py:TwoLayers --set devices=10
"""

from math import prod

from torch import nn

import idml


class TwoLayers(idml.Network):
    default_dropout = 0.1

    def build(self, *, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float) -> nn.Module:
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(prod(image_shape), 4 * width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, classes),
        )


if __name__ == "__main__":
    idml.check_model(TwoLayers())  # says what is wrong before a run does
