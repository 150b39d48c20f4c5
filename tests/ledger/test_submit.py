"""What roles submit reaches the contract: with the latest state, a free lane, and a signature where one is needed."""

import copy
from random import Random
from typing import Any

import pytest

from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.interface import TxResult
from idml.ledger.submit import submit
from idml.protocol.encounter import LANES, Phase
from idml.protocol.messages import Report, Terms
from idml.protocol.roles import (
    Contest,
    Draw,
    Finalize,
    Open,
    Reject,
    SubmitReport,
    SubmitReports,
    SubmitVote,
)
from idml.protocol.task import TOKEN_WEI

REWARD_WEI = 10 * TOKEN_WEI
SAFE, TWO_OF_THREE = 0, 2


def opening(driver: Any, learner: int = 0, neighbor: int = 1, **changes: Any) -> tuple[Terms, Open]:
    terms = driver.terms(driver.actors[learner], driver.actors[neighbor], **changes)
    return terms, Open(terms, driver.actors[neighbor].sign(driver.ledger.domain.digest(terms)))


def sent(outcome: TxResult | Reverted) -> TxResult:
    assert isinstance(outcome, TxResult), outcome
    return outcome


def test_an_opening_carries_no_signature_of_a_learner_without_a_budget(new_driver: Any) -> None:
    driver = new_driver()
    terms, wanted = opening(driver)
    result = sent(driver.submit(driver.actors[0], driver.ledger.domain.digest(terms), wanted))
    other = new_driver()
    plainly = other.must("open", other.actors[0], terms, b"", wanted.neighbor_signature, lane=0)
    assert result == plainly, "not one unit of gas more"


def test_an_opening_carries_the_signature_of_a_learner_with_a_budget(driver: Any) -> None:
    learner = driver.actors[0]
    driver.must("set_budget", learner, REWARD_WEI, 5)
    terms, wanted = opening(driver)
    encounter = driver.ledger.domain.digest(terms)
    driver.fails("InvalidSignature", "open", learner, terms, b"", wanted.neighbor_signature)
    result = sent(driver.submit(learner, None, wanted))
    assert driver.at(encounter).terms == terms
    assert result.step == "open"
    driver.check()


def test_a_budget_that_was_released_needs_no_signature_any_more(driver: Any) -> None:
    learner = driver.actors[0]
    driver.must("set_budget", learner, REWARD_WEI, 5)
    signed = sent(driver.submit(learner, None, opening(driver)[1]))
    driver.must("request_release", learner, 0, 0)
    driver.warp(7 * 24 * 3600)
    still = sent(driver.submit(learner, None, opening(driver)[1]))
    driver.must("complete_release", learner)
    plain = sent(driver.submit(learner, None, opening(driver)[1]))
    assert signed.data_bytes == still.data_bytes == plain.data_bytes + 96  # 65 bytes in three words
    driver.check()


def test_what_was_said_of_one_result_is_not_sent_about_another(driver: Any) -> None:
    """The chain took the validation of A back, and both parties brought B: nobody voted on that, or agreed to it."""
    ledger, (learner, neighbor) = driver.ledgers[0], driver.actors[:2]
    driver.ledgers = [ledger]
    encounter = driver.open(learner, neighbor)
    opened, mirror, events = ledger.snapshot(), copy.deepcopy(driver.mirror), list(driver.events)
    driver.report(encounter, neighbor)
    secret = driver.secret(encounter, learner.address)
    agreed = driver.at(encounter).report(learner.address, driver.result, secret, ledger.domain)
    driver.report(encounter, learner)
    judge = driver.voters(encounter)[0]
    vote = driver.at(encounter).vote(judge.address, True)

    ledger.restore(opened)
    driver.mirror, driver.events = mirror, events
    driver.report(encounter, neighbor, b"\x0b" * 32)
    with pytest.raises(LedgerError, match="is about another result by now"):
        submit(ledger, driver.mirror, learner, encounter, SubmitReport(agreed))
    driver.report(encounter, learner, b"\x0b" * 32)
    assert judge in driver.voters(encounter), "the same secrets draw the same committee"
    with pytest.raises(LedgerError, match="is about another result by now"):
        submit(ledger, driver.mirror, judge, encounter, SubmitVote(vote))
    sent(driver.submit(judge, encounter, SubmitVote(driver.at(encounter).vote(judge.address, False))))


