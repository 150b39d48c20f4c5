"""A worker: a process that does jobs for the run that started it, and ends when that run does."""

import os
import pickle
import signal
import sys
import threading
import traceback
from io import FileIO, RawIOBase
from queue import SimpleQueue

import torch

from idml.simulation.crew import Course, Crew, Foreseen
from idml.simulation.executors.base import Failed, Job
from idml.simulation.executors.shipping import Cargo
from idml.simulation.executors.wire import receive, send
from idml.simulation.tasks import Answer


def main() -> None:
    """Serve the run at the other end of standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, results = _claim_standard_streams()
    jobs: SimpleQueue[tuple[int, Job]] = SimpleQueue()
    cargo: Cargo = receive(requests)
    crew = cargo.unpack()
    torch.set_num_threads(1)
    threading.Thread(target=_listen, args=(requests, jobs), daemon=True).start()
    send(results, None)
    while True:
        number, job = jobs.get()
        send(results, (number, _do(crew, job)))


def _do(crew: Crew, job: Job) -> Answer | Foreseen | Failed:
    try:
        return crew.foresee(job) if isinstance(job, Course) else crew.perform(job)
    except Exception as error:
        error.add_note("In a worker:\n" + traceback.format_exc())
        return Failed(_portable(error))


def _portable(error: Exception) -> Exception:
    """The error itself if the run can have it: an algorithm's own classes may exist here alone."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _listen(requests: RawIOBase, jobs: SimpleQueue[tuple[int, Job]]) -> None:
    """Take jobs as they come, so that the run never waits; and end with the run, also in the middle of a job."""
    try:
        while True:
            jobs.put(receive(requests))
    except BaseException:
        os._exit(0)


def _claim_standard_streams() -> tuple[RawIOBase, RawIOBase]:
    """Keep both pipes for messages; what an algorithm prints goes to standard error."""
    requests, results = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdout.flush()
    os.dup2(2, 1)
    return FileIO(requests, "rb"), FileIO(results, "wb")
