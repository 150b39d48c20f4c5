"""The roles on a real ledger, from the first word to the last token: honest, silent, lying, absent."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from idml.ledger.errors import Reverted
from idml.ledger.interface import TxResult
from idml.ledger.submit import submit
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Terms
from idml.protocol.roles import (
    Accept,
    Action,
    Adopt,
    Contribute,
    Decline,
    Fetch,
    Finish,
    Judge,
    Learner,
    ModelSent,
    Neighbor,
    Offer,
    Open,
    Parcel,
    ReportSent,
    ResultSent,
    Send,
    Submit,
    SubmitReport,
    SubmitReports,
    SubmitVote,
    ValidationRequest,
    Validator,
)
from idml.protocol.task import TOKEN_WEI

MODEL, RESULT, WRONG = Parcel(b"\x04" * 32, "model"), Parcel(b"\x05" * 32, "result"), Parcel(b"\x06" * 32, "wrong")
REWARD_WEI = 10 * TOKEN_WEI
SAFE, PAPER = 0, 1

Bend = Callable[[bytes, Action], Action | None]
"""What becomes of an action of someone's: another one, or nothing."""


class Play:
    """One encounter among the first actors, whose actions may be bent; time and blocks pass as the roles need them."""

    def __init__(
        self,
        driver: Any,
        task: int = SAFE,
        nonce: int = 0,
        verdict: bool = True,
        bend: Bend = lambda _who, action: action,
    ) -> None:
        self.driver = driver
        self.task = driver.tasks[task]
        self.verdict = verdict
        self.bend = bend
        learner, neighbor = driver.actors[:2]
        self.terms: Terms = driver.terms(learner, neighbor, self.task, REWARD_WEI, nonce)
        secrets = driver.secrets(learner.address, neighbor.address, nonce)
        judges = [actor.address for actor in driver.actors[2:5]]
        common: dict[str, Any] = {"domain": driver.ledger.domain, "task": self.task, "validators": judges}
        offer = replace(self.terms, neighbor_commitment=ZERO_WORD)
        self.learner = Learner(identity=learner, offer=offer, secret=secrets[0], model=MODEL, **common)
        self.neighbor = Neighbor(identity=neighbor, secret=secrets[1], **common)
        self.validators: dict[bytes, Validator] = {}
        self.encounter = driver.ledger.domain.digest(self.terms)
        self.log: list[str] = []
        self.reasons: dict[bytes, str] = {}
        self.adopted: Parcel | None = None

    def run(self) -> "Play":
        """Play until nothing is left to do."""
        self.perform(self.terms.learner, self.learner.start())
        driver = self.driver
        while self.encounter in driver.mirror.encounters:
            wake_s = driver.at(self.encounter).progress.wake_s(self.task, driver.ledger.now_s)
            if wake_s is None:
                driver.mine(1)
            else:
                driver.warp(wake_s - driver.ledger.now_s)
            for who, role in ((self.terms.neighbor, self.neighbor), (self.terms.learner, self.learner)):
                self.perform(who, role.on_time(driver.ledger.now_s, driver.ledger.block_number + 1))
        driver.check()
        return self

    def perform(self, who: bytes, actions: Sequence[Action]) -> None:
        queue = deque((who, action) for action in actions)
        while queue:
            doer, action = queue.popleft()
            bent = self.bend(doer, action)
            if bent is not None:
                queue.extend(self.do(doer, bent))

    def do(self, who: bytes, action: Action) -> list[tuple[bytes, Action]]:
        match action:
            case Send(to, message):
                return [(to, following) for following in self.hear(to, message)]
            case Submit(submission):
                outcome = self.driver.submit(self.driver.wallets[who], self.encounter, submission)
                self.log.append(f"{type(submission).__name__}{'' if isinstance(outcome, TxResult) else ' refused'}")
                return self.tell(outcome)
            case Contribute():
                return [(who, following) for following in self.neighbor.on_contribution(RESULT)]
            case Judge(encounter, model, result):
                assert (model, result) == (MODEL, RESULT)
                at = self.driver.mirror.encounters.get(encounter.id, encounter)
                return [(who, following) for following in self.validators[who].on_verdict(self.verdict, at)]
            case Adopt(result):
                self.adopted = result
            case Fetch(digest):
                assert digest == RESULT.digest
                return [(who, following) for following in self.learner.on_fetched(RESULT)]
            case Finish(reason):
                self.reasons[who] = reason
        return []

    def hear(self, to: bytes, message: object) -> list[Action]:
        match message:
            case Accept() | Decline() | ResultSent():
                return self.learner.on_message(message)
            case Offer() | ModelSent() | ReportSent():
                return self.neighbor.on_message(message)
            case ValidationRequest():
                at = self.driver.mirror.encounters.get(self.encounter)
                validator = self.validators.setdefault(to, Validator(to, self.task))
                return validator.on_message(message, at) if at else []
        raise AssertionError(message)

    def tell(self, outcome: TxResult | Reverted) -> list[tuple[bytes, Action]]:
        """Both parties see what the ledger says now."""
        if isinstance(outcome, Reverted):
            return []
        last = outcome.events[-1]
        parties = ((self.terms.learner, self.learner), (self.terms.neighbor, self.neighbor))
        followers: list[tuple[bytes, Action]] = []
        for who, role in parties:
            if last.name == "Settled":
                accepted = {1: None, 2: True, 4: True}.get(last.arguments["caseNumber"], False)
                actions = role.on_settled(accepted)
            elif last.name == "Ended":
                actions = role.on_ended("incomplete" if last.arguments["outcome"] else "rejected")
            else:
                actions = role.on_encounter(self.driver.at(self.encounter))
            followers += [(who, action) for action in actions]
        return followers

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
        return Submit(SubmitReport(replace(action.submission.report, result=WRONG.digest)))

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
                denial = at.report(play.terms.learner, WRONG.digest, secret, driver.ledger.domain)
                for follower in play.tell(driver.submit(driver.actors[0], play.encounter, SubmitReport(denial))):
                    play.perform(follower[0], [follower[1]])
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
                other = replace(report, result=WRONG.digest)
                return Send(to, ResultSent(WRONG, other, neighbor.sign(b"\x00" * 32)))
            case Send(_, ValidationRequest()):
                return None
        return action

    play = Play(driver, bend=bend).run()
    assert play.log == ["Open", "SubmitReport", "SubmitReport", "Contest", "Draw", "Finalize"]
    assert play.wealth() == before


