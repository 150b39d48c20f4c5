"""Contact traces: who met whom, when and for how long, measured or generated. Needs neither PyTorch nor a chain."""

from idml.simulation.traces.files import read_trace, write_trace
from idml.simulation.traces.formats import FORMATS, Format
from idml.simulation.traces.generator import spread_evenly
from idml.simulation.traces.selection import most_met
from idml.simulation.traces.statistics import describe
from idml.simulation.traces.trace import Trace, TraceError

__all__ = [
    "FORMATS",
    "Format",
    "Trace",
    "TraceError",
    "describe",
    "most_met",
    "read_trace",
    "spread_evenly",
    "write_trace",
]
