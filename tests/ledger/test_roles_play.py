"""The roles on a real ledger, from the first word to the last token: honest, silent, lying, absent."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.interface import TxResult
from idml.ledger.submit import submit
from idml.ledger.wallet import Wallet
from idml.protocol.encounter import Encounter
from idml.protocol.events import Event
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Terms
from idml.protocol.roles import (
    Action,
    Adopt,
    Clock,
    Conduct,
    Contribute,
    Contributed,
    Driver,
    Envelope,
    Finalize,
    Judge,
    Judged,
    Keeper,
    Learner,
    ModelSent,
    Neighbor,
    Part,
    Player,
    Refusal,
    ReportSent,
    ResultSent,
    Role,
    Send,
    Submission,
    Submit,
    SubmitReport,
    SubmitReports,
    SubmitVote,
    ValidationRequest,
    Validator,
    Work,
    conversation_of,
)
from idml.protocol.task import TOKEN_WEI

MODEL, RESULT, WRONG = b"\x04" * 32, b"\x05" * 32, b"\x06" * 32
REWARD_WEI = 10 * TOKEN_WEI
SAFE, PAPER = 0, 1

Bend = Callable[[bytes, Action], Action | None]
"""What becomes of an action of someone's: another one, or nothing."""


class Bent(Conduct):
    """Does what becomes of the actions of someone's role."""

    def __init__(self, who: bytes, bend: Bend) -> None:
        self.who = who
        self.bend = bend

    def act(self, action: Action, part: Part) -> Action | None:
        return self.bend(self.who, action)


class Play:
    """One encounter among the first actors, whose actions may be bent; time and blocks pass as the roles need them."""

    def __init__(
        self,
        driver: Any,
        task: int = SAFE,
        nonce: int | None = 0,
        verdict: bool = True,
        bend: Bend = lambda _who, action: action,
    ) -> None:
        self.driver = driver
        self.task = driver.tasks[task]
        self.verdict = verdict
        self.bend = bend
        learner, neighbor = driver.actors[:2]
        self.terms: Terms = driver.terms(learner, neighbor, self.task, REWARD_WEI, nonce)
        secrets = driver.secrets(learner.address, neighbor.address, self.terms.nonce)
        judges = [actor.address for actor in driver.actors[2:5]]
        domain = driver.ledger.domain
        common: dict[str, Any] = {"domain": domain, "task": self.task, "validators": judges}
        offer = replace(self.terms, neighbor_commitment=ZERO_WORD)
        self.encounter = domain.digest(self.terms)
        self.roles = Driver(domain=domain, task=self.task, conversation=conversation_of(offer, domain), port=self)
        self.join(learner, "learner", lambda: Learner(identity=learner, offer=offer, secret=secrets[0], **common))
        self.join(neighbor, "neighbor", lambda: Neighbor(identity=neighbor, secret=secrets[1], **common))
        self.log: list[str] = []
        self.reasons: dict[bytes, str] = {}
        self.adopted: bytes | None = None

    def join(self, actor: Wallet, part: Part, make: Callable[[], Role]) -> Player:
        return self.roles.join(Player(actor.address, part, make, Bent(actor.address, self.bend)))

    @property
    def validators(self) -> list[bytes]:
        """Who was asked to judge."""
        return [player.address for player in self.roles.players.values() if player.part == "validator"]

    def run(self) -> "Play":
        """Play until nothing is left to do."""
        driver = self.driver
        self.roles.start(self.terms.learner)
        while self.encounter in driver.mirror.encounters:
            wake_s = driver.at(self.encounter).progress.wake_s(self.task, driver.ledger.now_s)
            if wake_s is None:
                driver.mine(1)
            else:
                driver.warp(wake_s - driver.ledger.now_s)
            self.roles.wake()
        driver.check()
        return self

    # The driver's port

    def carry(self, to: bytes, envelope: Envelope) -> Player | None:
        player, task = self.roles.players.get(to), self.task
        if player is None and isinstance(envelope.message, ValidationRequest):
            player = self.join(self.driver.wallets[to], "validator", lambda: Validator(to, task))
        return player

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        outcome = self.driver.submit(self.driver.wallets[sender], encounter and encounter.id, submission)
        self.log.append(f"{type(submission).__name__}{'' if isinstance(outcome, TxResult) else ' refused'}")
        if isinstance(outcome, Reverted):
            return Refusal(str(outcome), stale=outcome.name == "StateMismatch")
        events: tuple[Event, ...] = outcome.events
        return events

    def work(self, worker: bytes, work: Work) -> Contributed | Judged | None:
        match work:
            case Contribute(model):
                assert model == MODEL
                return Contributed(RESULT)
            case Judge(model, result):
                assert (model, result) == (MODEL, RESULT)
                return Judged(result, self.verdict)
            case Adopt(result):
                self.adopted = result
        return None

    def finish(self, address: bytes, reason: str) -> None:
        self.reasons[address] = reason

    def clock(self) -> Clock:
        return Clock(self.driver.ledger.now_s, self.driver.ledger.block_number + 1)

    def wealth(self) -> list[int]:
        """What each actor owns in the contract."""
        accounts = [self.driver.ledger.account(actor.address) for actor in self.driver.actors]
        return [account.balance + account.stake + account.unbonding for account in accounts]


