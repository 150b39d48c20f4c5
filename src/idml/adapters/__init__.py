"""iDML's layer between the incentive and a learning algorithm (paper, Fig. 1): plug an algorithm in."""

from idml.adapters.base import Adapter, LocalTraining
from idml.adapters.checker import AdapterError, check_adapter
from idml.adapters.gossip import Gossip
from idml.adapters.oppcl import OppCL
from idml.adapters.registry import load_adapter, name_adapter

__all__ = [
    "Adapter",
    "AdapterError",
    "Gossip",
    "LocalTraining",
    "OppCL",
    "check_adapter",
    "load_adapter",
    "name_adapter",
]
