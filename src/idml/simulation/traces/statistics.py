"""Statistics of a trace: how long contacts last, how long they are apart, and how they are spread over devices."""

from typing import Any

import numpy as np
import numpy.typing as npt

from idml.simulation.traces.trace import Numbers, Seconds, Trace, union


def durations(trace: Trace) -> Seconds:
    """Duration of each contact, in seconds, float64 (n,)."""
    return trace.end_s - trace.start_s


def pair_gaps(trace: Trace) -> Seconds:
    """Inter-contact times in seconds, float64: from the end of each contact of a pair to the start of its next one."""
    return _gaps(trace.pair, trace.start_s, trace.end_s)


def device_gaps(trace: Trace) -> Seconds:
    """Times for which devices are in contact with nobody, between two in which they are; in seconds, float64."""
    device = np.concatenate([trace.a, trace.b])
    return _gaps(*union(device, np.tile(trace.start_s, 2), np.tile(trace.end_s, 2)))


def degrees(trace: Trace) -> Numbers:
    """Number of others with which each device has contacts, int64 (devices,)."""
    low, high = np.divmod(np.unique(trace.pair), len(trace.devices))
    return _count(trace, low, high)


def contacts_per_device(trace: Trace) -> Numbers:
    """Number of contacts of each device, int64 (devices,)."""
    return _count(trace, trace.a, trace.b)


def describe(trace: Trace) -> dict[str, Any]:
    """Describe a trace in numbers that JSON can hold. Times are in seconds."""
    return {
        "devices": len(trace.devices),
        "contacts": len(trace),
        "pairs": len(np.unique(trace.pair)),
        "dropped": dict(trace.dropped),
        "start_s": float(trace.start_s[0]),
        "span_s": float(trace.end_s.max() - trace.start_s[0]),
        "duration_s": _spread(durations(trace)),
        "inter_contact_s": _spread(pair_gaps(trace)),
        "alone_s": _spread(device_gaps(trace)),
        "degree": _spread(degrees(trace)),
        "contacts_per_device": _spread(contacts_per_device(trace)),
    }


def _spread(values: npt.NDArray[Any]) -> dict[str, float] | None:
    """Count, mean and quantiles of some values; None if there are none."""
    if not len(values):
        return None
    quantiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 0.9, 1])
    names = ("min", "q1", "median", "q3", "p90", "max")
    return {
        "count": len(values),
        "mean": float(values.mean()),
        **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
    }


def _gaps(key: Numbers, start: Seconds, end: Seconds) -> Seconds:
    order = np.lexsort((start, key))
    key, start, end = key[order], start[order], end[order]
    gaps: Seconds = (start[1:] - end[:-1])[key[1:] == key[:-1]]
    return gaps


def _count(trace: Trace, one: Numbers, other: Numbers) -> Numbers:
    return np.bincount(np.concatenate([one, other]), minlength=len(trace.devices)).astype(np.int64)
