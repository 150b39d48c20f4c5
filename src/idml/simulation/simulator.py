"""A run from the first contact to the summary, one encounter after another."""

import heapq
import time
from typing import Any

import numpy as np

from idml.learning.arrays import FloatVector
from idml.learning.engine import prepare
from idml.ledger.controlled import ControlledLedger
from idml.protocol.digest import canonical_bytes, layout_size, model_digest
from idml.simulation.accounts import Accounts
from idml.simulation.config import to_wei
from idml.simulation.contacts import Contact
from idml.simulation.context import EncounterContext
from idml.simulation.devices import Device
from idml.simulation.measure import Measure, TestSet
from idml.simulation.meeting import Meeting
from idml.simulation.recorder import Recorder
from idml.simulation.setup import World, blueprint
from idml.simulation.totals import JOINING, Observer, RunTotals, Snapshot, Stopped, title_of
from idml.simulation.voters import OpenVoters
from idml.simulation.work.ahead import Ahead
from idml.simulation.work.effort import Effort
from idml.simulation.work.encounter import EncounterPlan, follow
from idml.simulation.work.executors.base import Executor
from idml.simulation.work.executors.processes import Processes
from idml.simulation.work.executors.ray_cluster import RayCluster
from idml.simulation.work.foresight import Foresight
from idml.simulation.work.journal import Journal, Timer
from idml.simulation.work.runner import Serial, TaskRunner
from idml.simulation.work.tasks import ContributeTask, TaskService
from idml.store.errors import StoreError
from idml.store.run_store import RunStore


