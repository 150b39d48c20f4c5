"""What workers gain over one process, beside what as many bare training loops gain over one; prints JSON.

A run and a longer one differ by so many encounters and nothing else: the difference of their times is what those
encounters cost, without the start. Times are wall time less what the scheduler made a process wait for a processor, so
that other users of the machine count little; what is left of their noise shows in the spread over rounds, which
alternate between all variants.

    python benchmarks/workers.py [--workers 2] [--model cnn6] [--algorithm oppcl] [--rounds 3]
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from idml.learning.models import model_factory
from idml.learning.registry import MODELS
from idml.simulation.config import make_config
from idml.simulation.runs import simulate
from idml.simulation.totals import Snapshot
from idml.simulation.work.executors.processes import Processes


def waited_s(process: int | str) -> float:
    """How long a process stood in line for a processor so far; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def bare_loop(model: str, width: int, images: int, batch: int, epochs: int, results: Any, barrier: Any) -> None:
    """Train with plain PyTorch; puts how long an epoch took."""
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    inputs = torch.from_numpy(generator.standard_normal((images, 1, 28, 28), np.float32))
    targets = torch.from_numpy(generator.integers(0, 10, images))
    module = model_factory(model, image_shape=(1, 28, 28), classes=10, width=width)()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    for epoch in range(epochs + 1):
        if epoch == 1:  # the first one warms up
            barrier.wait()
            begun_s, waited = time.perf_counter(), waited_s("self")
        for chosen in torch.split(torch.randperm(images), batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(inputs[chosen]), targets[chosen]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    results.put((time.perf_counter() - begun_s - (waited_s("self") - waited)) / epochs)


def bare(processes: int, options: argparse.Namespace, epochs: int = 12) -> float:
    """Seconds an epoch takes each of so many loops at the same time."""
    context = multiprocessing.get_context("spawn")
    results, barrier = context.SimpleQueue(), context.Barrier(processes)
    arguments = (options.model, options.width, options.images, options.batch, epochs, results, barrier)
    loops = [context.Process(target=bare_loop, args=arguments) for _ in range(processes)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
        if loop.exitcode:
            sys.exit(f"a training loop ended with {loop.exitcode}")
    return float(statistics.mean(results.get() for _ in loops))


def played(workers: int, encounters: int, options: argparse.Namespace) -> float:
    """Seconds that a run takes whoever does its heavy work."""
    executors: list[Processes] = []
    taken: list[float] = []
    started = Processes.__init__

    def remember(self: Processes, *arguments: Any) -> None:
        started(self, *arguments)
        executors.append(self)

    def observe(snapshot: Snapshot) -> None:
        if snapshot.stage == "done":
            ids = executors[0].process_ids if executors else [os.getpid()]
            before = 0.0 if executors else waited
            taken.append(time.perf_counter() - begun_s - statistics.mean(waited_s(i) - before for i in ids))

    config = make_config(
        {
            "algorithm": options.algorithm,
            "dataset": "fashion-mnist",
            "model": options.model,
            "width": options.width,
            "batch": options.batch,
            "devices": options.devices,
            "images_per_device": options.images,
            "encounters": encounters,
            "baseline_devices": 0,
            "workers": workers,
        }
    )
    Processes.__init__ = remember  # type: ignore[assignment,method-assign]
    try:
        with tempfile.TemporaryDirectory() as directory:
            begun_s, waited = time.perf_counter(), waited_s("self")
            simulate(config, Path(directory) / "run", observer=observe)
    finally:
        Processes.__init__ = started  # type: ignore[method-assign]
    return taken[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", choices=MODELS.built_in, default="cnn6")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--algorithm", default="oppcl")
    parser.add_argument("--images", type=int, default=600, help="of each device")
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--encounters", type=int, default=40, help="that the longer run has more")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    few = options.devices // 2
    rows = []
    for _ in range(options.rounds):
        one_s, many_s = bare(1, options), bare(options.workers, options)
        short = {workers: played(workers, few, options) for workers in (1, options.workers)}
        long = {workers: played(workers, few + options.encounters, options) for workers in (1, options.workers)}
        encounters_s = {workers: (long[workers] - short[workers]) / options.encounters for workers in short}
        row = {
            "bare_speedup": options.workers * one_s / many_s,
            "run_speedup": encounters_s[1] / encounters_s[options.workers],
            "encounter_ms": 1000 * encounters_s[1],
            "encounter_ms_with_workers": 1000 * encounters_s[options.workers],
            "epoch_ms": 1000 * one_s,
        }
        rows.append({**row, "workers_ratio": row["run_speedup"] / row["bare_speedup"]})
        print(json.dumps(rows[-1]), file=sys.stderr)
    medians = {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
    spread = [round(chosen(row["workers_ratio"] for row in rows), 3) for chosen in (min, max)]
    print(json.dumps({**vars(options), **medians, "workers_ratio_spread": spread}, indent=2))


if __name__ == "__main__":
    main()
