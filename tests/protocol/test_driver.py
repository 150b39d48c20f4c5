"""The driver: feeds roles what comes, carries out what they ask for, and takes back what the chain takes back."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from idml.ledger.wallet import Wallet
from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import (
    Contested,
    Deposited,
    Disputed,
    Ended,
    Ending,
    Event,
    Opened,
    Refused,
    Reported,
    Settled,
    ValidationStarted,
    Voted,
)
from idml.protocol.hashing import ZERO_WORD
from idml.protocol.messages import Domain, Report, Terms, commitment
from idml.protocol.roles import (
    Accept,
    Action,
    Adopt,
    Clock,
    Conduct,
    Contest,
    Contribute,
    Contributed,
    Decline,
    Driver,
    Envelope,
    Finalize,
    Finish,
    Happened,
    Heard,
    Ignore,
    Input,
    Judge,
    Judged,
    Keeper,
    Later,
    Learner,
    Message,
    ModelSent,
    Neighbor,
    Offer,
    Open,
    Part,
    Player,
    Refusal,
    Reject,
    ReportSent,
    ResultSent,
    Role,
    Send,
    Started,
    Submission,
    SubmissionRefused,
    Submit,
    SubmitReport,
    SubmitReports,
    SubmitVote,
    ValidationRequest,
    Validator,
    Work,
    conversation_of,
)
from idml.protocol.task import TaskParams, preset_task

DOMAIN = Domain(1, b"D" * 20)
SAFE, PAPER = preset_task("safe"), preset_task("paper")
LEARNER, NEIGHBOR = Wallet.from_seed(1, 0), Wallet.from_seed(1, 1)
JUDGES = (b"A" * 20, b"B" * 20, b"C" * 20)
STRANGER, KEEPER = b"S" * 20, b"K" * 20
MODEL, RESULT, WRONG = b"m" * 32, b"r" * 32, b"x" * 32
LEARNER_SECRET, NEIGHBOR_SECRET = b"l" * 32, b"n" * 32
OPENED_AT, WINDOW_S = 95, SAFE.completion_window_s


def offer(task: TaskParams = SAFE) -> Terms:
    parties = (LEARNER.address, NEIGHBOR.address)
    return Terms(task.id, *parties, 10, MODEL, commitment(LEARNER_SECRET), ZERO_WORD, 5, 90, 100, 0)


def terms(task: TaskParams = SAFE) -> Terms:
    return replace(offer(task), neighbor_commitment=commitment(NEIGHBOR_SECRET))


ID = DOMAIN.digest(terms())


def accept(task: TaskParams = SAFE) -> Accept:
    return Accept(terms(task), NEIGHBOR.sign(DOMAIN.digest(terms(task))))


def handed_over(result: bytes = RESULT, task: TaskParams = SAFE) -> ResultSent:
    report = Report(DOMAIN.digest(terms(task)), NEIGHBOR.address, result, NEIGHBOR_SECRET)
    return ResultSent(result, report, NEIGHBOR.sign(DOMAIN.digest(report)))


def both(task: TaskParams = SAFE) -> SubmitReports:
    """Both reports, brought by the learner."""
    return SubmitReports(RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, handed_over(task=task).signature)


def agreed() -> ReportSent:
    previous = DOMAIN.digest(handed_over().report)
    report = Report(ID, LEARNER.address, RESULT, LEARNER_SECRET, previous)
    return ReportSent(report, LEARNER.sign(DOMAIN.digest(report)))


def by_neighbor() -> SubmitReports:
    """Both reports, brought by the neighbor."""
    signatures = (handed_over().signature, agreed().signature)
    return SubmitReports(RESULT, NEIGHBOR_SECRET, LEARNER_SECRET, *signatures)


# What the contract announces, transaction by transaction


def opened(block: int = 1, task: TaskParams = SAFE) -> list[Event]:
    signed = terms(task)
    return [Opened(block, OPENED_AT, DOMAIN.digest(signed), signed.learner, signed.neighbor, 0, signed)]


def refused(block: int = 2) -> list[Event]:
    return [Refused(block, OPENED_AT, ID)]


def reported(block: int = 2, result: bytes = RESULT, task: TaskParams = SAFE) -> list[Event]:
    return [Reported(block, OPENED_AT, DOMAIN.digest(terms(task)), NEIGHBOR.address, result, NEIGHBOR_SECRET)]


def denied(block: int = 3, task: TaskParams = SAFE) -> list[Event]:
    when = (block, OPENED_AT, DOMAIN.digest(terms(task)))
    return [Reported(*when, LEARNER.address, WRONG, LEARNER_SECRET), Disputed(*when)]


def contested(block: int = 3) -> list[Event]:
    return [Contested(block, OPENED_AT, ID, block)]


def started(block: int = 2, result: bytes = RESULT) -> list[Event]:
    """Both reports were brought."""
    return [*reported(block, result), ValidationStarted(block, OPENED_AT, ID, LEARNER_SECRET, JUDGES)]


def voted(voter: bytes, accept_: bool = True, block: int = 3) -> list[Event]:
    return [Voted(block, OPENED_AT, ID, voter, accept_)]


def settled(block: int = 4) -> list[Event]:
    return [Settled(block, OPENED_AT, ID, 2, 3, 0)]


def ended(block: int = 4) -> list[Event]:
    return [Ended(block, OPENED_AT, ID, Ending.INCOMPLETE, 0)]


# The world, as a test writes it


class World:
    """A port that does as it is told and remembers what it was asked for."""

    def __init__(self) -> None:
        self.here: dict[bytes, Player] = {}
        self.answers: deque[Sequence[Event] | Refusal | None] = deque()
        self.outcomes: dict[type[Work], Contributed | Judged] = {}
        self.now = Clock(OPENED_AT, 1)
        self.sent: list[tuple[bytes, Envelope]] = []
        self.submitted: list[tuple[bytes, Submission]] = []
        self.known: list[Encounter | None] = []
        self.worked: list[tuple[bytes, Work]] = []
        self.finished: list[tuple[bytes, str]] = []

    def carry(self, to: bytes, envelope: Envelope) -> Player | None:
        self.sent.append((to, envelope))
        return self.here.get(to)

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        self.submitted.append((sender, submission))
        self.known.append(encounter)
        return self.answers.popleft() if self.answers else None

    def work(self, worker: bytes, work: Work) -> Contributed | Judged | None:
        self.worked.append((worker, work))
        return self.outcomes.get(type(work))

    def finish(self, address: bytes, reason: str) -> None:
        self.finished.append((address, reason))

    def clock(self) -> Clock:
        return self.now

    @property
    def said(self) -> list[Message]:
        return [envelope.message for _, envelope in self.sent]

    def forget(self) -> None:
        """Forget what was asked for so far."""
        for asked in (self.sent, self.submitted, self.known, self.worked, self.finished):
            asked.clear()


Say = Callable[[Input], Sequence[Action]]


class Puppet:
    """A role that asks for what a test says."""

    def __init__(self, say: Say = lambda given: []) -> None:
        self._say = say

    def take(self, given: Input) -> list[Action]:
        return list(self._say(given))


def on(kind: type[Input], *actions: Action) -> Say:
    """Ask for these whenever such an input comes."""
    return lambda given: actions if isinstance(given, kind) else ()


def drive(world: World, *players: Player, task: TaskParams = SAFE) -> Driver:
    driver = Driver(domain=DOMAIN, task=task, conversation=conversation_of(offer(task), DOMAIN), port=world)
    for player in players:
        driver.join(player)
    return driver


def puppet(address: bytes, part: Part, say: Say = lambda given: [], conduct: Conduct | None = None) -> Player:
    return Player(address, part, lambda: Puppet(say), conduct or Conduct())


def learner(task: TaskParams = SAFE, conduct: Conduct | None = None) -> Player:
    def make() -> Role:
        return Learner(identity=LEARNER, domain=DOMAIN, task=task, offer=offer(task), secret=LEARNER_SECRET)

    return Player(LEARNER.address, "learner", make, conduct or Conduct())


def neighbor(task: TaskParams = SAFE, conduct: Conduct | None = None) -> Player:
    def make() -> Role:
        return Neighbor(identity=NEIGHBOR, domain=DOMAIN, task=task, secret=NEIGHBOR_SECRET)

    return Player(NEIGHBOR.address, "neighbor", make, conduct or Conduct())


def validator(address: bytes = JUDGES[0]) -> Player:
    return Player(address, "validator", lambda: Validator(address, SAFE))


def keeper() -> Player:
    return Player(KEEPER, "keeper", lambda: Keeper(SAFE))


def envelope(message: Message, sender: bytes = LEARNER.address, task: TaskParams = SAFE) -> Envelope:
    return Envelope(conversation_of(offer(task), DOMAIN), sender, message)


def happenings(player: Player) -> list[Happened]:
    return [given for given in player.inputs if isinstance(given, Happened)]


def refusals(player: Player) -> list[SubmissionRefused]:
    return [given for given in player.inputs if isinstance(given, SubmissionRefused)]


# From the offer to the end


class Chain(World):
    """A world in which all play in one process and the contract takes everything, one block a transaction."""

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        super().submit(sender, submission, encounter)
        block = len(self.submitted)
        match submission:
            case Open():
                return opened(block)
            case SubmitReports():
                return started(block)
            case SubmitVote(vote):
                assert encounter is not None
                last = len(encounter.progress.votes) == 2
                return [*voted(sender, vote.accept, block), *(settled(block) if last else ())]
        return None


def test_an_encounter_from_the_offer_to_the_end() -> None:
    world = Chain()
    world.outcomes = {Contribute: Contributed(RESULT), Judge: Judged(RESULT, True)}
    asking, asked = learner(), neighbor()
    judges = [validator(address) for address in JUDGES]
    driver = drive(world, asking, asked, *judges, keeper())
    world.here = dict(driver.players)
    driver.start(LEARNER.address)
    assert driver.over
    parties = {type(message) for message in world.said}
    assert parties == {Offer, Accept, ModelSent, ResultSent, ReportSent, ValidationRequest}
    assert [type(submission) for _, submission in world.submitted] == [Open, SubmitReports, *[SubmitVote] * 3]
    assert [type(work) for _, work in world.worked] == [Contribute, Judge, Judge, Judge, Adopt]
    assert world.worked[-1] == (LEARNER.address, Adopt(RESULT))
    assert set(world.finished) == {(party.address, "settled: accepted") for party in (LEARNER, NEIGHBOR)}
    assert [len(happenings(player)) for player in driver.players.values()] == [5] * 6
    assert all(envelope.conversation == driver.conversation for _, envelope in world.sent)


# Messages


def test_messages_of_another_conversation_are_passed_over() -> None:
    world, player = World(), puppet(LEARNER.address, "learner")
    driver = drive(world, player)
    driver.hear(LEARNER.address, Envelope(b"o" * 32, NEIGHBOR.address, Decline("busy")))
    assert player.inputs == []
    driver.hear(LEARNER.address, envelope(Decline("busy"), NEIGHBOR.address))
    assert player.inputs == [Heard(NEIGHBOR.address, Decline("busy"))]


def test_a_message_goes_out_under_the_name_of_who_says_it() -> None:
    world = World()
    driver = drive(world, learner())
    driver.start(LEARNER.address)
    assert world.sent == [(NEIGHBOR.address, envelope(Offer(offer())))]


def test_who_is_reached_at_once_answers_at_once() -> None:
    world, asked = World(), neighbor()
    driver = drive(world, learner(), asked)
    world.here = {NEIGHBOR.address: asked}
    driver.start(LEARNER.address)
    assert world.said == [Offer(offer()), accept()]


def test_what_is_heard_in_the_middle_of_something_is_taken_after_it() -> None:
    class Nested(World):
        def carry(self, to: bytes, envelope: Envelope) -> Player | None:
            super().carry(to, envelope)
            if envelope.message == Decline("first"):
                driver.hear(STRANGER, Envelope(envelope.conversation, to, Decline("heard")))
                assert self.said == [Decline("first")]  # nothing was done about it yet
            return None

    world = Nested()
    starting = puppet(
        LEARNER.address, "learner", on(Started, *(Send(NEIGHBOR.address, Decline(w)) for w in ("first", "second")))
    )
    hearing = puppet(STRANGER, "keeper", on(Heard, Send(NEIGHBOR.address, Decline("answer"))))
    driver = drive(world, starting, hearing)
    driver.start(LEARNER.address)
    assert world.said == [Decline("first"), Decline("second"), Decline("answer")]


def test_after_something_went_wrong_the_driver_goes_on() -> None:
    class Broken(World):
        def carry(self, to: bytes, envelope: Envelope) -> Player | None:
            if not self.sent:
                self.sent.append((to, envelope))
                raise ConnectionError("no network")
            return super().carry(to, envelope)

    world = Broken()
    driver = drive(world, puppet(LEARNER.address, "learner", on(Started, Send(NEIGHBOR.address, Decline("no")))))
    with pytest.raises(ConnectionError):
        driver.start(LEARNER.address)
    driver.start(LEARNER.address)
    assert len(world.sent) == 2


def test_later_comes_last() -> None:
    say = on(
        Started,
        Later(Send(STRANGER, Decline("later"))),
        Send(NEIGHBOR.address, Decline("now")),
        Later(Finish("latest")),
        Send(NEIGHBOR.address, Decline("then")),
    )
    answering = puppet(NEIGHBOR.address, "neighbor", on(Heard, Send(LEARNER.address, Decline("answer"))))
    world = World()
    driver = drive(world, puppet(LEARNER.address, "learner", say), answering)
    world.here = {NEIGHBOR.address: answering}
    driver.start(LEARNER.address)
    order = ["now", "answer", "then", "answer", "later"]
    assert world.said == [Decline(reason) for reason in order]
    assert world.finished == [(LEARNER.address, "latest")]


def test_what_a_decision_leads_to_comes_before_the_next_decision() -> None:
    say = on(Clock, Submit(Contest()), Submit(Finalize()))
    watching = puppet(NEIGHBOR.address, "neighbor", on(Happened, Submit(Reject())))
    world = World()
    driver = drive(world, puppet(LEARNER.address, "learner", say), watching)
    driver.follow(opened())
    world.forget()
    world.answers.extend([reported(), None, None])
    driver.wake()
    assert [submission for _, submission in world.submitted] == [Contest(), Reject(), Finalize()]
    phases = [encounter and encounter.progress.phase for encounter in world.known]
    assert phases == [Phase.OPEN, Phase.REPORTED, Phase.REPORTED]


# Work


def test_work_is_answered_at_once_or_later() -> None:
    for at_once in (True, False):
        world, asked = World(), neighbor()
        if at_once:
            world.outcomes = {Contribute: Contributed(RESULT)}
        driver = drive(world, asked)
        driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
        driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
        driver.follow(opened())
        assert world.worked == [(NEIGHBOR.address, Contribute(MODEL))]
        assert (handed_over() in world.said) is at_once
        if not at_once:
            driver.done(NEIGHBOR.address, Contributed(RESULT))
        assert world.sent[-1] == (LEARNER.address, envelope(handed_over(), NEIGHBOR.address))


def test_nobody_judges_what_is_over() -> None:
    """The votes of others were complete before a validator's turn came."""

    def say(given: Input) -> Sequence[Action]:
        return [Submit(Finalize())] if isinstance(given, Happened) and given.phase is Phase.VALIDATING else []

    world = World()
    driver = drive(world, puppet(STRANGER, "keeper", say), validator())
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    driver.follow(opened())
    world.answers.append(settled())
    driver.follow(started())
    assert driver.over
    assert world.worked == []


