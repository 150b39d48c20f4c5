"""Encounters from signatures: all ways end in the same state, and what fails is named, skipped and harms nobody."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from idml.ledger.errors import Reverted
from idml.ledger.interface import TxResult, idml_abi
from idml.protocol.batch import PackedBatch, Voucher
from idml.protocol.events import BatchSettled, DoubleVoted, Skipped
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Vote
from idml.protocol.task import TOKEN_WEI

DELAY_S = 7 * 24 * 3600
REWARD_WEI = 10 * TOKEN_WEI
WAYS = ["settle", "settle_batch", "settle_cosigned"]
SAFE, TWO_OF_THREE, ONE_JUDGE = 0, 2, 3


@pytest.fixture
def rich(driver: Any) -> Any:
    """A driver whose first two actors have a budget for five encounters."""
    for learner in driver.actors[:2]:
        driver.must("set_budget", learner, REWARD_WEI, 5)
    return driver


def make(driver: Any, ballots: int = 7, learner: int = 0, neighbor: int = 1, **changes: Any) -> Voucher:
    arguments = {"task": driver.tasks[SAFE], "reward": REWARD_WEI, **changes}
    terms = driver.terms(driver.actors[learner], driver.actors[neighbor], **arguments)
    voucher: Voucher = driver.voucher(terms, ballots)
    return voucher


def selector(error: str) -> bytes:
    """The first four bytes of a custom error, by its name."""
    return next(key for key, entry in idml_abi()._errors.items() if entry.name == error)


def settled(outcome: TxResult | Reverted) -> TxResult:
    assert isinstance(outcome, TxResult), outcome
    return outcome


def assert_unsettled(outcome: TxResult | Reverted, error: str) -> None:
    assert isinstance(outcome, Reverted)
    assert (outcome.name, outcome.arguments) == ("NothingSettled", {"reason": selector(error)})


def books(driver: Any) -> Sequence[object]:
    people = [*(actor.address for actor in driver.actors), bytes(20)]
    return [(driver.ledger.account(who), driver.ledger.history(who)) for who in people]


def play_stepwise(driver: Any, voucher: Voucher, *, both: bool) -> None:
    terms, encounter = voucher.terms, driver.ledger.domain.digest(voucher.terms)
    learner, neighbor = (driver.wallets[who] for who in (terms.learner, terms.neighbor))
    driver.must("open", learner, terms, learner.sign(encounter), neighbor.sign(encounter))
    if both:
        driver.report_both(encounter)
    else:
        driver.report(encounter, neighbor)
        driver.report(encounter, learner)
    for voter, accept in voucher.votes:
        driver.must("vote", driver.wallets[voter], driver.at(encounter).progress, voter, accept)
    assert encounter not in driver.mirror.encounters


@pytest.mark.parametrize(
    ("task", "ballots"),
    [(SAFE, ballots) for ballots in range(8)]
    + [(TWO_OF_THREE, ballots) for ballots in range(4)]
    + [(ONE_JUDGE, ballots) for ballots in range(2)],
)
def test_all_ways_end_in_the_same_state(new_driver: Any, task: int, ballots: int) -> None:
    ends = []
    for way in ("apart", "both", *WAYS):
        driver = new_driver()
        for actor in driver.actors[:2]:
            driver.must("set_budget", actor, REWARD_WEI, 5)
        voucher = make(driver, ballots, task=driver.tasks[task])
        if way in WAYS:
            settled(driver.settle(way, voucher))
        else:
            play_stepwise(driver, voucher, both=way == "both")
        driver.check()
        ends.append(books(driver))
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("cosigned", [False, True])
def test_a_batch_is_as_good_as_its_encounters_one_by_one(new_driver: Any, cosigned: bool) -> None:
    ends = []
    for way in ("settle", "settle_cosigned" if cosigned else "settle_batch"):
        driver = new_driver()
        for actor in driver.actors[:2]:
            driver.must("set_budget", actor, REWARD_WEI, 5)
        vouchers = [make(driver, ballots, nonce=nonce) for nonce, ballots in enumerate([7, 0, 3, 4])]
        vouchers += [make(driver, ballots, 1, 2, nonce=nonce) for nonce, ballots in enumerate([1, 5])]
        if way == "settle":
            for voucher in vouchers:
                settled(driver.settle(way, voucher))
        else:
            result = settled(driver.settle(way, *vouchers))
            last = result.events[-1]
            assert isinstance(last, BatchSettled)
            assert last.settled == (1 << len(vouchers)) - 1
        driver.check()
        ends.append(books(driver))
    assert ends[0] == ends[1]


def test_the_message_that_was_settled_can_be_read_back(rich: Any) -> None:
    vouchers = (make(rich, 7), make(rich, 0, 1, 2))
    packed = PackedBatch(vouchers)
    event = settled(rich.settle("settle_batch", *vouchers)).events[-1]
    assert isinstance(event, BatchSettled)
    assert event.parties == packed.message.parties
    assert event.encounters == packed.message.encounters


@pytest.mark.parametrize("life", [False, True])
def test_what_was_skipped_stops_no_mirror(rich: Any, life: bool) -> None:
    packed = PackedBatch((make(rich, 7), make(rich, 0, 1, 2)))
    signatures = packed.sign_each(rich.ledger.domain, rich.sign)
    words = list(packed.message.encounters)
    if life:
        words[4] = (int.from_bytes(words[4], "big") | ((1 << 64) - 1) << 16).to_bytes(32, "big")  # no such time
    else:
        words[-1] = words[-1][:3] + b"\xff" * 29  # no such voters
    batch = replace(packed.message, encounters=tuple(words))
    result = rich.must("settle_batch", rich.actors[-1], batch, signatures)
    last = result.events[-1]
    assert isinstance(last, BatchSettled)
    assert last.settled == 1
    rich.check()


@pytest.mark.parametrize("way", WAYS)
def test_each_nonce_pays_once(rich: Any, way: str) -> None:
    voucher = make(rich, nonce=1)
    settled(rich.settle(way, voucher))
    for other in WAYS:
        assert_unsettled(rich.settle(other, voucher), "NonceUsed")
    encounter = rich.ledger.domain.digest(voucher.terms)
    learner, neighbor = rich.actors[:2]
    rich.fails("NonceUsed", "open", learner, voucher.terms, learner.sign(encounter), neighbor.sign(encounter))
    settled(rich.settle(way, make(rich, nonce=0)))
    assert_unsettled(rich.settle(way, voucher), "NonceOutOfWindow")  # the window went past it


@pytest.mark.parametrize("way", WAYS)
def test_an_opened_encounter_is_settled_step_by_step_alone(rich: Any, way: str) -> None:
    voucher = make(rich, nonce=1)
    encounter = rich.ledger.domain.digest(voucher.terms)
    learner, neighbor = rich.actors[:2]
    rich.must("open", learner, voucher.terms, learner.sign(encounter), neighbor.sign(encounter))
    assert_unsettled(rich.settle(way, voucher), "NonceUsed")


@pytest.mark.parametrize("way", WAYS)
def test_a_voucher_lives_until_its_voting_window_is_over(rich: Any, way: str) -> None:
    last, dead = make(rich, nonce=0), make(rich, nonce=1)
    rich.warp(50 + 500)
    settled(rich.settle(way, last))
    rich.warp(1)
    assert_unsettled(rich.settle(way, dead), "DeadlinePassed")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reward": REWARD_WEI + (1 << 48)}, "RewardAboveBudget"),
        ({"nonce": 5}, "NonceOutOfWindow"),
        ({"as_of": 1}, "InvalidAsOf"),
        ({"deadline": 101}, "InvalidAsOf"),
        ({"seats": 5}, "InvalidSeats"),
        ({"neighbor": 0}, "SelfDealing"),
        ({"learner": 2}, "NonceOutOfWindow"),  # it has no budget
    ],
)
def test_what_is_not_covered_or_not_valid_is_not_settled(rich: Any, changes: dict[str, Any], error: str) -> None:
    voucher = make(rich, **changes)
    for way in WAYS:
        assert_unsettled(rich.settle(way, voucher), error)


def test_open_voting_has_no_signed_path(rich: Any) -> None:
    voucher = make(rich, task=rich.tasks[1])
    for way in WAYS:
        outcome = rich.settle(way, voucher)
        assert isinstance(outcome, Reverted)
        assert outcome.name == "NoCommittee"


def test_the_holder_cannot_pick_among_the_votes(rich: Any) -> None:
    voucher = make(rich, task=rich.tasks[TWO_OF_THREE])
    committee = rich.ledger.committee_of(voucher.terms, voucher.seed)
    for votes in ((committee[0], committee[2]), (committee[1], committee[0])):
        picked = replace(voucher, votes=tuple((who, True) for who in votes))
        for way in WAYS[1:]:
            assert_unsettled(rich.settle(way, picked), "NotInCommittee")
        assert_unsettled(rich.settle("settle", picked), "InvalidSignature")


def test_a_short_committee_is_for_the_steps(rich: Any) -> None:
    for actor in rich.actors[3:6]:
        rich.must("request_unstake", actor, 150 * TOKEN_WEI)
    rich.warp(1)
    voucher = make(rich)
    assert len(voucher.votes) == 1
    for way in WAYS[1:]:
        padded = replace(voucher, votes=(*voucher.votes, *((who.address, True) for who in rich.actors[4:6])))
        assert_unsettled(rich.settle(way, padded), "CommitteeShort")


@pytest.mark.parametrize("place", range(5))
def test_every_signature_counts(rich: Any, place: int) -> None:
    voucher = make(rich)
    for way in WAYS[:2]:
        signatures = list(rich.signatures(way, [voucher]))
        signatures[2 * place] = keccak256(signatures[2 * place])
        assert_unsettled(rich.settle(way, voucher, signatures=signatures), "InvalidSignature")
        malleable = list(rich.signatures(way, [voucher]))
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        s = int.from_bytes(malleable[2 * place + 1], "big")
        other = (s >> 255 ^ 1) << 255 | order - (s & (1 << 255) - 1) & (1 << 255) - 1
        malleable[2 * place + 1] = other.to_bytes(32, "big")
        assert_unsettled(rich.settle(way, voucher, signatures=malleable), "InvalidSignature")


def test_a_cosigned_batch_needs_everybody(rich: Any) -> None:
    voucher = make(rich)
    for place in range(5):
        signatures = list(rich.signatures("settle_cosigned", [voucher]))
        signatures[2 * place] = keccak256(signatures[2 * place])
        outcome = rich.settle("settle_cosigned", voucher, signatures=signatures)
        assert isinstance(outcome, Reverted)
        assert outcome.arguments == {"signer": PackedBatch((voucher,)).parties[place]}


def test_a_batch_skips_what_fails_and_settles_the_others(rich: Any) -> None:
    good = [make(rich, 7, nonce=0), make(rich, 0, nonce=2)]
    bad = [make(rich, nonce=0), make(rich, nonce=9), make(rich, nonce=1, reward=20 * TOKEN_WEI)]
    for way in WAYS[1:]:
        rich.check()
        result = settled(rich.settle(way, good[0], *bad, good[1]))
        skipped = [(event.index, event.reason) for event in result.events if isinstance(event, Skipped)]
        reasons = ["NonceOutOfWindow", "NonceOutOfWindow", "RewardAboveBudget"]
        assert skipped == [(i, selector(reason)) for i, reason in enumerate(reasons, 1)]
        last = result.events[-1]
        assert isinstance(last, BatchSettled)
        assert last.settled == 0b10001
        good = [make(rich, 7, nonce=1), make(rich, 0, nonce=3)]
        bad = [make(rich, nonce=1), make(rich, nonce=9), make(rich, nonce=4, reward=20 * TOKEN_WEI)]
    rich.check()


@pytest.mark.parametrize("way", WAYS)
def test_a_neighbor_below_the_threshold_is_not_paid_but_pays(rich: Any, way: str) -> None:
    neighbor = rich.actors[1]
    rich.must("request_unstake", neighbor, 110 * TOKEN_WEI)
    rich.warp(DELAY_S)
    rich.must("complete_unstake", neighbor)
    before = rich.ledger.account(neighbor.address)
    assert_unsettled(rich.settle(way, make(rich, 7)), "InsufficientStake")
    settled(rich.settle(way, make(rich, 0)))
    assert rich.ledger.account(neighbor.address).stake == before.stake - REWARD_WEI
    rich.check()


@pytest.mark.parametrize("way", WAYS)
def test_a_loser_that_leaves_first_loses_all_the_same(rich: Any, way: str) -> None:
    for actor in rich.actors[1:6]:
        rich.must("request_unstake", actor, 195 * TOKEN_WEI)  # five are left, and ten are lost
    voucher = make(rich, 0, seats=6)
    assert voucher.votes
    neighbor = rich.actors[1].address
    settled(rich.settle(way, voucher))
    account = rich.ledger.account(neighbor)
    assert (account.stake, account.unbonding) == (0, 190 * TOKEN_WEI)
    rich.check()


# Budgets


def test_a_budget_keeps_its_part_of_the_balance(rich: Any) -> None:
    learner, neighbor = rich.actors[:2]
    balance = rich.ledger.account(learner.address).balance
    cover = 5 * rich.ledger.account(learner.address).budget_reward
    short = rich.fails("InsufficientBalance", "withdraw", learner, balance - cover + 1)
    assert short.arguments == {"account": learner.address, "available": balance, "needed": balance + 1}
    rich.must("withdraw", learner, balance - cover)
    rich.fails("InsufficientBalance", "stake", learner, 1)
    terms = rich.terms(learner, neighbor, nonce=7)
    encounter = rich.ledger.domain.digest(terms)
    signatures = (learner.sign(encounter), neighbor.sign(encounter))
    rich.fails("InsufficientBalance", "open", learner, terms, *signatures)
    for nonce in (4, 2, 0, 1, 3):
        settled(rich.settle("settle", make(rich, 7, nonce=nonce)))
    account = rich.ledger.account(learner.address)
    assert (account.nonce_base, account.nonce_window) == (0, 0b11111)  # nothing covers a window further on
    rich.must("deposit", learner, cover)
    assert rich.ledger.account(learner.address).nonce_base == 5
    rich.check()


def test_a_budget_only_rises_and_is_released_after_the_delay(rich: Any) -> None:
    learner = rich.actors[0]
    wanted = rich.ledger.account(learner.address).budget_reward
    rich.fails("BudgetOnlyRises", "set_budget", learner, REWARD_WEI - (1 << 48), 5)
    rich.fails("BudgetOnlyRises", "set_budget", learner, REWARD_WEI, 4)
    rich.fails("BudgetTooLarge", "set_budget", learner, REWARD_WEI, 65)
    rich.fails("InsufficientBalance", "set_budget", learner, REWARD_WEI * 100, 64)
    rich.fails("NothingToRelease", "complete_release", learner)
    result = rich.must("request_release", learner, 0, 2, 0b1)
    assert (result.step, rich.ledger.pending_release(learner.address).nonces) == ("request_release", 2)
    settled(rich.settle("settle", make(rich, nonce=3)))  # what was promised meanwhile is kept
    rich.warp(DELAY_S - 1)
    rich.fails("StillUnbonding", "complete_release", learner)
    assert rich.ledger.account(learner.address).budget_reward == wanted
    rich.warp(1)
    rich.must("complete_release", learner)
    account = rich.ledger.account(learner.address)
    assert (account.budget_reward, account.budget_nonces, account.nonce_base, account.nonce_window) == (0, 2, 1, 0b100)
    assert rich.ledger.pending_release(learner.address).release_at == 0
    history = rich.ledger.history(learner.address)
    assert history.completed_as_learner == 1  # the retired nonce is none
    rich.check()


def test_with_a_budget_the_learner_signs_even_what_it_opens_itself(rich: Any) -> None:
    learner, neighbor = rich.actors[:2]
    terms = rich.terms(learner, neighbor)
    encounter = rich.ledger.domain.digest(terms)
    rich.fails("InvalidSignature", "open", learner, terms, b"", neighbor.sign(encounter))
    rich.must("open", learner, terms, learner.sign(encounter), neighbor.sign(encounter))


# Offences


@pytest.mark.parametrize("nonce", [3, 5])
def test_two_terms_with_one_nonce_cost_the_budget_of_one(rich: Any, nonce: int) -> None:
    """From the nonce's own cover, or from what is free where the budget does not cover that nonce."""
    learner, prover = rich.actors[0], rich.actors[6]
    account = rich.ledger.account(learner.address)
    both = [make(rich, nonce=nonce, reward=reward).terms for reward in (1, 2)]
    signed = [learner.sign(rich.ledger.domain.digest(terms)) for terms in both]
    proof = (both[0], signed[0], both[1], signed[1])
    rich.fails("NoOffence", "prove_equivocation", prover, both[0], signed[0], both[0], signed[0])
    rich.fails("InvalidSignature", "prove_equivocation", prover, both[0], signed[1], both[1], signed[1])
    event = rich.must("prove_equivocation", prover, *proof).events[-1]
    assert event.burnt == account.budget_reward
    after = rich.ledger.account(learner.address)
    assert account.balance - after.balance == account.budget_reward == rich.ledger.account(bytes(20)).balance
    assert after.nonce_window == 1 << nonce
    rich.fails("AlreadyPunished", "prove_equivocation", prover, *proof)
    rich.check()


