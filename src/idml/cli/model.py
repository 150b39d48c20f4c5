"""`idml model`: what a network is like for idml, and what is wrong with it, before a run."""

import argparse
import json
import sys
import time
from math import prod
from typing import Any, Final

_IMAGES: Final = 200
"""In the epoch that is timed."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "model",
        help="check a network of your own",
        description="Look at a network before a run does. What can be trained: docs/models.md.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="what is wrong with a network, or what it is like",
        description="Build a network, train and evaluate it on random images. Print the first thing that would break "
        "a run (exit code 1), or else its layers, its size, which engine computes it and why, and how long it takes.",
    )
    check.add_argument("model", metavar="SPEC", help="as the key model names it: small, FILE.py:NAME ...")
    check.add_argument("--dataset", metavar="SPEC", help="for whose images it is built (default: digits)")
    check.add_argument("--shape", metavar="C,H,W", help="instead: channels, height and width of the images")
    check.add_argument("--classes", type=int, metavar="N", help="with --shape: number of classes (default: 10)")
    check.add_argument("--devices", type=int, default=50, metavar="N", help="that hold a model (default: 50)")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(execute=_check)


def _check(options: argparse.Namespace) -> int:
    from idml.errors import IdmlError

    shape, classes = _images(options)
    try:
        facts = _facts(options.model, shape, classes, options.devices)
    except IdmlError as error:
        if options.json:
            print(json.dumps({"model": options.model, "usable": False, "problem": str(error)}, indent=2))
        print(f"idml: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts)
    return 0


def _images(options: argparse.Namespace) -> tuple[tuple[int, int, int], int]:
    """Shape and classes of the images for which the network is built."""
    from idml.learning.data.registry import DATASETS
    from idml.registry import PluginError

    if options.shape is None:
        if options.classes is not None:
            raise PluginError(f"--classes is {options.classes}: it goes with --shape, as a data set has its own")
        source = DATASETS.find(options.dataset or "digits")
        return source.image_shape, source.classes
    if options.dataset is not None:
        raise PluginError("--shape and --dataset both say what images are like: leave one away")
    try:
        channels, height, width = (int(side) for side in options.shape.split(","))
        if min(channels, height, width) < 1:
            raise ValueError
    except ValueError:
        raise PluginError(f"--shape is {options.shape!r}: write it as C,H,W, for instance 3,32,32") from None
    classes = 10 if options.classes is None else options.classes
    if classes < 2:
        raise PluginError(f"--classes is {classes}: there must be at least 2")
    return (channels, height, width), classes


def _facts(name: str, shape: tuple[int, int, int], classes: int, devices: int) -> dict[str, Any]:
    """What there is to say about a network that passes its check.

    Raises:
        PluginError, LearningError: it does not.
    """
    import numpy as np

    from idml.learning.backends import Backend, engine_in_words, make_engine, why_not_native
    from idml.learning.networks import draw_blueprint
    from idml.learning.registry import MODELS
    from idml.protocol.digest import canonical_bytes
    from idml.simulation.config import Config

    network = MODELS.find_checked(name, image_shape=shape, classes=classes, devices=devices)
    dropout = network.default_dropout
    blueprint = draw_blueprint(network, image_shape=shape, classes=classes, width=16, dropout=dropout)
    backend: Backend = "torch" if why_not_native(blueprint) else "native"
    engine = make_engine(backend, blueprint)
    vector = engine.initial(1)
    generator = np.random.default_rng(0)
    images = generator.standard_normal((_IMAGES, *shape), dtype=np.float32)
    labels = generator.integers(0, classes, _IMAGES)
    engine.train_epoch(vector, images, labels, learning_rate=0.01, batch=16, seed=0)  # what is done once only
    begun_s = time.perf_counter()
    engine.train_epoch(vector, images, labels, learning_rate=0.01, batch=16, seed=1)
    epoch_s = time.perf_counter() - begun_s
    votes = Config().validators
    model_bytes = len(canonical_bytes(vector, engine.layout))
    return {
        "model": name,
        "usable": True,
        "image_shape": list(shape),
        "classes": classes,
        "engine": engine_in_words(backend, blueprint, name, "backend is 'torch'"),
        "layers": [{"name": layer, "shape": list(sizes), "parameters": prod(sizes)} for layer, sizes in engine.layout],
        "parameters": engine.size,
        "model_bytes": model_bytes,
        # To the neighbor and back; and before and after to each validator.
        "encounter_bytes": (2 + 2 * votes) * model_bytes,
        "validators": votes,
        "epoch_images": _IMAGES,
        "epoch_s": round(epoch_s, 4),
    }


def _show(facts: dict[str, Any]) -> None:
    """Print the facts, a line each."""
    sides = "x".join(map(str, facts["image_shape"]))
    print(f"model       {facts['model']}, for images {sides} of {facts['classes']} classes")
    print(f"engine      {facts['engine']}")
    width = max(len(layer["name"]) for layer in facts["layers"])
    for index, layer in enumerate(facts["layers"]):
        sizes = "x".join(map(str, layer["shape"])) or "1"
        print(f"{'' if index else 'layers':<12}{layer['name']:<{width}}  {sizes} = {layer['parameters']:,}")
    print(f"parameters  {facts['parameters']:,}")
    print(
        f"exchanged   {facts['encounter_bytes']:,} bytes in an encounter: the model ({facts['model_bytes']:,} bytes) "
        f"to the neighbor and back, and two to each of {facts['validators']} validators"
    )
    print(f"time        {facts['epoch_s']:.3f} s for an epoch of {facts['epoch_images']} images here")
    print("usable: nothing found that would break a run")
