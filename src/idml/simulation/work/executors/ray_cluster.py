"""Does jobs on a Ray cluster: this machine's own, made for the run, or one of many machines.

Ray lives in a process apart (`ray_driver`): it prints on the terminal, handles signals, and ends its own process when a
cluster goes away. So the run hears of all that as of any child that ends.
"""

import pickle
import shutil
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import cast

from idml.extras import how_to_install
from idml.simulation.config import ConfigError
from idml.simulation.work.executors.base import Done, ExecutorError, Failed, Job
from idml.simulation.work.executors.child import Child
from idml.simulation.work.executors.ray_driver import ClusterRequest
from idml.simulation.work.executors.roster import AHEAD
from idml.simulation.work.executors.shipping import disassemble
from idml.simulation.work.runner import TaskRunner

_FAREWELL_S = 10
_PATIENCE_S = 5


def require_ray(address: str | None) -> None:
    """Check that Ray is installed, and that something answers at the address of its cluster, if one is given.

    Raises:
        ConfigError: if it is not.
        ExecutorError: if nothing does.
    """
    if find_spec("ray") is None:
        raise ConfigError(f"executor is 'ray': Ray is not installed: {how_to_install('ray')}")
    if address is not None:
        host, _, port = address.rpartition(":")
        try:  # Ray would try for minutes
            socket.create_connection((host, int(port)), _PATIENCE_S).close()
        except (OSError, OverflowError) as error:
            raise ExecutorError(f"ray_address is {address!r}: no cluster answers there ({error})") from None


class RayCluster:
    """An `Executor` of Ray actors.

    Args:
        runner: does the jobs; every node of the cluster gets one copy of its images.
        workers: how many, one CPU each; None: as many as the cluster has CPUs.
        address: HOST:PORT of a cluster that this machine is part of; None: one of this machine alone, for the run.

    Raises:
        ConfigError: if Ray is not installed, or something that is plugged in cannot be had in another process.
        ExecutorError: if there is no such cluster, or it cannot do the work.
    """

    def __init__(self, runner: TaskRunner, workers: int | None, address: str | None) -> None:
        require_ray(address)
        self._name = address or "of this machine"
        packed, arrays = disassemble(runner)
        # Not where the environment says: paths of sockets may have some hundred bytes.
        self._folder = None if address else Path(tempfile.mkdtemp(prefix="idml-ray-", dir="/tmp"))
        self._inbox: SimpleQueue[tuple[Child, object]] = SimpleQueue()
        order = ClusterRequest(address, workers, self._folder, packed, arrays)
        self._driver = Child("idml.simulation.work.executors.ray_driver", self._inbox, order, quiet=True)
        try:
            self.slots = AHEAD * cast(int, self._receive())
        except BaseException:
            self.close()
            raise

    def submit(self, number: int, job: Job, *, urgent: bool = False) -> None:
        """See `Executor.submit`."""
        self._driver.send((number, pickle.dumps(job, protocol=5), urgent))

    def collect(self, *, wait: bool) -> list[tuple[int, Done | Failed]]:
        """See `Executor.collect`."""
        done: list[tuple[int, Done | Failed]] = []
        while not self._inbox.empty() or (wait and not done):
            number, result = cast("tuple[int, bytes]", self._receive())
            done.append((number, pickle.loads(result)))
        return done

    def close(self) -> None:
        """See `Executor.close`."""
        self._driver.bury(_FAREWELL_S)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _receive(self) -> object:
        _, message = self._inbox.get()
        if isinstance(message, ExecutorError):
            raise message
        if isinstance(message, Exception):
            raise ExecutorError(f"ray: the cluster {self._name} went away") from message
        return message