def test_a_nonce_that_is_used_is_not_used_again_by_its_punishment(rich: Any) -> None:
    """It costs what is free: what the nonce kept was spent on the encounter."""
    learner, prover = rich.actors[0], rich.actors[6]
    settled(rich.settle("settle", make(rich, nonce=2)))
    account, history = rich.ledger.account(learner.address), rich.ledger.history(learner.address)
    both = [make(rich, nonce=2, reward=reward).terms for reward in (1, 2)]
    signed = [learner.sign(rich.ledger.domain.digest(terms)) for terms in both]
    rich.must("prove_equivocation", prover, both[0], signed[0], both[1], signed[1])
    after = rich.ledger.account(learner.address)
    assert (account.balance - after.balance, after.stake) == (account.budget_reward, account.stake)
    assert after.nonce_window == account.nonce_window == 1 << 2
    assert rich.ledger.history(learner.address) == history
    rich.check()


def test_who_has_nothing_free_pays_equivocation_with_its_stake(rich: Any) -> None:
    learner, prover = rich.actors[0], rich.actors[6]
    account = rich.ledger.account(learner.address)
    rich.must("withdraw", learner, account.balance - 5 * account.budget_reward)
    both = [make(rich, nonce=7, reward=reward).terms for reward in (1, 2)]
    signed = [learner.sign(rich.ledger.domain.digest(terms)) for terms in both]
    rich.must("prove_equivocation", prover, both[0], signed[0], both[1], signed[1])
    assert rich.ledger.account(learner.address).stake == account.stake - account.budget_reward
    rich.check()


