"""Tells the author of an adapter what is wrong with it, in the manner of Gymnasium's `env_checker`."""

import warnings

import numpy as np

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.errors import AdapterError
from idml.checks import keeps_nothing
from idml.learning.arrays import FloatVector
from idml.learning.backends import make_engine, why_not_native
from idml.learning.engine import prepare
from idml.learning.networks import Small


def check_adapter(adapter: Adapter) -> None:
    """Run an adapter through a small encounter on random images and check all that iDML relies on.

    Args:
        adapter: the one to check.

    Raises:
        AdapterError: at the first thing that would break a run.

    Warns:
        UserWarning: for what runs but is probably not meant.
    """
    _check_attributes(adapter)
    network = Small().build(image_shape=(1, 8, 8), classes=10, width=4)
    engine = make_engine("torch" if why_not_native(network) else "native", network)
    generator = np.random.default_rng(0)
    images = prepare(generator.integers(0, 256, (48, 1, 8, 8), dtype=np.uint8))
    labels = generator.integers(0, 10, 48)
    before, own = engine.initial(1), engine.initial(2)

    def training() -> LocalTraining:
        return LocalTraining(engine, images, labels, learning_rate=0.01, batch=16, key=("check",))

    with keeps_nothing(adapter, travels=False):
        result = _call(adapter, "contribute", before, own, training())
        again = _call(adapter, "contribute", before, own, training())
        if not np.array_equal(result, again):
            raise AdapterError(
                "contribute() gave two results for equal arguments: draw only from training.generator() and epoch()"
            )
        other = _call(adapter, "contribute", before, engine.initial(3), training())
        if not adapter.sends_own_model and not np.array_equal(result, other):
            raise AdapterError("contribute() reads the neighbor's own model: set sends_own_model = True")
        if adapter.sends_own_model and np.array_equal(result, other):
            warnings.warn("sends_own_model is True but contribute() ignores the neighbor's own model", stacklevel=2)
        for method in ("candidate", "merge"):
            first, second = _call(adapter, method, before, result), _call(adapter, method, before, result)
            if not np.array_equal(first, second):
                raise AdapterError(f"{method}() gave two results for equal arguments: it must be deterministic")
        if np.array_equal(_call(adapter, "merge", before, result), before):
            warnings.warn(
                "merge() returns the learner's model unchanged: accepted contributions are lost", stacklevel=2
            )
        if np.array_equal(_call(adapter, "candidate", before, result), before):
            warnings.warn("candidate() returns the model before: validators will accept anything", stacklevel=2)


def _check_attributes(adapter: Adapter) -> None:
    if not isinstance(adapter, Adapter):
        raise AdapterError(f"{type(adapter).__name__} is no Adapter: subclass idml.Adapter")
    name = getattr(adapter, "name", None)
    if not isinstance(name, str) or not name or name != name.lower():
        raise AdapterError(f"name is {name!r}: set a class attribute name to a short lower-case string")
    epochs = adapter.default_local_epochs
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 0:
        raise AdapterError(f"default_local_epochs is {epochs!r}: set a whole number of at least 0")
    if not isinstance(adapter.sends_own_model, bool):
        raise AdapterError(f"sends_own_model is {adapter.sends_own_model!r}: set True or False")


def _call(adapter: Adapter, method: str, *arguments: FloatVector | LocalTraining) -> FloatVector:
    """Call a method, check its answer and that it left its arguments alone."""
    vectors = [argument for argument in arguments if isinstance(argument, np.ndarray)]
    copies = [vector.copy() for vector in vectors]
    try:
        answer = getattr(adapter, method)(*arguments)
    except (Exception, SystemExit) as error:
        raise AdapterError(f"{method}() raised {error!r}") from error
    for vector, copy in zip(vectors, copies, strict=True):
        if not np.array_equal(vector, copy):
            raise AdapterError(f"{method}() changed one of its arguments: work on a copy")
    if not isinstance(answer, np.ndarray):
        raise AdapterError(f"{method}() returned {type(answer).__name__}: return a numpy array")
    if answer.dtype != np.float32 or answer.shape != copies[0].shape:
        raise AdapterError(
            f"{method}() returned {answer.dtype} of shape {answer.shape}: return float32 of {copies[0].shape}"
        )
    if not np.isfinite(answer).all():
        raise AdapterError(f"{method}() returned values that are not finite")
    return answer
