"""What a run's directory holds, for whoever reads it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from idml.store.checkpoint import Checkpoint, read_checkpoint
from idml.store.database import one_line
from idml.store.errors import StoreError
from idml.store.records import (
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
from idml.store.schema import TABLES, R, decoder, select_statement

CONFIG = "config.toml"
DATABASE = "run.sqlite"
MODELS = "models"
SUMMARY = "summary.json"


class RunReader:
    """Reads a run, finished or not; every method raises StoreError, in one line, when the disk does not play along.

    Args:
        directory: the run's.
        connection: to its database.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        self.directory = directory
        self._connection = connection

    def recorded_checkpoint(self) -> Checkpoint:
        """The last checkpoint, as it is now; the start where there is none."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            return read_checkpoint(self._connection)

    def read_vector(self, digest: bytes) -> bytes:
        """The vector of a model that the checkpoint kept."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            row = self._connection.execute("SELECT vector FROM vectors WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                raise StoreError(f"the checkpoint in {self.directory} lacks the model 0x{digest.hex()}: it is damaged")
            return bytes(row[0])

    def devices(self) -> list[DeviceRecord]:
        """The participants."""
        return self._read(DeviceRecord)

    def encounters(self) -> list[EncounterRecord]:
        """The contacts and what became of them; like all readers: everything, in the order of writing."""
        return self._read(EncounterRecord)

    def transactions(self) -> list[TransactionRecord]:
        """The transactions on the ledger; none in a run without incentive."""
        return self._read(TransactionRecord)

    def stakes(self) -> list[StakePoint]:
        """The changes of stakes; none in a run without incentive."""
        return self._read(StakePoint)

    def accuracy(self) -> list[AccuracyPoint]:
        """The measured accuracies."""
        return self._read(AccuracyPoint)

    def baselines(self) -> list[BaselinePoint]:
        """What the accuracies are compared with."""
        return self._read(BaselinePoint)

    def earnings(self) -> list[EarningsRecord]:
        """Net earnings, once the run has ended; none in a run without incentive."""
        return self._read(EarningsRecord)

    def expulsions(self) -> list[ExpulsionRecord]:
        """The devices whose stake fell below the threshold."""
        return self._read(ExpulsionRecord)

    def work(self) -> list[WorkRecord]:
        """What heavy work gave."""
        return self._read(WorkRecord)

    @property
    def meta(self) -> dict[str, str]:
        """The facts about the run as a whole that `create` was given."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            return dict(self._connection.execute("SELECT key, value FROM meta ORDER BY key").fetchall())

    @property
    def config(self) -> str:
        """The configuration as resolved: the text of `config.toml`."""
        with one_line(f"cannot read {self.directory / CONFIG}"):
            return (self.directory / CONFIG).read_text(encoding="utf-8")

    def count(self, kind: type[Record]) -> int:
        """The number of records of `kind`, without reading them."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            (count,) = self._connection.execute(f"SELECT count(*) FROM {TABLES[kind]}").fetchone()
        return int(count)

    def read_summary(self) -> dict[str, Any] | None:
        """The content of `summary.json`; None while the run has not finished."""
        path = self.directory / SUMMARY
        with one_line(f"cannot read {path}"):
            try:
                summary = json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return None
            if not isinstance(summary, dict):
                raise StoreError(f"cannot read {path}: it holds a {type(summary).__name__}, not an object")
            return summary

    def model_path(self, device: int) -> Path:
        """Where the model of `device` is kept, if it is kept."""
        return self.directory / MODELS / f"device-{device:04d}.safetensors"

    def close(self) -> None:
        """Release the database; this is of no use afterwards. Closing twice does no harm."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, kind: type[R]) -> list[R]:
        with one_line(f"cannot read {self.directory / DATABASE}"):
            return list(map(decoder(kind), self._connection.execute(select_statement(kind))))