def test_what_a_role_ignores_and_how_it_finishes() -> None:
    world = World()
    driver = drive(world, puppet(LEARNER.address, "learner", on(Started, Ignore("nothing"), Finish("all done"))))
    driver.start(LEARNER.address)
    assert world.finished == [(LEARNER.address, "all done")]
    assert not world.sent + world.submitted + world.worked


# What happens on the ledger


def test_events_about_other_encounters_are_passed_over() -> None:
    world, player = World(), puppet(LEARNER.address, "learner")
    driver = drive(world, player)
    other = replace(terms(), nonce=7)
    opening = Opened(1, OPENED_AT, DOMAIN.digest(other), other.learner, other.neighbor, 0, other)
    for events in (reported(), [opening], [Deposited(1, OPENED_AT, LEARNER.address, 5)], []):
        driver.follow(events)
    assert (driver.encounter, player.inputs) == (None, [])
    driver.follow([Deposited(1, OPENED_AT, LEARNER.address, 5), opening, *opened()])
    (happened,) = happenings(player)
    assert happened == Happened(tuple(opened()), Encounter.opened(DOMAIN, terms(), SAFE, OPENED_AT))  # type: ignore[arg-type]
    for events in ([opening], [replace(reported()[0], encounter=DOMAIN.digest(other))]):  # type: ignore[call-arg]
        driver.follow(events)
    assert happenings(player) == [happened]