def once_it_knows_the_committee(driver: Any, instead: Callable[[Action], Action | None]) -> Bend:
    """A learner that does everything until it holds the neighbor's secret, and something else from there on."""
    learner = driver.actors[0].address

    def bend(who: bytes, action: Action) -> Action | None:
        match action:
            case Send(_, ReportSent()):
                return None
            case Submit(SubmitReports() | SubmitReport()) if who == learner:
                return instead(action)
        return action

    return bend


def silent(driver: Any) -> Bend:
    return once_it_knows_the_committee(driver, lambda _action: None)


def denying(driver: Any) -> Bend:
    """It waits for the neighbor's report and names another result."""

    def instead(action: Action) -> Action | None:
        assert isinstance(action, Submit)
        if isinstance(action.submission, SubmitReports):
            return None
        assert isinstance(action.submission, SubmitReport)
        return Submit(SubmitReport(replace(action.submission.report, result=WRONG)))

    return once_it_knows_the_committee(driver, instead)


def signing_only(driver: Any) -> Bend:
    """A learner that hands over its signed Report, and falls silent then."""
    bend = silent(driver)
    return lambda who, action: action if isinstance(action, Send) else bend(who, action)


def without_votes(driver: Any) -> Bend:
    return lambda who, action: (
        None if isinstance(action, Submit) and isinstance(action.submission, SubmitVote) else action
    )


def test_an_honest_encounter_takes_five_transactions(driver: Any) -> None:
    play = Play(driver).run()
    assert play.log == ["Open", "SubmitReports", "SubmitVote", "SubmitVote", "SubmitVote"]
    assert play.adopted == RESULT
    assert set(play.reasons.values()) == {"settled: accepted"}
    assert driver.ledger.history(play.terms.neighbor).accepted == 1


def test_a_rejected_one_is_not_adopted(driver: Any) -> None:
    play = Play(driver, verdict=False).run()
    assert play.adopted is None
    assert set(play.reasons.values()) == {"settled: rejected"}


@pytest.mark.parametrize("cheat", [silent, denying])
@pytest.mark.parametrize("verdict", [True, False])
@pytest.mark.parametrize("nonce", [0, 1, 2])
def test_a_learner_that_falls_silent_once_it_knows_the_committee_gains_nothing(
    new_driver: Any, cheat: Callable[[Any], Bend], verdict: bool, nonce: int
) -> None:
    """Another committee judges, and the learner pays what it would have paid."""
    honest = Play(new_driver(), nonce=nonce, verdict=verdict).run()
    fair, first_judges = honest.wealth(), set(honest.validators)
    driver = new_driver()
    cheating = Play(driver, nonce=nonce, verdict=verdict, bend=cheat(driver)).run()
    reports = ["SubmitReport"] * (2 if cheat is denying else 1)
    assert cheating.log == ["Open", *reports, "Contest", "Draw", "SubmitVote", "SubmitVote", "SubmitVote"]
    assert cheating.wealth()[:2] == fair[:2]
    assert sum(cheating.wealth()) == sum(fair)
    assert cheating.driver.ledger.history(driver.actors[0].address).completed_as_learner == 1
    assert first_judges
    assert set(cheating.validators) <= {actor.address for actor in driver.actors[2:6]}


