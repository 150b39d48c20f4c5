"""A run's directory: what happened, written by the simulation and read by the reports."""

from idml.store.errors import StoreError
from idml.store.files import write_atomically
from idml.store.records import (
    HONEST,
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EarningsRecord,
    EncounterRecord,
    ExpulsionRecord,
    Record,
    StakePoint,
    TransactionRecord,
    WorkRecord,
)
from idml.store.run_store import RunStore

__all__ = [
    "HONEST",
    "AccuracyPoint",
    "BaselinePoint",
    "DeviceRecord",
    "EarningsRecord",
    "EncounterRecord",
    "ExpulsionRecord",
    "Record",
    "RunStore",
    "StakePoint",
    "StoreError",
    "TransactionRecord",
    "WorkRecord",
    "write_atomically",
]