def test_what_cannot_have_happened_is_an_error_and_changes_nothing() -> None:
    player = puppet(LEARNER.address, "learner")
    driver = drive(World(), player)
    driver.follow(opened())
    before = driver.encounter
    with pytest.raises(ValueError, match="Settled cannot follow on phase REFUSED"):
        driver.follow([*refused(), *settled()])
    assert driver.encounter is before
    assert len(happenings(player)) == 1


def test_what_one_transaction_did_is_told_at_once() -> None:
    world, player = World(), puppet(LEARNER.address, "learner")
    driver = drive(world, player)
    driver.follow(opened())
    driver.follow(started())
    driver.follow([*voted(JUDGES[0]), *settled(3)])
    assert [len(happened.events) for happened in happenings(player)] == [1, 2, 2]
    assert [happened.phase for happened in happenings(player)] == [Phase.OPEN, Phase.VALIDATING, Phase.VALIDATING]
    assert [happened.block for happened in happenings(player)] == [1, 2, 3]
    last = happenings(player)[-1]
    assert last.end == settled(3)[0]
    assert last.encounter.progress.votes == ((JUDGES[0], True),)
    assert driver.over


def test_everyone_is_told_before_anyone_acts() -> None:
    world = World()
    first = puppet(LEARNER.address, "learner", on(Happened, Submit(Finalize())))
    second = puppet(NEIGHBOR.address, "neighbor")
    driver = drive(world, first, second)
    world.answers.append(ended(2))
    driver.follow(opened())
    assert [happened.block for happened in happenings(second)] == [1, 2]