def test_a_contested_committee_is_another_one(new_driver: Any) -> None:
    drawn = []
    for nonce in range(4):
        for bend in (lambda _driver: lambda _who, action: action, silent):
            driver = new_driver()
            drawn.append(tuple(Play(driver, nonce=nonce, bend=bend(driver)).run().validators))
    assert any(first != second for first, second in zip(drawn[::2], drawn[1::2], strict=True))


@pytest.mark.parametrize("task", [SAFE, PAPER])
@pytest.mark.parametrize("denies", [False, True])
def test_a_learner_that_signed_its_report_is_held_to_it(new_driver: Any, task: int, denies: bool) -> None:
    """The neighbor holds both signed Reports and brings them: no contest, and the judges that the learner saw."""
    honest = Play(new_driver(), task).run()
    driver = new_driver()
    bend = signing_only(driver)

    def deny(who: bytes, action: Action) -> Action | None:
        """At once when the neighbor's report is on the ledger, before the neighbor brings both."""
        match action:
            case Send(_, ResultSent()) if denies and play.log == ["Open", "SubmitReport"]:
                at, secret = driver.at(play.encounter), driver.secret(play.encounter, play.terms.learner)
                denial = at.report(play.terms.learner, WRONG, secret, driver.ledger.domain)
                play.roles.follow(driver.submit(driver.actors[0], play.encounter, SubmitReport(denial)).events)
                return None
        return bend(who, action)

    play = Play(driver, task, bend=deny)
    play.run()
    assert play.log[:3] == ["Open", "SubmitReport", "SubmitReports"]
    assert set(play.log[3:]) == {"SubmitVote"}
    assert set(play.reasons.values()) == {"settled: accepted"}
    assert play.wealth() == honest.wealth()
    assert list(play.validators) == list(honest.validators)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_learner_that_denied_for_want_of_the_result_takes_it_back(driver: Any, lost: int) -> None:
    """Nothing that the neighbor sends arrives as it was, until the learner has denied."""
    neighbor, sent = driver.actors[1], []

    def bend(who: bytes, action: Action) -> Action | None:
        match action:
            case Send(to, ResultSent(_, report, signature)) if who == neighbor.address:
                sent.append(report)
                return Send(to, ResultSent(WRONG, report, signature)) if len(sent) <= lost else action
        return action

    play = Play(driver, PAPER, bend=bend).run()
    reports = {1: ["SubmitReport", "SubmitReport"], 2: ["SubmitReport", "SubmitReport", "SubmitReports"]}[lost]
    assert play.log[: len(reports) + 1] == ["Open", *reports]
    assert set(play.log[len(reports) + 1 :]) == {"SubmitVote"}
    assert play.adopted == RESULT


@pytest.mark.parametrize("cheat", [silent, denying])
def test_where_voting_is_open_good_faith_is_paid(driver: Any, cheat: Callable[[Any], Bend]) -> None:
    before = Play(driver, PAPER).wealth()
    play = Play(driver, PAPER, bend=cheat(driver)).run()
    reports = ["SubmitReport"] * (2 if cheat is denying else 1)
    assert play.log == ["Open", *reports, "Finalize"]
    gains = [after - earlier for after, earlier in zip(play.wealth(), before, strict=True)]
    assert gains[:2] == [-TOKEN_WEI, TOKEN_WEI]
    assert play.adopted is None


def test_a_contest_without_judges_returns_everything(driver: Any) -> None:
    before = Play(driver).wealth()

    def bend(who: bytes, action: Action) -> Action | None:
        kept = silent(driver)(who, action)
        return without_votes(driver)(who, kept) if kept else None

    play = Play(driver, bend=bend).run()
    assert play.log == ["Open", "SubmitReport", "Contest", "Draw", "Finalize"]
    assert play.wealth() == before
    assert set(play.reasons.values()) == {"incomplete"}


