"""The events as Python knows them are those of the contracts, argument by argument."""

import json
import keyword
import re
from dataclasses import fields
from importlib import resources
from typing import Any

import pytest

from idml.protocol.events import EVENTS, EncounterEvent, Ended, Ending, Event, Settled
from idml.protocol.messages import Terms
from idml.protocol.settlement import settle
from idml.protocol.task import TaskParams, preset_task


def entries(contract: str) -> list[dict[str, Any]]:
    artifact = json.loads((resources.files("idml.ledger") / "artifacts" / f"{contract}.json").read_text())
    return [entry for entry in artifact["abi"] if entry["type"] == "event"]


IDML, TOKEN = entries("IDML"), entries("IDMLToken")
STRUCTS = {"struct Terms": Terms, "struct TaskParams": TaskParams}


def in_python(name: str) -> str:
    name = re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
    return f"{name}_" if keyword.iskeyword(name) else name


def type_of(argument: dict[str, Any]) -> object:
    kind: str = argument["type"]
    if kind.endswith("]"):
        return tuple[bytes, ...]
    if kind == "tuple":
        return STRUCTS[argument["internalType"]]
    if kind in ("address", "bytes32", "bytes4"):
        return bytes
    return bool if kind == "bool" else int


def names(*contracts: list[dict[str, Any]]) -> set[str]:
    return {entry["name"] for contract in contracts for entry in contract}


def test_there_is_a_class_for_each_event_of_both_contracts_and_for_no_other() -> None:
    assert set(EVENTS) == names(IDML, TOKEN)
    assert {name: kind.__name__ for name, kind in EVENTS.items()} == {name: name for name in EVENTS}


@pytest.mark.parametrize("entry", [*IDML, *TOKEN], ids=lambda entry: entry["name"])
def test_an_events_fields_are_its_arguments_in_their_order(entry: dict[str, Any]) -> None:
    block, timestamp_s, *arguments = fields(EVENTS[entry["name"]])
    assert (block.name, timestamp_s.name) == ("block", "timestamp_s")
    assert [(field.name, field.type) for field in arguments] == [
        (in_python(argument["name"]), type_of(argument)) for argument in entry["inputs"]
    ]


def test_events_of_one_name_are_the_same_in_both_contracts() -> None:
    both = names(IDML) & names(TOKEN)
    arguments = [{entry["name"]: entry["inputs"] for entry in each if entry["name"] in both} for each in (IDML, TOKEN)]
    assert arguments[0] == arguments[1]


def test_an_event_that_says_first_which_encounter_it_is_about_is_a_step_of_it_and_no_other_is() -> None:
    """A step of one encounter names it in its first topic."""
    about_one = {
        entry["name"]
        for entry in IDML
        if [(argument["name"], argument["type"], argument["indexed"]) for argument in entry["inputs"][:1]]
        == [("encounter", "bytes32", True)]
    }
    assert about_one == {name for name, kind in EVENTS.items() if issubclass(kind, EncounterEvent)}


def test_every_class_is_an_event_and_frozen() -> None:
    for kind in EVENTS.values():
        event = kind(*range(len(fields(kind))))
        assert isinstance(event, Event)
        assert hash(event) == hash(kind(*range(len(fields(kind)))))
        with pytest.raises(AttributeError):
            event.block = 1  # type: ignore[misc]


@pytest.mark.parametrize("preset", ["safe", "paper"])
def test_the_verdict_is_the_one_of_the_settlement(preset: str) -> None:
    task, cases = preset_task(preset), set()
    for votes_for in range(task.votes + 1):
        for votes_against in range(task.votes + 1 - votes_for):
            settlement = settle(10, votes_for, votes_against, task)
            event = Settled(1, 2, b"e" * 32, settlement.case, votes_for, votes_against)
            assert event.accepted is settlement.accepted
            cases.add(settlement.case)
    assert cases == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(("outcome", "ending"), [(0, Ending.REJECTED), (1, Ending.INCOMPLETE)])
def test_an_ending_by_its_name(outcome: int, ending: Ending) -> None:
    assert Ended(1, 2, b"e" * 32, outcome, 0).ending is ending