def test_every_submission_reaches_the_contract(driver: Any) -> None:
    learner, neighbor, anyone = driver.actors[0], driver.actors[1], driver.actors[6]
    domain = driver.ledger.domain

    def opened(task: int = SAFE) -> bytes:
        terms, wanted = opening(driver, task=driver.tasks[task])
        encounter: bytes = domain.digest(terms)
        sent(driver.submit(learner, encounter, wanted))
        return encounter

    def report(encounter: bytes, reporter: Any) -> SubmitReport:
        secret = driver.secret(encounter, reporter.address)
        return SubmitReport(driver.at(encounter).report(reporter.address, driver.result, secret, domain))

    def vote(encounter: bytes) -> list[str]:
        steps = []
        for voter in driver.voters(encounter):
            if encounter in driver.mirror.encounters:
                submission = SubmitVote(driver.at(encounter).vote(voter.address, True))
                steps.append(sent(driver.submit(voter, encounter, submission)).step)
        return steps

    # each brings its own
    encounter = opened()
    assert sent(driver.submit(neighbor, encounter, report(encounter, neighbor))).step == "report_neighbor"
    assert sent(driver.submit(learner, encounter, report(encounter, learner))).step == "report_learner"
    assert vote(encounter) == ["vote"] * 3

    # the learner brings both, then the neighbor does, with the learner's signature
    for bringer in (learner, neighbor):
        encounter = opened()
        secrets = driver.secret(encounter, neighbor.address), driver.secret(encounter, learner.address)
        first = Report(encounter, neighbor.address, driver.result, secrets[0])
        by_learner = b"" if bringer is learner else driver.agreement(encounter)
        both = SubmitReports(driver.result, *secrets, neighbor.sign(domain.digest(first)), by_learner)
        assert sent(driver.submit(bringer, encounter, both)).step == "report_both"
        assert driver.at(encounter).progress.phase is Phase.VALIDATING
        assert vote(encounter) == ["vote"] * 3

    # contested, and not judged
    encounter = opened(TWO_OF_THREE)
    sent(driver.submit(neighbor, encounter, report(encounter, neighbor)))
    early = driver.submit(neighbor, encounter, Contest())
    assert isinstance(early, Reverted)
    assert early.name == "TooEarly"
    driver.warp(101)
    assert sent(driver.submit(neighbor, encounter, Contest())).step == "contest"
    driver.mine(2)
    assert sent(driver.submit(anyone, encounter, Draw())).step == "draw"
    driver.warp(501)
    assert sent(driver.submit(anyone, encounter, Finalize())).step == "finalize"

    # refused
    encounter = opened()
    assert sent(driver.submit(neighbor, encounter, Reject())).step == "reject"
    driver.warp(101)
    assert sent(driver.submit(anyone, encounter, Finalize())).step == "finalize"
    driver.check()

    # over, never opened, not named
    for unknown, shown in ((encounter, encounter.hex()), (b"\x07" * 32, "07" * 32), (None, "")):
        with pytest.raises(LedgerError, match=rf"^no encounter 0x{shown} is open: it is over, or was never opened$"):
            submit(driver.ledger, driver.mirror, anyone, unknown, Finalize())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_lane_is_the_lowest_that_the_contract_holds_free(driver: Any, seed: int) -> None:
    """With encounters of three learners open and closed as it comes, up to more than a learner has lanes."""
    random = Random(seed)
    learners = driver.actors[:3]
    opened: list[bytes] = []

    def lowest(learner: Any, nonce: int) -> int:
        """Asked of the contract, lane by lane."""
        return next(
            (lane for lane in range(LANES) if driver.ledger.state_hash(learner.address, lane) <= bytes(31) + b"\x01"),
            LANES + nonce % LANES,
        )

    for step in range(150):
        crowded = step < 110
        if opened and random.random() < (0.15 if crowded else 0.7):
            driver.warp(101)
            driver.finalize(opened.pop(random.randrange(len(opened))))
            continue
        index = 0 if random.random() < 0.9 else random.randrange(3)
        terms, wanted = opening(driver, index, 3, reward=0)
        expected = lowest(learners[index], terms.nonce)
        assert driver.mirror.lane(terms.learner, terms.nonce) == expected
        outcome = driver.submit(learners[index], None, wanted)
        if isinstance(outcome, Reverted):
            assert (outcome.name, expected >= LANES) == ("LaneBusy", True)
            continue
        encounter = driver.ledger.domain.digest(terms)
        assert driver.at(encounter).progress.where.lane == expected
        opened.append(encounter)
    driver.check()
