"""One contact with an incentive: the driver's world outside, where all of an encounter's roles are in one process."""

from collections.abc import Sequence
from typing import assert_never

from idml.learning.judging.validation import Finding
from idml.ledger.errors import LedgerError, Reverted
from idml.ledger.submit import submit
from idml.protocol.encounter import Encounter, Phase
from idml.protocol.events import Event
from idml.protocol.messages import Terms
from idml.protocol.outcome import Outcome
from idml.protocol.roles import (
    Adopt,
    Clock,
    Contest,
    Contribute,
    Contributed,
    Driver,
    Envelope,
    Judge,
    Judged,
    Keeper,
    Learner,
    ModelSent,
    Neighbor,
    Player,
    Refusal,
    Reject,
    ResultSent,
    Submission,
    ValidationRequest,
    Validator,
    Work,
    conversation_of,
    propose,
)
from idml.simulation.accounts import Posted
from idml.simulation.context import EncounterContext
from idml.simulation.devices import Device
from idml.simulation.model import Model
from idml.simulation.timing import ExchangeStage
from idml.simulation.work.encounter import follow
from idml.simulation.work.tasks import ContributeTask

_TRANSFERS: dict[type, ExchangeStage] = {ModelSent: ExchangeStage.SENDING, ResultSent: ExchangeStage.RETURNING}
"""Messages with which a model goes, by the stage of the exchange in which it is on its way."""


