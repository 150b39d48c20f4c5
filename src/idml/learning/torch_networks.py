"""Networks that ship as modules of PyTorch: for rows of a table, and for sequences of tokens."""

from math import prod
from typing import TYPE_CHECKING

from idml.learning.errors import LearningError
from idml.learning.networks import Network

if TYPE_CHECKING:  # it takes a second to load, and may not be there
    from torch import nn


class Mlp(Network):
    """Two dense layers, of 4 width values and of the classes: for rows of a table, and for small images or signals."""

    kinds = ("images", "signals", "rows")

    def build(self, *, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float) -> "nn.Module":
        """See `Network.build`; dropout is between the layers."""
        from torch import nn

        return nn.Sequential(nn.Flatten(), *_dense(prod(image_shape), classes, width, dropout))


class Embedding(Network):
    """A vector of width values for each token, and two dense layers over all of them: for sequences of tokens."""

    kinds = ("tokens",)

    def build(
        self, *, image_shape: tuple[int, int, int], classes: int, width: int, dropout: float, vocabulary: int = 0
    ) -> "nn.Module":
        """See `Network.build`; dropout is between the dense layers.

        Args:
            image_shape: (1, 1, tokens).
            classes, width, dropout: see `Network.build`.
            vocabulary: number of different tokens, which are whole numbers from 0.

        Raises:
            LearningError: there are no tokens.
        """
        if vocabulary < 1:
            raise LearningError("vocabulary is 0: this network takes sequences of tokens, no other data")
        from torch import Tensor, nn

        class TokenVectors(nn.Embedding):
            def forward(self, tokens: Tensor) -> Tensor:
                return super().forward(tokens.flatten(1).long()).flatten(1)

        inputs = prod(image_shape) * width
        return nn.Sequential(TokenVectors(vocabulary, width), *_dense(inputs, classes, width, dropout))


def _dense(inputs: int, classes: int, width: int, dropout: float) -> "list[nn.Module]":
    from torch import nn

    dropped = [nn.Dropout(dropout)] if dropout else []
    return [nn.Linear(inputs, 4 * width), nn.ReLU(), *dropped, nn.Linear(4 * width, classes)]