def test_who_joins_in_the_middle_learns_where_the_encounter_stands() -> None:
    world, early = World(), validator()
    driver = drive(world)
    assert driver.join(early) is early
    assert early.inputs == []
    driver.follow(opened())
    driver.follow(started())
    late = driver.join(validator(JUDGES[1]))
    assert late.inputs == happenings(early)
    driver.hear(JUDGES[1], envelope(ValidationRequest(ID, MODEL, RESULT)))
    assert world.worked == [(JUDGES[1], Judge(MODEL, RESULT))]


def test_time_moves_the_neighbor_first_and_the_keeper_last() -> None:
    world, order = World(), list[Part]()
    parts: list[tuple[bytes, Part]] = [
        (KEEPER, "keeper"),
        (LEARNER.address, "learner"),
        (JUDGES[0], "validator"),
        (NEIGHBOR.address, "neighbor"),
    ]

    def noting(part: Part) -> Say:
        def say(given: Input) -> Sequence[Action]:
            assert given == world.now
            order.append(part)
            return ()

        return say

    driver = drive(world, *(puppet(address, part, noting(part)) for address, part in parts))
    driver.wake()
    assert order == ["neighbor", "learner", "keeper"]


def test_a_keeper_does_not_do_again_what_a_party_just_did() -> None:
    world = World()
    driver = drive(world, keeper(), learner(), neighbor())
    driver.follow(opened())
    world.now = Clock(OPENED_AT + WINDOW_S + 1, 2)
    world.answers.append(ended(2))
    driver.wake()
    assert world.submitted == [(KEEPER, Finalize())]  # neither party promised anything
    world.forget()
    driver.wake()
    assert world.submitted == []


def test_when_to_wake() -> None:
    driver = drive(World())
    assert driver.wake_s(OPENED_AT) is None
    driver.follow(opened())
    late_s, over_s = OPENED_AT + WINDOW_S * 3 // 4, OPENED_AT + WINDOW_S + 1
    assert [driver.wake_s(now_s) for now_s in (OPENED_AT, late_s, over_s)] == [late_s, over_s, None]
    driver.follow(reported())
    driver.follow(contested())
    assert driver.wake_s(1_000) == 1_001
    driver.follow(ended())
    assert driver.wake_s(1_000) is None


# Transactions


def submitting(*submissions: Submission) -> Player:
    """Asks for these whenever it hears something."""
    return puppet(LEARNER.address, "learner", on(Heard, *(Submit(submission) for submission in submissions)))


def poke(driver: Driver) -> None:
    driver.hear(LEARNER.address, envelope(Decline("go on"), NEIGHBOR.address))


def test_a_submission_that_is_under_way_is_not_sent_twice() -> None:
    world = World()
    driver = drive(world, submitting(Finalize()), puppet(KEEPER, "keeper", on(Clock, Submit(Finalize()))))
    driver.follow(opened())
    poke(driver)
    poke(driver)
    assert world.submitted == [(LEARNER.address, Finalize())]
    driver.wake()
    assert world.submitted == [(LEARNER.address, Finalize()), (KEEPER, Finalize())]  # another's is another
    driver.follow(reported())  # in another phase it is another matter
    poke(driver)
    assert world.submitted[2:] == [(LEARNER.address, Finalize())]


def test_a_port_that_answers_in_the_middle_of_being_asked_leaves_nothing_under_way() -> None:
    world = World()
    driver = drive(world, submitting(Finalize()))
    driver.follow(opened())

    def refuse(sender: bytes, submission: Submission, encounter: Encounter | None) -> None:
        world.submitted.append((sender, submission))
        driver.refused(sender, submission, Refusal("TooEarly"))

    world.submit = refuse  # type: ignore[method-assign]
    poke(driver)
    poke(driver)
    assert world.submitted == [(LEARNER.address, Finalize())] * 2


def test_what_was_stale_is_tried_again_when_time_passes() -> None:
    """What made it stale may have been taken back before it was seen here: then no event comes."""
    world = World()
    driver = drive(world, submitting(Reject()))
    driver.follow(opened())
    world.answers.extend([Refusal("StateMismatch", stale=True)] * 2)
    poke(driver)
    driver.wake()
    driver.wake()
    assert world.submitted == [(LEARNER.address, Reject())] * 3
    driver.wake()  # it is under way now
    assert len(world.submitted) == 3


def test_nobody_plays_two_parts_under_one_address() -> None:
    driver = drive(World(), learner())
    with pytest.raises(ValueError, match=r"0x\w+ is the learner here already"):
        driver.join(puppet(LEARNER.address, "keeper", on(Clock, Submit(Finalize()))))


def test_what_comes_for_someone_who_does_not_play_here_is_passed_over() -> None:
    world = World()
    driver = drive(world, learner())
    driver.hear(KEEPER, envelope(accept(), NEIGHBOR.address))
    driver.done(KEEPER, Contributed(RESULT))
    driver.refused(KEEPER, Finalize(), Refusal("TooEarly"))
    driver.restore({KEEPER: [Clock(1, 1)]})
    assert world.submitted == []
    assert driver.encounter is None


def test_whoever_looks_often_misses_nothing_that_was_refused() -> None:
    driver = drive(World(), learner())
    assert driver.wake_s(1, retry_s=60) is None  # its offer's deadline counts
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    assert driver.wake_s(OPENED_AT, retry_s=60) == OPENED_AT + 60
    late_s = OPENED_AT + WINDOW_S * 3 // 4
    assert driver.wake_s(late_s - 1, retry_s=60) == late_s
    over_s = OPENED_AT + WINDOW_S + 1
    assert (driver.wake_s(over_s), driver.wake_s(over_s, retry_s=60)) == (None, over_s + 60)


def test_inputs_that_change_nothing_are_not_kept() -> None:
    world = World()
    player = learner()
    driver = drive(world, player)
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    kept = len(player.inputs)
    for number in range(20):
        driver.hear(LEARNER.address, envelope(Decline(f"{number}"), bytes([number]) * 20))  # strangers
        world.now = Clock(OPENED_AT + number, 2)
        driver.wake()
        driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))  # once more, and once more
    assert len(player.inputs) <= kept + 2
    for number in range(20):
        world.now = Clock(OPENED_AT + WINDOW_S + 1 + number, 2)
        driver.wake()
    assert len(player.inputs) <= kept + 4


