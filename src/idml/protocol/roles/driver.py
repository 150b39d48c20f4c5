"""The driver of an encounter: it gives roles messages, events and the time, and carries out what they ask for.

The same driver serves a simulation, which plays all roles of an encounter in one process, and a device, which plays
one. It does no I/O. For all that differs between the two it asks its `Port`: how messages travel, how transactions are
sent, who does the work, and what time it is.
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
"""The roles that act when time passes, in this order. The keeper comes last: it does what both parties left undone."""

HONEST = Conduct()


class Player:
    """A participant that plays a role of this encounter in this process.

    Args:
        address: the participant's address, 20 bytes.
        part: which role it plays.
        make: makes the role, as it is before any input.
        conduct: how the participant carries out what the role asks for.

    Attributes:
        role: the role in its present state.
        inputs: what the role was given, as far as it can have changed the role. Left out are looks at the clock that
            led to nothing, messages that it ignored, and repetitions.
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
        """Give the role an input.

        Returns:
            The actions that the participant carries out, which is for its conduct to say.
        """
        asked = self.role.take(given)
        self._keep(given, asked)
        acts = [self.conduct.act(action, self.part) for action in asked]
        return [action for action in acts if action is not None]

    def _keep(self, given: Input, asked: list[Action]) -> None:
        """Keep an input, unless it left the role as it was."""
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
            What the participant may still have to do: work whose outcome is not among the inputs, and the other actions
            that followed since the encounter's present phase began.
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
    """Whether an outcome is that of this piece of work."""
    if isinstance(outcome, Contributed):
        return isinstance(action, Contribute)
    return isinstance(action, Judge) and action.result == outcome.result


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer that the contract refused a transaction.

    Args:
        reason: why, in the contract's words.
        stale: whether it was only refused because others had acted since the encounter's state was read
            (`StateMismatch`). Then the same may be accepted with the newest state. Any other refusal is final.
    """

    reason: str
    stale: bool = False


class Port(Protocol):
    """What a driver needs from the world outside. Answers that take time may come later, by the driver's methods."""

    def carry(self, to: bytes, envelope: Envelope) -> Player | None:
        """Carry a message to a participant.

        Args:
            to: address of the participant, 20 bytes.
            envelope: the message.

        Returns:
            The player that it reaches at once, if it plays in this process. None if the message goes elsewhere, where
            `Driver.hear` takes it, or is lost.
        """
        ...

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        """Send a transaction.

        Args:
            sender: address of the participant that submits it, 20 bytes.
            submission: what the role wants. An opening needs a lane, all others the latest Progress. A vote and the
                learner's own Report may be sent only with the Progress that they are about: see `idml.ledger.submit`.
            encounter: the encounter as far as the driver has followed it; None before it was opened.

        Returns:
            All events of the transaction, or the refusal. None if that comes later, by `Driver.follow` or
            `Driver.refused`, or never; until then the driver does not ask for the same again.
        """
        ...

    def work(self, worker: bytes, work: Work) -> Contributed | Judged | None:
        """Have a participant do a piece of work.

        `Adopt` may be asked for more than once, after a crash or after the chain took back the block that ended the
        encounter. It must be done only once.

        Args:
            worker: address of the participant, 20 bytes.
            work: what is to be done.

        Returns:
            The outcome. None if there is none, or if it comes later, by `Driver.done`.
        """
        ...

    def finish(self, address: bytes, reason: str) -> None:
        """Take note that the role of a participant (20-byte address) has nothing more to do, and why."""
        ...

    def clock(self) -> Clock:
        """The time, and the number of the next block."""
        ...


