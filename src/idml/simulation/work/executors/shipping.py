"""A runner on its way to another process: arrays in shared memory, the rest in a small pickle."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt

from idml.adapters.means import LocalData, Settings
from idml.learning.arrays import FloatImages, Indices, Labels
from idml.plugin_files import PluginFile, files_of
from idml.protocol.task import TaskParams
from idml.simulation.adversaries.base import Participant
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
        files: Python files of what was plugged in; loaded first, as what is pickled may be defined in them.
        content: settings and participants, pickled.
        addresses: of the devices.
        parts, rules, adopt_unjudged: see `TestSet` and `TaskRunner`.
    """

    descriptor: int
    places: Sequence[Place]
    files: Sequence[PluginFile]
    content: bytes
    addresses: Sequence[bytes]
    parts: int
    rules: TaskParams
    adopt_unjudged: bool

    def unpack(self) -> TaskRunner:
        """The runner; its devices have no models."""
        arrays = SharedBlock(self.descriptor, self.places).arrays()
        return assemble(self, arrays)


def disassemble(runner: TaskRunner) -> tuple[PackedRunner, list[npt.NDArray[np.generic]]]:
    """Take a runner apart into what is pickled, still without descriptor and places, and its arrays.

    Args:
        runner: the one to send.

    Raises:
        ConfigError: if something that is plugged in cannot travel.
    """
    devices, test_set = runner.devices, runner.test_set
    content = _pack(runner.settings, [device.participant for device in devices])
    packed = PackedRunner(
        -1,
        (),
        files_of(content),
        content,
        [device.address for device in devices],
        test_set.parts,
        runner.rules,
        runner.adopt_unjudged,
    )
    ends = np.cumsum([0, *(len(device.data) for device in devices)])
    own = np.concatenate([device.data.own for device in devices])
    labels = np.concatenate([device.data.labels for device in devices])
    shares = list(test_set.shares or ())
    test_ends = np.cumsum([0, *map(len, shares)])
    test_own = np.concatenate([np.zeros(0, np.int64), *shares], dtype=np.int64)
    test: list[npt.NDArray[np.generic]] = [test_set.images, test_set.labels, test_ends, test_own]
    return packed, [devices[0].data.pool, ends, own, labels, *test]


def assemble(packed: PackedRunner, arrays: Sequence[npt.NDArray[np.generic]]) -> TaskRunner:
    """Put a runner together again.

    Raises:
        ConfigError: if something that is plugged in cannot be had in this process.
    """
    pool, ends, own, labels, test_images, test_labels, test_ends, test_own = arrays
    try:
        for file in packed.files:
            file.load()
        settings, participants = pickle.loads(packed.content)
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"workers: another process cannot import what is plugged in ({' '.join(repr(error).split())}); "
            "name it by its file, FILE.py:NAME, or set workers to 1"
        ) from error
    nothing = Model(bytes(32), np.zeros(0, np.float32))
    devices = [
        Device(
            index,
            address,
            participant,
            LocalData(cast(FloatImages, pool), cast(Indices, own[start:end]), cast(Labels, labels[start:end])),
            nothing,
        )
        for index, (address, participant, (start, end)) in enumerate(
            zip(packed.addresses, participants, pairwise(ends), strict=True)
        )
    ]
    shares = [cast(Indices, test_own[start:end]) for start, end in pairwise(test_ends)]
    test_set = TestSet(
        cast(FloatImages, test_images), cast(Labels, test_labels), packed.parts, settings.seed, shares or None
    )
    return TaskRunner(devices, settings, test_set, packed.rules, packed.adopt_unjudged)


def _pack(settings: Settings, participants: Sequence[Participant]) -> bytes:
    for what, thing in _plugged_in(settings, participants):
        try:
            # What the program itself defines would be looked for in the other process's own program.
            if b"__main__" in pickle.dumps(thing):
                raise ValueError("it is defined in the program itself")
        except Exception as error:
            raise ConfigError(
                f"workers: other processes cannot have the {what} ({error}); "
                "define it in a module of its own, or set workers to 1"
            ) from error
    return pickle.dumps((settings, participants))


def _plugged_in(settings: Settings, participants: Sequence[Participant]) -> Iterator[tuple[str, object]]:
    """What may be defined by somebody else, each with what to call it."""
    things = (("algorithm", settings.adapter), ("dataset", settings.source), ("rule", settings.rule))
    for kind, thing in (*things, ("defence", settings.defence)):
        yield f"{kind} {type(thing).__name__}", thing
    yield "model", settings.engine
    for participant in {type(participant): participant for participant in participants}.values():
        yield f"adversary {type(participant).__name__}", participant
