"""Records what happens in a run, as it happens, and counts it."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from idml.protocol.outcome import Outcome
from idml.simulation.accounts import Accounts, Posted
from idml.simulation.contacts import Contact
from idml.simulation.devices import Device
from idml.simulation.measure import Scores
from idml.simulation.meeting import Meeting
from idml.simulation.timing import ExchangeStage
from idml.simulation.totals import RunTotals
from idml.simulation.work.journal import Journal
from idml.store.records import (
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EncounterRecord,
    ExpulsionRecord,
    Record,
    StakePoint,
    TransactionRecord,
    VoteRecord,
)
from idml.store.run_store import RunStore


class Recorder:
    """Writes what happens in a run to its store, and counts it in its totals.

    Each thing that happens is written in one transaction of the store.

    Args:
        store: where records are written.
        totals: where things are counted.
        accounts: the participants' accounts on the ledger; None without an incentive.
        journal: holds the outcomes of heavy work that are not written yet.
        harm_limit: the greatest harm that the rule of the run accepts.

    Attributes:
        stakes_wei: stake of each device by number, as last written; empty before anyone has joined.
    """

    def __init__(
        self, store: RunStore, totals: RunTotals, accounts: Accounts | None, journal: Journal, harm_limit: float
    ) -> None:
        self._store = store
        self._journal = journal
        self._totals = totals
        self._accounts = accounts
        self._harm_limit = harm_limit
        self._written: dict[Meeting, int] = {}
        self.stakes_wei: dict[int, int] = {}

    def devices(self, devices: Iterable[Device]) -> None:
        """Record who takes part."""
        self._store.append(
            *(DeviceRecord(d.index, "0x" + d.address.hex(), d.participant.kind, len(d.data)) for d in devices)
        )

    def joined(self, accounts: Accounts, posted: Iterable[Posted]) -> None:
        """Record the transactions with which devices joined, and their first stakes."""
        block = accounts.ledger.block_number
        self.stakes_wei = {device: accounts.stake_wei(device) for device in range(len(accounts.wallets))}
        stakes = [StakePoint(block, device, stake_wei) for device, stake_wei in self.stakes_wei.items()]
        self._store.append(*(_transaction(one, None) for one in posted), *stakes)

    def skipped(self, contact: Contact, reason: str, time_s: int, block: int) -> None:
        """Record a contact in which no encounter took place.

        Args:
            contact: the contact.
            reason: why, in a few words.
            time_s: the ledger's time, in seconds.
            block: number of the ledger's last block.
        """
        self._totals.skipped += 1
        self._store.append(_encounter(contact, "skipped", time_s, block, reason=reason))

    def rejoined(self, accounts: Accounts, device: Device, posted: Iterable[Posted], contact: Contact) -> None:
        """Record that a device came back with a new account.

        Args:
            accounts: the participants' accounts.
            device: the device.
            posted: the transactions with which it joined again.
            contact: the contact at which it did.
        """
        self._totals.out.discard(device.index)
        self._totals.rejoined[device.index] += 1
        stake_wei = self.stakes_wei[device.index] = accounts.stake_wei(device.index)
        stake = StakePoint(accounts.ledger.block_number, device.index, stake_wei)
        self._store.append(*(_transaction(one, contact.index) for one in posted), stake)

    def unpaid(self, contact: Contact, broken_off: ExchangeStage | None, *, taken: bool) -> None:
        """Record a collaboration without an incentive.

        Args:
            contact: the contact.
            broken_off: at which step the contact ended too early; None if it did not.
            taken: whether the learner merged the result.
        """
        self._totals.encounters += 1
        if broken_off is None:
            self._totals.judged(contact.neighbor, accepted=taken)
            record = _encounter(contact, "unincentivized", contact.time_s, 0, accepted=taken)
        else:
            self._totals.cases["incomplete"] += 1
            record = _encounter(contact, "incomplete", contact.time_s, 0, reason=broken_off.value)
        self._store.append(record, *self._journal.take(contact.index))

    def progressed(self, meeting: Meeting, contact: Contact) -> None:
        """Record what happened in an encounter since it was last recorded, and how it ended, if it has ended."""
        records: list[Record] = []
        written = self._written.pop(meeting, 0)
        for posted in meeting.posted[written:]:
            self._totals.gas[posted.result.step].append(posted.result.gas_used)
            records += [_transaction(posted, contact.index), *self._stakes(posted, contact)]
        if meeting.outcome is None:
            self._written[meeting] = len(meeting.posted)
        else:
            records.append(self._ended(meeting, meeting.outcome, contact))
            records += self._votes(meeting, meeting.outcome, contact)
        self._store.append(*records, *self._journal.take(contact.index))

    def accuracy(self, scores: Scores, round_number: int, contact: int) -> None:
        """Record the accuracy of devices at the end of a round."""
        self._totals.accuracy.append(float(np.mean(scores.accuracy)))
        self._store.append(
            *(
                AccuracyPoint(round_number, contact, device.index, accuracy, scores.images)
                for device, accuracy in zip(scores.devices, scores.accuracy, strict=True)
            ),
            *self._journal.take(contact),
        )

    def baseline(self, curves: Sequence[Sequence[float]], rounds: float) -> None:
        """Record what devices reach that train alone.

        Args:
            curves: accuracy before training and after each epoch, 0 to 1, of each device or of their mean.
            rounds: in how many rounds the devices of the run take as many gradient steps as each of them took in all.
        """
        points: list[Record] = []
        for curve in curves:
            epochs = max(len(curve) - 1, 1)
            by_round = {round(epoch * rounds / epochs): score for epoch, score in enumerate(curve)}
            points += [BaselinePoint("one device alone", *point) for point in by_round.items()]
        self._store.append(*points, *self._journal.take(-1))

    def _ended(self, meeting: Meeting, outcome: Outcome, contact: Contact) -> EncounterRecord:
        """Count an encounter that has ended, and make its record."""
        accounts, settlement = self._accounts, outcome.settlement
        assert accounts is not None
        gas = sum(posted.result.gas_used for posted in meeting.posted)
        self._totals.encounter_gas.append(gas)
        self._totals.cases[str(settlement.case) if settlement else outcome.status] += 1
        if settlement is not None and settlement.accepted is not None:
            self._totals.judged(contact.neighbor, accepted=settlement.accepted)
        if meeting.discarded:
            self._totals.discarded[contact.neighbor] += 1
        for role, earned in outcome.earned_wei.items():
            self._totals.earnings_wei[role].update({accounts.devices[account]: wei for account, wei in earned.items()})
        last = meeting.posted[-1].result
        return _encounter(
            contact,
            outcome.status,
            last.timestamp_s,
            last.block,
            reason=meeting.broken_off.value if meeting.broken_off else "",
            case=settlement.case if settlement else None,
            accepted=settlement.accepted if settlement else None,
            votes=tuple((accounts.devices[voter], accept) for voter, accept in outcome.votes.items()),
            encounter="0x" + outcome.encounter.id.hex(),
            model_before="0x" + meeting.model_before.digest.hex(),
            result="0x" + meeting.result.digest.hex() if meeting.result else None,
            gas=gas,
        )

    def _votes(self, meeting: Meeting, outcome: Outcome, contact: Contact) -> Iterator[Record]:
        """The votes of an encounter that has ended, with what led to them."""
        assert self._accounts is not None
        for account, accept in outcome.votes.items():
            vote = contact.index, self._accounts.devices[account], accept
            finding = meeting.findings.get(account)
            if finding is None:
                yield VoteRecord(*vote)
            else:
                harm = None if math.isnan(finding.harm) else finding.harm
                yield VoteRecord(*vote, harm, self._harm_limit, finding.before, finding.after, finding.images)

    def _stakes(self, posted: Posted, contact: Contact) -> Iterator[Record]:
        """The stakes that the end of an encounter changed, and the devices that it expelled.

        Only ends of encounters count. While an encounter is open, earnings that a lock holds count as stake, and this
        coming and going is left out.
        """
        accounts, block = self._accounts, posted.result.block
        assert accounts is not None
        if not posted.changes.outcomes:
            return
        for account, stake_wei in posted.changes.stakes_wei.items():
            device = accounts.devices.get(account)
            if device is None or accounts.wallets[device].address != account:
                continue  # account 0, which holds what was burnt, or an account that a device has given up
            if stake_wei == self.stakes_wei[device]:
                continue
            self.stakes_wei[device] = stake_wei
            yield StakePoint(block, device, stake_wei)
            if stake_wei < accounts.threshold_wei and device not in self._totals.out:
                self._totals.expel(device, contact.round)
                yield ExpulsionRecord(device, block, contact.index, contact.round)


def _encounter(contact: Contact, status: str, time_s: int, block: int, **facts: object) -> EncounterRecord:
    parties = (contact.learner, contact.neighbor)
    return EncounterRecord(contact.index, contact.round, time_s, block, *parties, status, **facts)  # type: ignore[arg-type]


def _transaction(posted: Posted, contact: int | None) -> TransactionRecord:
    result = posted.result
    return TransactionRecord(result.block, result.timestamp_s, result.step, posted.sender, contact, result.gas_used)