def test_what_is_told_once_more_after_the_end_changes_nothing() -> None:
    _, driver, player = brought()
    driver.follow([*voted(JUDGES[0]), *settled(3)])
    inputs = list(player.inputs)
    driver.follow(voted(JUDGES[1]))
    driver.follow(settled(3))
    assert driver.over
    assert player.inputs == inputs


def test_work_that_only_the_rollback_asks_for_is_done_and_none_twice() -> None:
    """A request came after the end, and the end was taken back; work that is under way goes on."""
    world, judge = World(), validator()
    driver = drive(world, judge)
    driver.follow(opened(1))
    driver.follow(started(2))
    driver.follow([*voted(JUDGES[1]), *settled(3)])
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    assert world.worked == []
    driver.roll_back(2)
    assert world.worked == []  # what it ignored, it must be asked for again
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    assert world.worked == [(JUDGES[0], Judge(MODEL, RESULT))]
    driver.follow(voted(JUDGES[1]))
    driver.roll_back(2)
    assert world.worked == [(JUDGES[0], Judge(MODEL, RESULT))]
    driver.done(JUDGES[0], Judged(RESULT, True))
    assert driver.encounter is not None
    assert world.submitted == [(JUDGES[0], SubmitVote(driver.encounter.vote(JUDGES[0], True)))]


def test_what_was_refused_may_be_sent_again() -> None:
    world, player = World(), submitting(Finalize())
    driver = drive(world, player)
    driver.follow(opened())
    poke(driver)
    driver.refused(LEARNER.address, Finalize(), Refusal("TooEarly"))
    assert refusals(player) == [SubmissionRefused(Finalize(), "TooEarly")]
    poke(driver)
    assert world.submitted == [(LEARNER.address, Finalize())] * 2


def test_a_final_refusal_is_told_at_once_and_what_follows_from_it_is_done() -> None:
    world = World()
    say = on(Heard, Submit(Contest()))
    answering = lambda given: [Finish(given.reason)] if isinstance(given, SubmissionRefused) else say(given)  # noqa: E731
    driver = drive(world, puppet(LEARNER.address, "learner", answering))
    driver.follow(opened())
    world.answers.append(Refusal("WrongPhase"))
    poke(driver)
    assert world.finished == [(LEARNER.address, "WrongPhase")]
    driver.follow(reported())
    assert len(world.submitted) == 1


@pytest.mark.parametrize("at_once", [True, False])
def test_what_was_stale_is_tried_again_after_the_next_event_and_not_before(at_once: bool) -> None:
    world, player = World(), submitting(Reject())
    driver = drive(world, player)
    driver.follow(opened())
    stale = Refusal("StateMismatch", stale=True)
    if at_once:
        world.answers.append(stale)
    poke(driver)
    if not at_once:
        driver.refused(LEARNER.address, Reject(), stale)
    driver.follow([Deposited(2, OPENED_AT, LEARNER.address, 5)])
    assert len(world.submitted) == 1
    driver.follow(reported())
    assert world.submitted == [(LEARNER.address, Reject())] * 2
    assert world.known[-1] == driver.encounter
    assert world.known[-1] is not None
    assert world.known[-1].progress.phase is Phase.REPORTED
    assert refusals(player) == []
    driver.follow(contested())  # it is under way now
    assert len(world.submitted) == 2


def test_what_stays_stale_is_tried_once_an_event() -> None:
    world = World()
    driver = drive(world, submitting(Finalize()))
    driver.follow(opened())
    stale = Refusal("StateMismatch", stale=True)
    world.answers.extend([stale, stale, stale])
    poke(driver)
    for count, events in enumerate((reported(2), contested(3)), 2):
        driver.follow(events)
        assert len(world.submitted) == count


def test_what_turns_out_stale_after_what_made_it_so_was_followed_is_tried_again_at_once() -> None:
    world, judge = World(), validator()
    driver = drive(world, judge)
    driver.follow(opened(1))
    driver.follow(started(2))
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    driver.done(JUDGES[0], Judged(RESULT, True))
    ((_, vote),) = world.submitted
    driver.follow(voted(JUDGES[1]))  # was faster
    driver.refused(JUDGES[0], vote, Refusal("StateMismatch", stale=True))
    assert world.submitted == [(JUDGES[0], vote)] * 2
    assert world.known[-1] == driver.encounter


def test_what_waits_as_stale_is_tried_again_once_however_often_it_was_asked_for() -> None:
    world = World()
    driver = drive(world, submitting(Contest()))
    driver.follow(opened())
    stale = Refusal("StateMismatch", stale=True)
    world.answers.extend([stale, stale, contested(3)])
    poke(driver)
    poke(driver)
    world.forget()
    driver.follow(reported())
    assert world.submitted == [(LEARNER.address, Contest())]


def test_what_was_stale_comes_after_what_roles_ask_for() -> None:
    world = World()
    say = on(Heard, Submit(Finalize()))
    both_ways = lambda given: [Submit(Contest())] if isinstance(given, Happened) else say(given)  # noqa: E731
    player = puppet(LEARNER.address, "learner", both_ways)
    driver = drive(world, player)
    world.answers.append(Refusal("TooEarly"))
    driver.follow(opened())
    world.answers.append(Refusal("StateMismatch", stale=True))
    poke(driver)
    world.forget()
    driver.follow(reported())
    assert [submission for _, submission in world.submitted] == [Contest(), Finalize()]


def test_what_is_stale_when_it_ends_is_refused() -> None:
    world, player = World(), submitting(Reject())
    driver = drive(world, player)
    driver.follow(opened())
    world.answers.append(Refusal("StateMismatch", stale=True))
    poke(driver)
    driver.follow(ended())
    assert refusals(player) == [SubmissionRefused(Reject(), "the encounter is over")]
    assert len(world.submitted) == 1


def test_what_is_refused_as_stale_after_the_end_is_refused() -> None:
    world, player = World(), submitting(Reject())
    driver = drive(world, player)
    driver.follow(opened())
    poke(driver)
    driver.follow(ended())
    driver.refused(LEARNER.address, Reject(), Refusal("StateMismatch", stale=True))
    assert refusals(player) == [SubmissionRefused(Reject(), "StateMismatch")]
    assert len(world.submitted) == 1


