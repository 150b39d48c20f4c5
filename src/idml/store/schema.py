"""The tables of `run.sqlite`: how a record becomes a row, and a row a record."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

from idml.outside import parse_json
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

R = TypeVar("R", bound=Record)

APPLICATION_ID = 0x69444D4C  # "iDML", at byte 68 of the file, tells our databases from others
SCHEMA_VERSION = 4  # raise it with every change of SCHEMA
READABLE_VERSIONS = (2, 3, 4)
"""Versions that can be read. Version 2 had one more table, of the contract's events, which nobody read."""
VOTES_SINCE = 4
"""The first version with a table of votes. In earlier ones, votes stand in the table of encounters alone."""

# Amounts are TEXT, because 64-bit integers have room for 9 tokens only, at 10**18 base units each. Rows keep the order
# in which they were written.
SCHEMA = """
CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE devices (
    device INTEGER NOT NULL UNIQUE, address TEXT NOT NULL, kind TEXT NOT NULL, images INTEGER NOT NULL
) STRICT;
CREATE TABLE encounters (
    contact INTEGER NOT NULL, round INTEGER NOT NULL, time_s INTEGER NOT NULL, block INTEGER NOT NULL,
    learner INTEGER NOT NULL, neighbor INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('settled', 'skipped', 'rejected', 'incomplete', 'unincentivized')),
    reason TEXT NOT NULL, "case" INTEGER CHECK ("case" BETWEEN 1 AND 5), accepted INTEGER CHECK (accepted IN (0, 1)),
    votes TEXT NOT NULL, encounter TEXT, model_before TEXT, result TEXT, gas INTEGER NOT NULL,
    UNIQUE (contact, learner)
) STRICT;
CREATE TABLE votes (
    contact INTEGER NOT NULL, validator INTEGER NOT NULL, accept INTEGER NOT NULL CHECK (accept IN (0, 1)),
    harm REAL, harm_limit REAL, correct_before INTEGER, correct_after INTEGER, images INTEGER
) STRICT;
CREATE TABLE transactions (
    block INTEGER NOT NULL, time_s INTEGER NOT NULL, step TEXT NOT NULL, sender INTEGER, contact INTEGER,
    gas_used INTEGER NOT NULL
) STRICT;
CREATE TABLE stakes (block INTEGER NOT NULL, device INTEGER NOT NULL, stake_wei TEXT NOT NULL) STRICT;
CREATE TABLE accuracy (
    round INTEGER NOT NULL, contact INTEGER NOT NULL, device INTEGER NOT NULL, accuracy REAL NOT NULL,
    images INTEGER NOT NULL
) STRICT;
CREATE TABLE baselines (name TEXT NOT NULL, round INTEGER NOT NULL, accuracy REAL NOT NULL) STRICT;
CREATE TABLE earnings (
    device INTEGER NOT NULL UNIQUE, as_learner_wei TEXT NOT NULL, as_neighbor_wei TEXT NOT NULL,
    as_validator_wei TEXT NOT NULL
) STRICT;
CREATE TABLE expulsions (
    device INTEGER NOT NULL, block INTEGER NOT NULL, contact INTEGER NOT NULL, round INTEGER NOT NULL
) STRICT;
CREATE TABLE work (contact INTEGER NOT NULL, answers TEXT NOT NULL) STRICT;
CREATE TABLE checkpoint (
    records INTEGER NOT NULL, digest TEXT NOT NULL, rows TEXT NOT NULL, wall_s REAL NOT NULL
) STRICT;
CREATE TABLE vectors (digest BLOB NOT NULL PRIMARY KEY, vector BLOB NOT NULL) STRICT;
"""

TABLES: Mapping[type[Any], str] = {
    DeviceRecord: "devices",
    EncounterRecord: "encounters",
    VoteRecord: "votes",
    TransactionRecord: "transactions",
    StakePoint: "stakes",
    AccuracyPoint: "accuracy",
    BaselinePoint: "baselines",
    EarningsRecord: "earnings",
    ExpulsionRecord: "expulsions",
    WorkRecord: "work",
}


