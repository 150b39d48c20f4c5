"""One contact with an incentive: drives the roles of learner, neighbor and validators against the ledger."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.interface import Event
from idml.ledger.submit import submit
from idml.protocol.encounter import Encounter, Phase, free_lane
from idml.protocol.messages import Terms
from idml.protocol.roles import (
    Accept,
    Action,
    Adopt,
    Contest,
    Contribute,
    Decline,
    Fetch,
    Finish,
    Judge,
    Learner,
    Message,
    ModelSent,
    Neighbor,
    Offer,
    Open,
    Parcel,
    Reject,
    ReportSent,
    ResultSent,
    Send,
    Submission,
    Submit,
    ValidationRequest,
    Validator,
)
from idml.protocol.settlement import settle
from idml.simulation.adversaries import Ballot
from idml.simulation.adversaries.base import Party
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.scene import Outcome, Scene, Transaction
from idml.simulation.timing import Stage


class Meeting:
    """An encounter between two simulated devices, from the first word to its settlement.

    Args:
        scene: of the run.
        learner, neighbor: who met.
        validators: addresses to ask where anyone may vote.
        broken_off: at which stage of the exchange the two lose sight of each other, if they do. The ledger and the
            validators stay within reach of both; the encounter ends when its windows are over, as if one were lost.
    """

    def __init__(
        self,
        scene: Scene,
        learner: Device,
        neighbor: Device,
        validators: Sequence[bytes] = (),
        broken_off: Stage | None = None,
    ) -> None:
        self._scene = scene
        self.broken_off = broken_off
        self._learner_device = learner
        self._neighbor_device = neighbor
        self.outcome = Outcome()
        self.transactions: list[Transaction] = []
        self.encounter: Encounter | None = None
        self.encounter_id: bytes | None = None
        self.votes: dict[int, bool] = {}
        self.model_before = _parcel(learner.model)
        self.result: Parcel | None = None
        secret = learner.secret(learner, learner.encounters, scene.settings)
        self._learner = Learner(
            identity=scene.wallets[learner.account],
            domain=scene.domain,
            task=scene.task,
            offer=scene.offer(learner, neighbor, self.model_before.digest, secret),
            secret=secret,
            model=self.model_before,
            validators=validators,
            adopt_unjudged=scene.adopt_unjudged,
        )
        self._neighbor = Neighbor(
            identity=scene.wallets[neighbor.account],
            domain=scene.domain,
            task=scene.task,
            secret=neighbor.secret(learner, learner.encounters, scene.settings),
            policy=self._neighbor_policy,
            validators=validators,
        )
        self._validators: dict[bytes, Validator] = {}
        self._waiting: set[int] = set()
        self._adopted = self.discarded = False

    def play(self) -> None:
        """Play the encounter as far as it goes by itself."""
        self._perform(self._by(self._learner_device, self._learner.start()))

    def wake(self) -> None:
        """Let both parties see the time: they go on without each other, and end an encounter whose windows are over."""
        ledger = self._scene.ledger
        if self.encounter is not None and self.encounter.progress.phase is Phase.CONTESTED:
            # No block comes by itself here.
            ledger.mine(max(0, self.encounter.progress.seed_block - ledger.block_number))
        for device, role in ((self._neighbor_device, self._neighbor), (self._learner_device, self._learner)):
            self._perform(self._by(device, role.on_time(ledger.now_s, ledger.block_number + 1)))

    @property
    def models(self) -> list[Model]:
        """Those that it may still need."""
        return [_model(parcel) for parcel in (self.model_before, self.result) if parcel is not None]

    @property
    def wake_s(self) -> int:
        """The next second at which an open encounter can go on; at once where blocks decide.

        Raises:
            LedgerError: if none is left and it is still open.
        """
        assert self.encounter is not None
        progress, now_s = self.encounter.progress, self._scene.ledger.now_s
        if progress.phase is Phase.CONTESTED:
            return now_s + 1
        wake_s = progress.wake_s(self._scene.task, now_s)
        if wake_s is None:
            raise LedgerError(f"encounter 0x{self.encounter.id.hex()} cannot be ended: {self.outcome.reason}")
        return wake_s

    def _neighbor_policy(self, terms: Terms) -> str | None:
        """Step 2 of the paper: the neighbor checks price and means before it works."""
        if terms.reward < self._scene.reward_wei:
            return "the reward is too low"
        return None

    def _by(self, actor: Device, actions: Iterable[Action]) -> list[tuple[Device, Action]]:
        """What a device does of the actions that its role asks for."""
        parties: dict[int, Party] = {self._learner_device.index: "learner", self._neighbor_device.index: "neighbor"}
        party = parties.get(actor.index)
        acts = (action if party is None else actor.participant.act(action, party) for action in actions)
        return [(actor, action) for action in acts if action is not None]

    def _perform(self, actions: Iterable[tuple[Device, Action]]) -> None:
        """Carry out actions depth first, so that each decision sees the ledger as the last one left it."""
        queue = deque(actions)
        while queue:
            doer, action = queue.popleft()
            if isinstance(action, Judge) and doer.participant.waits and doer.index not in self._waiting:
                self._waiting.add(doer.index)
                queue.append((doer, action))
                continue
            followers = self._do(doer, action)
            queue.extendleft(reversed(followers))

    def _do(self, actor: Device, action: Action) -> list[tuple[Device, Action]]:
        scene, learner = self._scene, self._learner_device
        if isinstance(action, Send) and not self._is_lost(action.message):
            return self._deliver(scene.devices[action.to], action.message)
        if isinstance(action, Submit) and not self._is_given_up(action.submission):
            return self._submit(actor, action.submission)
        if isinstance(action, Contribute) and self.broken_off is not Stage.TRAINING:
            contribution = actor.contribute(learner, _model(action.model), scene.settings, scene.work)
            self.result = _parcel(contribution)
            return self._by(actor, self._neighbor.on_contribution(self.result))
        if isinstance(action, Judge) and self.encounter is not None:
            verdict = self._judge(actor, action, self.encounter)
            return self._by(actor, self._validators[actor.account].on_verdict(verdict, self.encounter))
        if isinstance(action, Adopt):
            self._adopt(_model(action.result))
        if isinstance(action, Fetch) and self.result is not None and any(self.votes.values()):
            return self._by(actor, self._learner.on_fetched(self.result))  # who voted yes keeps it for the learner
        if isinstance(action, Finish) and actor is learner and self.outcome.status == "declined":
            self.outcome.reason = action.reason
        return []

    def _judge(self, actor: Device, action: Judge, encounter: Encounter) -> bool:
        scene, learner = self._scene, self._learner_device
        cast = tuple(accept for _, accept in encounter.progress.votes)
        ballot = Ballot(learner.participant, self._neighbor_device.participant, cast)
        return actor.judge(learner, _model(action.model), _model(action.result), ballot, scene.settings, scene.work)

    def _adopt(self, result: Model) -> None:
        """Let the learner merge a result, once, if its own defence takes it."""
        if self._adopted:
            return
        self._adopted, scene = True, self._scene
        taken = self._learner_device.adopt(_model(self.model_before), result, scene.settings, scene.work)
        self.discarded = not taken

    def _is_given_up(self, submission: Submission) -> bool:
        """Whether a neighbor lets go of an encounter whose learner it lost.

        It neither refuses, as it cannot tell whether the learner comes back, nor contests: nobody could hand the
        learner what it would pay for.
        """
        return self.broken_off is not None and isinstance(submission, Contest | Reject)

    def _is_lost(self, message: Message) -> bool:
        """Whether the contact ends while a message is on its way."""
        stage = {ModelSent: Stage.SENDING, ResultSent: Stage.RETURNING}.get(type(message))
        return stage is not None and stage is self.broken_off

    def _deliver(self, to: Device, message: Message) -> list[tuple[Device, Action]]:
        if isinstance(message, ResultSent):
            return self._hand_over(to, message)
        if isinstance(message, Accept | Decline):
            return self._by(to, self._learner.on_message(message))
        if isinstance(message, Offer | ModelSent | ReportSent):
            return self._by(to, self._neighbor.on_message(message))
        assert isinstance(message, ValidationRequest)
        if self.encounter is None:
            return []  # over: the votes were complete before this copy of the request arrived
        validator = self._validators.setdefault(to.account, Validator(to.account, self._scene.task))
        return self._by(to, validator.on_message(message, self.encounter))

    def _hand_over(self, learner: Device, message: ResultSent) -> list[tuple[Device, Action]]:
        """Let the neighbor hand over what it likes, and the learner do with it what it likes."""
        sender = self._neighbor_device.participant
        handed = sender.hand_over(_model(self.model_before), _model(message.result))
        if handed is None:
            return []
        if learner.participant.keeps:
            self._adopt(handed)
        return self._by(learner, self._learner.on_message(replace(message, result=_parcel(handed))))

    def _submit(self, actor: Device, submission: Submission) -> list[tuple[Device, Action]]:
        scene, wallet = self._scene, self._scene.wallets[actor.account]
        ledger = scene.ledger
        ledger.warp(ledger.now_s + 1)
        try:
            if isinstance(submission, Open):
                lane = free_lane(self._learner_device.lanes, submission.terms.nonce)
                result = ledger.open(wallet, submission.terms, b"", submission.neighbor_signature, lane=lane)
            else:
                assert self.encounter is not None
                result = submit(ledger, wallet, self.encounter.progress, submission)
        except Reverted as error:
            # A refused transaction is the sender's loss alone: the others' windows run on.
            self.outcome.reason = str(error)
            return []
        self.transactions.append(Transaction(actor, result))
        for event in result.events:
            self._follow(event, submission)
        return self._notify()

    def _follow(self, event: Event, submission: Submission) -> None:
        """Take what the ledger says about this encounter."""
        domain = self._scene.domain
        if event.name == "Opened":
            assert isinstance(submission, Open)
            lane = cast(int, event.arguments["lane"])
            self._learner_device.lanes.add(lane)
            self.encounter = Encounter.opened(domain, submission.terms, self._scene.task, event.timestamp_s, lane)
            self.encounter_id = self.encounter.id
            self.outcome.status = "open"
            return
        if self.encounter is None or event.arguments.get("encounter") != self.encounter.id:
            return
        if event.name == "Voted":
            voter = self._scene.devices[cast(bytes, event.arguments["validator"])]
            self.votes[voter.index] = bool(event.arguments["accept"])
        terms, learner, neighbor = self.encounter.terms, self._learner_device.index, self._neighbor_device.index
        if event.name == "Settled":
            votes_for, votes_against = (int(cast(int, event.arguments[f"votes{side}"])) for side in ("For", "Against"))
            settlement = settle(terms.reward, votes_for, votes_against, self._scene.task)
            self.outcome.settle(settlement, terms.reward, learner, neighbor, self.votes)
        elif event.name == "Ended":
            paid = int(cast(int, event.arguments["goodFaithPaid"]))
            self.outcome.end("rejected" if event.arguments["outcome"] == 0 else "incomplete", paid, learner, neighbor)
        following = self.encounter.follow(event.name, event.arguments, event.timestamp_s)
        if following is None:
            self._learner_device.lanes.discard(self.encounter.progress.where.lane)
        self.encounter = following

    def _notify(self) -> list[tuple[Device, Action]]:
        """Tell both parties where the encounter stands now."""
        learner, neighbor = self._learner_device, self._neighbor_device
        settlement, status = self.outcome.settlement, self.outcome.status
        if settlement is not None:
            accepted = settlement.accepted
            asked = self._learner.on_settled(accepted), self._neighbor.on_settled(accepted)
        elif self.encounter is None:
            asked = self._learner.on_ended(status), self._neighbor.on_ended(status)
        else:
            asked = self._learner.on_encounter(self.encounter), self._neighbor.on_encounter(self.encounter)
        return [*self._by(learner, asked[0]), *self._by(neighbor, asked[1])]


def _parcel(model: Model) -> Parcel:
    return Parcel(model.digest, model)


def _model(parcel: Parcel) -> Model:
    return cast(Model, parcel.content)
