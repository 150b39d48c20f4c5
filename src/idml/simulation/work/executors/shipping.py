"""A runner on its way to another process: arrays in shared memory, the rest in a small pickle."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt

from idml.adapters.base import Adapter
from idml.adapters.means import LocalData, Settings
from idml.adapters.registry import MODULE_PREFIX, load_adapter
from idml.learning.arrays import FloatImages, Indices, Labels
from idml.protocol.task import TaskParams
from idml.simulation.adversaries import Participant
from idml.simulation.config import ConfigError
from idml.simulation.devices import Device
from idml.simulation.measure import TestSet
from idml.simulation.model import Model
from idml.simulation.work.executors.shared import Place, SharedBlock
from idml.simulation.work.runner import TaskRunner


@dataclass(frozen=True, slots=True)
class PackedRunner:
    """A runner without its arrays, which lie in a block that the other process inherits or opens itself.

    Args:
        descriptor, places: of the block.
        settings: with the adapter in the form that travels.
        adapter: a pickle, or the name under which to load it.
        members: address and participant of each device.
        parts, rules, adopt_unjudged: see `TestSet` and `TaskRunner`.
    """

    descriptor: int
    places: Sequence[Place]
    settings: Settings
    adapter: bytes | str
    members: Sequence[tuple[bytes, Participant]]
    parts: int
    rules: TaskParams
    adopt_unjudged: bool

    def unpack(self) -> TaskRunner:
        """The runner; its devices have no models."""
        arrays = SharedBlock(self.descriptor, self.places).arrays()
        return assemble(self, arrays)


def disassemble(runner: TaskRunner, algorithm: str) -> tuple[PackedRunner, list[npt.NDArray[np.generic]]]:
    """Take a runner apart into what is pickled, still without descriptor and places, and its arrays.

    Args:
        runner: the one to send.
        algorithm: name of its adapter in the configuration.

    Raises:
        ConfigError: if its adapter cannot travel.
    """
    devices, test_set = runner.devices, runner.test_set
    adapter = _ship(runner.settings.adapter, algorithm)
    # The adapter goes apart: a class that was loaded from a file by its path cannot be pickled.
    settings = replace(runner.settings, adapter=cast(Adapter, None))
    members = [(device.address, device.participant) for device in devices]
    packed = PackedRunner(-1, (), settings, adapter, members, test_set.parts, runner.rules, runner.adopt_unjudged)
    ends = np.cumsum([0, *(len(device.data) for device in devices)])
    own = np.concatenate([device.data.own for device in devices])
    labels = np.concatenate([device.data.labels for device in devices])
    shares = list(test_set.shares or ())
    test_ends = np.cumsum([0, *map(len, shares)])
    test_own = np.concatenate([np.zeros(0, np.int64), *shares], dtype=np.int64)
    test: list[npt.NDArray[np.generic]] = [test_set.images, test_set.labels, test_ends, test_own]
    return packed, [devices[0].data.pool, ends, own, labels, *test]


def assemble(packed: PackedRunner, arrays: Sequence[npt.NDArray[np.generic]]) -> TaskRunner:
    """Put a runner together again."""
    pool, ends, own, labels, test_images, test_labels, test_ends, test_own = arrays
    adapter = load_adapter(packed.adapter) if isinstance(packed.adapter, str) else pickle.loads(packed.adapter)
    settings = replace(packed.settings, adapter=adapter)
    nothing = Model(bytes(32), np.zeros(0, np.float32))
    devices = [
        Device(
            index,
            address,
            participant,
            LocalData(cast(FloatImages, pool), cast(Indices, own[start:end]), cast(Labels, labels[start:end])),
            nothing,
        )
        for index, ((address, participant), (start, end)) in enumerate(zip(packed.members, pairwise(ends), strict=True))
    ]
    shares = [cast(Indices, test_own[start:end]) for start, end in pairwise(test_ends)]
    test_set = TestSet(
        cast(FloatImages, test_images), cast(Labels, test_labels), packed.parts, settings.seed, shares or None
    )
    return TaskRunner(devices, settings, test_set, packed.rules, packed.adopt_unjudged)


def _ship(adapter: Adapter, algorithm: str) -> bytes | str:
    module = type(adapter).__module__
    if module.startswith(MODULE_PREFIX):
        return algorithm
    try:
        if module == "__main__":
            raise ValueError("it is defined in the program itself")
        return pickle.dumps(adapter)
    except Exception as error:
        raise ConfigError(
            f"workers: other processes cannot have the algorithm {type(adapter).__name__} ({error}); "
            "define it in a module of its own, or set workers to 1"
        ) from error
