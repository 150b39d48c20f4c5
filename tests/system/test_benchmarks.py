"""The benchmarks run, and write down what they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from idml.learning.native.build import NO_COMPILER

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench.py"


@pytest.mark.slow
def test_a_quick_benchmark_writes_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, str(BENCH), "--quick", "--out", str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stderr
    results = json.loads(out.read_text())
    assert results["quick"] is True
    assert results["cpu"]["name"] in finished.stdout
    for key in ("train_ratio", "eval_ratio"):
        assert set(results[key]) == {"cnn6-fashion-mnist", "cnn6-cifar10"}
        assert all(0.5 < value < 5 for value in results[key].values())
    for key in ("native_train_ratio", "native_eval_ratio"):
        assert set(results[key]) == {"cnn6-fashion-mnist", "cnn6-cifar10"}
        assert all(1 < value < 20 for value in results[key].values())
    assert results["whole_ratio"]["cnn6"] > 0
    assert results["native_whole_ratio"]["cnn6-digits"] > 0
    assert {name.partition("-")[0] for name in results["native_kernels"]} == {"forward", "inputs", "filters"}
    assert all(0 < share < 4 for share, _ in results["native_kernels"].values())
    assert results["native_rates"]["peak_gflops"] > 1
    assert results["encounter_ms"] > results["encounter_no_ledger_ms"] > 0
    assert results["merges_per_s"] > 1000
    assert results["workers_ratio"] is None
    assert f"{results['merges_per_s']:,}" in finished.stdout


@pytest.mark.slow
def test_without_a_compiler_the_kernels_are_not_measured(tmp_path: Path) -> None:
    hide = "import runpy, sys; sys.modules['ziglang'] = None; sys.path.insert(0, sys.argv[1]);"
    alone = [sys.executable, "-c", f"{hide} runpy.run_module('kernels', run_name='__main__')", str(BENCH.parent)]
    finished = subprocess.run(alone, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True)
    assert finished.returncode == 1
    assert finished.stderr == f"kernels.py: {NO_COMPILER}\n"
