"""A damaged database: its report shows what can be read, and nothing that uses its numbers takes them for whole."""

from __future__ import annotations

import logging
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import idml
from idml.errors import IdmlError
from idml.reporting.report import write_report
from idml.store import EncounterRecord, RunStore, StoreError

Damage = Callable[[bytearray, random.Random], None]


def overwrite(content: bytearray, rng: random.Random) -> None:
    place = rng.randrange(4096, len(content) - 600)
    content[place : place + 512] = rng.randbytes(512)


def zero(content: bytearray, rng: random.Random) -> None:
    page = rng.randrange(1, len(content) // 4096)
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)


def swap(content: bytearray, rng: random.Random) -> None:
    one, two = (4096 * page for page in rng.sample(range(1, len(content) // 4096), 2))
    content[one : one + 4096], content[two : two + 4096] = content[two : two + 4096], content[one : one + 4096]


def truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(len(content)) :]


def flip(content: bytearray, rng: random.Random) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


DAMAGES = (overwrite, zero, swap, truncate, flip)


@pytest.fixture(scope="module")
def whole(write_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("whole") / "run", devices=12, attackers=3, rounds=30)


def damaged(whole: Path, folder: Path, damage: Damage, seed: int) -> Path:
    directory = folder / f"{damage.__name__}-{seed}"
    shutil.copytree(whole, directory)
    content = bytearray((whole / "run.sqlite").read_bytes())
    damage(content, random.Random(seed))
    (directory / "run.sqlite").write_bytes(content)
    return directory


def check(whole: Path, directory: Path, *, report: bool) -> str:
    """Which of the ways it went; anything but these is a failure."""
    with RunStore.open(whole) as run:
        expected = run.encounters()
    try:
        with RunStore.open(directory) as run:
            # Damage within a row cannot be seen, as long as it leaves a row.
            assert len(run.encounters()) == len(expected)
            return "looks whole"
    except StoreError as error:
        said = str(error)
    assert "\n" not in said
    for use in (lambda: idml.load_run(directory).encounters, lambda: RunStore.resume(directory)):
        with pytest.raises(IdmlError):
            use()
    try:
        if report:
            write_report(directory)
        with RunStore.open(directory, damaged=True) as run:
            assert {one.contact for one in run.encounters()} <= {one.contact for one in expected}
    except StoreError as error:
        said = str(error)
    else:
        return "reported"
    assert "\n" not in said
    return "no report"


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_can_be_read_is_reported_and_nothing_else_takes_it(whole: Path, tmp_path: Path, damage: Damage) -> None:
    ways = [
        check(whole, damaged(whole, tmp_path, damage, seed), report=seed == 0 and damage is overwrite)
        for seed in range(5)
    ]
    assert set(ways) <= {"looks whole", "no report", "reported"}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_can_be_read_is_reported_whatever_the_damage(whole: Path, tmp_path: Path, damage: Damage) -> None:
    ways = [check(whole, damaged(whole, tmp_path, damage, seed), report=seed < 104) for seed in range(100, 220)]
    assert "reported" in ways or damage is flip


def test_the_rows_of_all_other_pages_are_read(whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of a page in the middle of a table that is lost, its rows are missing and no others."""
    with RunStore.open(whole) as run:
        before = run.encounters()
        others = run.transactions()
    content = (whole / "run.sqlite").read_bytes()
    middle = str(next(one.encounter for one in before[len(before) // 2 :] if one.encounter))
    page = content.find(middle.encode()) // 4096 * 4096
    directory = tmp_path / "run"
    shutil.copytree(whole, directory)
    (directory / "run.sqlite").write_bytes(content[:page] + bytes(4096) + content[page + 4096 :])
    with caplog.at_level(logging.WARNING), RunStore.open(directory, damaged=True) as run:
        after = run.encounters()
        assert run.transactions() == others
    lost = [place for place, one in enumerate(before) if one not in after]
    assert 0 < len(lost) < 40
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert after == [one for place, one in enumerate(before) if place not in lost]
    assert f"run.sqlite is damaged; what could be read of it: 12 devices, {len(after)} encounters, " in caplog.text


def test_a_database_without_its_log_is_told(whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "run"
    shutil.copytree(whole, directory)
    with sqlite3.connect(directory / "run.sqlite") as connection:
        connection.execute("DELETE FROM encounters WHERE rowid > 300")
    connection.close()
    with caplog.at_level(logging.WARNING), RunStore.open(directory) as run:
        assert run.count(EncounterRecord) == 300
    assert "has 300 of the 360 contacts that summary.json counts: was it copied without run.sqlite-wal?" in caplog.text
