"""Selects some devices of a trace, with the contacts between them."""

from collections import Counter, defaultdict
from dataclasses import replace
from heapq import heapify, heappop, heappush

import numpy as np

from idml.simulation.traces.trace import Trace


def most_met(trace: Trace, count: int) -> Trace:
    """Keep the devices of a trace that meet each other most.

    The device that has the fewest contacts with the remaining ones is removed, again and again, until `count` are left.

    Args:
        trace: any trace. It is returned as it is if it has no more than `count` devices.
        count: how many devices to keep, at least 2.

    Returns:
        The contacts among these devices. It has fewer devices if one of them has no contact with the others.
    """
    if len(trace.devices) <= count:
        return trace
    meetings: dict[int, Counter[int]] = defaultdict(Counter)
    for a, b in zip(trace.a.tolist(), trace.b.tolist(), strict=True):
        meetings[a][b] += 1
        meetings[b][a] += 1
    left = {device: others.total() for device, others in meetings.items()}
    # An entry counts only if it is up to date. Of two devices with as many contacts, the one with the higher number is
    # removed first.
    heap = [(contacts, -device) for device, contacts in left.items()]
    heapify(heap)
    while len(left) > count:
        contacts, device = heappop(heap)
        if left.get(-device) != contacts:
            continue
        del left[-device]
        for other, times in meetings[-device].items():
            if other in left:
                left[other] -= times
                heappush(heap, (left[other], -other))
    kept = np.array([left.get(device, 0) > 0 for device in range(len(trace.devices))])
    number, chosen = np.cumsum(kept) - 1, kept[trace.a] & kept[trace.b]
    return replace(
        trace,
        devices=tuple(name for name, stays in zip(trace.devices, kept.tolist(), strict=True) if stays),
        start_s=trace.start_s[chosen],
        end_s=trace.end_s[chosen],
        a=number[trace.a[chosen]],
        b=number[trace.b[chosen]],
    )
