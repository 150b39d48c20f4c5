"""Makes new traces from old ones, with the same rhythm of contacts, spread evenly over any number of devices.

The paper's evaluation (section IV-A) finds that published traces favour popular devices. Therefore it generates from
them "larger encounter patterns that provide evenly distributed contact patterns", but does not say how. Here, the
contacts of a pair stay together as they are: their durations, the times between them, and their hours of the day. Only
the pair of devices that has these contacts is chosen anew.
"""

import heapq

import numpy as np

from idml.simulation.traces.trace import Numbers, Trace

_LEAST_PIECES = 4


def spread_evenly(trace: Trace, devices: int, seed: int) -> Trace:
    """Generate a trace in which every device has about equally many contacts.

    The contacts of each pair of old devices are a sequence. A sequence that would give a device more than a quarter of
    its due contacts is cut into pieces. Pieces are given to pairs of new devices, the longest piece first, and always
    to the two devices that have the fewest contacts so far and have not met.

    There are so many pieces that a new device has as many partners as an old one, or fewer if there are not so many
    other devices. The pieces are drawn evenly from all lengths, each as often as any other.

    Args:
        trace: the trace whose statistics are kept.
        devices: number of devices in the new trace, at least 2. All of them have contacts.
        seed: equal seeds give equal traces.

    Raises:
        ValueError: for fewer than two devices.
    """
    if devices < 2:
        raise ValueError(f"devices is {devices}: must be at least 2")
    generator = np.random.default_rng(seed)
    order = np.lexsort((trace.start_s, trace.pair))
    first, size = _pieces(trace.pair[order], most=-(-2 * len(trace) // (_LEAST_PIECES * len(trace.devices))))
    pairs = min(-(-devices * len(first) // len(trace.devices)), devices * (devices - 1) // 2)
    drawn = _draw(size, pairs, generator)
    one, other = _deal(size[drawn], devices, generator)

    counts = size[drawn]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    source = order[np.repeat(first[drawn], counts) + within]
    return Trace.of(
        [str(device) for device in range(devices)],
        trace.start_s[source],
        trace.end_s[source],
        np.repeat(one, counts),
        np.repeat(other, counts),
    )


def _pieces(pair: Numbers, *, most: int) -> tuple[Numbers, Numbers]:
    """Cut sorted contacts into pieces, each of one pair and with at most `most` contacts.

    Returns:
        The place of the first contact of each piece, and the number of its contacts.
    """
    place = np.arange(len(pair))
    changes = np.ones(len(pair), bool)
    changes[1:] = pair[1:] != pair[:-1]
    changes |= (place - np.maximum.accumulate(np.where(changes, place, 0))) % most == 0
    first = np.flatnonzero(changes)
    return first, np.diff(first, append=len(pair))


def _draw(size: Numbers, count: int, generator: np.random.Generator) -> Numbers:
    """Draw `count` pieces, and return them with the largest first.

    All pieces are ordered by size, and by chance among equals. Then they are drawn at equal steps through this order.
    """
    ordered = np.lexsort((generator.random(len(size)), -size))
    steps = (np.arange(count) + generator.random()) * len(size) / count
    drawn: Numbers = ordered[steps.astype(np.int64)]
    return drawn


def _deal(sizes: Numbers, devices: int, generator: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Give each piece, the largest first, to the two devices with the fewest contacts that have not met yet.

    As long as there are fewer pieces than pairs, there always are two such devices: any device that has not met all
    others is on the heap, and so is the one that it has not met.
    """
    chance = iter(generator.random(devices + 2 * len(sizes)).tolist())
    heap = [(0, next(chance), device) for device in range(devices)]
    heapq.heapify(heap)
    met: list[set[int]] = [set() for _ in range(devices)]
    dealt = np.empty((2, len(sizes)), np.int64)
    for index, size in enumerate(sizes.tolist()):
        load, _, one = heapq.heappop(heap)
        passed_over = []
        while (candidate := heapq.heappop(heap))[2] in met[one]:
            passed_over.append(candidate)
        for entry in passed_over:
            heapq.heappush(heap, entry)
        other_load, _, other = candidate
        met[one].add(other)
        met[other].add(one)
        for device, contacts in ((one, load), (other, other_load)):
            if len(met[device]) < devices - 1:
                heapq.heappush(heap, (contacts + size, next(chance), device))
        dealt[:, index] = one, other
    return dealt[0], dealt[1]
