"""The process that talks to Ray for a run. It has workers on the cluster, and replaces those that are lost.

A worker is an actor with one CPU. It holds the runner, whose arrays lie once in each node's object store; jobs and what
they come to travel as pickles, which Ray moves as plain bytes.
"""

import contextlib
import os
import pickle
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from io import RawIOBase
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from idml.learning.backends import calm_torch
from idml.simulation.work.executors.base import ExecutorError
from idml.simulation.work.executors.roster import MOST_DEATHS, Roster
from idml.simulation.work.executors.shipping import PackedRunner, assemble
from idml.simulation.work.executors.wire import claim_standard_streams, receive, send
from idml.simulation.work.executors.worker import do

_LOOK_S = 5
"""Of silence, before the cluster is looked at."""
_PATIENCE_S = 60
"""How long there may be no worker at all."""
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_enable_metrics_collection": "0",
}


@dataclass(frozen=True, slots=True)
class ClusterRequest:
    """What a run wants of its cluster.

    Args:
        address: of the cluster; None: make one of this machine alone.
        workers: how many; None: as many as there are CPUs.
        folder: for the files of a cluster that is made.
        packed, arrays: see `idml.simulation.work.executors.shipping`.
    """

    address: str | None
    workers: int | None
    folder: Path | None
    packed: PackedRunner
    arrays: list[npt.NDArray[np.generic]]


class Member:
    """A worker, as it runs on the cluster.

    Args:
        packed: pickled.
        arrays: of the runner, in the node's object store.
    """

    def __init__(self, packed: bytes, arrays: Sequence[npt.NDArray[np.generic]]) -> None:
        self._runner = assemble(pickle.loads(packed), arrays)
        calm_torch()

    def ready(self) -> None:
        """Return once it is there."""

    def do(self, job: bytes) -> bytes:
        """Do a pickled job; gives what it comes to, pickled."""
        return pickle.dumps(do(self._runner, pickle.loads(job)), protocol=5)


def main() -> None:
    """Serve the run at the other end of standard input and output until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, results = claim_standard_streams()
    order: ClusterRequest = receive(requests)
    os.environ.update(_SETTINGS)
    try:
        workers = _connect(order)
        driver = _Driver(order, workers, results)
        threading.Thread(target=driver.listen, args=(requests,), daemon=True).start()
        send(results, workers)
        driver.serve()
    except (EOFError, BrokenPipeError):  # the run is gone
        pass
    except ExecutorError as error:
        send(results, error)
    except BaseException as error:  # also SystemExit, which Ray raises
        send(results, ExecutorError(f"ray: {type(error).__name__}: {_line(error, 0)}"))
    finally:
        _leave(order.folder)


def _connect(order: ClusterRequest) -> int:
    """Enter the cluster; returns how many workers to have."""
    address, quiet = order.address, {"log_to_driver": False, "configure_logging": False}
    import ray

    try:
        if address is None:
            where = {"num_cpus": order.workers, "_temp_dir": str(order.folder), "_node_ip_address": "127.0.0.1"}
            ray.init("local", include_dashboard=False, **where, **quiet)
        else:
            ray.init(address, **quiet)
    except BaseException as error:
        name = f"ray_address is {address!r}: " if address else ""
        raise ExecutorError(f"{name}Ray cannot enter the cluster: {_line(error, 0)}") from error
    cpus = int(ray.cluster_resources().get("CPU", 0))
    workers = order.workers or cpus
    if not 1 <= workers <= cpus:
        raise ExecutorError(f"workers is {workers}: must be 1 to {cpus}, the CPUs of the cluster")
    return workers


class _Driver:
    """Has workers on the cluster do the run's jobs.

    Args:
        order: of the run; its arrays go to the cluster.
        workers: how many.
        results: where to send what jobs come to.
    """

    def __init__(self, order: ClusterRequest, workers: int, results: RawIOBase) -> None:
        import ray

        self._ray = ray
        self._results = results
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._roster = Roster[Any, bytes](self._hand)
        self._failed_starts = 0
        self._alone_since_s = time.monotonic()
        self._node = ray.get_runtime_context().get_node_id()
        self._runner = pickle.dumps(order.packed), ray.put(order.arrays)
        order.arrays.clear()
        # Where it dies, it is for the roster to say what becomes of its jobs.
        self._member: Any = ray.remote(Member).options(num_cpus=1, max_restarts=0, scheduling_strategy="SPREAD")
        for _ in range(workers):
            self._start()

    def listen(self, requests: RawIOBase) -> None:
        """Take jobs as they come."""
        try:
            while True:
                number, job, urgent = receive(requests)
                self._inbox.put(partial(self._roster.submit, number, job, urgent=urgent))
        except Exception:
            self._inbox.put(_end)

    def serve(self) -> None:
        """Do jobs until the run is gone.

        Raises:
            EOFError, BrokenPipeError: then.
            ExecutorError: if the cluster cannot do them.
        """
        while True:
            try:
                self._inbox.get(timeout=_LOOK_S)()
            except Empty:
                self._look()
            if self._roster.workers:
                self._alone_since_s = time.monotonic()

    def _look(self) -> None:
        """Find out what nobody tells."""
        if time.monotonic() - self._alone_since_s > _PATIENCE_S:
            raise ExecutorError(f"ray: for {_PATIENCE_S} s there was no CPU for a worker on any node of the cluster")
        if not any(node["NodeID"] == self._node and node["Alive"] for node in self._ray.nodes()):
            raise ExecutorError("ray: this machine is no longer part of the cluster")

    def _start(self) -> None:
        worker = self._member.remote(*self._runner)
        self._expect(worker.ready.remote(), partial(self._started, worker))

    def _started(self, worker: Any, there: "Future[None]") -> None:
        error = there.exception()
        if error is None:
            self._failed_starts = 0
            self._roster.join(worker)
            return
        self._failed_starts += 1
        if self._failed_starts == MOST_DEATHS:
            raise ExecutorError(f"ray: a worker cannot start: {_line(error, -1)}")
        self._start()

    def _hand(self, worker: Any, number: int, job: bytes) -> None:
        self._expect(worker.do.remote(job), partial(self._answered, worker, number))

    def _answered(self, worker: Any, number: int, answer: "Future[bytes]") -> None:
        if worker not in self._roster.workers:
            return
        error = answer.exception()
        if error is None:
            self._roster.done(worker, number)
            send(self._results, (number, answer.result()))
            return
        self._ray.kill(worker)  # it may live, where only its answer was lost
        self._roster.lose(worker, f"so: {_line(error, 0)}")
        self._start()

    def _expect(self, reference: Any, then: Callable[["Future[Any]"], None]) -> None:
        reference.future().add_done_callback(lambda future: self._inbox.put(partial(then, future)))


def _end() -> None:
    raise EOFError


def _leave(folder: Path | None) -> None:
    """Leave the cluster, or end it if it was made for the run; and then the process, whatever Ray's threads do."""
    with contextlib.suppress(BaseException):
        import ray

        ray.shutdown()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _line(error: BaseException, which: int) -> str:
    """One line of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[which] if lines else type(error).__name__
