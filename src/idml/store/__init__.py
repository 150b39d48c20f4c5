"""A run on disk: a directory that says what happened. The simulation writes it, and the reports read it."""

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
    VoteRecord,
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
    "VoteRecord",
    "WorkRecord",
    "write_atomically",
]
