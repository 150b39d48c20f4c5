"""Measure everything, print a table, and write the figures as JSON; `make bench` runs this.

    python benchmarks/bench.py [--quick] [--out benchmarks/results.json]

All is in CPU seconds, on one torch thread. `--quick` takes a minute, only shows that every benchmark runs, and marks
its results so.
"""

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import encounters
import kernels
import timing
import training
import whole

from idml.learning.native.build import BuildError

_HERE = Path(__file__).parent
_GOALS = {
    "train_ratio": "1.1 to 1.4",
    "eval_ratio": "1.4 to 1.9",
    "native_train_ratio": "at least 2.6; cnn6-cifar10 4",
    "native_eval_ratio": "at least 2.6; cnn6-cifar10 4",
    "whole_ratio": "at least 0.7",
    "native_whole_ratio": "fashion-mnist: 2.0, 1.9; cifar10: 2.7, 2.3, 2.2",
    "workers_ratio": "at least 0.92",
    "encounter_ms": "at most 3",
    "encounter_no_ledger_ms": "at most 0.5",
    "merges_per_s": "at least 15,000",
}
_PLAYED = (
    *(("cnn6", "fashion-mnist"), ("cnn10", "fashion-mnist")),
    *(("cnn6", "cifar10"), ("cnn10", "cifar10"), ("cnn14", "cifar10")),
)
_MEANING = {
    "train_ratio": "images trained with PyTorch, over a bare PyTorch loop",
    "eval_ratio": "images evaluated with PyTorch, over a bare PyTorch loop",
    "native_train_ratio": "images trained natively, over a bare PyTorch loop",
    "native_eval_ratio": "images evaluated natively, over a bare PyTorch loop",
    "whole_ratio": "images trained by a whole run with PyTorch, over a bare PyTorch loop",
    "native_whole_ratio": "images trained by a whole run, over a bare PyTorch loop",
    "native_kernels": "operations of the plain sum: share of the peak, of sgemm",
    "workers_ratio": "two workers over one, beside two bare loops over one",
    "encounter_ms": "an encounter with its contract calls, one layer on one image, 50 devices",
    "encounter_no_ledger_ms": "the same without a ledger",
    "encounters_per_s": "encounters a second, one layer on one image",
    "join_ms": "making and registering a device",
    "device_kib": "memory of a device, one layer on one image",
    "merges_per_s": "averages of two models of 67,000 parameters a second",
}


def measure(*, quick: bool) -> dict[str, Any]:
    """Run the benchmarks; the keys are those of `results.json`."""
    nets = ("cnn6",) if quick else training.NETS
    results: dict[str, Any] = {"cpu": timing.cpu(), "quick": quick}
    learned = training.compare_all(nets, 1 if quick else 7)
    for key in ("train_ratio", "eval_ratio", "native_train_ratio", "native_eval_ratio"):
        results[key] = {name: _rounded(figures[key]) for name, figures in learned.items()}
    results["merges_per_s"] = round(training.merges_per_s())
    contacts = 60 if quick else 600
    sizes = (50, 200) if quick else (50, 1_000, 10_000)
    apart = {devices: encounters.measure_apart(devices, contacts) for devices in sizes}
    results["encounter_ms"] = _rounded(apart[50]["encounter_ms"])
    results["encounter_no_ledger_ms"] = _rounded(encounters.measure_apart(50, contacts, ledger=False)["encounter_ms"])
    results["encounters_per_s"] = {str(devices): round(1000 / apart[devices]["encounter_ms"]) for devices in sizes}
    few, many = sizes[0], sizes[-1]
    results["join_ms"] = _rounded((apart[many]["start_ms"] - apart[few]["start_ms"]) / (many - few))
    results["device_kib"] = _rounded(1024 * (apart[many]["peak_mib"] - apart[few]["peak_mib"]) / (many - few))
    tiny = partial(whole.measure, encounters=6, devices=10, images=64, dataset="digits")
    play = tiny if quick else partial(whole.measure, encounters=100)
    results["whole_ratio"] = {"cnn6": _rounded(play("cnn6", backend="torch")["whole_ratio"])}
    played = (
        {"cnn6-digits": tiny("cnn6")}
        if quick
        else {f"{net}-{dataset}": whole.measure(net, 200, dataset=dataset) for net, dataset in _PLAYED}
    )
    results["native_whole_ratio"] = {name: _rounded(figures["whole_ratio"]) for name, figures in played.items()}
    try:
        rates = kernels.measure()
    except BuildError as error:
        print(f"native_kernels is not measured: {error}", file=sys.stderr)
        rates = {"passes": None}
    results["native_kernels"] = rates.pop("passes")
    results["native_rates"] = rates
    results["workers_ratio"] = _workers_ratio(quick=quick)
    return results


def table(results: dict[str, Any]) -> str:
    """The results as a Markdown table."""
    cpu = results["cpu"]
    lines = [
        f"{cpu['name']}, {cpu['cores']} cores, {', '.join(cpu['instruction_sets']) or 'no known vector units'}",
        "",
    ]
    lines += ["| | what | measured | goal |", "| --- | --- | ---: | --- |"]
    for key, meaning in _MEANING.items():
        value = results[key]
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for name, number in rows:
            lines.append(f"| `{key}` {name} | {meaning} | {_shown(number)} | {_GOALS.get(key, '')} |")
    return "\n".join(lines)


def _shown(value: float | list[float] | None) -> str:
    if value is None:
        return "not measured"
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}"


def _workers_ratio(*, quick: bool) -> float | None:
    """What `workers.py` says; it takes minutes, so a quick run leaves it out."""
    if quick:
        return None
    finished = subprocess.run(
        [sys.executable, str(_HERE / "workers.py")], stdout=subprocess.PIPE, text=True, check=True
    )
    return _rounded(json.loads(finished.stdout)["workers_ratio"])


def _rounded(value: float) -> float:
    return round(value, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a minute, for a test that the benchmarks run")
    parser.add_argument("--out", type=Path, default=_HERE / "results.json")
    options = parser.parse_args()
    results = measure(quick=options.quick)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