def test_an_unjudged_encounter_is_settled_by_time(driver: Any) -> None:
    before = Play(driver).wealth()
    play = Play(driver, bend=without_votes(driver)).run()
    assert play.log == ["Open", "SubmitReports", "Finalize"]
    gains = [after - earlier for after, earlier in zip(play.wealth(), before, strict=True)]
    assert gains[:2] == [-REWARD_WEI, REWARD_WEI * 8 // 10]
    assert play.adopted is None


def test_a_learner_that_never_sends_its_model_is_refused(driver: Any) -> None:
    before = Play(driver).wealth()

    def bend(_who: bytes, action: Action) -> Action | None:
        return None if isinstance(action, Send) and isinstance(action.message, ModelSent) else action

    play = Play(driver, bend=bend).run()
    assert play.log == ["Open", "Reject", "Finalize"]
    assert set(play.reasons.values()) == {"rejected"}
    assert play.wealth() == before


def test_a_neighbor_that_never_answers_costs_nothing(driver: Any) -> None:
    before = Play(driver).wealth()
    neighbor = driver.actors[1].address
    play = Play(driver, bend=lambda who, action: None if isinstance(action, Contribute) else action).run()
    assert play.log == ["Open", "Finalize"]
    assert play.wealth() == before
    assert driver.ledger.history(neighbor).incomplete_as_neighbor == 1


def test_a_neighbor_that_reports_what_it_did_not_hand_over_is_denied_and_not_paid(driver: Any) -> None:
    """It hands over junk and reports something else: the committee never sees what was reported."""
    before = Play(driver).wealth()
    neighbor = driver.actors[1]

    def bend(who: bytes, action: Action) -> Action | None:
        match action:
            case Send(to, ResultSent(_, report, _)) if who == neighbor.address:
                other = replace(report, result=WRONG)
                return Send(to, ResultSent(WRONG, other, neighbor.sign(b"\x00" * 32)))
            case Send(_, ValidationRequest()):
                return None
        return action

    play = Play(driver, bend=bend).run()
    assert play.log == ["Open", "SubmitReport", "SubmitReport", "Contest", "Draw", "Finalize"]
    assert play.wealth() == before


@pytest.mark.parametrize("reported", [RESULT, WRONG])
def test_a_neighbor_that_reports_first_cannot_change_what_it_handed_over(driver: Any, reported: bytes) -> None:
    """Not even by another result, to be judged by others: both reports go before."""
    raced: list[bool] = []

    def bend(who: bytes, action: Action) -> Action | None:
        if isinstance(action, Submit) and isinstance(action.submission, SubmitReports) and not raced:
            raced.append(True)
            secret = driver.secret(play.encounter, play.terms.neighbor)
            report = driver.at(play.encounter).report(play.terms.neighbor, reported, secret, driver.ledger.domain)
            play.roles.follow(driver.submit(driver.actors[1], play.encounter, SubmitReport(report)).events)
        return action

    play = Play(driver, bend=bend)
    play.run()
    assert play.log == ["Open", "SubmitReports", "SubmitVote", "SubmitVote", "SubmitVote"]
    assert play.adopted == RESULT


def test_what_is_over_is_not_submitted(driver: Any) -> None:
    play = Play(driver).run()
    with pytest.raises(LedgerError, match=r"no encounter 0x.* is open: it is over, or was never opened"):
        submit(driver.ledger, driver.mirror, driver.actors[0], play.encounter, Finalize())
    with pytest.raises(LedgerError, match="no encounter 0x is open"):
        submit(driver.ledger, driver.mirror, driver.actors[0], None, Finalize())


def test_a_learner_with_a_budget_opens_through_its_role(driver: Any) -> None:
    """The contract wants its signature then: two Terms with one nonce would cheat who holds the other."""
    driver.must("set_budget", driver.actors[0], 20 * TOKEN_WEI, 5)
    play = Play(driver, nonce=None).run()
    assert play.log == ["Open", "SubmitReports", "SubmitVote", "SubmitVote", "SubmitVote"]


def test_a_refused_opening_ends_the_learners_part_at_once(driver: Any) -> None:
    driver.must("withdraw", driver.actors[0], driver.ledger.account(driver.actors[0].address).balance)
    play = Play(driver).run()
    assert play.log == ["Open refused"]
    assert play.reasons[play.terms.learner].startswith("reverted: InsufficientBalance")


class Lagging(Play):
    """The ledger is seen one transaction late: what others did is known only when the next one is sent."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.unseen: list[TxResult] = []

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        if not isinstance(submission, SubmitVote):
            return super().submit(sender, submission, encounter)
        assert encounter is not None
        ledger, vote = self.driver.ledger, submission.vote
        try:
            result = ledger.vote(self.driver.wallets[sender], encounter.progress, vote.validator, vote.accept)
        except Reverted as error:
            self.log.append(f"SubmitVote {error.name}")
            return Refusal(str(error), stale=error.name == "StateMismatch")
        self.log.append("SubmitVote")
        self.unseen.append(result)
        return None

    def see(self) -> bool:
        """Read what was sent meanwhile; whether there was anything."""
        if not self.unseen:
            return False
        result = self.unseen.pop(0)
        self.driver._count(result)
        self.driver.mirror.apply(result.events)
        self.roles.follow(result.events)
        return True


def test_votes_that_met_are_sent_again_with_the_newest_state(new_driver: Callable[[], Any]) -> None:
    """Three validators vote on one state: one vote is taken, the others do not fit any more, and come again."""
    driver = new_driver()
    driver.ledgers = driver.ledgers[:1]  # one ledger, as its transactions are sent behind the other's back here
    play = Lagging(driver)
    play.roles.start(play.terms.learner)
    assert play.log == ["Open", "SubmitReports", "SubmitVote", *["SubmitVote StateMismatch"] * 2]
    assert play.see()
    assert play.log[5:] == ["SubmitVote", "SubmitVote StateMismatch"]
    while play.see():
        pass
    assert play.log[7:] == ["SubmitVote"]
    assert play.adopted == RESULT
    assert set(play.reasons.values()) == {"settled: accepted"}
    driver.check()


@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_what_both_parties_let_go_of_is_ended_by_a_keeper(driver: Any, task: int) -> None:
    before = Play(driver, task).wealth()
    keeper = driver.actors[6]
    play = Play(driver, task, bend=deserting(driver))
    play.roles.join(Player(keeper.address, "keeper", lambda: Keeper(play.task)))
    play.run()
    assert play.log == ["Open", "Finalize"]
    assert play.wealth() == before


def deserting(driver: Any) -> Bend:
    """Both parties are gone once the encounter is open."""
    parties = [actor.address for actor in driver.actors[:2]]
    opened: list[bool] = []

    def bend(who: bytes, action: Action) -> Action | None:
        if who in parties and opened:
            return None
        if isinstance(action, Submit):
            opened.append(True)
        return action

    return bend


@pytest.mark.parametrize("cheat", [None, silent, denying, signing_only, without_votes])
@pytest.mark.parametrize("task", [SAFE, PAPER])
def test_roles_that_crash_at_any_input_come_back_as_they_were(
    new_driver: Callable[[], Any], task: int, cheat: Callable[[Any], Bend] | None
) -> None:
    """Each role is made anew from its first inputs, however many: same state, same messages, nothing signed anew."""
    driver = new_driver()
    bent: dict[str, Any] = {"bend": cheat(driver)} if cheat else {}
    play = Play(driver, task, **bent).run()
    for player in play.roles.players.values():
        role, asked = player._make(), []
        states = []
        for given in player.inputs:
            asked.append(role.take(given))
            states.append(
                {name: dict(value) if isinstance(value, dict) else value for name, value in vars(role).items()}
            )
        for crash in range(len(player.inputs)):
            again = player._make()
            repeated = [again.take(given) for given in player.inputs[: crash + 1]]
            assert repeated == asked[: crash + 1]
            assert vars(again) == states[crash]
