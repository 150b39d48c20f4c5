"""The driver of an encounter: feeds roles messages, events and time, and carries out what they ask for.

It is the same for a simulation, where all roles of an encounter are played in one process, and for a device, where one
is. What differs, it asks of its `Port`: how messages travel, how transactions are sent, who does the work, what time it
is. It does no I/O itself.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import EncounterEvent, Event, Opened
from idml.protocol.messages import Domain
from idml.protocol.roles.actions import (
    Action,
    Adopt,
    Contribute,
    Finish,
    Ignore,
    Judge,
    Later,
    Send,
    Submission,
    Submit,
    Work,
)
from idml.protocol.roles.conduct import Conduct, Part
from idml.protocol.roles.conversation import Envelope, Offer, ResultSent, conversation_of
from idml.protocol.roles.inputs import (
    Clock,
    Contributed,
    Happened,
    Heard,
    Input,
    Judged,
    Role,
    Started,
    SubmissionRefused,
)
from idml.protocol.task import TaskParams

_WOKEN: tuple[Part, ...] = ("neighbor", "learner", "keeper")
"""Whom time moves, in this order: the keeper does what both parties leave undone."""

HONEST = Conduct()


class Player:
    """A role that is played here, by someone.

    Args:
        address: the participant's, 20 bytes.
        part: what it is in this encounter.
        make: makes its role, as it is before any input.
        conduct: how it carries out what the role asks for.

    Attributes:
        role: as it stands.
        inputs: what the role was given, without what cannot have changed it: looks at the clock that led to nothing,
            messages that it ignored, and the same once more.
        working: work that the port has not answered yet.
    """

    def __init__(self, address: bytes, part: Part, make: Callable[[], Role], conduct: Conduct = HONEST) -> None:
        self.address = address
        self.part = part
        self.conduct = conduct
        self._make = make
        self.role = make()
        self.inputs: list[Input] = []
        self.working: list[Contribute | Judge] = []
        self._asked: list[Action] = []

    def take(self, given: Input) -> list[Action]:
        """Give the role an input; returns what its participant does of what the role asks for."""
        asked = self.role.take(given)
        self._keep(given, asked)
        acts = [self.conduct.act(action, self.part) for action in asked]
        return [action for action in acts if action is not None]

    def _keep(self, given: Input, asked: list[Action]) -> None:
        """Keep an input, unless the role is as it was without it."""
        if isinstance(given, Clock) and not asked:
            return
        if isinstance(given, Heard) and asked and all(isinstance(action, Ignore) for action in asked):
            return
        last = self.inputs[-1] if self.inputs else None
        again = given == last if isinstance(given, Heard) else isinstance(given, Clock) and isinstance(last, Clock)
        if again and asked == self._asked:
            self.inputs.pop()
        self.inputs.append(given)
        self._asked = asked

    def restore(self, inputs: Iterable[Input]) -> list[Action]:
        """Make the role anew from its inputs.

        Returns:
            What its participant may still owe: what it does since the phase began in which the encounter is, and work
            whose outcome is not among the inputs.
        """
        self.role, self.inputs, self._asked = self._make(), [], []
        work: list[Action] = []
        owed: list[Action] = []
        last: Happened | None = None
        for given in inputs:
            asked = [action.action if isinstance(action, Later) else action for action in self.take(given)]
            if isinstance(given, Happened):
                # What was asked for before a refusal to collaborate may still be done after it.
                if last is None or given.end is not None or given.phase not in (last.phase, Phase.REFUSED):
                    owed = []
                last = given
            elif isinstance(given, Contributed | Judged):
                work = [action for action in work if not _answers(given, action)]
            work += [action for action in asked if isinstance(action, Contribute | Judge)]
            owed += [action for action in asked if not isinstance(action, Contribute | Judge)]
        if last is not None and self.address in last.encounter.progress.voters:
            owed = [action for action in owed if not isinstance(action, Submit)]
        return list(dict.fromkeys([*work, *owed]))


def _answers(outcome: Contributed | Judged, action: Action) -> bool:
    """Whether this is what came of a piece of work."""
    if isinstance(outcome, Contributed):
        return isinstance(action, Contribute)
    return isinstance(action, Judge) and action.result == outcome.result


@dataclass(frozen=True, slots=True)
class Refusal:
    """A transaction that the contract does not take.

    Args:
        reason: in the contract's words.
        stale: whether it may take the same later, with the newest state of the encounter (`StateMismatch`): others
            acted since the state was read. Any other refusal is final.
    """

    reason: str
    stale: bool = False


class Port(Protocol):
    """What a driver needs from outside. Whatever may take its time can be answered later, by the driver's methods."""

    def carry(self, to: bytes, envelope: Envelope) -> Player | None:
        """Take a message to a participant (20-byte address).

        Returns:
            Whom it reaches at once, in this process; None where it goes elsewhere (see `Driver.hear`), or is lost.
        """
        ...

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        """Send a transaction.

        Args:
            sender: who submits it, 20 bytes.
            submission: what the role wants. An opening needs a lane, all else the latest Progress. A vote, and the
                learner's own Report, go only with the Progress that they are about: see `idml.ledger.submit`.
            encounter: where the driver knows the encounter to stand; None before it was opened.

        Returns:
            All that the contract announced in it, or why it was refused. None: that comes later, by `Driver.follow` or
            `Driver.refused`, or never; the same is not asked for again until then.
        """
        ...

    def work(self, worker: bytes, work: Work) -> Contributed | Judged | None:
        """Have a participant do a piece of work; None: there is no answer, or it comes later, by `Driver.done`.

        To adopt the result of an encounter may be asked for more than once, after a crash and where the chain took its
        end back: it is to be done once.
        """
        ...

    def finish(self, address: bytes, reason: str) -> None:
        """Take that a participant's role has nothing more to do, and why."""
        ...

    def clock(self) -> Clock:
        """The time, and the number of the next block."""
        ...


