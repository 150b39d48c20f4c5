"""What each validator measured is kept with its vote, and says by itself why it voted so."""

from collections.abc import Callable
from typing import Any

import pytest

from idml.store.records import HONEST, EncounterRecord, VoteRecord

from .conftest import Played

LIARS = {"always_yes": 1, "invert": 1, "random_weights": 1}


def votes_of(encounters: list[EncounterRecord]) -> list[tuple[int, int, bool]]:
    return [(one.contact, validator, accept) for one in encounters for validator, accept in one.votes]


@pytest.mark.parametrize("rule", ["paper", "loss"])
def test_a_vote_follows_from_what_was_measured(play: Callable[..., Played], rule: str) -> None:
    run = play(rule=rule, adversaries=LIARS, encounters=40)
    config, votes = run.simulator._world.config, run.store.votes()
    assert [(one.contact, one.validator, one.accept) for one in votes] == votes_of(run.store.encounters())
    kinds = {record.device: record.kind for record in run.store.devices()}
    seen = set()
    for vote in votes:
        kind = kinds[vote.validator]
        seen.add((kind, vote.accept))
        if kind == "always_yes":
            assert vote == VoteRecord(vote.contact, vote.validator, True)
            continue
        assert vote.harm is not None
        assert vote.harm_limit == config.judged_by.limit(config.tolerance_bps)
        assert vote.correct_before is not None
        assert vote.correct_after is not None
        assert vote.images == config.validation_images
        assert (vote.harm <= vote.harm_limit) == (vote.accept != (kind == "invert"))
        if rule == "paper":
            assert vote.harm == (vote.correct_before - vote.correct_after) / vote.images
    assert {("always_yes", True), ("invert", False), (HONEST, True), (HONEST, False)} <= seen


def test_without_an_incentive_nobody_votes(play: Callable[..., Any]) -> None:
    assert play(incentive=False, devices=4, encounters=4).store.votes() == []