def test_a_learner_that_the_neighbor_outran_brings_both_reports_once_it_knows() -> None:
    world = World()
    driver = drive(world, learner())
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    world.forget()
    world.answers.append(Refusal("StateMismatch", stale=True))
    driver.hear(LEARNER.address, envelope(handed_over(), NEIGHBOR.address))
    world.answers.append(started(3))
    driver.follow(refused())
    assert world.submitted == [(LEARNER.address, both())] * 2
    assert driver.encounter is not None
    assert driver.encounter.progress.phase is Phase.VALIDATING


# What the chain takes back


def brought() -> tuple[World, Driver, Player]:
    """A learner that brought both reports; validation started in block 2."""
    world, player = World(), learner()
    driver = drive(world, player)
    driver.start(LEARNER.address)
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    driver.hear(LEARNER.address, envelope(handed_over(), NEIGHBOR.address))
    driver.follow(started())
    return world, driver, player


def test_a_learner_whose_validation_is_rolled_back_brings_both_reports_again() -> None:
    world, driver, player = brought()
    state = dict(vars(player.role))
    world.forget()
    driver.roll_back(1)
    assert driver.encounter == Encounter.opened(DOMAIN, terms(), SAFE, OPENED_AT)
    assert world.submitted == [(LEARNER.address, both())]
    assert [type(message) for message in world.said] == [ModelSent, ReportSent]
    assert [happened.block for happened in happenings(player)] == [1]
    world.forget()
    driver.follow(started(3))
    assert vars(player.role) == state | {"_encounter": driver.encounter}
    assert [to for to, _ in world.sent] == list(JUDGES)


def test_a_learner_whose_opening_is_rolled_back_opens_again() -> None:
    world, driver, player = brought()
    world.forget()
    driver.roll_back(0)
    assert driver.encounter is None
    assert not driver.over
    assert world.submitted == [(LEARNER.address, Open(terms(), accept().signature))]
    assert world.said == [Offer(offer())]
    driver.follow(opened(2))
    assert ModelSent(MODEL) in world.said
    assert happenings(player)[-1].block == 2


def test_what_stands_is_not_taken_back() -> None:
    _, driver, player = brought()
    role, inputs = player.role, list(player.inputs)
    driver.roll_back(2)
    assert player.role is role
    assert player.inputs == inputs
    assert driver.encounter is not None
    assert driver.encounter.progress.phase is Phase.VALIDATING


def test_an_end_that_is_rolled_back_is_none() -> None:
    world, driver, _ = brought()
    driver.follow([*voted(JUDGES[0]), *settled(3)])
    assert driver.over
    assert world.worked == [(LEARNER.address, Adopt(RESULT))]
    world.forget()
    driver.roll_back(2)
    assert not driver.over
    assert world.worked == []
    world.now = Clock(OPENED_AT + SAFE.voting_window_s + 1, 9)
    driver.wake()
    assert world.submitted == [(LEARNER.address, Finalize())]


def test_work_is_not_done_again_when_what_came_after_it_is_rolled_back() -> None:
    world, player = World(), neighbor()
    world.outcomes = {Contribute: Contributed(RESULT)}
    driver = drive(world, player)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    driver.follow(opened())
    driver.follow(started())
    world.forget()
    driver.roll_back(1)
    assert world.worked == []
    assert world.said == [handed_over()]


def test_what_is_under_way_stays_so_where_nothing_is_taken_back() -> None:
    world, player = World(), learner()
    driver = drive(world, player)
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    driver.hear(LEARNER.address, envelope(handed_over(), NEIGHBOR.address))
    assert world.submitted[-1] == (LEARNER.address, both())
    world.forget()
    driver.roll_back(1)
    assert world.submitted == []
    driver.roll_back(0)  # the opening, too
    driver.follow(opened())
    assert world.submitted[-1] == (LEARNER.address, both())


def test_all_that_is_rolled_back_is_forgotten_before_anyone_acts() -> None:
    world, asking, asked = World(), learner(), neighbor()
    world.outcomes = {Contribute: Contributed(RESULT)}
    driver = drive(world, asking, asked)
    world.here = dict(driver.players)
    world.answers.extend([opened(1), started(2)])
    driver.start(LEARNER.address)
    assert driver.encounter is not None
    world.forget()
    world.answers.append(started(4))
    driver.roll_back(1)
    assert driver.encounter.progress.phase is Phase.VALIDATING
    assert world.submitted == [(LEARNER.address, both())]
    assert vars(asked.role)["_agreed"] is not None


def test_who_joined_late_knows_after_a_rollback_what_still_stands() -> None:
    world = World()
    driver = drive(world)
    for events in (opened(1), reported(2), contested(3)):
        driver.follow(events)
    late = driver.join(keeper())
    driver.roll_back(2)
    world.now = Clock(OPENED_AT + 2 * WINDOW_S + 1, 4)
    driver.wake()
    assert happenings(late)[-1].block == 2
    assert world.submitted == [(KEEPER, Finalize())]


def test_a_vote_that_was_asked_for_before_an_event_that_stands_is_cast_again() -> None:
    world, judge = World(), validator()
    driver = drive(world, judge)
    driver.follow(opened(1))
    driver.follow(started(2))
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    driver.done(JUDGES[0], Judged(RESULT, True))
    driver.follow(voted(JUDGES[1], block=3))  # first came another's
    driver.follow(voted(JUDGES[0], block=4))
    world.forget()
    driver.roll_back(3)
    assert [type(submission) for _, submission in world.submitted] == [SubmitVote]


def test_what_was_asked_for_in_an_earlier_phase_is_asked_for_again_if_it_was_undone() -> None:
    world = World()
    driver = drive(world, learner())
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened(1))
    world.answers.append(Refusal("StateMismatch", stale=True))
    driver.hear(LEARNER.address, envelope(handed_over(), NEIGHBOR.address))
    driver.follow(refused(2))  # tried again, and taken
    driver.follow(started(3))
    world.forget()
    driver.roll_back(2)
    assert world.submitted == [(LEARNER.address, both())]


