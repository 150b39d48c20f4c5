"""Reads a run's directory."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from idml.outside import OutsideError, parse_toml, read_json, read_text
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
    VoteRecord,
    WorkRecord,
)
from idml.store.schema import TABLES, VOTES_SINCE, R, decoder, select_statement
from idml.store.summary import check_summary

CONFIG = "config.toml"
DATABASE = "run.sqlite"
MODELS = "models"
SUMMARY = "summary.json"
WITHOUT_INCENTIVE = "without-incentive"
"""Folder of a run that holds the same run without its incentive, if that was played as well."""


class RunReader:
    """Reads a run, finished or not.

    Each method that returns records returns all there are, in the order in which they were written.

    Args:
        directory: the run's directory.
        connection: to its database.

    Raises:
        StoreError: every method raises it, in one line, if a file cannot be read.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        self.directory = directory
        self._connection = connection

    def recorded_checkpoint(self) -> Checkpoint:
        """The last checkpoint as it is on disk now; the start of the run if there is none."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            return read_checkpoint(self._connection)

    def read_vector(self, digest: bytes) -> bytes:
        """The vector of a model that the checkpoint kept.

        Args:
            digest: the model's digest, 32 bytes.

        Returns:
            The vector's float32 numbers as bytes.

        Raises:
            StoreError: if the checkpoint did not keep this model.
        """
        with one_line(f"cannot read {self.directory / DATABASE}"):
            row = self._connection.execute("SELECT vector FROM vectors WHERE digest = ?", (digest,)).fetchone()
            if row is None:
                raise StoreError(f"the checkpoint in {self.directory} lacks the model 0x{digest.hex()}: it is damaged")
            return bytes(row[0])

    def devices(self) -> list[DeviceRecord]:
        """The participants."""
        return self._read(DeviceRecord)

    def encounters(self) -> list[EncounterRecord]:
        """The contacts, and what became of them."""
        return self._read(EncounterRecord)

    def votes(self) -> list[VoteRecord]:
        """The votes, and what validators measured. A run that an earlier idml wrote does not say what they did."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version < VOTES_SINCE:
            return [VoteRecord(one.contact, *vote) for one in self.encounters() for vote in one.votes]
        return self._read(VoteRecord)

    def transactions(self) -> list[TransactionRecord]:
        """The transactions on the ledger. A run without incentive has none."""
        return self._read(TransactionRecord)

    def stakes(self) -> list[StakePoint]:
        """The changes of stakes. A run without incentive has none."""
        return self._read(StakePoint)

    def accuracy(self) -> list[AccuracyPoint]:
        """The measured accuracies."""
        return self._read(AccuracyPoint)

    def baselines(self) -> list[BaselinePoint]:
        """The accuracies that those of the devices are compared with."""
        return self._read(BaselinePoint)

    def earnings(self) -> list[EarningsRecord]:
        """The net earnings of the devices. They are written when the run ends; a run without incentive has none."""
        return self._read(EarningsRecord)

    def expulsions(self) -> list[ExpulsionRecord]:
        """The devices whose stake fell below the threshold."""
        return self._read(ExpulsionRecord)

    def work(self) -> list[WorkRecord]:
        """The outcomes of the heavy work."""
        return self._read(WorkRecord)

    @property
    def meta(self) -> dict[str, str]:
        """The facts about the run as a whole that `RunStore.create` was given, by name."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            meta = dict(self._connection.execute("SELECT key, value FROM meta ORDER BY key").fetchall())
            if not all(isinstance(text, str) for fact in meta.items() for text in fact):
                raise ValueError("its table meta is damaged")
            return meta

    def meta_number(self, name: str, default: int) -> int:
        """One of these facts that is a whole number.

        Args:
            name: of the fact.
            default: where the run does not tell it.
        """
        with one_line(f"cannot read {self.directory / DATABASE}"):
            return int(self.meta.get(name, default))

    @property
    def config(self) -> str:
        """The text of `config.toml`: the configuration, with every default filled in."""
        with one_line(f"cannot read {self.directory / CONFIG}"):
            return read_text(self.directory / CONFIG)

    @property
    def settings(self) -> dict[str, Any]:
        """The same by key, as it stands there; `make_config` checks it."""
        with one_line(f"cannot read {self.directory / CONFIG}"):
            return parse_toml(self.config)

    def count(self, kind: type[Record]) -> int:
        """Count the records of one kind, without reading them."""
        with one_line(f"cannot read {self.directory / DATABASE}"):
            (count,) = self._connection.execute(f"SELECT count(*) FROM {TABLES[kind]}").fetchone()
        return int(count)

    def read_summary(self) -> dict[str, Any] | None:
        """The content of `summary.json`; None if the run has not finished."""
        path = self.directory / SUMMARY
        with one_line(f"cannot read {path}"):
            try:
                summary = read_json(path)
            except OutsideError as error:
                if error.missing:
                    return None
                raise
            return check_summary(summary)

    def require_summary(self) -> dict[str, Any]:
        """The content of `summary.json` of a finished run, with all that `idml run` writes there.

        Raises:
            StoreError: if the run has not finished, or something is missing.
        """
        summary = self.read_summary()
        if summary is None:
            raise StoreError(f"{self.directory} has not finished: it has no {SUMMARY}")
        with one_line(f"cannot use {self.directory / SUMMARY}"):
            return check_summary(summary, complete=True)

    def model_path(self, device: int) -> Path:
        """Where the model of a device is, if the run keeps it."""
        return self.directory / MODELS / f"device-{device:04d}.safetensors"

    def close(self) -> None:
        """Close the database; nothing can be read afterwards. It may be called more than once."""
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