class Meeting:
    """An encounter between two simulated devices, from the first word to its end; the `Port` of its driver.

    Args:
        context: of the run.
        learner, neighbor: who met.
        validators: addresses to ask where anyone may vote.
        broken_off: at which stage of the exchange the two lose sight of each other, if they do. The ledger and the
            validators stay within reach of both; the encounter ends when its windows are over, as if one were lost.

    Attributes:
        posted: its transactions.
        outcome: what became of it, once it is over.
        reason: why it was declined, or why the ledger last refused a transaction.
        model_before: the learner's, before it.
        result: what the neighbor worked out, if it did.
        discarded: whether the learner's own defence stopped what was handed over.
        findings: what each validator found out that looked at the result, by its account.
    """

    def __init__(
        self,
        context: EncounterContext,
        learner: Device,
        neighbor: Device,
        validators: Sequence[bytes] = (),
        broken_off: ExchangeStage | None = None,
    ) -> None:
        self._context = context
        self.broken_off = broken_off
        self._learner = learner
        self._neighbor = neighbor
        self.posted: list[Posted] = []
        self.outcome: Outcome | None = None
        self.reason = ""
        self.model_before = learner.model
        self.result: Model | None = None
        self.findings: dict[bytes, Finding] = {}
        self._models = {learner.model.digest: learner.model}
        self._adopted = self.discarded = False
        task, domain, wallets = context.cast.rules, context.domain, context.accounts.signers
        key = learner.encounter_key(context.cast.settings.seed)
        secrets = [party.secret(key) for party in (learner, neighbor)]
        offer = propose(
            task=task,
            learner=learner.account,
            neighbor=neighbor.account,
            reward_wei=context.reward_wei,
            model_before=learner.model.digest,
            secret=secrets[0],
            seats=len(context.accounts.mirror.seats),
            now_s=context.ledger.now_s,
            nonce=learner.nonce,
        )

        def learner_role() -> Learner:
            return Learner(
                identity=wallets[learner.account],
                domain=domain,
                task=task,
                offer=offer,
                secret=secrets[0],
                validators=validators,
                adopt_unjudged=context.cast.adopt_unjudged,
            )

        def neighbor_role() -> Neighbor:
            return Neighbor(
                identity=wallets[neighbor.account],
                domain=domain,
                task=task,
                secret=secrets[1],
                policy=self._neighbor_policy,
                validators=validators,
            )

        self._driver = Driver(domain=domain, task=task, conversation=conversation_of(offer, domain), port=self)
        self._driver.join(Player(learner.account, "learner", learner_role, learner.participant))
        self._driver.join(Player(neighbor.account, "neighbor", neighbor_role, neighbor.participant))
        self._driver.join(Player(context.accounts.keeper.address, "keeper", lambda: Keeper(task)))

    def play(self) -> None:
        """Play the encounter as far as it goes by itself."""
        self._driver.start(self._learner.account)

    def wake(self) -> None:
        """Let all see the time: they go on without each other, and end an encounter whose windows are over."""
        ledger, encounter = self._context.ledger, self._driver.encounter
        if encounter is not None and encounter.progress.phase is Phase.CONTESTED:
            # No block comes by itself here.
            ledger.mine(max(0, encounter.progress.seed_block - ledger.block_number))
        self._driver.wake()

    @property
    def encounter(self) -> Encounter | None:
        """As it stands or stood last; None if it was never opened."""
        return self._driver.encounter

    @property
    def is_open(self) -> bool:
        """Whether it was opened and has not ended on the ledger."""
        return self.encounter is not None and not self._driver.over

    @property
    def models(self) -> list[Model]:
        """Those that it may still need."""
        return list(self._models.values())

    @property
    def wake_s(self) -> int:
        """The next second at which an open encounter can go on.

        Raises:
            LedgerError: if none is left and it is still open.
        """
        wake_s = self._driver.wake_s(self._context.ledger.now_s)
        if wake_s is None:
            assert self.encounter is not None
            raise LedgerError(f"encounter 0x{self.encounter.id.hex()} cannot be ended: {self.reason}")
        return wake_s

    def _neighbor_policy(self, terms: Terms) -> str | None:
        """Step 2 of the paper: the neighbor checks the price; its means were looked at before the two met."""
        if terms.reward < self._context.reward_wei:
            return "the reward is too low"
        return None

    # The driver's port

    def carry(self, to: bytes, envelope: Envelope) -> Player | None:
        """See `Port`. A message is lost if the contact ends while the model that goes with it is on its way.

        So is one to an address that nobody has, as an adversary may send it.
        """
        message, player = envelope.message, self._driver.players.get(to)
        stage = _TRANSFERS.get(type(message))
        if stage is not None and stage is self.broken_off:
            return None
        if player is None and isinstance(message, ValidationRequest) and to in self._context.accounts.devices:
            task, conduct = self._context.cast.rules, self._context.device(to).participant
            player = self._driver.join(Player(to, "validator", lambda: Validator(to, task), conduct))
        return player

    def submit(
        self, sender: bytes, submission: Submission, encounter: Encounter | None
    ) -> Sequence[Event] | Refusal | None:
        """See `Port`. Each transaction has a block and a second of its own."""
        if self._is_given_up(submission):
            return None
        accounts, ledger = self._context.accounts, self._context.ledger
        ledger.warp(ledger.now_s + 1)
        at, wallet = encounter.id if encounter else None, accounts.signers[sender]
        try:
            result = submit(ledger, accounts.mirror, wallet, at, submission)
        except Reverted as error:
            # A refused transaction is the sender's loss alone: the others' windows run on.
            self.reason = str(error)
            return Refusal(self.reason, stale=error.name == "StateMismatch")
        posted = accounts.post(accounts.devices.get(sender), result)
        self.posted.append(posted)
        self.outcome = next(iter(posted.changes.outcomes), None)
        return result.events

    def work(self, worker: bytes, work: Work) -> Contributed | Judged | None:
        """See `Port`."""
        match work:
            case Contribute(model):
                if self.broken_off is ExchangeStage.TRAINING:
                    return None
                self.result = self._context.work.ask(self._assignment(self._models[model])).made
                self._models[self.result.digest] = self.result
                return Contributed(self.result.digest)
            case Judge(model, result):
                return Judged(result, self._judge(worker, self._models[model], self._models[result]))
            case Adopt(result):
                self._adopt(self._models[result])
                return None
        assert_never(work)

    def finish(self, address: bytes, reason: str) -> None:
        """See `Port`."""
        if address == self._learner.account and self.encounter is None:
            self.reason = reason

    def clock(self) -> Clock:
        """See `Port`."""
        return Clock(self._context.ledger.now_s, self._context.ledger.block_number + 1)

    def _assignment(self, received: Model) -> ContributeTask:
        """What the neighbor is asked for."""
        learner, neighbor = self._learner, self._neighbor
        own = neighbor.model if self._context.cast.settings.adapter.sends_own_model else received
        return ContributeTask(learner.index, learner.encounters, neighbor.index, received, own)

    def _judge(self, validator: bytes, before: Model, result: Model) -> bool:
        context, encounter = self._context, self.encounter
        assert encounter is not None
        votes = [accept for _, accept in encounter.progress.votes]
        index = context.accounts.devices[validator]
        vote = context.cast.vote(self._assignment(before), result, index, votes)
        accept, finding = follow(vote, context.work.ask)
        if finding is not None:
            self.findings[validator] = finding
        return accept

    def _adopt(self, result: Model) -> None:
        """Let the learner merge a result, once, if its own defence takes it."""
        if self._adopted:
            return
        self._adopted, context, learner = True, self._context, self._learner
        adoption = context.cast.adoption(learner.model, self.model_before, result, learner.recent)
        adopted = follow(adoption, context.work.ask)
        defence = context.cast.settings.defence
        if defence is not None:
            learner.remember(self.model_before, result, defence)
        self.discarded, learner.model = adopted is None, adopted or learner.model

    def _is_given_up(self, submission: Submission) -> bool:
        """Whether a neighbor lets go of an encounter whose learner it lost.

        It neither refuses, as it cannot tell whether the learner comes back, nor contests: nobody could hand the
        learner what it would pay for.
        """
        return self.broken_off is not None and isinstance(submission, Contest | Reject)
