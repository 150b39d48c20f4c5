"""iDML: devices pay each other to train; a smart contract settles by vote.

import idml

run = idml.run("runs/first", devices=30, adversaries={"label_flip": 6})
print(run.summary["accuracy"], run.report)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idml.adapters.base import Adapter, LocalTraining
    from idml.adapters.checker import check_adapter
    from idml.adapters.errors import AdapterError
    from idml.api import Run, resume, run
    from idml.learning.errors import DataError, LearningError
    from idml.ledger.errors import LedgerError
    from idml.protocol.settlement import Settlement, settle
    from idml.protocol.task import TaskParams, preset_task
    from idml.simulation.config import Config, ConfigError, load_config
    from idml.simulation.totals import Stopped
    from idml.simulation.traces import TraceError
    from idml.simulation.work.executors.base import ExecutorError
    from idml.store.errors import StoreError

_EXPORTS = {
    "Adapter": "idml.adapters.base",
    "AdapterError": "idml.adapters.errors",
    "Config": "idml.simulation.config",
    "ConfigError": "idml.simulation.config",
    "DataError": "idml.learning.errors",
    "ExecutorError": "idml.simulation.work.executors.base",
    "LearningError": "idml.learning.errors",
    "LedgerError": "idml.ledger.errors",
    "LocalTraining": "idml.adapters.base",
    "Run": "idml.api",
    "Settlement": "idml.protocol.settlement",
    "Stopped": "idml.simulation.totals",
    "StoreError": "idml.store.errors",
    "TaskParams": "idml.protocol.task",
    "TraceError": "idml.simulation.traces",
    "check_adapter": "idml.adapters.checker",
    "load_config": "idml.simulation.config",
    "preset_task": "idml.protocol.task",
    "resume": "idml.api",
    "run": "idml.api",
    "settle": "idml.protocol.settlement",
}

__all__ = [
    "Adapter",
    "AdapterError",
    "Config",
    "ConfigError",
    "DataError",
    "ExecutorError",
    "LearningError",
    "LedgerError",
    "LocalTraining",
    "Run",
    "Settlement",
    "Stopped",
    "StoreError",
    "TaskParams",
    "TraceError",
    "check_adapter",
    "load_config",
    "preset_task",
    "resume",
    "run",
    "settle",
]


def __getattr__(name: str) -> Any:
    """Import on first use: PyTorch takes a second that `idml --help` should not."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'idml' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value
