"""The live view shows what a watcher wants to know, at any size and stage of a run."""

import io
import re
from typing import Any

from rich.console import Console

from idml import progress
from idml.protocol.task import TOKEN_WEI
from idml.simulation.totals import Snapshot


def snapshot(**changes: Any) -> Snapshot:
    values: dict[str, Any] = {
        "contact": 30,
        "contacts": 100,
        "round": 3,
        "encounters": 28,
        "skipped": 2,
        "accuracy": (0.1, 0.3, 0.5),
        "stakes_wei": {0: 200 * TOKEN_WEI, 1: 190 * TOKEN_WEI, 2: 80 * TOKEN_WEI},
        "expelled": (2,),
        "adversaries": frozenset({2}),
        "title": "3 devices, oppcl on digits",
        "stage": "meeting",
    }
    return Snapshot(**{**values, **changes})


def shown(*snapshots: Snapshot) -> str:
    view = progress._LiveView()
    for one in snapshots:
        view.update(one)
    console = Console(file=io.StringIO(), width=100)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_shows_encounters_accuracy_stakes_and_who_is_out() -> None:
    text = shown(snapshot())
    for part in ("30/100", "28 (2 contacts skipped)", "0.500", "▁▄█", "mean 195.0, least 190.0", "2:80"):
        assert part in text
    assert "1 of 1 adversaries, no honest device" in text
    assert "and honest 1" in shown(snapshot(expelled=(1, 2)))


def test_it_shows_runs_without_incentive_without_adversaries_and_not_yet_begun() -> None:
    assert "preparing" in shown()
    assert "stakes" not in shown(snapshot(stakes_wei={}))
    assert "adversaries" not in shown(snapshot(adversaries=frozenset(), expelled=())).split("expelled")[0]
    many = frozenset(range(3, 40))
    stakes = dict.fromkeys(range(40), 200 * TOKEN_WEI)
    assert "and 25 more" in shown(snapshot(adversaries=many, stakes_wei=stakes))


def test_lines_come_once_a_round(capsys: object) -> None:
    console = Console(file=io.StringIO(), width=200)
    observe = progress._lines(console)
    observe(snapshot(accuracy=(), stage="loading data"))
    observe(snapshot(accuracy=(), stage="joining"))
    observe(snapshot(accuracy=(0.1,)))
    observe(snapshot(accuracy=(0.1,)))
    observe(snapshot(accuracy=(0.1, 0.25), expelled=(2, 7)))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert re.fullmatch(r"prepared in \d+\.\d s; start: accuracy 0\.100", lines.pop(1))
    assert lines == [
        "3 devices, oppcl on digits",
        "round 3: 28 encounters, 2 skipped, accuracy 0.250, expelled 2, 7",
    ]


def test_another_run_begins_with_lines_of_its_own() -> None:
    console = Console(file=io.StringIO(), width=200)
    observe = progress._lines(console)
    for _ in range(2):
        observe(snapshot(accuracy=(), stage="loading data"))
        observe(snapshot(accuracy=(), stage="joining"))
        observe(snapshot(accuracy=(0.1,)))
        observe(snapshot(accuracy=(0.1, 0.25)))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[2] == lines[5]


def test_preparing_says_what_and_how_long_it_took() -> None:
    stages = [snapshot(stage=stage, contact=0) for stage in ("loading data", "deploying contracts", "joining")]
    for number, stage in enumerate(stages, 1):
        text = shown(*stages[:number])
        assert f"preparing: {stage.stage}" in text
        assert "prepared" not in text
    text = shown(*stages, snapshot())
    assert "preparing" not in text
    assert re.search(r"prepared +in \d+\.\d s", text)
    assert "preparing: loading data" in shown(*stages, snapshot(), stages[0]), "another run"
