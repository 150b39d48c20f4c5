"""Writes down what happens in a run, as it happens, and counts it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass

import numpy as np

from idml.ledger.interface import TxResult
from idml.simulation.bank import Bank
from idml.simulation.contacts import Contact
from idml.simulation.devices import Device
from idml.simulation.journal import Journal
from idml.simulation.measure import Scores
from idml.simulation.meeting import Meeting
from idml.simulation.tally import Tally
from idml.simulation.timing import Stage
from idml.store.records import (
    AccuracyPoint,
    BaselinePoint,
    DeviceRecord,
    EncounterRecord,
    EventRecord,
    ExpulsionRecord,
    Record,
    StakePoint,
    TransactionRecord,
)
from idml.store.run_store import RunStore


class Recorder:
    """Keeps the store and the tally of a run, one transaction of the store for each thing that happens.

    Args:
        store: takes the records.
        tally: counts.
        bank: of the ledger, None without an incentive.
        journal: knows what heavy work gave.
    """

    def __init__(self, store: RunStore, tally: Tally, bank: Bank | None, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._tally = tally
        self._bank = bank
        self._written: dict[Meeting, int] = {}

    def devices(self, devices: Iterable[Device]) -> None:
        """Who takes part."""
        self._store.append(
            *(DeviceRecord(d.index, "0x" + d.address.hex(), d.participant.kind, len(d.labels)) for d in devices)
        )

    def joined(self, bank: Bank, sent: Iterable[tuple[int, TxResult]]) -> None:
        """What it took to join, and the first stakes."""
        records = [record for sender, result in sent for record in _transaction(result, sender, None)]
        block = bank.ledger.block_number
        stakes = [StakePoint(block, device, stake_wei) for device, stake_wei in bank.stakes_wei.items()]
        self._store.append(*records, *stakes)

    def skipped(self, contact: Contact, reason: str, time_s: int, block: int) -> None:
        """A contact that came to nothing."""
        self._tally.skipped += 1
        self._store.append(_encounter(contact, "skipped", time_s, block, reason=reason))

    def rejoined(self, bank: Bank, device: Device, sent: Iterable[TxResult], contact: Contact) -> None:
        """A device came back under another name."""
        self._tally.out.discard(device.index)
        self._tally.rejoined[device.index] += 1
        records = [record for result in sent for record in _transaction(result, device.index, contact.index)]
        stake = StakePoint(bank.ledger.block_number, device.index, bank.stakes_wei[device.index])
        self._store.append(*records, stake)

    def unpaid(self, contact: Contact, broken_off: Stage | None, *, taken: bool) -> None:
        """A collaboration without an incentive, and whether anything was merged."""
        self._tally.encounters += 1
        if broken_off is None:
            self._tally.judged(contact.neighbor, accepted=taken)
            record = _encounter(contact, "unincentivized", contact.time_s, 0, accepted=taken)
        else:
            self._tally.cases["incomplete"] += 1
            record = _encounter(contact, "incomplete", contact.time_s, 0, reason=broken_off.value)
        self._store.append(record, *self._journal.take(contact.index))

    def progressed(self, meeting: Meeting, contact: Contact) -> None:
        """What an encounter did since it was last written down, and how it ended, if it did."""
        assert self._bank is not None
        self._bank.touch([contact.learner, contact.neighbor, *meeting.votes])
        records: list[Record] = []
        written = self._written.pop(meeting, 0)
        for transaction in meeting.transactions[written:]:
            self._tally.gas[transaction.result.step].append(transaction.result.gas_used)
            records += _transaction(transaction.result, transaction.sender.index, contact.index)
        if meeting.outcome.status == "open":
            self._written[meeting] = len(meeting.transactions)
        else:
            records += self._ended(meeting, contact)
        self._store.append(*records, *self._journal.take(contact.index))

    def accuracy(self, scores: Scores, round_number: int, contact: int) -> None:
        """How good devices are at the end of a round."""
        self._tally.accuracy.append(float(np.mean(scores.accuracy)))
        self._store.append(
            *(
                AccuracyPoint(round_number, contact, device.index, accuracy, scores.images)
                for device, accuracy in zip(scores.devices, scores.accuracy, strict=True)
            ),
            *self._journal.take(contact),
        )

    def baseline(self, curve: Sequence[float], rounds: float) -> None:
        """What one device reaches alone, drawn over the rounds in which the others took as many gradient steps."""
        epochs = max(len(curve) - 1, 1)
        by_round = {round(epoch * rounds / epochs): score for epoch, score in enumerate(curve)}
        points = (BaselinePoint("one device alone", *point) for point in by_round.items())
        self._store.append(*points, *self._journal.take(-1))

    def _ended(self, meeting: Meeting, contact: Contact) -> Iterator[Record]:
        """The encounter's row, the stakes that changed, and who fell out."""
        assert self._bank is not None
        outcome, settlement = meeting.outcome, meeting.outcome.settlement
        gas = sum(transaction.result.gas_used for transaction in meeting.transactions)
        self._tally.encounter_gas.append(gas)
        self._tally.cases[str(settlement.case) if settlement else outcome.status] += 1
        if settlement is not None and settlement.accepted is not None:
            self._tally.judged(contact.neighbor, accepted=settlement.accepted)
        if meeting.discarded:
            self._tally.discarded[contact.neighbor] += 1
        for role, earned in outcome.earnings_wei.items():
            self._tally.earnings_wei[role].update(earned)
        last = meeting.transactions[-1].result
        assert meeting.encounter_id is not None
        yield _encounter(
            contact,
            outcome.status,
            last.timestamp_s,
            last.block,
            reason=meeting.broken_off.value if meeting.broken_off else "",
            case=settlement.case if settlement else None,
            accepted=settlement.accepted if settlement else None,
            votes=tuple(meeting.votes.items()),
            encounter="0x" + meeting.encounter_id.hex(),
            model_before="0x" + meeting.model_before.digest.hex(),
            result="0x" + meeting.result.digest.hex() if meeting.result else None,
            gas=gas,
        )
        gains_wei = [gain for role in ("neighbor", "validator") for gain in outcome.earnings_wei.get(role, {}).items()]
        for device, stake_wei in self._bank.refresh(gains_wei).items():
            yield StakePoint(last.block, device, stake_wei)
            if not self._bank.eligible(device) and device not in self._tally.out:
                self._tally.expel(device, contact.round)
                yield ExpulsionRecord(device, last.block, contact.index, contact.round)


def _encounter(contact: Contact, status: str, time_s: int, block: int, **facts: object) -> EncounterRecord:
    parties = (contact.learner, contact.neighbor)
    return EncounterRecord(contact.index, contact.round, time_s, block, *parties, status, **facts)  # type: ignore[arg-type]


def _transaction(result: TxResult, sender: int, contact: int | None) -> Iterator[Record]:
    yield TransactionRecord(result.block, result.timestamp_s, result.step, sender, contact, result.gas_used)
    for event in result.events:
        arguments = {name: _plain(value) for name, value in event.arguments.items()}
        yield EventRecord(event.block, event.timestamp_s, event.name, arguments)


def _plain(value: object) -> object:
    # Not `asdict`, which copies deeply and is slow.
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value
