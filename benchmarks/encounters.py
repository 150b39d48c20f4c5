"""What an encounter costs without training: a one-layer model on one image, with and without its contract calls.

Each number of devices runs in a process of its own, so that its peak memory is its own.

    python benchmarks/encounters.py [--devices 50] [--encounters 400] [--no-ledger]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import torch
from timing import peak_memory_mib

import idml
from idml.simulation.totals import Snapshot

_PER_SAMPLE = 20


def measure(devices: int, encounters: int, *, ledger: bool) -> dict[str, float]:
    """Play a run.

    Returns:
        encounter_ms: the median over samples of 20 contacts, of the CPU time that a contact takes.
        peak_mib: the process's most memory before its report.
        start_ms: to make all devices and register them.
    """
    torch.set_num_threads(1)
    marks: list[float] = []
    memory: list[float] = []
    begun = time.process_time()

    def observe(snapshot: Snapshot) -> None:
        if snapshot.stage == "meeting":
            marks.append(time.process_time())
        elif snapshot.stage == "done":
            memory.append(peak_memory_mib())

    with tempfile.TemporaryDirectory() as directory:
        idml.run(
            Path(directory) / "run",
            observer=observe,
            devices=devices,
            encounters=encounters,
            incentive=ledger,
            dataset="digits",
            model="linear",
            batch=1,
            images_per_device=1,
            validation_images=1,
            baseline_devices=0,
        )
    samples = [(b - a) / _PER_SAMPLE for a, b in pairwise(marks[::_PER_SAMPLE])]
    return {
        "encounter_ms": 1000 * statistics.median(samples),
        "peak_mib": memory[0],
        "start_ms": 1000 * (marks[0] - begun),
    }


def measure_apart(devices: int, encounters: int, *, ledger: bool = True) -> dict[str, float]:
    """As `measure`, in a process of its own."""
    command = [sys.executable, __file__, "--devices", str(devices), "--encounters", str(encounters)]
    command += [] if ledger else ["--no-ledger"]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(finished.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--encounters", type=int, default=400)
    parser.add_argument("--no-ledger", action="store_true")
    options = parser.parse_args()
    print(json.dumps(measure(options.devices, options.encounters, ledger=not options.no_ledger)))


if __name__ == "__main__":
    main()