def test_what_was_stale_is_sent_once_after_a_rollback() -> None:
    world, player = World(), learner()
    driver = drive(world, player)
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    world.answers.append(Refusal("StateMismatch", stale=True))
    driver.hear(LEARNER.address, envelope(handed_over(), NEIGHBOR.address))
    world.forget()
    world.answers.append(started(3))
    driver.roll_back(1)
    assert world.submitted == [(LEARNER.address, both())]


def test_what_was_asked_for_often_is_sent_once_after_a_rollback() -> None:
    world = World()
    driver = drive(world, learner())
    driver.hear(LEARNER.address, envelope(accept(), NEIGHBOR.address))
    driver.follow(opened())
    for late_s in range(1, 9):
        world.now = Clock(OPENED_AT + WINDOW_S + late_s, 2)
        driver.wake()
    assert world.submitted[1:] == [(LEARNER.address, Finalize())]  # under way, after the opening
    driver.follow(ended(2))
    world.forget()
    world.answers.append(ended(3))
    driver.roll_back(1)
    assert world.submitted == [(LEARNER.address, Finalize())]


def test_a_refusal_because_of_what_was_rolled_back_is_forgotten() -> None:
    world, player = World(), neighbor()
    driver = drive(world, player)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    driver.follow(opened(1))
    driver.done(NEIGHBOR.address, Contributed(RESULT))
    driver.hear(NEIGHBOR.address, envelope(agreed()))
    driver.follow(reported(2))
    world.answers.append(Refusal("StateMismatch", stale=True))
    driver.follow(denied(3))  # held to what it signed, but somebody ended it
    driver.follow(ended(4))
    assert refusals(player) == [SubmissionRefused(by_neighbor(), "the encounter is over")]
    world.forget()
    driver.roll_back(3)
    assert world.submitted == [(NEIGHBOR.address, by_neighbor())]


def test_a_neighbor_whose_opening_is_rolled_back_reports_what_it_worked_out_before() -> None:
    world, player = World(), neighbor()
    driver = drive(world, player)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    driver.follow(opened(1))
    driver.done(NEIGHBOR.address, Contributed(RESULT))
    driver.roll_back(0)
    driver.follow(opened(2))
    driver.done(NEIGHBOR.address, Contributed(WRONG))  # training is not the same twice
    reports = {message.report for message in world.said if isinstance(message, ResultSent)}
    assert reports == {handed_over().report}


def test_a_verdict_on_what_was_rolled_back_is_no_vote_on_what_came_instead() -> None:
    world, judge = World(), validator()
    driver = drive(world, judge)
    driver.follow(opened(1))
    driver.follow(started(2))
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    driver.roll_back(1)
    driver.follow(started(3, WRONG))
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, WRONG)))
    driver.done(JUDGES[0], Judged(RESULT, True))  # of the first result: its judging took its time
    assert world.submitted == []


# An earlier life


def restored(world: World, make: Callable[[], Player], inputs: Sequence[Input]) -> tuple[Driver, Player]:
    """A driver that goes on with one player where an earlier life left off."""
    player = make()
    driver = drive(world, player)
    driver.restore({player.address: inputs})
    return driver, player


LEARNERS_LIFE: list[Input] = [
    Started(),
    Heard(NEIGHBOR.address, accept()),
    Happened(tuple(opened()), Encounter.opened(DOMAIN, terms(), SAFE, OPENED_AT)),  # type: ignore[arg-type]
    Heard(NEIGHBOR.address, handed_over()),
]


@pytest.mark.parametrize(
    ("count", "owed"),
    [
        (0, []),
        (1, [Offer(offer())]),
        (2, [Offer(offer()), Open(terms(), accept().signature)]),
        (3, [ModelSent(MODEL)]),
        (4, [ModelSent(MODEL), both(), agreed()]),
    ],
)
def test_who_comes_back_to_life_goes_on_where_it_was(count: int, owed: list[Message | Submission]) -> None:
    world, player = World(), learner()
    for given in LEARNERS_LIFE[:count]:
        player.take(given)
    driver, again = restored(world, learner, player.inputs)
    assert vars(again.role).keys() == vars(player.role).keys()
    assert again.inputs == player.inputs == LEARNERS_LIFE[:count]
    assert (driver.encounter is not None) is (count > 2)
    asked = [*world.said, *(submission for _, submission in world.submitted)]
    assert len(asked) == len(owed)
    assert all(each in asked for each in owed)


def test_who_comes_back_to_life_follows_what_happens_next() -> None:
    world = World()
    driver, player = restored(world, learner, LEARNERS_LIFE)
    driver.follow(started())
    assert [to for to, message in world.sent if isinstance(message.message, ValidationRequest)] == list(JUDGES)
    driver.follow([*voted(JUDGES[0]), *settled(3)])
    world.forget()
    again, _ = restored(world, learner, player.inputs)
    assert again.over
    assert world.finished == [(LEARNER.address, "settled: accepted")]
    assert world.sent == []  # nobody needs to judge any more


def test_who_comes_back_to_life_may_still_be_rolled_back() -> None:
    _, _, player = brought()
    world = World()
    driver, _ = restored(world, learner, player.inputs)
    world.forget()
    driver.roll_back(1)
    assert driver.encounter is not None
    assert driver.encounter.progress.phase is Phase.OPEN
    assert world.submitted == [(LEARNER.address, both())]


def test_of_many_that_come_back_to_life_the_longest_memory_counts() -> None:
    driver = drive(World(), learner())
    for events in (opened(), started()):
        driver.follow(events)
    driver.join(keeper())
    lives = {address: player.inputs for address, player in driver.players.items()}
    for order in (list(lives), list(lives)[::-1]):
        again = drive(World(), learner(), keeper())
        again.restore({address: lives[address] for address in order})
        assert again.encounter == driver.encounter
        again.roll_back(1)
        assert again.encounter is not None
        assert again.encounter.progress.phase is Phase.OPEN


def test_work_that_was_not_finished_is_done_by_who_comes_back_to_life() -> None:
    world, player = World(), neighbor()
    driver = drive(world, player)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    driver.follow(opened())
    world.forget()
    restored(world, neighbor, player.inputs)
    assert world.worked == [(NEIGHBOR.address, Contribute(MODEL))]


