"""Records survive the way through the database, whatever they hold."""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idml.store import (
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
from idml.store.schema import (
    SCHEMA,
    SCHEMA_VERSION,
    TABLES,
    decoder,
    encode,
    insert_statement,
    select_statement,
)

NUMBERS = st.integers(-(2**63), 2**63 - 1)
AMOUNTS = st.integers(-(2**300), 2**300)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SHARES = st.floats(0, 1)

RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(DeviceRecord, NUMBERS, TEXTS, TEXTS, NUMBERS),
    st.builds(
        EncounterRecord,
        *[NUMBERS] * 6,
        st.sampled_from(["settled", "skipped", "rejected", "incomplete", "unincentivized"]),
        TEXTS,
        st.none() | st.integers(1, 5),
        st.none() | st.booleans(),
        st.lists(st.tuples(st.integers(0, 2**53), st.booleans()), max_size=5).map(tuple),
        st.none() | TEXTS,
        st.none() | TEXTS,
        st.none() | TEXTS,
        NUMBERS,
    ),
    st.builds(
        VoteRecord,
        NUMBERS,
        NUMBERS,
        st.booleans(),
        *[st.none() | st.floats(allow_nan=False)] * 2,
        *[st.none() | NUMBERS] * 3,
    ),
    st.builds(TransactionRecord, NUMBERS, NUMBERS, TEXTS, st.none() | NUMBERS, st.none() | NUMBERS, NUMBERS),
    st.builds(StakePoint, NUMBERS, NUMBERS, AMOUNTS),
    st.builds(AccuracyPoint, NUMBERS, NUMBERS, NUMBERS, SHARES, NUMBERS),
    st.builds(BaselinePoint, TEXTS, NUMBERS, SHARES),
    st.builds(EarningsRecord, NUMBERS, AMOUNTS, AMOUNTS, AMOUNTS),
    st.builds(ExpulsionRecord, *[NUMBERS] * 4),
    st.builds(
        WorkRecord,
        NUMBERS,
        st.lists(st.tuples(TEXTS, st.lists(NUMBERS, max_size=3).map(tuple), st.none() | TEXTS), max_size=4).map(tuple),
    ),
)


def through_database(record: Record) -> Record:
    kind: Any = type(record)
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(SCHEMA)
        connection.execute(insert_statement(kind), encode(record))
        (row,) = connection.execute(select_statement(kind)).fetchall()
    finally:
        connection.close()
    read: Record = decoder(kind)(row)
    return read


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    read = through_database(record)
    assert read == record
    assert [type(value) for value in dataclasses.astuple(read)] == [
        type(value) for value in dataclasses.astuple(record)
    ]


def test_the_schema_changes_only_with_its_version() -> None:
    # Runs outlive the code that wrote them: whoever changes a table raises SCHEMA_VERSION and then this digest.
    assert (SCHEMA_VERSION, hashlib.sha256(SCHEMA.encode()).hexdigest()) == (
        4,
        "aa88d6adcb75a66babe89cf28f1ffd696d5b7d2ac91473b133c20f53c2322ab5",
    )


def test_tables_have_the_columns_of_their_records() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    for kind, table in TABLES.items():
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        assert columns == [field.name for field in dataclasses.fields(kind)]
    connection.close()


def test_earnings_add_up() -> None:
    assert EarningsRecord(0, -(10**20), 3 * 10**20, 5).total_wei == 2 * 10**20 + 5