@pytest.mark.parametrize("reported", [RESULT, WRONG])
def test_a_neighbor_that_reports_first_cannot_change_what_it_handed_over(driver: Any, reported: Parcel) -> None:
    """Not even by another result, to be judged by others: both reports go before."""
    raced: list[bool] = []

    def bend(who: bytes, action: Action) -> Action | None:
        if isinstance(action, Submit) and isinstance(action.submission, SubmitReports) and not raced:
            raced.append(True)
            report = play.neighbor._report(driver.at(play.encounter), reported)
            driver.submit(driver.actors[1], play.encounter, SubmitReport(report))
            for role in (play.learner, play.neighbor):
                role.on_encounter(driver.at(play.encounter))
        return action

    play = Play(driver, bend=bend)
    play.run()
    assert play.log == ["Open", "SubmitReports", "SubmitVote", "SubmitVote", "SubmitVote"]
    assert play.adopted == RESULT


def test_an_opening_is_not_sent_without_a_lane(driver: Any) -> None:
    terms = driver.terms(*driver.actors[:2])
    at = driver.at(driver.open(*driver.actors[:2]))
    with pytest.raises(ValueError, match=r"an opening needs a lane: use Ledger\.open"):
        submit(driver.ledger, driver.actors[0], at.progress, Open(terms, b""))