def test_work_that_was_finished_is_not_done_again_by_who_comes_back_to_life() -> None:
    world, player = World(), neighbor()
    driver = drive(world, player)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    driver.follow(opened())
    driver.done(NEIGHBOR.address, Contributed(RESULT))
    world.forget()
    restored(world, neighbor, player.inputs)
    assert world.worked == []
    assert world.said == [handed_over()]


def test_judging_that_was_not_finished_is_done_by_who_comes_back_to_life_whoever_voted_meanwhile() -> None:
    world, judge = World(), validator()
    driver = drive(world, judge)
    driver.follow(opened(1))
    driver.follow(started(2))
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    driver.follow(voted(JUDGES[1]))
    world.forget()
    restored(world, validator, judge.inputs)
    assert world.worked == [(JUDGES[0], Judge(MODEL, RESULT))]


def test_work_for_what_is_over_is_not_done_by_who_comes_back_to_life() -> None:
    world, player = World(), neighbor()
    driver = drive(world, player)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    driver.follow(opened())
    driver.follow(ended())
    world.forget()
    restored(world, neighbor, player.inputs)
    assert world.worked == []


def test_a_vote_that_was_cast_is_not_cast_again_by_who_comes_back_to_life() -> None:
    world, judge = World(), validator()
    driver = drive(world, judge)
    driver.follow(opened(1))
    driver.follow(started(2))
    driver.hear(JUDGES[0], envelope(ValidationRequest(ID, MODEL, RESULT)))
    driver.done(JUDGES[0], Judged(RESULT, True))
    unseen = list(judge.inputs)
    driver.follow(voted(JUDGES[0]))
    world.forget()
    restored(world, validator, judge.inputs)
    assert world.submitted == []
    restored(world, validator, unseen)  # it may have been lost
    assert [type(submission) for _, submission in world.submitted] == [SubmitVote]


def test_who_joined_late_and_comes_back_to_life_may_still_be_rolled_back() -> None:
    driver = drive(World())
    for events in (opened(1), reported(2), contested(3)):
        driver.follow(events)
    late = driver.join(keeper())
    again, _ = restored(World(), keeper, late.inputs)
    again.roll_back(2)
    assert again.encounter is not None
    assert again.encounter.progress.phase is Phase.REPORTED


# How a participant carries out what its roles ask for


def test_conduct_drops_and_changes_what_a_role_asks_for() -> None:
    class Sly(Conduct):
        def act(self, action: Action, part: Part) -> Action | None:
            assert part == "learner"
            if isinstance(action, Finish):
                return None
            return Send(STRANGER, action.message) if isinstance(action, Send) else action

    world = World()
    say = on(Started, Send(NEIGHBOR.address, Decline("no")), Finish("done"), Submit(Finalize()))
    driver = drive(world, puppet(LEARNER.address, "learner", say, Sly()))
    driver.start(LEARNER.address)
    assert world.sent == [(STRANGER, envelope(Decline("no")))]
    assert world.finished == []
    assert world.submitted == [(LEARNER.address, Finalize())]


def test_conduct_acts_by_itself_before_its_role_does() -> None:
    class Rash(Conduct):
        def hear(self, message: Message, part: Part) -> Sequence[Action]:
            return [Send(STRANGER, message)] if part == "neighbor" else []

    world, asked = World(), neighbor(conduct=Rash())
    driver = drive(world, learner(conduct=Rash()), asked)
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    assert world.said == [Offer(offer()), accept()]
    assert world.sent[0][0] == STRANGER
    world.forget()
    world.here = {NEIGHBOR.address: asked}
    driver.start(LEARNER.address)
    assert world.said == [Offer(offer()), Offer(offer()), accept()]


class Swapping(Conduct):
    def __init__(self, result: bytes | None) -> None:
        self._result = result

    def hand_over(self, received: bytes, result: bytes) -> bytes | None:
        assert (received, result) == (MODEL, RESULT)
        return self._result


@pytest.mark.parametrize("handed", [WRONG, None])
def test_conduct_swaps_or_withholds_what_is_handed_over(handed: bytes | None) -> None:
    world = World()
    world.outcomes = {Contribute: Contributed(RESULT)}
    driver = drive(world, neighbor(conduct=Swapping(handed)))
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL)))
    world.forget()
    driver.follow(opened())
    assert world.said == ([] if handed is None else [replace(handed_over(), result=handed)])
    world.now = Clock(OPENED_AT + WINDOW_S, 2)
    driver.wake()
    assert world.submitted == [(NEIGHBOR.address, SubmitReport(handed_over().report))]  # its report is what it was


def test_an_honest_participant_does_as_its_roles_say() -> None:
    honest = Conduct()
    assert honest.act(Finish("done"), "keeper") == Finish("done")
    assert honest.hear(Decline("no"), "learner") == ()
    assert honest.hand_over(MODEL, RESULT) == RESULT


def test_an_offer_that_is_not_the_one_talked_about_does_not_keep_the_neighbor_from_the_real_one() -> None:
    world = World()
    driver = drive(world, neighbor())
    driver.hear(NEIGHBOR.address, envelope(Offer(replace(offer(), learner=STRANGER)), STRANGER))
    driver.hear(NEIGHBOR.address, envelope(Offer(offer())))
    assert accept() in world.said


class Late(World):
    """The contract takes nothing more, and somebody loses patience."""

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        super().submit(sender, submission, encounter)
        assert len(self.submitted) < 20, "nobody stops"
        return Refusal("TooLate")


def test_parties_that_agree_too_late_stop_telling_each_other() -> None:
    world, asking, asked = Late(), learner(PAPER), neighbor(PAPER)
    driver = drive(world, asking, asked, task=PAPER)
    driver.hear(LEARNER.address, envelope(accept(PAPER), NEIGHBOR.address, PAPER))
    driver.hear(NEIGHBOR.address, envelope(Offer(offer(PAPER)), task=PAPER))
    driver.hear(NEIGHBOR.address, envelope(ModelSent(MODEL), task=PAPER))
    driver.follow(opened(task=PAPER))
    driver.done(NEIGHBOR.address, Contributed(RESULT))
    driver.follow(reported(task=PAPER))
    driver.follow(denied(task=PAPER))
    world.forget()
    world.here = dict(driver.players)
    driver.hear(LEARNER.address, envelope(handed_over(task=PAPER), NEIGHBOR.address, PAPER))
    assert len(world.submitted) <= 4