def test_two_votes_on_one_encounter_cost_what_a_vote_locks(driver: Any) -> None:
    encounter = driver.validating(driver.tasks[SAFE])
    terms, voter, prover = driver.at(encounter).terms, driver.voters(encounter)[0], driver.actors[6]
    vote = driver.at(encounter).vote(voter.address, True)
    others: list[Vote] = [replace(vote, accept=False), replace(vote, result=bytes(32))]

    def sign(statement: Vote) -> bytes:
        signature: bytes = voter.sign(driver.ledger.domain.digest(statement))
        return signature

    for wrong in (vote, replace(others[0], seed=bytes(32)), replace(others[0], validator=prover.address)):
        driver.fails("NoOffence", "prove_double_vote", prover, terms, vote, sign(vote), wrong, sign(wrong))
    proof = (terms, vote, sign(vote), others[0], sign(others[0]))
    result = driver.must("prove_double_vote", prover, *proof)
    punished = DoubleVoted(result.block, result.timestamp_s, voter.address, encounter, burnt=2 * TOKEN_WEI)
    assert result.events[-1] == punished
    assert driver.ledger.account(voter.address).stake == 198 * TOKEN_WEI
    driver.fails("AlreadyPunished", "prove_double_vote", prover, terms, vote, sign(vote), others[1], sign(others[1]))
    driver.check()