class Simulator:
    """Plays a world's contacts in order.

    Args:
        world: devices, data and settings.
        store: takes what happens.
        observer: called after each contact.
        ledger: where encounters are settled; None without an incentive.
    """

    def __init__(self, world: World, store: RunStore, observer: Observer, ledger: ControlledLedger | None) -> None:
        self._world = world
        self._store = store
        self._observer = observer
        self._totals = RunTotals()
        config, dataset = world.config, world.dataset
        self._honest = [device for device in world.devices if device.honest]
        self._adversaries = frozenset(device.index for device in world.devices if not device.honest)
        personal = world.test_shares and [world.test_shares[device.index] for device in self._honest]
        test_images = prepare(dataset.test_images)
        test_set = TestSet(test_images, dataset.test_labels, len(self._honest), config.seed, personal)
        self._rules = rules = config.task()
        adopt_unjudged = config.preset == "paper"
        self._start = world.devices[0].model
        self._pending: list[tuple[int, int, Meeting, Contact]] = []
        self._trained_on = "cpu"
        self._accounts: Accounts | None = None
        self._context: EncounterContext | None = None
        if ledger is not None:
            self._accounts = Accounts(ledger, list(world.wallets), rules, config)
        self._voters = OpenVoters(world, self._accounts, rules)
        runner = TaskRunner(world.devices, world.settings, test_set, rules, adopt_unjudged)
        self._cast = runner.cast
        self._journal = Journal(self._employ(runner), store.work()[: store.checkpoint.rows["work"]], self._load)
        self._work = Effort(self._journal, lambda device: world.devices[device].means(world.settings).sample_size)
        self._timer = Timer(config.checkpoint_s)
        self._measure = Measure(test_set, self._honest, self._work, config.test_images)
        if self._accounts is not None:
            self._context = EncounterContext(
                accounts=self._accounts,
                reward_wei=to_wei(config.reward),
                cast=self._cast,
                work=self._work,
            )
        harm_limit = float(world.settings.rule.limit(world.settings.tolerance_bps))
        self._recorder = Recorder(store, self._totals, self._accounts, self._journal, harm_limit)

    def _employ(self, runner: TaskRunner) -> TaskService:
        """Choose who does the heavy work."""
        world, config = self._world, self._world.config
        executor: Executor
        stacked = None
        if config.executor == "cuda":
            from idml.simulation.work.executors.stacked import on_cuda  # loads PyTorch, which takes a second

            stacked = on_cuda(runner, blueprint(config))
        if config.executor == "ray":
            executor = RayCluster(runner, config.workers, config.ray_address)
        elif stacked is not None:
            executor, self._trained_on = stacked, stacked.hardware
        elif config.workers in (1, None):
            return Serial(runner)
        else:
            executor = Processes(runner, config.workers)
        foresight = Foresight(world, self._accounts, self._totals.expelled, self._voters)
        return Ahead(executor, runner, world.devices, world.contacts(), foresight)

    def run(self) -> dict[str, Any]:
        """Play all contacts, settle what is open, measure, and write the summary."""
        try:
            return self._run()
        except Stopped:
            if self._store.read_summary() is None:
                self._write_checkpoint()
            raise
        finally:
            self._work.close()

    def _run(self) -> dict[str, Any]:
        self._begun_s = time.perf_counter() - self._store.checkpoint.wall_s
        world, config = self._world, self._world.config
        self._recorder.devices(world.devices)
        self._watch(None, JOINING)
        if self._accounts is not None:
            self._recorder.joined(self._accounts, self._accounts.join())
        self._recorder.accuracy(self._measure.beginning(), 0, -1)
        start_s = self._context.ledger.now_s if self._context else 0
        for contact in world.contacts():
            self._work.begin(contact.index)
            self._advance(start_s + contact.time_s)
            self._play(contact)
            if contact.index + 1 == contact.round * config.devices < config.contact_count:
                self._measure_round(contact)
            self._checkpoint_if_due()
            self._watch(contact, "meeting")
        self._watch(contact, "settling")
        self._settle_pending()
        self._watch(contact, "measuring")
        final = self._measure.in_the_end()
        self._recorder.accuracy(final, contact.round, contact.index)
        self._checkpoint_if_due()
        self._watch(contact, "training one device alone")
        baseline = self._measure_baseline()
        participants = [device.participant for device in world.devices]
        attacks = sorted({one.kind for one in participants if one.poison is not None})
        summary = self._totals.summary(
            config,
            world.devices,
            final=final.accuracy,
            baseline=baseline,
            attack_success={kind: self._measure.deceived(kind) for kind in attacks},
            tokens=self._accounts.tokens() if self._accounts else {"supply": "0", "accounts": "0"},
            effort=self._work,
            measure=self._measure,
            trained_on=self._trained_on,
            wall_s=self._wall_s,
        )
        if self._accounts is not None:
            self._store.append(*self._totals.earnings(len(world.devices)))
        for device in world.devices:
            content = canonical_bytes(device.model.vector, world.settings.engine.layout)
            self._store.save_model(device.index, content)
        self._store.write_summary(summary)
        self._watch(contact, "done")
        return summary

    @property
    def _wall_s(self) -> float:
        return time.perf_counter() - self._begun_s

    def _checkpoint_if_due(self) -> None:
        if self._timer.due:
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        """Keep the models that the run stands on. All else follows from what it has recorded."""
        begun_s = time.perf_counter()
        if self._journal.repeating or self._store.repeating:
            return  # the last one is further on
        models = [device.model for device in self._world.devices]
        models += [model for _, _, meeting, _ in self._pending for model in meeting.models]
        models += [model for device in self._world.devices for model in device.recent]
        self._store.write_checkpoint({model.digest: model.tobytes for model in models}, self._wall_s)
        self._timer.took(time.perf_counter() - begun_s)

    def _load(self, digest: bytes) -> FloatVector:
        """Find a model that an earlier life of the run made.

        Raises:
            StoreError: if it is not there, or not what it was.
        """
        vector = np.frombuffer(self._store.read_vector(digest), np.float32)
        layout = self._world.settings.engine.layout
        if vector.size != layout_size(layout) or model_digest(vector, layout) != digest:
            raise StoreError(f"the checkpoint in {self._store.directory} is damaged: model 0x{digest.hex()} is another")
        return vector

    def _advance(self, time_s: int) -> None:
        """Let time pass to a contact, ending on the way what came due."""
        if self._context is None:
            return
        ledger = self._context.ledger
        while self._pending and self._pending[0][0] <= max(time_s, ledger.now_s):
            due_s, _, meeting, contact = heapq.heappop(self._pending)
            ledger.warp(max(ledger.now_s, due_s))
            meeting.wake()
            self._record(meeting, contact)
        ledger.warp(max(ledger.now_s, time_s))

    def _settle_pending(self) -> None:
        """Let time pass until no encounter is open."""
        while self._pending:
            self._advance(self._pending[0][0])

    def _play(self, contact: Contact) -> None:
        learner, neighbor = self._world.devices[contact.learner], self._world.devices[contact.neighbor]
        if self._context is None or self._accounts is None:
            self._play_unpaid(contact, learner, neighbor)
            return
        ledger = self._context.ledger
        for device in (learner, neighbor):
            self._let_rejoin(device, contact)
        obstacle = self._accounts.obstacle(contact.learner, contact.neighbor)
        if obstacle is not None:
            self._recorder.skipped(contact, obstacle, ledger.now_s, ledger.block_number)
            return
        voters = [self._world.devices[voter].account for voter in self._voters(contact, learner.encounters)]
        meeting = Meeting(self._context, learner, neighbor, voters, self._world.broken_off(contact))
        meeting.play()
        if meeting.encounter is None:
            self._recorder.skipped(contact, meeting.reason, ledger.now_s, ledger.block_number)
            return
        self._totals.encounters += 1
        learner.model = follow(self._cast.own_epochs(learner.index, learner.encounters, learner.model), self._work.ask)
        learner.encounters += 1
        self._record(meeting, contact)

    def _record(self, meeting: Meeting, contact: Contact) -> None:
        """Write down what an encounter did, and keep it in mind while it is open."""
        if meeting.is_open:
            heapq.heappush(self._pending, (meeting.wake_s, contact.index, meeting, contact))
        self._recorder.progressed(meeting, contact)

    def _let_rejoin(self, device: Device, contact: Contact) -> None:
        """Have a device that is out come back under another name, if that is its way."""
        assert self._accounts is not None
        assert self._context is not None
        if self._accounts.eligible(device.index) or not device.participant.comes_back():
            return
        wallet, posted = self._accounts.rejoin(device.index)
        device.rejoin(wallet.address)
        self._recorder.rejoined(self._accounts, device, posted, contact)

    def _play_unpaid(self, contact: Contact, learner: Device, neighbor: Device) -> None:
        """Collaborate without an incentive: whatever comes is merged, unless the learner's own defence stops it."""
        broken_off, before, merged = self._world.broken_off(contact), learner.model, False
        if broken_off is None:
            own = neighbor.model if self._world.settings.adapter.sends_own_model else before
            asked = ContributeTask(learner.index, learner.encounters, neighbor.index, before, own)
            ended = follow(self._cast.encounter(EncounterPlan(asked), learner.recent), self._work.ask)
            defence = self._world.settings.defence
            if ended.handed is not None and defence is not None:
                learner.remember(before, ended.handed, defence)
            learner.model, merged = ended.after, ended.merged
        else:
            learner.model = follow(self._cast.own_epochs(learner.index, learner.encounters, before), self._work.ask)
        learner.encounters += 1
        self._recorder.unpaid(contact, broken_off, taken=merged)

    def _measure_round(self, contact: Contact) -> None:
        """Score the honest devices at the end of a round, if that costs little beside what was done."""
        scores = self._measure.on_the_way()
        if scores is not None:
            self._recorder.accuracy(scores, contact.round, contact.index)

    def _measure_baseline(self) -> dict[str, float] | None:
        """What honest devices would have reached alone with as many gradient steps as they took together."""
        devices = self._honest[: self._world.config.baseline_devices]
        if not devices:
            return None
        images = sum(self._work.trained_images[device.index] for device in self._honest)
        epochs = round(images / sum(len(device.data) for device in self._honest))
        curves, config = self._measure.alone(devices, self._start, epochs), self._world.config
        mean = [float(np.mean(scores)) for scores in zip(*curves, strict=True)]
        # Scores on few images say something only together.
        shown = [mean] if config.test_images is None else curves
        self._recorder.baseline(shown, config.contact_count / config.devices)
        return {"accuracy": mean[-1], "devices": len(devices), "epochs": epochs}

    def _watch(self, contact: Contact | None, stage: str) -> None:
        totals, config = self._totals, self._world.config
        self._observer(
            Snapshot(
                contact=contact.index + 1 if contact else 0,
                contacts=config.contact_count,
                round=contact.round if contact else 0,
                encounters=totals.encounters,
                skipped=totals.skipped,
                accuracy=totals.accuracy,
                stakes_wei=self._recorder.stakes_wei,
                expelled=totals.expelled,
                adversaries=self._adversaries,
                title=title_of(config),
                stage=stage,
            )
        )
