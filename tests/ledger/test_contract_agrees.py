"""Python and Solidity say the same: hashes, the settlement of every case, the committee."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idml.ledger.embedded.ledger import EmbeddedLedger
from idml.ledger.interface import TxResult, idml_abi
from idml.ledger.wallet import Wallet
from idml.protocol.batch import SECRET_BYTES, PackedBatch, Voucher
from idml.protocol.committee import Seat, draw_committee
from idml.protocol.encounter import Encounter
from idml.protocol.events import EncounterEvent, Opened
from idml.protocol.messages import Report, Terms, Vote, commitment, committee_seed
from idml.protocol.settlement import settle, validator_lock
from idml.protocol.task import FULL_BPS, MAX_LIFE_S, MAX_VOTES, TaskParams

ACTORS = [Wallet.from_seed(77, index) for index in range(MAX_VOTES + 2)]
WALLETS = {wallet.address: wallet for wallet in ACTORS}
LEARNER, NEIGHBOR, *VALIDATORS = ACTORS
STAKE_WEI = (1 << 96) - 1
FUND_WEI = STAKE_WEI // 20  # all actors' tokens together stay below the 96 bits that the contract can hold
THRESHOLD_WEI = 100 * 10**18
DELAY_S = 7 * 24 * 3600
SECRETS = tuple(bytes([number]) * SECRET_BYTES + bytes(SECRET_BYTES) for number in (3, 2))  # they draw all validators
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
        ("hashReport", report, report),
        ("hashVote", vote, vote),
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


def terms_of(ledger: EmbeddedLedger, task: TaskParams, reward: int) -> Terms:
    return Terms(
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
        ledger.account(LEARNER.address).nonce_base,
    )


@given(games(), st.integers(0, FUND_WEI), st.integers(0, 63))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settlement(
    ledger: EmbeddedLedger, game: tuple[TaskParams, int, tuple[bool, ...]], target: int, lane: int
) -> None:
    task, reward, verdicts = game
    before_all = ledger.snapshot()
    try:
        ledger.create_task(LEARNER, task)
        ledger.set_target(VALIDATORS[0], target)
        before = {wallet.address: ledger.account(wallet.address) for wallet in ACTORS}
        terms = terms_of(ledger, task, reward)
        encounter = Encounter.opened(ledger.domain, terms, task, ledger.now_s, lane)
        over = False

        def follow(result: TxResult) -> None:
            """After each step the stage, the rules and all else are packed as the contract packs them."""
            nonlocal encounter, over
            for event in result.events:
                if isinstance(event, EncounterEvent) and not isinstance(event, Opened):
                    after = encounter.follow(event)
                    over = after is None
                    encounter = after or encounter
            stored = ledger.state_hash(LEARNER.address, lane)
            assert stored == ((1).to_bytes(32, "big") if over else encounter.progress.state_hash())

        follow(ledger.open(LEARNER, terms, b"", NEIGHBOR.sign(encounter.id), lane=lane))
        follow(ledger.report(NEIGHBOR, encounter.progress, NEIGHBOR.address, RESULT, SECRETS[1]))
        follow(ledger.report(LEARNER, encounter.progress, LEARNER.address, RESULT, SECRETS[0]))
        for wallet, accept in zip(VALIDATORS, verdicts, strict=False):
            locked = ledger.account(wallet.address).locked
            follow(ledger.vote(wallet, encounter.progress, wallet.address, accept))
            if not over:
                assert ledger.account(wallet.address).locked - locked == validator_lock(reward, task)
        if not over:
            ledger.warp(ledger.now_s + 201)
            follow(ledger.finalize(LEARNER, encounter.progress))
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


@st.composite
def tasks(draw: st.DrawFn) -> TaskParams:
    """Any that the contract takes."""
    votes = draw(st.integers(1, MAX_VOTES))
    completion_s = draw(st.integers(1, MAX_LIFE_S // 6))
    return TaskParams(
        neighbor_share_bps=draw(bps),
        good_faith_bps=draw(bps),
        no_vote_bps=draw(bps),
        reject_pot_bps=draw(bps),
        votes=votes,
        committee_size=draw(st.one_of(st.just(0), st.integers(votes, MAX_VOTES))),
        quorum=draw(st.integers(1, votes)),
        tie_accepts=draw(st.booleans()),
        completion_window_s=completion_s,
        voting_window_s=draw(st.integers(1, MAX_LIFE_S - 3_600 - 5 * completion_s)),
        tolerance_bps=draw(bps),
        metric=draw(st.integers(0, 255)),
        validation_images=draw(st.integers(0, (1 << 16) - 1)),
        max_model_bytes=draw(st.integers(0, (1 << 32) - 1)),
    )


@given(tasks(), st.integers(0, FUND_WEI // 3), st.integers(0, 63))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_task_in_one_word(ledger: EmbeddedLedger, task: TaskParams, reward: int, lane: int) -> None:
    """An opened encounter carries the task as the contract stores it, so a wrong word gives another hash."""
    before_all = ledger.snapshot()
    try:
        ledger.create_task(LEARNER, task)
        assert ledger.task(task.id) == task
        terms = terms_of(ledger, task, reward)
        terms = replace(terms, deadline=terms.as_of)
        encounter = Encounter.opened(ledger.domain, terms, task, ledger.now_s, lane)
        ledger.open(LEARNER, terms, b"", NEIGHBOR.sign(encounter.id), lane=lane)
        assert ledger.state_hash(LEARNER.address, lane) == encounter.progress.state_hash()
    finally:
        ledger.restore(before_all)


left_stakes = st.one_of(st.none(), st.integers(0, 100), st.integers(0, FUND_WEI // 3))


@pytest.mark.slow
@given(
    games(),
    st.lists(left_stakes, min_size=len(ACTORS), max_size=len(ACTORS)),
    st.sets(st.integers(1, len(ACTORS) - 1)),
    st.integers(0, (1 << MAX_VOTES) - 1),
    st.sampled_from(["settle", "settle_batch", "settle_cosigned"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_settlement_where_nothing_is_locked(
    ledger: EmbeddedLedger,
    game: tuple[TaskParams, int, tuple[bool, ...]],
    left: list[int | None],
    leavers: set[int],
    ballots: int,
    way: str,
) -> None:
    """Signed encounters lock nothing: losers pay with what they have, what they are just taking out included."""
    task, reward, _ = game
    task = replace(task, committee_size=len(VALIDATORS))
    before_all = ledger.snapshot()
    try:
        ledger.create_task(LEARNER, task)
        for wallet, keep in zip(ACTORS, left, strict=True):
            stake = ledger.account(wallet.address).stake
            if keep is not None and stake > THRESHOLD_WEI + keep:
                ledger.request_unstake(wallet, stake - THRESHOLD_WEI - keep)
        ledger.warp(ledger.now_s + DELAY_S)
        for wallet in ACTORS:
            if ledger.account(wallet.address).unbonding:
                ledger.complete_unstake(wallet)
        ledger.set_budget(LEARNER, reward, 1)
        terms = terms_of(ledger, task, reward)
        drawn = draw_committee(terms, committee_seed(*SECRETS), task.votes, seats_of(ledger))
        votes = tuple((member, bool(ballots >> i & 1)) for i, member in enumerate(drawn))
        for index in sorted(leavers):  # once all is known
            ledger.request_unstake(ACTORS[index], ledger.account(ACTORS[index].address).stake)
        before = {wallet.address: owned(ledger, wallet.address) for wallet in ACTORS}
        packed = PackedBatch((Voucher(terms, RESULT, *SECRETS, votes),))  # type: ignore[call-arg, arg-type]
        sign_all = packed.cosign if way == "settle_cosigned" else packed.sign_each
        signatures = sign_all(ledger.domain, lambda who, digest: WALLETS[who].sign(digest))
        getattr(ledger, way)(ACTORS[-1], packed.message, signatures)

        def losable(who: bytes) -> int:
            return sum(before[who][1:])  # stake and what is unbonding

        def collect(penalty: int, accepted: bool) -> int:
            return sum(min(penalty, losable(who)) for who, accept in votes if accept != accepted)

        votes_for = sum(accept for _, accept in votes)
        at_risk = min(reward, losable(NEIGHBOR.address))
        outcome = settle(reward, votes_for, len(votes) - votes_for, task, at_risk=at_risk, collect=collect)
        expected = {wallet.address: 0 for wallet in ACTORS}
        expected[LEARNER.address] = outcome.learner_refund - reward
        expected[NEIGHBOR.address] = outcome.neighbor_gain - outcome.neighbor_penalty
        for who, accept in votes:
            lost = -min(outcome.loser_penalty, losable(who))
            expected[who] = outcome.winner_share if accept == outcome.accepted else lost
        for wallet in ACTORS:
            assert sum(owned(ledger, wallet.address)) - sum(before[wallet.address]) == expected[wallet.address]
        assert ledger.account(bytes(20)).balance == outcome.burnt
    finally:
        ledger.restore(before_all)


def owned(ledger: EmbeddedLedger, who: bytes) -> tuple[int, int, int]:
    account = ledger.account(who)
    return account.balance, account.stake, account.unbonding


def seats_of(ledger: EmbeddedLedger) -> list[Seat]:
    return [ledger.seat(index) for index in range(ledger.seat_count())]


@given(words32, st.integers(0, MAX_VOTES), st.sets(st.integers(0, len(ACTORS) - 1), max_size=8))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_committee(ledger: EmbeddedLedger, seed: bytes, size: int, leavers: set[int]) -> None:
    task = TaskParams(8_000, 0, 8_000, 4_000, 1, size, 1, True, 100, 200, 0, 0, 1, 1)
    before_all = ledger.snapshot()
    try:
        ledger.create_task(LEARNER, task)
        for index in sorted(leavers):
            ledger.request_unstake(ACTORS[index], ledger.account(ACTORS[index].address).stake)
        ledger.warp(ledger.now_s + 5)
        seats = seats_of(ledger)
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
