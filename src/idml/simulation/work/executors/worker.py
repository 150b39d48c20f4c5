"""A worker: a process that does jobs for the run that started it, and ends when that run does."""

import os
import pickle
import signal
import threading
import traceback
from io import RawIOBase
from queue import SimpleQueue

from idml.learning.backends import calm_torch
from idml.registry import blame
from idml.simulation.work.encounter import EncounterPlan
from idml.simulation.work.executors.base import Done, Failed, Job
from idml.simulation.work.executors.shipping import PackedRunner
from idml.simulation.work.executors.wire import claim_standard_streams, receive, send
from idml.simulation.work.runner import TaskRunner


def main() -> None:
    """Serve the run at the other end of standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, results = claim_standard_streams()
    jobs: SimpleQueue[tuple[int, Job]] = SimpleQueue()
    packed: PackedRunner = receive(requests)
    try:
        runner = packed.unpack()
    except Exception as error:
        send(results, Failed(_portable(error)))
        return
    calm_torch()
    threading.Thread(target=_listen, args=(requests, jobs), daemon=True).start()
    send(results, None)
    while True:
        number, job = jobs.get()
        send(results, (number, do(runner, job)))


def do(runner: TaskRunner, job: Job) -> Done | Failed:
    """Do a job, or tell why it cannot be done."""
    try:
        return runner.foresee(job) if isinstance(job, EncounterPlan) else runner.perform(job)
    except BaseException as raised:  # Ctrl-C is for the run: here it is what a plug-in raises
        other = raised if isinstance(raised, Exception) else RuntimeError(f"a task raised {raised!r}")
        error = blame(raised) or other
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
