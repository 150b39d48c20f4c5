"""Finds the layer of a module of PyTorch that does what no layer may, so that a complaint can name it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import nn

from idml.learning.arrays import FloatImages
from idml.learning.pass_record import PassRecord


def build_from(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a new module, with torch's generator seeded."""
    with _drawing_from(seed):
        return build()


def run_once(module: nn.Module, images: FloatImages, *, training: bool, seed: int = 0) -> PassRecord:
    """Run a module on images, and remember what each of its layers returns. Errors end the pass and are not raised.

    Args:
        module: of which a copy is not taken: what it keeps, it keeps.
        images: float32 (N, ...).
        training: whether as in training.
        seed: of torch's generator.
    """
    record = PassRecord()

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: record.inside.append(name)

    def leave(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _arguments: object, found: object) -> None:
            record.inside.pop()
            if isinstance(found, torch.Tensor):
                record.layers.append((name, found.detach().clone()))

        return hook

    handles = []
    for name, layer in module.named_modules():
        if name:
            label = f"layer {name!r} ({type(layer).__name__})"
            handles += [layer.register_forward_pre_hook(enter(label)), layer.register_forward_hook(leave(label))]
    try:
        with _drawing_from(seed), torch.no_grad(), suppress(Exception):
            module.train(training)
            module(torch.from_numpy(images.copy()))
    finally:
        for handle in handles:
            handle.remove()
    return record


def changing_buffers(build: Callable[[], nn.Module], images: FloatImages) -> str:
    """The first buffer that is no constant, with its layer: it depends on the seed, or changes in training.

    Args:
        build: makes a new module.
        images: float32 (N, ...), to train on.
    """
    other, module = dict(build_from(build, 1).named_buffers()), build_from(build, 2)
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    run_once(module, images, training=True)
    for name, buffer in module.named_buffers():
        if name not in other or not torch.equal(other[name], before[name]) or not torch.equal(buffer, before[name]):
            return name_with_layer(module, name)
    return ""


def changing_attribute(module: nn.Module, images: FloatImages) -> str:
    """The first attribute of a layer that goes on changing from pass to pass, with the layer; "" where there is none.

    What settles in the first pass, such as a mask that is kept for its size, is none.
    """
    run_once(module, images, training=True)
    run_once(module, images, training=True)
    before = _attributes(module)
    run_once(module, images, training=True)
    after = _attributes(module)
    return next((name for name, value in after.items() if before.get(name) != value), "")


def name_with_layer(module: nn.Module, name: str) -> str:
    """A parameter's or buffer's name, and its layer: "'weight' of layer 'features.1' (Conv2d)"."""
    path, _, own = name.rpartition(".")
    layer = f" of layer {path!r} ({type(module.get_submodule(path)).__name__})" if path else " of the module itself"
    return f"{own!r}{layer}"


def _attributes(module: nn.Module) -> dict[str, object]:
    """What each layer holds beside parameters, buffers and layers, as far as it can be compared, by words to show."""
    found = {}
    for name, layer in module.named_modules():
        where = f"of {f'layer {name!r}' if name else 'the module itself'} ({type(layer).__name__})"
        for attribute, value in vars(layer).items():
            if attribute not in _OF_TORCH:
                found[f"{attribute!r} {where}"] = _comparable(value)
    return found


def _comparable(value: object) -> object:
    """A value that is equal for equal content; None for what is not looked into."""
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), str(value.dtype), value.detach().cpu().contiguous().numpy().tobytes()
    if isinstance(value, list | tuple):
        return [_comparable(part) for part in value]
    if isinstance(value, dict):
        return [(str(key), _comparable(part)) for key, part in value.items()]
    return value if isinstance(value, bool | int | float | str | bytes) else None


_OF_TORCH = frozenset(vars(nn.Module()))


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Seed torch's generator, and put it back as it was."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
