"""Random actors on a ledger, followed by its mirror: by hypothesis, or wandering about with other odds."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from idml.ledger.interface import TxResult, idml_abi
from idml.ledger.mirror import AccountsMirror
from idml.protocol.batch import Voucher
from idml.protocol.encounter import Phase
from idml.protocol.events import Skipped
from idml.protocol.hashing import keccak256
from idml.protocol.messages import Vote
from idml.protocol.settlement import settle
from idml.protocol.task import TOKEN_WEI

DELAY_S = 7 * 24 * 3600
THRESHOLD_WEI = 100 * TOKEN_WEI
OTHER_RESULT = b"\x06" * 32
PAPER = 1
COMMITTEE_TASKS = [0, 2, 3]
SIGNED_WAYS = ["settle", "settle_batch", "settle_cosigned"]

WITH_AMOUNT = ["deposit", "withdraw", "stake", "request_unstake", "set_target", "redeem"]
WITHOUT_AMOUNT = ["complete_unstake", "take_seat", "flush", "complete_release"]

AMOUNTS = [0, 1, 7 * TOKEN_WEI + 3, 50 * TOKEN_WEI, 100 * TOKEN_WEI, 200 * TOKEN_WEI, 5_000 * TOKEN_WEI]
REWARDS = [0, 1, 7, TOKEN_WEI + 1, 10 * TOKEN_WEI, 90 * TOKEN_WEI, 150 * TOKEN_WEI]
PROMISED = [0, 1, 7, TOKEN_WEI + 1, 10 * TOKEN_WEI, 10 * TOKEN_WEI, 90 * TOKEN_WEI]
BUDGET_REWARDS = [0, 1, 10 * TOKEN_WEI, 10 * TOKEN_WEI, 90 * TOKEN_WEI, 150 * TOKEN_WEI, (1 << 96) - 1]
BUDGET_NONCES = [0, 1, 2, 5, 5, 8, 63, 64, 65]
RETIRED = [0, 1, 0b110, (1 << 64) - 1, 1 << 63]
SECONDS = [0, 1, 1, 2, 9, 49, 100, 101, 201, 501, DELAY_S]
BLOCKS = [0, 1, 257]
MONEY_VERBS = [*WITH_AMOUNT, *WITHOUT_AMOUNT, "leave", "return", "drain"]
BUDGET_VERBS = ["set_budget", "set_budget", "request_release", "complete_release"]
STEPS = ["report", "report_both", "report_both", "draw", "vote", "reject", "stale"]
APART = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 0]
AHEAD = [0, 0, 0, 0, 0, 1, 5, 63, 64]
SEATS = [0, 0, 0, 0, 0, 0, 0, -1, 1]
LANES = [None, None, None, None, 0, 1, 63, 64, 255]
LEAVERS = [None, None, None, None, 0, 1, 2, 3]
FORGED = [None, None, None, None, 0, 1, 2, 5]

actors = st.integers(0, 6)
mostly = st.sampled_from([True, True, True, True, True, True, True, False])
budgets = st.tuples(st.sampled_from(BUDGET_REWARDS), st.sampled_from(BUDGET_NONCES))
picks = st.integers(0, 1 << 16)


class LedgerMachine(RuleBasedStateMachine):
    """Random actors do random things, right and wrong ones; after each the mirror must equal the chain."""

    new_driver: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self.driver = self.new_driver()
        self.vouchers: list[tuple[Voucher, bool]] = []  # whether a careful neighbor would have served it

    def pick(self, number: int, *phases: Phase) -> Any:
        """An open encounter, in one of these phases if there is one."""
        encounters = [encounter for _, encounter in sorted(self.driver.mirror.encounters.items())]
        fitting = [encounter for encounter in encounters if encounter.progress.phase in phases] or encounters
        return fitting[number % len(fitting)]

    def wander(self, random: Random, steps: int) -> None:
        """The same rules with other odds: in so many steps more happens than where each example is to stay simple."""
        r, pick = random, random.choice

        poor = r.random() < 0.7
        stakes_wei = [100 * TOKEN_WEI, 110 * TOKEN_WEI, 200 * TOKEN_WEI]

        def recover() -> None:
            """Everybody who lost or left takes its place again."""
            for actor in self.driver.actors:
                self.come_back(actor, pick(stakes_wei))
                self.driver.do("set_budget", actor, pick([10 * TOKEN_WEI, 90 * TOKEN_WEI]), pick([1, 2, 5]))
                if poor:
                    self.drain(actor)
            self.driver.warp(1)

        if poor:  # those who have little come to the edges sooner
            for actor in self.driver.actors[:6]:
                self.driver.do("set_target", actor, pick([0, 0, 100 * TOKEN_WEI, 150 * TOKEN_WEI]))
                self.driver.do("request_unstake", actor, 200 * TOKEN_WEI - pick(stakes_wei))

        def likely() -> bool:
            return r.random() < 0.93

        def number() -> int:
            return r.randrange(1 << 16)

        def who() -> int:
            return r.randrange(7)

        rules: list[tuple[int, Callable[[], object]]] = [
            (2, lambda: self.time_passes(pick(SECONDS[:-1]), pick(BLOCKS))),
            (3, lambda: self.money_moves(pick(MONEY_VERBS), who(), pick(AMOUNTS))),
            (2, lambda: self.budget_changes(pick(BUDGET_VERBS), who(), (pick(BUDGET_REWARDS), pick(BUDGET_NONCES)),
                                            pick(RETIRED), r.random() < 0.3)),
            (4, lambda: self.open(who(), pick(APART), r.randrange(5), pick(REWARDS), pick(AHEAD), pick(SEATS),
                                  pick(LANES), likely(), r.random() < 0.4, r.randrange(5))),
            (6, lambda: self.promise(who(), r.randrange(1, 7), pick([0, *COMMITTEE_TASKS]), pick(PROMISED),
                                     pick([0, 0, 1]), r.randrange(8), r.randrange(1, 5), likely())),
            (1, lambda: self.offend(pick(["equivocation", "double_vote"]), number(), who(), likely(), likely(),
                                    r.randrange(8), 2)),
        ]  # fmt: skip
        with_vouchers: list[tuple[int, Callable[[], object]]] = [
            (8, lambda: self.settle(pick(SIGNED_WAYS), [number() for _ in range(r.randrange(1, 7))], pick(LEAVERS),
                                    pick(FORGED))),
        ]  # fmt: skip
        with_open: list[tuple[int, Callable[[], object]]] = [
            (6, lambda: self.advance(number(), [r.random() < 0.5 for _ in range(r.randrange(1, 6))])),
            (4, lambda: self.step(number(), pick(STEPS), who(), likely(), likely(), r.randrange(2, 6))),
            (3, lambda: self.contest(number(), likely(), r.random() < 0.5, r.random() < 0.7)),
            (2, lambda: self.finalize(number(), who(), likely())),
        ]
        recover()
        for _ in range(steps):
            stakes = [self.driver.mirror.account(actor.address).stake for actor in self.driver.actors]
            if sum(stake >= THRESHOLD_WEI for stake in stakes) < 5 and r.random() < 0.15:
                recover()
            able = rules + with_vouchers * self.some_voucher() + with_open * self.some_open()
            (chosen,) = r.choices([act for _, act in able], [weight for weight, _ in able])
            chosen()
            self.mirror_equals_chain()

    def neighbor(self, who: int, apart: int, reward: int) -> Any:
        """An actor so far from another, or the next that can stand surety; 0 and 6 apart are taken as they are."""
        others = [self.driver.actors[(who + apart + i) % 7] for i in range(7)]
        for other in others if 0 < apart < 6 else ():
            account = self.driver.mirror.account(other.address)
            able = account.stake >= THRESHOLD_WEI and account.stake - account.locked >= reward
            if able and other is not self.driver.actors[who]:
                return other
        return others[0]

    def some_open(self) -> bool:
        return bool(self.driver.mirror.encounters)

    def some_voucher(self) -> bool:
        return bool(self.vouchers)

    @initialize(given=st.lists(st.tuples(actors, budgets), max_size=4))
    def some_have_budgets(self, given: list[tuple[int, tuple[int, int]]]) -> None:
        for who, budget in given:
            self.driver.do("set_budget", self.driver.actors[who], *budget)

    @rule(seconds=st.sampled_from(SECONDS), blocks=st.sampled_from(BLOCKS))
    def time_passes(self, seconds: int, blocks: int) -> None:
        self.driver.warp(seconds)
        self.driver.mine(blocks)

    # What participants do with their own money

    @rule(verb=st.sampled_from(MONEY_VERBS), who=actors, amount=st.sampled_from(AMOUNTS))
    def money_moves(self, verb: str, who: int, amount: int) -> None:
        actor = self.driver.actors[who]
        if verb == "leave":
            self.leave(actor)
        elif verb == "return":
            self.come_back(actor)
        elif verb == "drain":
            self.drain(actor)
        else:
            self.driver.do(verb, actor, *([amount] if verb in WITH_AMOUNT else []))

    def leave(self, actor: Any) -> None:
        """Unstake all that may go."""
        account = self.driver.mirror.account(actor.address)
        self.driver.do("request_unstake", actor, max(0, account.stake - account.locked))

    def drain(self, actor: Any) -> None:
        """Withdraw all that no budget keeps."""
        balance = self.driver.mirror.account(actor.address).balance
        self.driver.do("withdraw", actor, max(0, balance - self.driver.mirror._who(actor.address).cover))

    def come_back(self, actor: Any, stake_wei: int = 200 * TOKEN_WEI) -> None:
        """Stake so much again, once all that is unbonding or cools down may."""
        driver, account = self.driver, self.driver.mirror.account(actor.address)
        driver.warp(max(0, max(account.release_at, account.seat_from) - driver.ledger.now_s))
        driver.do("complete_unstake", actor)
        driver.do("deposit", actor, 50 * TOKEN_WEI)
        missing = stake_wei - driver.mirror.account(actor.address).stake
        driver.do("stake", actor, max(0, missing))
        driver.do("take_seat", actor)

    @rule(
        verb=st.sampled_from(BUDGET_VERBS),
        who=actors,
        budget=budgets,
        retired=st.sampled_from(RETIRED),
        wait=st.booleans(),
    )
    def budget_changes(self, verb: str, who: int, budget: tuple[int, int], retired: int, wait: bool) -> None:
        actor = self.driver.actors[who]
        arguments = {"set_budget": budget, "request_release": (*budget, retired), "complete_release": ()}[verb]
        if verb == "complete_release" and wait:
            self.driver.warp(DELAY_S)
        self.driver.do(verb, actor, *arguments)

    # Encounters step by step

    @rule(
        who=actors,
        apart=st.sampled_from(APART),
        task=st.integers(0, 4),
        reward=st.sampled_from(REWARDS),
        ahead=st.sampled_from(AHEAD),
        seats=st.sampled_from(SEATS),
        lane=st.sampled_from(LANES),
        signed=mostly,
        together=st.booleans(),
        steps=st.integers(0, 4),
    )
    def open(
        self,
        who: int,
        apart: int,
        task: int,
        reward: int,
        ahead: int,
        seats: int,
        lane: int | None,
        signed: bool,
        together: bool,
        steps: int,
    ) -> None:
        driver = self.driver
        learner, neighbor = driver.actors[who], self.neighbor(who, apart, reward)
        account = driver.mirror.account(learner.address)
        count = len(driver.mirror.seats) + seats
        terms = driver.terms(learner, neighbor, driver.tasks[task], reward, account.nonce_base + ahead, count)
        encounter = driver.ledger.domain.digest(terms)
        own = learner.sign(encounter) if account.budget_nonces else b""
        lane = driver.mirror.lane(learner.address, terms.nonce) if lane is None else lane
        other = (neighbor if signed else learner).sign(encounter)
        if isinstance(driver.do("open", learner, terms, own, other, lane=lane), TxResult):
            if together and steps:
                driver.do("report_both", *driver.both(encounter))
            for _ in range(steps):
                driver.advance(encounter, True)

    @precondition(some_open)
    @rule(which=picks, verdicts=st.lists(st.booleans(), min_size=1, max_size=5))
    def advance(self, which: int, verdicts: list[bool]) -> None:
        encounter = self.pick(which).id
        for verdict in verdicts:
            self.driver.advance(encounter, verdict)

    @precondition(some_open)
    @rule(
        which=picks,
        verb=st.sampled_from(STEPS),
        who=actors,
        right=mostly,
        verdict=mostly,
        other=st.integers(2, 5),
    )
    def step(self, which: int, verb: str, who: int, right: bool, verdict: bool, other: int) -> None:
        """One step, whether it is due or not."""
        getattr(self, verb)(self.pick(which), who, right, verdict, other)

    def report(self, at: Any, who: int, right: bool, same: bool, _: int) -> None:
        driver, parties = self.driver, (at.terms.learner, at.terms.neighbor)
        reporter, secret_of = parties[who % 2], parties[(who + (not right)) % 2]
        result = driver.result if same else OTHER_RESULT
        secret = driver.secret(at.id, secret_of)
        driver.do("report", driver.wallets[reporter], at.progress, reporter, result, secret)

    def report_both(self, at: Any, who: int, right: bool, alone: bool, other: int) -> None:
        arguments = list(self.driver.both(at.id))
        if not alone:
            arguments = [self.driver.actors[who], *arguments[1:], self.driver.agreement(at.id)]
        if not right:
            arguments[other] = keccak256(arguments[other]) + arguments[other][32:]
        self.driver.do("report_both", *arguments)

    def draw(self, at: Any, who: int, *_: object) -> None:
        self.driver.do("draw", self.driver.actors[who], at.progress)

    def vote(self, at: Any, who: int, drawn: bool, accept: bool, _: int) -> None:
        driver, wallet = self.driver, self.driver.actors[who]
        waiting = [member for member in at.progress.committee if member not in at.progress.voters]
        if drawn and waiting:
            wallet = driver.wallets[waiting[who % len(waiting)]]
        driver.do("vote", wallet, at.progress, wallet.address, accept)

    def reject(self, at: Any, who: int, right: bool, *_: object) -> None:
        neighbor = self.driver.wallets[at.terms.neighbor]
        self.driver.do("reject", neighbor if right else self.driver.actors[who], at.progress)

    def stale(self, at: Any, _who: int, _right: bool, _verdict: bool, other: int) -> None:
        verb = ("finalize", "reject", "contest", "draw")[other - 2]
        changed = replace(at.progress, stage=replace(at.progress.where, since=at.progress.since + 1).pack())
        self.driver.fails("StateMismatch", verb, self.driver.wallets[at.terms.neighbor], changed)

    @precondition(some_open)
    @rule(which=picks, patient=mostly, denied=st.booleans(), draws=st.booleans())
    def contest(self, which: int, patient: bool, denied: bool, draws: bool) -> None:
        """The neighbor reports, the learner is silent or denies, the neighbor appeals."""
        driver, at = self.driver, self.pick(which, Phase.OPEN, Phase.REPORTED, Phase.DISPUTED)
        if at.progress.phase is Phase.OPEN:
            driver.advance(at.id, True)
            if denied:
                self.report(driver.at(at.id), 0, True, False, 0)
            at = driver.at(at.id)
        window = at.progress.contestable_s(driver.mirror.tasks[at.terms.task])
        if patient and window is not None:
            driver.warp(max(0, window[0] - driver.ledger.now_s))
        outcome = driver.do("contest", driver.wallets[at.terms.neighbor], at.progress)
        if patient and window is not None:
            assert isinstance(outcome, TxResult) is (driver.ledger.now_s <= window[1])
        if draws:
            driver.advance(at.id, True)

    @precondition(some_open)
    @rule(which=picks, who=actors, patient=mostly)
    def finalize(self, which: int, who: int, patient: bool) -> None:
        driver, at = self.driver, self.pick(which)
        task = driver.mirror.tasks[at.terms.task]
        while patient and not at.progress.finalizable(task, driver.ledger.now_s, driver.ledger.block_number + 1):
            wake_s = at.progress.wake_s(task, driver.ledger.now_s)
            if wake_s is None:
                driver.mine(1)
            else:
                driver.warp(wake_s - driver.ledger.now_s)
        due = at.progress.finalizable(task, driver.ledger.now_s, driver.ledger.block_number + 1)
        outcome = driver.do("finalize", driver.actors[who], at.progress)
        assert isinstance(outcome, TxResult) is due, "an encounter can be finalized exactly when it is due"

    # Encounters from signatures

    @rule(
        who=actors,
        apart=st.integers(1, 6),
        task=st.sampled_from([0, 0, *COMMITTEE_TASKS]),
        reward=st.sampled_from(PROMISED),
        ahead=st.sampled_from([0, 0, 0, 0, 0, 1, 3]),
        verdicts=st.integers(0, 7),
        count=st.integers(1, 4),
        prepared=mostly,
    )
    def promise(
        self, who: int, apart: int, task: int, reward: int, ahead: int, verdicts: int, count: int, prepared: bool
    ) -> None:
        """A learner and a neighbor agree on encounters that nobody opens; they are worked off and voted on at once."""
        driver = self.driver
        learner, neighbor = driver.actors[who], self.neighbor(who, apart, reward)
        if prepared:
            driver.do("set_budget", learner, 10 * TOKEN_WEI, 5)
        account = driver.mirror.account(learner.address)
        self.vouchers = [entry for entry in self.vouchers if not self.is_dead(entry[0])] if prepared else self.vouchers
        promised = {v.terms.nonce for v, _ in self.vouchers if v.terms.learner == learner.address}
        unused = (
            account.nonce_base + i
            for i in range(80)
            if not account.nonce_window >> i & 1 and account.nonce_base + i not in promised
        )
        nonces = [nonce for nonce, _ in zip(unused, range(ahead + count), strict=False)][ahead:]
        for nonce in nonces:
            terms = driver.terms(learner, neighbor, driver.tasks[task], reward, nonce)
            voucher = driver.voucher(terms, verdicts)
            self.vouchers.append((voucher, self.is_covered(voucher)))

    def is_covered(self, voucher: Voucher) -> bool:
        """What a neighbor checks before it serves a learner on its word: the budget covers it as long as it lives."""
        driver, terms = self.driver, voucher.terms
        mirror: AccountsMirror = driver.mirror
        account, task = mirror.account(terms.learner), mirror.tasks[terms.task]
        release = mirror.pending_release(terms.learner)
        stays = release.release_at == 0 or release.release_at > terms.deadline + task.voting_window_s
        in_window = account.nonce_base <= terms.nonce < account.nonce_base + account.budget_nonces
        seated = mirror.account(terms.neighbor).stake >= THRESHOLD_WEI
        judged = len(voucher.votes) == task.votes
        return stays and in_window and seated and judged and terms.reward <= account.budget_reward

    @precondition(some_voucher)
    @rule(
        way=st.sampled_from(SIGNED_WAYS),
        chosen=st.lists(picks, min_size=1, max_size=6),
        leaver=st.sampled_from(LEAVERS),
        forged=st.sampled_from(FORGED),
    )
    def settle(self, way: str, chosen: list[int], leaver: int | None, forged: int | None) -> None:
        driver = self.driver
        picked = [self.vouchers[number % len(self.vouchers)] for number in chosen]
        task = picked[0][0].terms.task
        picked = [(voucher, covered) for voucher, covered in picked if voucher.terms.task == task]
        if way == "settle":
            picked = picked[:1]
        elif len(picked) > 1:  # one that lacks votes would make the whole batch malformed
            full = driver.mirror.tasks[task].votes
            picked = [entry for entry in picked if len(entry[0].votes) == full] or picked[:1]
        if leaver is not None:  # a loser that takes out what it can, just in time
            parties = picked[0][0].parties
            self.leave(driver.wallets[parties[leaver % len(parties)]])
        vouchers = [voucher for voucher, _ in picked]
        signatures = None
        if forged is not None:
            signatures = list(driver.signatures(way, vouchers))
            signatures[forged % len(signatures)] = keccak256(signatures[forged % len(signatures)])
        outcome = driver.settle(way, *vouchers, signatures=signatures)
        if forged is None:
            skipped = self.skipped(outcome)
            for i, (voucher, covered) in enumerate(picked):
                excused = not covered or self.is_excused(voucher, skipped.get(i))
                assert excused or self.is_used(voucher), f"a covered encounter was not settled: {outcome}"
        self.vouchers = [entry for entry in self.vouchers if not self.is_used(entry[0])]

    def is_used(self, voucher: Voucher) -> bool:
        account = self.driver.mirror.account(voucher.terms.learner)
        place = voucher.terms.nonce - account.nonce_base
        return place < 0 or bool(account.nonce_window >> place & 1)

    def is_dead(self, voucher: Voucher) -> bool:
        terms = voucher.terms
        mirror: AccountsMirror = self.driver.mirror
        now_s: int = self.driver.ledger.now_s
        return now_s > terms.deadline + mirror.tasks[terms.task].voting_window_s

    def skipped(self, outcome: Any) -> dict[int, str]:
        """Why which encounter of a batch was not settled, as far as the contract said."""
        if not isinstance(outcome, TxResult):
            return {}
        said = [event for event in outcome.events if isinstance(event, Skipped)]
        return {event.index: idml_abi()._errors[event.reason].name for event in said}

    def is_excused(self, voucher: Voucher, reason: str | None) -> bool:
        """Vouchers die, and a neighbor that lost its stake meanwhile is not paid."""
        driver, terms = self.driver, voucher.terms
        task = driver.mirror.tasks[terms.task]
        if self.is_dead(voucher):
            return True
        votes_for = sum(accept for _, accept in voucher.votes)
        if not settle(terms.reward, votes_for, len(voucher.votes) - votes_for, task).accepted:
            return False
        account = driver.mirror.account(terms.neighbor)
        return reason == "InsufficientStake" or account.stake + account.unbonding < THRESHOLD_WEI

    # Offences

    @rule(
        verb=st.sampled_from(["equivocation", "double_vote"]),
        which=picks,
        who=actors,
        twice=mostly,
        signed=mostly,
        other=st.integers(0, 7),
        now=st.integers(0, 2),
    )
    def offend(self, verb: str, which: int, who: int, twice: bool, signed: bool, other: int, now: int) -> None:
        """Two statements that exclude each other, or nearly so; not often, for it leaves nobody with a stake."""
        if now == 2:
            getattr(self, verb)(which, who, twice, signed, other)

    def equivocation(self, _which: int, who: int, twice: bool, signed: bool, other: int) -> None:
        driver = self.driver
        learner, neighbor = driver.actors[who], driver.actors[(who + 1) % 7]
        nonce = max(0, driver.mirror.account(learner.address).nonce_base + other - 1)
        first = driver.terms(learner, neighbor, driver.tasks[other % 5], TOKEN_WEI, nonce)
        second = replace(first, reward=first.reward + twice)
        signatures = [
            signer.sign(driver.ledger.domain.digest(terms))
            for signer, terms in ((learner, first), (learner if signed else neighbor, second))
        ]
        proof = (first, signatures[0], second, signatures[1])
        outcome = driver.do("prove_equivocation", driver.actors[6], *proof)
        if isinstance(outcome, TxResult):
            assert twice
            assert signed
            driver.fails("AlreadyPunished", "prove_equivocation", driver.actors[6], *proof)

    def double_vote(self, which: int, who: int, twice: bool, signed: bool, other: int) -> None:
        driver, validator = self.driver, self.driver.actors[who]
        if other % 2 and self.some_open():
            terms = self.pick(which).terms
        elif self.vouchers:
            terms = self.vouchers[which % len(self.vouchers)][0].terms
        else:
            return
        vote = Vote(driver.ledger.domain.digest(terms), validator.address, bytes(32), driver.result, True)
        votes = (vote, replace(vote, accept=not twice))
        signers = (validator, validator if signed else driver.actors[who - 1])
        first, second = (signer.sign(driver.ledger.domain.digest(v)) for signer, v in zip(signers, votes, strict=True))
        proof = (terms, votes[0], first, votes[1], second)
        outcome = driver.do("prove_double_vote", driver.actors[6], *proof)
        if isinstance(outcome, TxResult):
            assert twice
            assert signed
            driver.fails("AlreadyPunished", "prove_double_vote", driver.actors[6], *proof)

    @invariant()
    def mirror_equals_chain(self) -> None:
        self.driver.check()

    def teardown(self) -> None:
        assert len({ledger.dump() for ledger in self.driver.ledgers}) == 1
        self.driver.check_reader()
