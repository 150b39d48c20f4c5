"""Python and Solidity say the same: hashes, the settlement of every case, the committee."""

from dataclasses import astuple, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idml.ledger.embedded import EmbeddedLedger
from idml.ledger.interface import idml_abi
from idml.ledger.wallet import Wallet
from idml.protocol.committee import draw_committee
from idml.protocol.encounter import Encounter
from idml.protocol.messages import Report, Terms, Vote, commitment
from idml.protocol.settlement import settle, validator_lock
from idml.protocol.task import FULL_BPS, TaskParams

ACTORS = [Wallet.from_seed(77, index) for index in range(9)]
LEARNER, NEIGHBOR, *VALIDATORS = ACTORS
STAKE_WEI = (1 << 96) - 1
FUND_WEI = STAKE_WEI // 20  # nine actors' tokens stay below the 96 bits that the contract can hold
SECRETS = (b"\x01" * 32, b"\x02" * 32)
RESULT = b"\x03" * 32
words32 = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
bps = st.integers(0, FULL_BPS)


@pytest.fixture(scope="module")
def ledger() -> EmbeddedLedger:
    """A contract in which every actor has staked half of what it owns, at the bounds of what fits."""
    chain = EmbeddedLedger()
    for wallet in ACTORS:
        chain.fund(wallet.address, FUND_WEI)
        chain.buy(wallet, FUND_WEI // 10_000)
        tokens = chain.token_balance_wei(wallet.address)
        chain.deposit(wallet, tokens)
        chain.stake(wallet, tokens // 2)
    chain.warp(chain.now_s + 1)
    return chain


@given(
    st.builds(
        Terms,
        task=words32,
        learner=addresses,
        neighbor=addresses,
        reward=st.integers(0, (1 << 96) - 1),
        model_before=words32,
        learner_commitment=words32,
        neighbor_commitment=words32,
        seats=st.integers(0, (1 << 32) - 1),
        as_of=st.integers(0, (1 << 40) - 1),
        deadline=st.integers(0, (1 << 40) - 1),
        nonce=st.integers(0, (1 << 64) - 1),
    ),
    st.builds(Report, encounter=words32, reporter=addresses, result=words32, secret=words32, previous=words32),
    st.builds(Vote, encounter=words32, validator=addresses, seed=words32, result=words32, accept=st.booleans()),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hashes(ledger: EmbeddedLedger, terms: Terms, report: Report, vote: Vote) -> None:
    for function, message, argument in (
        ("hashTerms", terms, terms),
        ("hashReport", report, astuple(report)),
        ("hashVote", vote, astuple(vote)),
    ):
        assert ledger._ask(idml_abi(), function, argument) == ledger.domain.digest(message)


def test_a_tasks_id(ledger: EmbeddedLedger) -> None:
    task = TaskParams(8_000, 1_000, 10_000, 4_000, 3, 5, 2, True, 3_600, 50_000, 500, 7, 200, 1 << 28)
    ledger.create_task(LEARNER, task)
    assert ledger.task(task.id) == task


@st.composite
def games(draw: st.DrawFn) -> tuple[TaskParams, int, tuple[bool, ...]]:
    """A task, a reward and what its validators vote."""
    votes = draw(st.integers(1, len(VALIDATORS)))
    task = TaskParams(
        neighbor_share_bps=draw(bps),
        good_faith_bps=0,
        no_vote_bps=draw(bps),
        reject_pot_bps=draw(bps),
        votes=votes,
        committee_size=draw(st.sampled_from([0, len(VALIDATORS)])),
        quorum=draw(st.integers(1, votes)),
        tie_accepts=draw(st.booleans()),
        completion_window_s=100,
        voting_window_s=200,
        tolerance_bps=0,
        metric=0,
        validation_images=1,
        max_model_bytes=1,
    )
    reward = draw(st.one_of(st.integers(0, 100), st.integers(0, FUND_WEI // 3)))
    return task, reward, tuple(draw(st.lists(st.booleans(), max_size=votes)))


@given(games(), st.integers(0, FUND_WEI))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settlement(ledger: EmbeddedLedger, game: tuple[TaskParams, int, tuple[bool, ...]], target: int) -> None:
    task, reward, verdicts = game
    before_all = ledger.snapshot()
    try:
        ledger.create_task(LEARNER, task)
        ledger.set_target(VALIDATORS[0], target)
        before = {wallet.address: ledger.account(wallet.address) for wallet in ACTORS}
        terms = Terms(
            task.id,
            LEARNER.address,
            NEIGHBOR.address,
            reward,
            RESULT,
            commitment(SECRETS[0]),
            commitment(SECRETS[1]),
            ledger.seat_count(),
            ledger.now_s,
            ledger.now_s + 50,
            before[LEARNER.address].nonce_base,
        )
        encounter = Encounter.opened(ledger.domain, terms, ledger.now_s)
        over = False

        def follow(result: object) -> None:
            nonlocal encounter, over
            for event in result.events:  # type: ignore[attr-defined]
                if event.name in ("Opened", "TaskCreated"):
                    continue
                after = encounter.follow(event.name, event.arguments, event.timestamp_s, ledger.domain)
                over = after is None
                encounter = after or encounter

        follow(ledger.open(LEARNER, terms, b"", NEIGHBOR.sign(encounter.id)))
        follow(ledger.report(NEIGHBOR, terms, encounter.progress, NEIGHBOR.address, RESULT, SECRETS[1]))
        follow(ledger.report(LEARNER, terms, encounter.progress, LEARNER.address, RESULT, SECRETS[0]))
        for wallet, accept in zip(VALIDATORS, verdicts, strict=False):
            locked = ledger.account(wallet.address).locked
            follow(ledger.vote(wallet, terms, encounter.progress, wallet.address, accept))
            if not over:
                assert ledger.account(wallet.address).locked - locked == validator_lock(reward, task)
        if not over:
            ledger.warp(ledger.now_s + 201)
            follow(ledger.finalize(LEARNER, terms, encounter.progress))
        assert over

        outcome = settle(reward, sum(verdicts), len(verdicts) - sum(verdicts), task)
        expected = {wallet.address: 0 for wallet in ACTORS}
        expected[LEARNER.address] = outcome.learner_refund - reward
        expected[NEIGHBOR.address] = outcome.neighbor_gain - outcome.neighbor_penalty
        if outcome.accepted is not None:
            for wallet, accept in zip(VALIDATORS, verdicts, strict=False):
                won = accept == outcome.accepted
                expected[wallet.address] = outcome.winner_share if won else -outcome.loser_penalty
        for wallet in ACTORS:
            account, earlier = ledger.account(wallet.address), before[wallet.address]
            gained = account.balance + account.stake - earlier.balance - earlier.stake
            assert gained == expected[wallet.address]
            assert account.locked == 0
            if wallet is VALIDATORS[0] and gained > 0:  # the stake is filled up to the target first
                assert account.stake - earlier.stake == min(gained, max(0, target - earlier.stake))
        assert ledger.account(bytes(20)).balance == outcome.burnt
    finally:
        ledger.restore(before_all)


@given(words32, st.integers(0, 9), st.sets(st.integers(0, 8), max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_committee(ledger: EmbeddedLedger, seed: bytes, size: int, leavers: set[int]) -> None:
    task = TaskParams(8_000, 0, 8_000, 4_000, 1, size, 1, True, 100, 200, 0, 0, 1, 1)
    before_all = ledger.snapshot()
    try:
        ledger.create_task(LEARNER, task)
        for index in sorted(leavers):
            ledger.request_unstake(ACTORS[index], ledger.account(ACTORS[index].address).stake)
        ledger.warp(ledger.now_s + 5)
        seats = [ledger.seat(index) for index in range(ledger.seat_count())]
        terms = Terms(
            task.id,
            LEARNER.address,
            NEIGHBOR.address,
            0,
            RESULT,
            RESULT,
            RESULT,
            len(seats),
            ledger.now_s,
            ledger.now_s,
            0,
        )
        for changed in (terms, replace(terms, seats=len(seats) - 2), replace(terms, as_of=ledger.now_s - 100)):
            assert ledger.committee_of(changed, seed) == draw_committee(changed, seed, size, seats)
    finally:
        ledger.restore(before_all)