def insert_statement(kind: type[Any]) -> str:
    """The INSERT statement for one record, to be executed with `encode(record)`.

    Args:
        kind: class of the record.
    """
    return _INSERTS[kind]


def select_statement(kind: type[Any]) -> str:
    """The SELECT statement for all records of one kind, in the order in which they were written; read it by `decoder`.

    Args:
        kind: class of the records.
    """
    return f"SELECT {_quoted(_columns(kind))} FROM {TABLES[kind]} ORDER BY rowid"


def encode(record: Record) -> tuple[object, ...]:
    """Make a row of a record, with its fields in order.

    Raises:
        TypeError, ValueError: for a value that the table, or JSON, cannot hold.
    """
    return tuple([write(getattr(record, column)) for column, write in _WRITERS[type(record)]])


def decoder(kind: type[R]) -> Callable[[Sequence[Any]], R]:
    """Make the function that turns a row of `select_statement` back into a record.

    It raises ValueError for a row that no run writes.

    Args:
        kind: class of the record.
    """
    special = [
        (index, _codec(column)[1]) for index, column in enumerate(_columns(kind)) if _codec(column) != _PLAIN_CODEC
    ]

    types, usual = _types(kind), set[tuple[type, ...]]()

    def decode(row: Sequence[Any]) -> R:
        found = tuple(map(type, row))
        if found not in usual:  # SQLite checks what is written, not what has become of it since
            for column, one, allowed in zip(_columns(kind), found, types, strict=True):
                if one not in allowed:
                    raise ValueError(f"{TABLES[kind]}.{column} holds a {one.__name__}: the file is damaged")
            usual.add(found)
        values = list(row)
        for index, read in special:
            values[index] = read(values[index])
        return kind(*values)

    return decode


def _types(kind: type[Any]) -> list[set[type]]:
    """What each column of a table may hold, as Python has it."""
    hints = get_type_hints(kind)
    allowed = []
    for column in _columns(kind):
        of_field = set(get_args(hints[column])) or {hints[column]}
        written = {int} if bool in of_field else of_field - {type(None)} if _codec(column) == _PLAIN_CODEC else {str}
        allowed.append(written | ({type(None)} & of_field))
    return allowed


def _columns(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


Codec = tuple[Callable[[Any], object], Callable[[Any], Any]]


def _identity(value: object) -> object:
    return value


_dump = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _to_bit(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _to_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _to_votes(text: str) -> tuple[tuple[int, bool], ...]:
    return tuple((validator, verdict) for validator, verdict in parse_json(text))


def _to_answers(text: str) -> tuple[tuple[str, tuple[int, ...], str | None], ...]:
    return tuple((key, tuple(values), model) for key, values, model in parse_json(text))


def _to_decimal(amount: int) -> str:
    return str(operator.index(amount))  # refuses a float, which has lost its last digits


_CODECS: Mapping[str, Codec] = {
    "accepted": (_to_bit, _to_bool),
    "accept": (_to_bit, _to_bool),
    "votes": (_dump, _to_votes),
    "answers": (_dump, _to_answers),
}
_WEI_CODEC: Codec = (_to_decimal, int)
_PLAIN_CODEC: Codec = (_identity, _identity)


def _codec(column: str) -> Codec:
    return _WEI_CODEC if column.endswith("_wei") else _CODECS.get(column, _PLAIN_CODEC)


def _insert(kind: type[Any]) -> str:
    columns = _columns(kind)
    return f"INSERT INTO {TABLES[kind]} ({_quoted(columns)}) VALUES ({', '.join('?' * len(columns))})"


# Made once, because thousands of records are written in a second.
_INSERTS = {kind: _insert(kind) for kind in TABLES}
_WRITERS = {kind: [(column, _codec(column)[0]) for column in _columns(kind)] for kind in TABLES}