class Driver:
    """Drives one encounter, from the offer to its end, for all who play a part in it here.

    Args:
        domain: of the contract.
        task: the rules.
        conversation: names the encounter before it has an id, see `conversation_of`, 32 bytes.
        port: the world outside.

    Attributes:
        encounter: where it stands on the ledger, as far as it was followed; None before it was opened.
        over: whether it has ended there.
        players: who plays a part here, by address.
    """

    def __init__(self, *, domain: Domain, task: TaskParams, conversation: bytes, port: Port) -> None:
        self._domain = domain
        self._task = task
        self._port = port
        self._queue: deque[tuple[Player, Action]] = deque()
        self._running = False
        self._happened: list[Happened] = []
        self._stale: dict[tuple[bytes, Submission], None] = {}
        self._under_way: dict[tuple[bytes, Submission], Encounter | None] = {}
        self.conversation = conversation
        self.players: dict[bytes, Player] = {}

    @property
    def encounter(self) -> Encounter | None:
        """See the class."""
        return self._happened[-1].encounter if self._happened else None

    @property
    def over(self) -> bool:
        """See the class."""
        return bool(self._happened) and self._happened[-1].end is not None

    def join(self, player: Player) -> Player:
        """Let someone play a part from now on; it learns at once what happened so far.

        Raises:
            ValueError: if someone plays here under its address.
        """
        if player.address in self.players:
            raise ValueError(f"0x{player.address.hex()} is the {self.players[player.address].part} here already")
        self.players[player.address] = player
        for happened in self._happened:
            self._ask(player, happened)
        self._run()
        return player

    # What comes from outside

    def start(self, learner: bytes) -> None:
        """Let the learner (20-byte address), who must have joined, make its offer."""
        self._ask(self.players[learner], Started())
        self._run()

    def hear(self, to: bytes, envelope: Envelope) -> None:
        """Take a message for someone who plays here (20-byte address); those for others are passed over, and those of
        other conversations."""
        if envelope.conversation == self.conversation and to in self.players:
            self._queue.extend(self._reach(self.players[to], envelope))
            self._run()

    def follow(self, events: Iterable[Event]) -> None:
        """Take all that the contract announced in one transaction, or in one block, whoever sent it.

        Raises:
            ValueError: for an event that cannot follow on those before it: some are missing, or blocks were taken back.
        """
        self._queue.extend(self._follow(events))
        self._run()

    def wake(self) -> None:
        """Let everyone see the time: they stop waiting for each other, and end what is over."""
        stale, self._stale = self._stale, {}
        self._queue.extend((self.players[address], Submit(submission)) for address, submission in stale)
        self._run()
        for part in _WOKEN:
            for player in [player for player in self.players.values() if player.part == part]:
                self._ask(player, self._port.clock())
                self._run()

    def done(self, worker: bytes, outcome: Contributed | Judged) -> None:
        """Take what came of work that took its time, if who did it plays here."""
        if (player := self.players.get(worker)) is not None:
            player.working = [work for work in player.working if not _answers(outcome, work)]
            self._ask(player, outcome)
            self._run()

    def refused(self, sender: bytes, submission: Submission, refusal: Refusal) -> None:
        """Take that a transaction which was under way was refused, if who sent it plays here."""
        if (player := self.players.get(sender)) is not None:
            self._queue.extend(self._refused(player, submission, refusal))
            self._run()

    def roll_back(self, block: int) -> None:
        """Take that blocks above this one are no longer part of the chain.

        Roles are made anew from what is left of their inputs. What they ask for since the phase began in which the
        encounter is now is done again: it may have been undone. Work is not done again that is under way, or whose
        outcome is among the inputs; nor is a result adopted before the encounter is over again.
        """
        kept = [happened for happened in self._happened if happened.block <= block]
        undone, self._happened = len(kept) < len(self._happened), kept
        stale, self._stale = self._stale, {}
        if undone:
            self._under_way.clear()
        for player in self.players.values():
            owed = player.restore(_before_rollback(player.inputs, block)) if undone else []
            # What it did not fit may be what was taken back, seen or not.
            owed += [Submit(submission) for address, submission in stale if address == player.address]
            owed = [action for action in dict.fromkeys(owed) if action not in player.working]
            self._queue.extend((player, action) for action in owed if not isinstance(action, Adopt | Finish))
        self._run()

    def restore(self, inputs: Mapping[bytes, Sequence[Input]]) -> None:
        """Go on where an earlier life left off.

        Args:
            inputs: of each player's role, by address: what its `inputs` were; of those who do not play now they are
                passed over. What they still owe is done now; what had been sent may be sent once more.
        """
        for address, given in inputs.items():
            if address not in self.players:
                continue
            owed = self.players[address].restore(given)
            self._queue.extend((self.players[address], action) for action in owed)
            happened = [one for one in given if isinstance(one, Happened)]
            self._happened = max(self._happened, happened, key=len)
        self._run()

    # Time

    def wake_s(self, now_s: int, retry_s: int | None = None) -> int | None:
        """The next second after `now_s` at which time allows something new in the open encounter.

        While blocks decide, it is the next second. None before the encounter was opened, where the offer's deadline is
        what counts, and once it is over.

        Args:
            now_s: the time.
            retry_s: in how many seconds to look again at the latest: what was refused or lost may go through then.
                Without it, None too once time allows nothing new.
        """
        encounter = self.encounter
        if encounter is None or self.over:
            return None
        if encounter.progress.phase is Phase.CONTESTED:
            return now_s + 1
        wake_s = encounter.progress.wake_s(self._task, now_s)
        if retry_s is None:
            return wake_s
        return now_s + retry_s if wake_s is None else min(wake_s, now_s + retry_s)

    # Carrying out

    def _ask(self, player: Player, given: Input) -> None:
        self._queue.extend(self._asked(player, given))

    def _asked(self, player: Player, given: Input) -> list[tuple[Player, Action]]:
        return [(player, action) for action in player.take(given)]

    def _run(self) -> None:
        """Carry out actions depth first, so that each decision sees the ledger as the last one left it."""
        queue = self._queue
        if self._running:
            return  # the port, or someone's conduct, answers in the middle of something: that goes first
        self._running = True
        try:
            while queue:
                player, action = queue.popleft()
                if isinstance(action, Later):
                    queue.append((player, action.action))
                else:
                    queue.extendleft(reversed(self._do(player, action)))
        finally:
            self._running = False

    def _do(self, player: Player, action: Action) -> list[tuple[Player, Action]]:
        match action:
            case Send(to, message):
                return self._send(player, to, Envelope(self.conversation, player.address, message))
            case Submit(submission):
                return self._submit(player, submission)
            case Judge() | Contribute() if self.over:
                return []  # the votes were complete before it came to this
            case Adopt():
                self._port.work(player.address, action)
            case Contribute() | Judge():
                player.working.append(action)
                outcome = self._port.work(player.address, action)
                if outcome is not None:
                    player.working.remove(action)
                    return self._asked(player, outcome)
            case Finish(reason):
                self._port.finish(player.address, reason)
        return []

    def _send(self, player: Player, to: bytes, envelope: Envelope) -> list[tuple[Player, Action]]:
        message, encounter = envelope.message, self.encounter
        if isinstance(message, ResultSent) and encounter is not None:
            handed = player.conduct.hand_over(encounter.terms.model_before, message.result)
            if handed is None:
                return []
            envelope = replace(envelope, message=replace(message, result=handed))
        reached = self._port.carry(to, envelope)
        return [] if reached is None else self._reach(reached, envelope)

    def _reach(self, player: Player, envelope: Envelope) -> list[tuple[Player, Action]]:
        message = envelope.message
        if isinstance(message, Offer) and conversation_of(message.terms, self._domain) != self.conversation:
            return []  # it would be another encounter
        of_its_own = player.conduct.hear(message, player.part)
        return [
            *((player, action) for action in of_its_own),
            *self._asked(player, Heard(envelope.sender, message)),
        ]

    def _submit(self, player: Player, submission: Submission) -> list[tuple[Player, Action]]:
        key, sent_at = (player.address, submission), self.encounter
        if key in self._under_way:
            return []
        self._under_way[key] = sent_at
        answer = self._port.submit(player.address, submission, sent_at)
        if answer is None:
            return []
        if isinstance(answer, Refusal):
            return self._refused(player, submission, answer)
        self._under_way.pop(key, None)
        return self._follow(answer)

    def _refused(self, player: Player, submission: Submission, refusal: Refusal) -> list[tuple[Player, Action]]:
        """Tell the role, unless the same may do once what others did is known, or as it is known by now."""
        sent_at = self._under_way.pop((player.address, submission), None)
        if not refusal.stale or self.over:
            return self._asked(player, SubmissionRefused(submission, refusal.reason))
        if self.encounter != sent_at:
            return [(player, Submit(submission))]
        self._stale[player.address, submission] = None
        return []

    def _follow(self, events: Iterable[Event]) -> list[tuple[Player, Action]]:
        """Tell all players what one transaction did, and try again what was refused for not knowing it."""
        happened = self._happened_in(events)
        if happened is None:
            return []
        moved = not self._happened or happened.phase is not self._happened[-1].phase or happened.end is not None
        self._under_way = {
            (sender, submission): sent_at
            for (sender, submission), sent_at in self._under_way.items()
            if not moved and sender not in happened.encounter.progress.voters
        }
        self._happened.append(happened)
        stale, self._stale = [(self.players[address], submission) for address, submission in self._stale], {}
        asked = [asked for player in list(self.players.values()) for asked in self._asked(player, happened)]
        if happened.end is None:
            return asked + [(player, Submit(submission)) for player, submission in stale]
        for player, submission in stale:
            asked += self._asked(player, SubmissionRefused(submission, "the encounter is over"))
        return asked

    def _happened_in(self, events: Iterable[Event]) -> Happened | None:
        encounter, about = self.encounter, list[EncounterEvent]()
        if self.over:
            return None  # told once more, or of no weight
        for event in events:
            if isinstance(event, Opened) and encounter is None:
                if conversation_of(event.terms, self._domain) == self.conversation:
                    task, at_s = self._task, event.timestamp_s
                    encounter = Encounter.opened(self._domain, event.terms, task, at_s, event.lane)
                    about.append(event)
            elif isinstance(event, EncounterEvent) and encounter is not None and event.encounter == encounter.id:
                encounter = encounter.follow(event) or encounter
                about.append(event)
        return Happened(tuple(about), encounter) if encounter is not None and about else None


def _before_rollback(inputs: Iterable[Input], block: int) -> list[Input]:
    """A role's inputs without what happened above a block, and without refusals that may have come of it."""
    kept: list[Input] = []
    undone = False
    for given in inputs:
        if isinstance(given, Happened) and given.block > block:
            undone = True
        elif not (undone and isinstance(given, SubmissionRefused)):
            kept.append(given)
    return kept
