"""What the mirror says to have become of an encounter is what its accounts show, from before it opened to its end."""

from collections.abc import Callable
from typing import Any

import pytest

from idml.ledger.mirror import NOBODY
from idml.protocol.events import Settled
from idml.protocol.outcome import Outcome
from idml.protocol.task import TOKEN_WEI

from .conftest import PEOPLE, earned
from .machine import OTHER_RESULT, PAPER

REWARD_WEI = 10 * TOKEN_WEI
SAFE, TWO_OF_THREE, ONE_JUDGE, THREE_OF_ANY = 0, 2, 3, 4


def wealth(driver: Any) -> dict[bytes, int]:
    """What everyone owns in the contract, by the contract."""
    accounts = {who: driver.ledger.account(who) for who in PEOPLE}
    return {who: account.balance + account.stake + account.unbonding for who, account in accounts.items()}


def outcome_of(driver: Any, play: Callable[[], bytes]) -> Outcome:
    """Play an encounter between the first two actors to its end; the only one that ends meanwhile."""
    before, known = wealth(driver), len(driver.outcomes)
    encounter = play()
    assert encounter not in driver.mirror.encounters
    (outcome,) = driver.outcomes[known:]
    gained = {who: after - before[who] for who, after in wealth(driver).items()}
    assert {who: earned(outcome)[who] for who in PEOPLE} == gained
    driver.check()
    learner, neighbor = (driver.actors[index].address for index in (0, 1))
    assert isinstance(outcome, Outcome)
    assert (outcome.encounter.id, outcome.encounter.terms.learner) == (encounter, learner)
    assert list(outcome.earned_wei) == ["learner", "neighbor", "validator"]
    assert (set(outcome.earned_wei["learner"]), set(outcome.earned_wei["neighbor"])) == ({learner}, {neighbor})
    assert outcome.votes == dict(outcome.encounter.progress.votes), "it stood with all its votes"
    return outcome


