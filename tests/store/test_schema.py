"""Records survive the way through the database, whatever they hold."""

from __future__ import annotations

import dataclasses
import hashlib
import json
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
    EventRecord,
    ExpulsionRecord,
    Record,
    StakePoint,
    TransactionRecord,
)
from idml.store.schema import (
    SCHEMA,
    SCHEMA_VERSION,
    TABLES,
    decoder,
    encode,
    insert_statement,
    select_statement,
    to_json,
)

NUMBERS = st.integers(-(2**63), 2**63 - 1)
AMOUNTS = st.integers(-(2**300), 2**300)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SHARES = st.floats(0, 1)
JSON = st.recursive(
    st.none() | st.booleans() | AMOUNTS | st.floats(-1e300, 1e300) | TEXTS | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip

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
    st.builds(TransactionRecord, NUMBERS, NUMBERS, TEXTS, st.none() | NUMBERS, st.none() | NUMBERS, NUMBERS),
    st.builds(EventRecord, NUMBERS, NUMBERS, TEXTS, st.dictionaries(TEXTS, JSON, max_size=4)),
    st.builds(StakePoint, NUMBERS, NUMBERS, AMOUNTS),
    st.builds(AccuracyPoint, NUMBERS, NUMBERS, NUMBERS, SHARES, NUMBERS),
    st.builds(BaselinePoint, TEXTS, NUMBERS, SHARES),
    st.builds(EarningsRecord, NUMBERS, AMOUNTS, AMOUNTS, AMOUNTS),
    st.builds(ExpulsionRecord, *[NUMBERS] * 4),
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


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_every_record_comes_back_as_it_was(record: Record) -> None:
    if isinstance(record, EventRecord):
        record = dataclasses.replace(record, arguments=to_json(record.arguments))
    read = through_database(record)
    assert read == record
    assert [type(value) for value in dataclasses.astuple(read)] == [
        type(value) for value in dataclasses.astuple(record)
    ]


@given(st.dictionaries(TEXTS, JSON, max_size=4))
def test_json_loses_nothing_for_readers_that_know_only_doubles(arguments: dict[str, object]) -> None:
    stored = to_json(arguments)
    assert json.loads(json.dumps(stored), parse_int=lambda digits: int(float(digits))) == stored
    assert to_json(stored) == stored


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (-(2**53) - 1, "-9007199254740993"),
        (True, True),
        (b"\x00\xff", "0x00ff"),
        ((1, b""), [1, "0x"]),
        ({7: 10**30}, {"7": "1" + "0" * 30}),
    ],
)
def test_json_of_large_numbers_bytes_and_tuples(value: object, stored: object) -> None:
    assert to_json(value) == stored


def test_json_refuses_what_it_would_have_to_guess() -> None:
    with pytest.raises(TypeError, match="cannot store a set as JSON"):
        to_json({1, 2})


def test_the_schema_changes_only_with_its_version() -> None:
    # Runs outlive the code that wrote them: whoever changes a table raises SCHEMA_VERSION and then this digest.
    assert (SCHEMA_VERSION, hashlib.sha256(SCHEMA.encode()).hexdigest()) == (
        2,
        "1ac0e4efd35958ae051dbeed6d10579c09898bb240cc01960fa3771880ecb013",
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
