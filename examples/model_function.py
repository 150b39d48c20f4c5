"""A network of your own as a plain function: a convolution and a dense layer, as a module of PyTorch.

python examples/model_function.py
idml model check examples/model_function.py:small_net --dataset digits
idml run --set model=examples/model_function.py:small_net --set dataset=digits --set devices=10
"""

from torch import nn

import idml


def small_net(shape: tuple[int, int, int], classes: int) -> nn.Module:
    channels, height, width = shape
    # GroupNorm, not BatchNorm2d: no device would exchange its running means.
    features = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU())
    return nn.Sequential(features, nn.Flatten(), nn.Linear(16 * height * width, classes))


if __name__ == "__main__":
    idml.check_model(small_net)  # says what is wrong before a run does
