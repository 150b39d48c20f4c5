"""Rates of the native library's convolutions, pass by pass, beside what the processor and a matrix product reach.

A pass counts the operations of the plain sum, of which Winograd's way takes a quarter: so it can exceed the peak.
Compiles a program, so it needs a compiler.

    python benchmarks/kernels.py
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import cpu_seconds

from idml.learning.native.build import NO_COMPILER, BuildError, Recipe, build_alone, compilers
from idml.learning.native.library import instruction_set

_PROGRAM = Path(__file__).with_name("kernels.cpp")
_SIDE = 768


def measure() -> dict[str, object]:
    """Measure on one core.

    Returns:
        instruction_set: the one that the library uses here.
        peak_gflops, sgemm_gflops: of fused multiply-adds alone, and of PyTorch's product of two 768x768 matrices.
        passes: by "pass-side-inputs-outputs", [share of the peak, share of sgemm]; passes are forward, inputs and
            filters (the gradients of these).

    Raises:
        BuildError: there is no compiler, or it failed.
    """
    compiler = next(iter(compilers()), None)
    if compiler is None:
        raise BuildError(NO_COMPILER)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "kernels"
        build_alone(program, _PROGRAM, Recipe(compiler), instruction_set())
        lines = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rates: dict[str, float] = {}
    for line in lines:
        name, operations, *seconds = line.split()
        rates[name] = float(operations) / statistics.median(map(float, seconds)) / 1e9
    peak, sgemm = rates.pop("peak"), _sgemm_gflops()
    return {
        "instruction_set": instruction_set(),
        "peak_gflops": round(peak, 1),
        "sgemm_gflops": round(sgemm, 1),
        "passes": {name: [round(rate / peak, 2), round(rate / sgemm, 2)] for name, rate in rates.items()},
    }


def _sgemm_gflops() -> float:
    torch.set_num_threads(1)
    a, b = (torch.from_numpy(np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)) for _ in range(2))
    seconds = [cpu_seconds(lambda: a @ b) for _ in range(10)]
    return 2 * _SIDE**3 / statistics.median(seconds) / 1e9


if __name__ == "__main__":
    try:
        print(json.dumps(measure(), indent=2))
    except BuildError as error:
        sys.exit(f"kernels.py: {error}")