class Driver:
    """Drives one encounter from the offer to its end, for all participants who play a role of it in this process.

    Args:
        domain: the contract's EIP-712 domain.
        task: the rules.
        conversation: name of the encounter before it has an id, see `conversation_of`, 32 bytes.
        port: the world outside.

    Attributes:
        encounter: the encounter on the ledger, as far as the driver has followed it; None before it was opened.
        over: whether it has ended there.
        players: who plays a role in this process, by address.
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
        """The encounter on the ledger, as far as the driver has followed it; None before it was opened."""
        return self._happened[-1].encounter if self._happened else None

    @property
    def over(self) -> bool:
        """Whether the encounter has ended on the ledger."""
        return bool(self._happened) and self._happened[-1].end is not None

    def join(self, player: Player) -> Player:
        """Let a participant play a role from now on. It learns at once what happened so far.

        Returns:
            The same player.

        Raises:
            ValueError: if someone plays here under its address already.
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
        """Take a message. It is passed over if it is for nobody who plays here, or of another conversation.

        Args:
            to: address of the participant that it is for, 20 bytes.
            envelope: the message.
        """
        if envelope.conversation == self.conversation and to in self.players:
            self._queue.extend(self._reach(self.players[to], envelope))
            self._run()

    def follow(self, events: Iterable[Event]) -> None:
        """Take all events of one transaction, or of one block, whoever sent the transactions.

        Raises:
            ValueError: for an event that cannot follow on those before it. Then some are missing, or the chain took
                blocks back.
        """
        self._queue.extend(self._follow(events))
        self._run()

    def wake(self) -> None:
        """Let all roles look at the time, so that they stop waiting for each other and end what is over."""
        stale, self._stale = self._stale, {}
        self._queue.extend((self.players[address], Submit(submission)) for address, submission in stale)
        self._run()
        for part in _WOKEN:
            for player in [player for player in self.players.values() if player.part == part]:
                self._ask(player, self._port.clock())
                self._run()

    def done(self, worker: bytes, outcome: Contributed | Judged) -> None:
        """Take the outcome of work that was not answered at once.

        It is passed over if the participant that did it (20-byte address) does not play here.
        """
        if (player := self.players.get(worker)) is not None:
            player.working = [work for work in player.working if not _answers(outcome, work)]
            self._ask(player, outcome)
            self._run()

    def refused(self, sender: bytes, submission: Submission, refusal: Refusal) -> None:
        """Take the refusal of a transaction that was not answered at once.

        It is passed over if the participant that sent it (20-byte address) does not play here.
        """
        if (player := self.players.get(sender)) is not None:
            self._queue.extend(self._refused(player, submission, refusal))
            self._run()

    def roll_back(self, block: int) -> None:
        """Take note that blocks above this one are no longer part of the chain.

        Roles are made anew from the inputs that are left. What they asked for since the encounter's present phase began
        is done again, as it may have been undone. Two things are not: work that is under way, or whose outcome is among
        the inputs; and adopting a result, which waits until the encounter is over again.

        Args:
            block: number of the last block that is still part of the chain.
        """
        kept = [happened for happened in self._happened if happened.block <= block]
        undone, self._happened = len(kept) < len(self._happened), kept
        stale, self._stale = self._stale, {}
        if undone:
            self._under_way.clear()
        for player in self.players.values():
            owed = player.restore(_before_rollback(player.inputs, block)) if undone else []
            # These submissions were refused as stale, perhaps because of blocks that are gone now: try them again.
            owed += [Submit(submission) for address, submission in stale if address == player.address]
            owed = [action for action in dict.fromkeys(owed) if action not in player.working]
            self._queue.extend((player, action) for action in owed if not isinstance(action, Adopt | Finish))
        self._run()

    def restore(self, inputs: Mapping[bytes, Sequence[Input]]) -> None:
        """Go on where an earlier process stopped.

        What the players still have to do is done now. What had been sent before may be sent once more.

        Args:
            inputs: what `Player.inputs` was, by the player's address. Those of addresses that do not play here are
                passed over.
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
        """The next time at which `wake` should be called, because time then allows something new.

        Args:
            now_s: the time, in seconds.
            retry_s: after how many seconds to look again at the latest. What was refused or lost may go through then.

        Returns:
            A second after `now_s`; the very next one as long as blocks decide instead of time. None before the
            encounter was opened, when the offer's deadline is what counts, and once it is over. Without `retry_s` also
            None if time allows nothing new.
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
        """Carry out actions depth first: all that an action leads to is done before the next action.

        So each decision sees the ledger as the one before it left it.
        """
        queue = self._queue
        if self._running:
            return  # called by the port or a conduct while an action is carried out: the loop below goes on with it
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
                return []  # the encounter was settled before this work began
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
            return []  # an offer of other Terms is another encounter
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
        """Tell the role that its submission was refused, unless it was only stale.

        A stale one is sent again: at once if the driver has followed the encounter further meanwhile, else as soon as
        it does.
        """
        sent_at = self._under_way.pop((player.address, submission), None)
        if not refusal.stale or self.over:
            return self._asked(player, SubmissionRefused(submission, refusal.reason))
        if self.encounter != sent_at:
            return [(player, Submit(submission))]
        self._stale[player.address, submission] = None
        return []

    def _follow(self, events: Iterable[Event]) -> list[tuple[Player, Action]]:
        """Tell all players what one transaction did, and send again what was refused as stale."""
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
            return None  # a repetition, or of no consequence
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
    """A role's inputs without what happened above a block, and without the refusals that may have come of it."""
    kept: list[Input] = []
    undone = False
    for given in inputs:
        if isinstance(given, Happened) and given.block > block:
            undone = True
        elif not (undone and isinstance(given, SubmissionRefused)):
            kept.append(given)
    return kept
