"""Three ways through the house, followed in real runs: a vote, an event, an adversary's key.

What counts is who looks into the thing that is followed: who reads a verdict or a stake, who asks for a deed.
Whoever only hands it on is not seen. An event is looked into by one module of each room that it passes. A vote is
looked into by one of each on its way to the contract. Each deed is asked for in one place.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from idml.ledger.mirror import Changes
from idml.protocol.events import Settled, Staked, Voted
from idml.protocol.messages import Vote
from idml.protocol.outcome import Outcome
from idml.protocol.roles import Judged
from idml.reporting.report import write_report
from idml.simulation.adversaries.base import Participant
from idml.simulation.adversaries.registry import ADVERSARIES
from idml.simulation.runs import simulate
from idml.store import StakePoint

from ..simulation.conftest import tiny

Passed = list[tuple[str, str]]
"""Modules, with what each looked at, in the order in which they first did."""


@contextmanager
def watched(passed: Passed, *looks: tuple[type, str]) -> Iterator[None]:
    """Note who reads these attributes, or calls these methods."""
    kept = [(kind, name, vars(kind)[name]) for kind, name in looks]

    def note(kind: type, name: str) -> None:
        module, seen = sys._getframe(2).f_globals["__name__"], f"{kind.__name__}.{name}"
        look = (module.removeprefix("idml."), seen)
        if module not in ("dataclasses", kind.__module__) and look not in passed:  # a class may look at itself
            passed.append(look)

    def watch(kind: type, name: str, member: Any) -> object:
        if callable(member):

            def call(*arguments: Any, **named: Any) -> Any:
                note(kind, name)
                return member(*arguments, **named)

            return call

        def read(thing: object) -> object:
            note(kind, name)
            return member.__get__(thing)

        return property(read, lambda thing, value: member.__set__(thing, value))

    for kind, name, member in kept:
        setattr(kind, name, watch(kind, name, member))
    try:
        yield
    finally:
        for kind, name, member in kept:
            setattr(kind, name, member)


def rooms(passed: Passed) -> dict[str, set[str]]:
    """The modules of each room."""
    modules = sorted({module for module, _ in passed})
    return {room: set(of) for room, of in groupby(modules, key=lambda module: module.split(".")[0])}


def test_a_vote_from_the_judge_to_the_mirror(tmp_path: Path) -> None:
    passed: Passed = []
    with watched(passed, (Judged, "accept"), (Vote, "accept"), (Voted, "accept"), (Outcome, "votes")):
        simulate(tiny(), tmp_path / "run")
    to_the_contract = [module for module, seen in passed if seen in ("Judged.accept", "Vote.accept")]
    assert to_the_contract == ["protocol.roles.validator", "ledger.submit"]
    from_the_contract = [module for module, seen in passed if seen in ("Voted.accept", "Outcome.votes")]
    assert sorted(from_the_contract) == ["ledger.mirror", "protocol.encounter", "simulation.recorder"]


@pytest.mark.slow
def test_an_event_to_the_picture(tmp_path: Path) -> None:
    passed: Passed = []
    looks = ((Staked, "amount"), (Settled, "case_number"), (Changes, "stakes_wei"), (StakePoint, "stake_wei"))
    with watched(passed, *looks):
        simulate(tiny(adversaries={"random_weights": 2}), tmp_path / "run")
        write_report(tmp_path / "run")
    assert rooms(passed) == {
        "ledger": {"ledger.mirror"},
        "simulation": {"simulation.recorder"},
        "store": {"store.schema"},
        "reporting": {"reporting.series"},
    }
    assert "whose stake falls below 100 tokens" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


DEEDS = {
    "act": {"protocol.roles.driver"},
    "hear": {"protocol.roles.driver"},
    "hand_over": {"protocol.roles.driver"},
    "contribute": {"simulation.work.runner"},
    "verdict": {"simulation.work.encounter"},
    "blind_vote": {"simulation.work.encounter"},
    "asks_first": {"simulation.voters"},
    "comes_back": {"simulation.simulator"},
}
"""Who asks an adversary for each of its deeds while a run is played."""


QUICK = ("label_flip", "swap", "deny", "copy_votes", "collude_neighbor", "sybil")
KINDS = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in ADVERSARIES.built_in]


@pytest.mark.parametrize("kind", KINDS)
def test_an_adversarys_key_to_its_deed(tmp_path: Path, kind: str) -> None:
    """The key is looked up once, where the parts are cast; from there on each deed is asked for in one place."""
    role = type(ADVERSARIES.find(kind))
    deeds = [deed for deed in DEEDS if getattr(role, deed) is not getattr(Participant, deed)]
    owners = {deed: next(owner for owner in role.__mro__ if deed in vars(owner)) for deed in deeds}
    config = tiny(adversaries={kind: 3}, preset="paper", encounters=48, model="linear", stake=120, reward=30)
    passed: Passed = []
    with watched(passed, *((owner, deed) for deed, owner in owners.items())):
        simulate(config, tmp_path / "run")
    for deed in deeds:
        asked_by = {module for module, seen in passed if seen.endswith(f".{deed}")}
        assert asked_by - {"simulation.timing"} <= DEEDS[deed], f"{deed} is asked for by {asked_by}"
        assert asked_by or deed == "comes_back", f"nobody asks for {deed}"
