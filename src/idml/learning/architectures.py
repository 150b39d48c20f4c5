"""A network described: PyTorch builds a module from the description, the native engine computes it.

A network is a stack of 3x3 convolutions with 2x2 max pooling, and a dense layer. There is no batch normalization: its
running statistics are state beside the parameters, and what devices exchange is a parameter vector. Where images are
signals, which are one row high, the stack is one-dimensional: convolutions of 3 samples, pools of 2.
"""

from dataclasses import dataclass

from idml.learning.engine import Layout


@dataclass(frozen=True, slots=True)
class Convolution:
    """A 3x3 convolution (of signals, 1x3) with bias, of as many pixels as it gets, and a ReLU.

    Args:
        outputs: channels.
        pooled: whether a 2x2 max pool (1x2) comes before the ReLU, and dropout after it.
    """

    outputs: int
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """A stack of convolutions and one dense layer.

    Args:
        image_shape: channels, height and width.
        classes: number of outputs.
        convolutions: from the first one on; none for the dense layer alone.
        dropout: probability in [0, 1) of dropping a value after each pool.
        one_dimensional: whether convolutions and pools are of one row, as for signals.
    """

    image_shape: tuple[int, int, int]
    classes: int
    convolutions: tuple[Convolution, ...]
    dropout: float = 0.0
    one_dimensional: bool = False

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the convolutions."""
        return (1, 3) if self.one_dimensional else (3, 3)

    @property
    def pool(self) -> tuple[int, int]:
        """Height and width of the pools."""
        return (1, 2) if self.one_dimensional else (2, 2)

    @property
    def features(self) -> tuple[int, int, int]:
        """Channels, height and width of what the dense layer gets."""
        channels, height, width = self.image_shape
        for convolution in self.convolutions:
            channels = convolution.outputs
            if convolution.pooled:
                height, width = height // self.pool[0], width // self.pool[1]
        return channels, height, width

    @property
    def in_words(self) -> str:
        """What it consists of, in a few words."""
        outputs = [convolution.outputs for convolution in self.convolutions]
        if not outputs:
            return "a dense layer"
        channels = f"{min(outputs)}" if min(outputs) == max(outputs) else f"{min(outputs)} to {max(outputs)}"
        return f"{len(outputs)} convolution{'s' * (len(outputs) > 1)} of {channels} channels and a dense layer"

    @property
    def layout(self) -> Layout:
        """Names and shapes of the parameters, as `named_parameters` of the module that PyTorch builds has them."""
        shapes: list[tuple[str, tuple[int, ...]]] = []
        place, inputs = 0, self.image_shape[0]
        for convolution in self.convolutions:
            shapes += [
                (f"{place}.weight", (convolution.outputs, inputs, *self.kernel)),
                (f"{place}.bias", (convolution.outputs,)),
            ]
            inputs = convolution.outputs
            # Convolution and ReLU; pool; dropout.
            place += 2 + convolution.pooled + (convolution.pooled and self.dropout > 0)
        channels, height, width = self.features
        dense = place + 1  # after the layer that flattens
        shapes += [(f"{dense}.weight", (self.classes, channels * height * width)), (f"{dense}.bias", (self.classes,))]
        return tuple(shapes)
