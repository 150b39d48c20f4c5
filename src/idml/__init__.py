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
    from idml.adapters.means import Assignment
    from idml.api import Run, load_run, resume, run
    from idml.errors import IdmlError
    from idml.learning.architectures import Architecture, Convolution
    from idml.learning.arrays import Samples
    from idml.learning.checker import check_model
    from idml.learning.data.checker import check_dataset, check_partition
    from idml.learning.data.datasets import Dataset
    from idml.learning.data.partition import Partition, Shares
    from idml.learning.data.source import DataSource, TrainingDefaults
    from idml.learning.engine import prepare
    from idml.learning.errors import DataError, LearningError
    from idml.learning.judging.checker import check_defence, check_rule
    from idml.learning.judging.defences import Defence
    from idml.learning.judging.evidence import View
    from idml.learning.judging.validation import CountRule, Rule
    from idml.learning.networks import Network
    from idml.ledger.errors import LedgerError
    from idml.protocol.settlement import Settlement, settle
    from idml.protocol.task import TaskParams, preset_task
    from idml.registry import PluginError
    from idml.simulation.adversaries.base import Ballot, Participant
    from idml.simulation.adversaries.checker import check_adversary
    from idml.simulation.config import Config, ConfigError, load_config
    from idml.simulation.contacts import Contact, ContactSource
    from idml.simulation.contacts.checker import check_contacts
    from idml.simulation.totals import Snapshot, Stopped
    from idml.simulation.traces import TraceError
    from idml.simulation.work.executors.base import ExecutorError
    from idml.store.errors import StoreError
    from idml.studies.errors import StudyError
    from idml.studies.sweep.cells import Sweep, SweepCell, sweep

_EXPORTS = {
    "Adapter": "idml.adapters.base",
    "AdapterError": "idml.adapters.errors",
    "Architecture": "idml.learning.architectures",
    "Assignment": "idml.adapters.means",
    "Ballot": "idml.simulation.adversaries.base",
    "Config": "idml.simulation.config",
    "ConfigError": "idml.simulation.config",
    "Contact": "idml.simulation.contacts",
    "ContactSource": "idml.simulation.contacts",
    "Convolution": "idml.learning.architectures",
    "CountRule": "idml.learning.judging.validation",
    "DataError": "idml.learning.errors",
    "DataSource": "idml.learning.data.source",
    "Dataset": "idml.learning.data.datasets",
    "Defence": "idml.learning.judging.defences",
    "ExecutorError": "idml.simulation.work.executors.base",
    "IdmlError": "idml.errors",
    "LearningError": "idml.learning.errors",
    "LedgerError": "idml.ledger.errors",
    "LocalTraining": "idml.adapters.base",
    "Network": "idml.learning.networks",
    "Participant": "idml.simulation.adversaries.base",
    "Partition": "idml.learning.data.partition",
    "PluginError": "idml.registry",
    "Rule": "idml.learning.judging.validation",
    "Run": "idml.api",
    "Samples": "idml.learning.arrays",
    "Settlement": "idml.protocol.settlement",
    "Shares": "idml.learning.data.partition",
    "Snapshot": "idml.simulation.totals",
    "Stopped": "idml.simulation.totals",
    "StoreError": "idml.store.errors",
    "StudyError": "idml.studies.errors",
    "Sweep": "idml.studies.sweep.cells",
    "SweepCell": "idml.studies.sweep.cells",
    "TaskParams": "idml.protocol.task",
    "TraceError": "idml.simulation.traces",
    "TrainingDefaults": "idml.learning.data.source",
    "View": "idml.learning.judging.evidence",
    "check_adapter": "idml.adapters.checker",
    "check_adversary": "idml.simulation.adversaries.checker",
    "check_contacts": "idml.simulation.contacts.checker",
    "check_dataset": "idml.learning.data.checker",
    "check_defence": "idml.learning.judging.checker",
    "check_model": "idml.learning.checker",
    "check_partition": "idml.learning.data.checker",
    "check_rule": "idml.learning.judging.checker",
    "load_config": "idml.simulation.config",
    "load_run": "idml.api",
    "prepare": "idml.learning.engine",
    "preset_task": "idml.protocol.task",
    "resume": "idml.api",
    "run": "idml.api",
    "settle": "idml.protocol.settlement",
    "sweep": "idml.studies.sweep.cells",
}

__all__ = [
    "Adapter",
    "AdapterError",
    "Architecture",
    "Assignment",
    "Ballot",
    "Config",
    "ConfigError",
    "Contact",
    "ContactSource",
    "Convolution",
    "CountRule",
    "DataError",
    "DataSource",
    "Dataset",
    "Defence",
    "ExecutorError",
    "IdmlError",
    "LearningError",
    "LedgerError",
    "LocalTraining",
    "Network",
    "Participant",
    "Partition",
    "PluginError",
    "Rule",
    "Run",
    "Samples",
    "Settlement",
    "Shares",
    "Snapshot",
    "Stopped",
    "StoreError",
    "StudyError",
    "Sweep",
    "SweepCell",
    "TaskParams",
    "TraceError",
    "TrainingDefaults",
    "View",
    "check_adapter",
    "check_adversary",
    "check_contacts",
    "check_dataset",
    "check_defence",
    "check_model",
    "check_partition",
    "check_rule",
    "load_config",
    "load_run",
    "prepare",
    "preset_task",
    "resume",
    "run",
    "settle",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import on first use: PyTorch takes a second that `idml --help` should not."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'idml' has no attribute {name!r}")
    value = getattr(import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion and `dir(idml)`."""
    return sorted(__all__)
