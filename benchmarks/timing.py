"""How the benchmarks measure: CPU seconds, variants in turn, medians; what a busy machine disturbs least."""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_SETS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_tile", "asimd", "sve")


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads together, that a call takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def alternate(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each variant in each round; they run in turn, and a first round, not counted, warms up."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, run in variants.items():
            seconds = cpu_seconds(run)
            if number:
                taken[name].append(seconds)
    return taken


def ratio(slow: list[float], fast: list[float]) -> float:
    """The median of the ratios within each round: how many times faster the second is."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def peak_memory_mib() -> float:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu() -> dict[str, object]:
    """The processor's name, its cores and those of its instruction sets that matter here."""
    name, flags = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in lines.items()}
        name = facts.get("model name", name)
        family = [facts[key] for key in ("cpu family", "model") if key in facts]
        name += f" (family {', model '.join(family)})" if family else ""
        flags = facts.get("flags", facts.get("Features", ""))
    sets = sorted(set(flags.split()) & set(_SETS))
    return {"name": name, "cores": os.cpu_count(), "instruction_sets": sets}