@pytest.mark.parametrize(
    ("task", "verdicts", "case", "neighbor_wei", "judges_wei", "burnt_wei"),
    [
        (SAFE, [], 1, 8 * TOKEN_WEI, [], 2 * TOKEN_WEI),
        (SAFE, [True], 1, 8 * TOKEN_WEI, [], 2 * TOKEN_WEI),
        (PAPER, [], 1, REWARD_WEI, [], 0),
        (SAFE, [True] * 3, 2, 8 * TOKEN_WEI, [2 * TOKEN_WEI // 3] * 3, 0),
        (PAPER, [True], 2, 8 * TOKEN_WEI, [2 * TOKEN_WEI], 0),
        (SAFE, [False] * 3, 3, -REWARD_WEI, [4 * TOKEN_WEI // 3] * 3, 6 * TOKEN_WEI),
        (PAPER, [False] * 2, 3, -REWARD_WEI, [5 * TOKEN_WEI] * 2, 0),
        (ONE_JUDGE, [False], 3, -REWARD_WEI, [7_777 * TOKEN_WEI // 1_000], 2_223 * TOKEN_WEI // 1_000),
        (SAFE, [True, False, True], 4, 8 * TOKEN_WEI, None, 0),
        (PAPER, [True, False], 4, 8 * TOKEN_WEI, [3 * TOKEN_WEI, -TOKEN_WEI], 0),
        (THREE_OF_ANY, [True, True, False], 4, 8 * TOKEN_WEI, None, 0),
        (SAFE, [False, False, True], 5, -REWARD_WEI, None, 6 * TOKEN_WEI),
        (TWO_OF_THREE, [True, False], 5, -REWARD_WEI, [-2 * TOKEN_WEI, 6 * TOKEN_WEI], 6 * TOKEN_WEI),
    ],
)
def test_each_case_of_the_settlement(
    driver: Any,
    task: int,
    verdicts: list[bool],
    case: int,
    neighbor_wei: int,
    judges_wei: list[int] | None,
    burnt_wei: int,
) -> None:
    votes: dict[bytes, bool] = {}

    def play() -> bytes:
        encounter: bytes = driver.validating(driver.tasks[task])
        voters = [voter.address for voter in driver.voters(encounter)]
        votes.update(zip(voters, verdicts, strict=False))
        driver.vote(encounter, *verdicts)
        if encounter in driver.mirror.encounters:
            driver.warp(501)
            driver.finalize(encounter)
        return encounter

    outcome = outcome_of(driver, play)
    settlement = outcome.settlement
    assert settlement is not None
    assert (outcome.status, settlement.case, settlement.burnt) == ("settled", case, burnt_wei)
    announced = next(event for event in reversed(driver.events) if isinstance(event, Settled))
    assert (announced.case_number, announced.accepted) == (case, settlement.accepted)
    assert list(outcome.votes.items()) == list(votes.items()), "in the order of voting"
    judged = outcome.earned_wei["validator"]
    assert list(judged) == ([] if case == 1 else list(votes)), "where nobody judged, nobody wins or loses"
    assert sum(outcome.earned_wei["neighbor"].values()) == neighbor_wei
    if judges_wei is not None:
        assert list(judged.values()) == judges_wei


def test_votes_are_told_in_the_order_of_voting(driver: Any) -> None:
    order: list[bytes] = []

    def play() -> bytes:
        encounter: bytes = driver.validating(driver.tasks[SAFE])
        for voter in reversed(driver.voters(encounter)):
            order.append(voter.address)
            driver.must("vote", voter, driver.at(encounter).progress, voter.address, True)
        return encounter

    outcome = outcome_of(driver, play)
    assert list(outcome.votes) == list(outcome.earned_wei["validator"]) == order
    assert outcome.encounter.progress.voters == tuple(reversed(order))


def test_a_stake_that_leaves_meanwhile_is_still_judged(driver: Any) -> None:
    """What it is moving out is its own as before."""
    neighbor = driver.actors[1]

    def play() -> bytes:
        encounter: bytes = driver.validating(driver.tasks[SAFE])
        driver.must("request_unstake", neighbor, 190 * TOKEN_WEI)
        driver.vote(encounter, False, False, False)
        return encounter

    outcome = outcome_of(driver, play)
    assert outcome.earned_wei["neighbor"] == {neighbor.address: -REWARD_WEI}


def refused(driver: Any) -> bytes:
    encounter: bytes = driver.open(*driver.actors[:2])
    driver.must("reject", driver.actors[1], driver.at(encounter).progress)
    driver.warp(101)
    driver.finalize(encounter)
    return encounter


def neighbor_silent(driver: Any) -> bytes:
    encounter: bytes = driver.open(*driver.actors[:2], driver.tasks[PAPER])
    driver.warp(101)
    driver.finalize(encounter)
    return encounter


def learner_silent(driver: Any, task: int = PAPER, denies: bool = False) -> bytes:
    learner, neighbor = driver.actors[:2]
    encounter: bytes = driver.open(learner, neighbor, driver.tasks[task])
    driver.report(encounter, neighbor)
    if denies:
        driver.report(encounter, learner, OTHER_RESULT)
    driver.warp(201)
    driver.finalize(encounter)
    return encounter


def learner_denies(driver: Any) -> bytes:
    return learner_silent(driver, TWO_OF_THREE, denies=True)


def contested_in_vain(driver: Any) -> bytes:
    """One vote of two that would be needed."""
    learner, neighbor = driver.actors[:2]
    encounter: bytes = driver.open(learner, neighbor, driver.tasks[TWO_OF_THREE])
    driver.report(encounter, neighbor)
    driver.warp(101)
    driver.must("contest", neighbor, driver.at(encounter).progress)
    driver.mine(2)
    driver.must("draw", driver.actors[6], driver.at(encounter).progress)
    driver.vote(encounter, True)
    driver.warp(501)
    driver.finalize(encounter)
    return encounter


@pytest.mark.parametrize(
    ("play", "status", "good_faith_wei", "votes"),
    [
        (refused, "rejected", 0, 0),
        (neighbor_silent, "incomplete", 0, 0),
        (learner_silent, "incomplete", TOKEN_WEI, 0),
        (learner_denies, "incomplete", TOKEN_WEI // 2, 0),
        (contested_in_vain, "incomplete", 0, 1),
    ],
)
def test_an_end_without_a_verdict(
    driver: Any, play: Callable[[Any], bytes], status: str, good_faith_wei: int, votes: int
) -> None:
    learner, neighbor = (driver.actors[index].address for index in (0, 1))
    outcome = outcome_of(driver, lambda: play(driver))
    assert (outcome.status, outcome.settlement, len(outcome.votes)) == (status, None, votes)
    assert outcome.earned_wei == {
        "learner": {learner: -good_faith_wei},
        "neighbor": {neighbor: good_faith_wei},
        "validator": {},
    }


def test_encounters_that_end_one_after_another_are_told_apart(driver: Any) -> None:
    """Also where the mirror follows both at once; those settled from signatures are no part of it."""
    mirror = driver.mirror
    first, second = driver.open(*driver.actors[:2]), driver.open(*driver.actors[2:4])
    known = len(driver.outcomes)
    driver.warp(101)
    driver.finalize(second)
    driver.finalize(first)
    assert [outcome.encounter.id for outcome in driver.outcomes[known:]] == [second, first]

    learner = driver.actors[4]
    driver.must("set_budget", learner, REWARD_WEI, 1)
    terms = driver.terms(learner, driver.actors[5])
    driver.settle("settle", driver.voucher(terms, 7))
    assert len(driver.outcomes) == known + 2

    again = type(mirror)(driver.ledger.domain, driver.ledger.unbonding_delay_s())
    changes = again.apply(driver.events)
    assert list(changes.outcomes) == driver.outcomes
    assert [outcome.encounter.id for outcome in changes.outcomes] == [second, first]
    assert set(changes.stakes_wei) >= {actor.address for actor in driver.actors}
    assert again.apply([]) == type(changes)({}, ())


def test_who_is_named_is_who_is_touched(driver: Any) -> None:
    """In the order in which they were, each once: the learner prepays, votes pay four, something is burnt."""
    learner, neighbor = (driver.actors[index].address for index in (0, 1))
    mirror = driver.copy().mirror
    encounter = driver.validating(driver.tasks[SAFE])
    voters = [voter.address for voter in driver.voters(encounter)]
    results = driver.vote(encounter, False, True, False)
    opened = next(event for event in driver.events if getattr(event, "encounter", None) == encounter)
    assert mirror.apply([opened]).stakes_wei == {who: mirror.stake_wei(who) for who in (learner, neighbor)}
    following = driver.events[driver.events.index(opened) + 1 :]
    mirror.apply(following[: -len(results[-1].events)])
    last = mirror.apply(results[-1].events).stakes_wei
    assert set(last) == {learner, neighbor, *voters, NOBODY}
    assert next(iter(last)) == voters[-1], "the last to vote comes first"
