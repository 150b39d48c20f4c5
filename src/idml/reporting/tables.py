"""The tables of the report, as texts that are ready to be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from idml.reporting import series
from idml.reporting.style import kind_label
from idml.reporting.summary import CASES, case_name
from idml.store import HONEST, EncounterRecord, RunStore

LAST_ENCOUNTERS = 200
"""How many encounters the report lists one by one."""

_NONE = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column.

    Args:
        name: its name.
        number: whether the column holds numbers, which are aligned to the right.
    """

    name: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class TableView:
    """A table.

    Args:
        caption: its caption.
        columns: heads of its columns.
        rows: texts of its cells. The first cell of a row is the row's heading.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def devices_table(run: RunStore) -> TableView:
    """Make the table of devices: what each one is, its accuracy, its stake, and what it earned in which role."""
    accuracy, stakes = series.final_accuracy(run), series.final_stakes(run)
    earnings = {record.device: record for record in run.earnings()}
    expelled = {record.device: record for record in reversed(run.expulsions())}
    columns = [Column("Device"), Column("Kind", number=False), Column("Images"), Column("Accuracy")]
    if stakes:
        columns += [Column(name) for name in ("Stake", "Net", "As learner", "As neighbor", "As validator")]
        columns.append(Column("Expelled", number=False))
    rows = []
    for record in run.devices():
        device = record.device
        row = [str(device), kind_label(record.kind), f"{record.images:,}"]
        row.append(f"{accuracy[device]:.1%}" if device in accuracy else _NONE)
        if stakes:
            earned, out = earnings.get(device), expelled.get(device)
            row.append(_tokens(stakes[device]) if device in stakes else _NONE)
            row += (
                [
                    _signed(wei)
                    for wei in (
                        earned.total_wei,
                        earned.as_learner_wei,
                        earned.as_neighbor_wei,
                        earned.as_validator_wei,
                    )
                ]
                if earned
                else [_NONE] * 4
            )
            row.append(f"round {out.round}, block {out.block:,}" if out else _NONE)
        rows.append(row)
    caption = "Devices: accuracy on the test images" + (", stake and net earnings in tokens" if stakes else "")
    return TableView(caption, columns, rows)


def cases_table(run: RunStore) -> TableView:
    """Make the table of how encounters ended, apart for honest neighbors and for attackers."""
    encounters, cohorts = run.encounters(), series.Cohorts.of(run.devices())
    sides = [[e for e in encounters if cohorts.is_attacker(e.neighbor) == attacking] for attacking in (False, True)]
    counts = [series.case_counts(side) | Counter(e.status for e in side if e.status in _OTHER_ENDS) for side in sides]
    rows = [
        [name, meaning, *(f"{side.get(key, 0):,}" for side in counts), f"{sum(side.get(key, 0) for side in counts):,}"]
        for key, name, meaning in _ends(counts)
    ]
    columns = [Column("End", number=False), Column("Meaning", number=False)]
    columns += [Column("By honest neighbors"), Column("By attackers"), Column("All")]
    return TableView("Encounters by the way they ended", columns, rows)


def skips_table(run: RunStore) -> TableView:
    """Make the table of reasons for which contacts were skipped."""
    reasons = Counter(e.reason or "not said" for e in run.encounters() if e.status == "skipped")
    rows = [[reason, f"{number:,}"] for reason, number in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    return TableView("Skipped contacts by reason", [Column("Reason", number=False), Column("Contacts")], rows)


def encounters_table(run: RunStore) -> TableView:
    """Make the table of the last `LAST_ENCOUNTERS` contacts, with the newest first."""
    encounters, cohorts = run.encounters(), series.Cohorts.of(run.devices())
    last = encounters[-LAST_ENCOUNTERS:][::-1]
    columns = [Column(name) for name in ("Contact", "Round", "Learner", "Neighbor")]
    columns += [Column("Outcome", number=False), *(Column(name) for name in ("Case", "Votes", "Gas"))]
    rows = [
        [
            str(e.contact),
            str(e.round),
            _who(e.learner, cohorts),
            _who(e.neighbor, cohorts),
            series.outcome(e),
            str(e.case or _NONE),
            _votes(e),
            f"{e.gas:,}" if e.gas else _NONE,
        ]
        for e in last
    ]
    shown = f"The last {len(last):,} of {len(encounters):,} contacts" if len(last) < len(encounters) else "All contacts"
    return TableView(f"{shown}, newest first", columns, rows)


def gas_table(run: RunStore) -> TableView:
    """Make the table of what each step costs in gas."""
    gas: dict[str, list[int]] = {}
    for transaction in run.transactions():
        gas.setdefault(transaction.step, []).append(transaction.gas_used)
    rows = [
        [step, f"{len(used):,}", f"{min(used):,}", f"{sum(used) // len(used):,}", f"{max(used):,}", f"{sum(used):,}"]
        for step, used in gas.items()
    ]
    names = ("Transactions", "Least", "Mean", "Most", "In total")
    return TableView("Gas by step", [Column("Step", number=False), *(Column(name) for name in names)], rows)


_OTHER_ENDS: Mapping[str, str] = {
    "unincentivized": "no ledger in this run",
    "skipped": "one of the two could not take part",
}


def _ends(counts: Sequence[Mapping[str, int]]) -> list[tuple[str, str, str]]:
    ends = [(key, case_name(key), meaning) for key, meaning in (*CASES.items(), *_OTHER_ENDS.items())]
    settled = any(side.get(key) for side in counts for key in CASES)
    # A run without a ledger has no cases. One with a ledger shows them all, even those that did not occur.
    return [end for end in ends if (end[0] in CASES and settled) or any(side.get(end[0]) for side in counts)]


def _who(device: int, cohorts: series.Cohorts) -> str:
    kind = cohorts.kinds.get(device, HONEST)
    return str(device) if kind == HONEST else f"{kind_label(kind)} {device}"


def _votes(encounter: EncounterRecord) -> str:
    if not encounter.votes:
        return _NONE
    yes = sum(verdict for _, verdict in encounter.votes)
    return f"{yes} : {len(encounter.votes) - yes}"


def _tokens(wei: int) -> str:
    return f"{Decimal(wei) / series.TOKEN_WEI:,.2f}"


def _signed(wei: int) -> str:
    return f"{Decimal(wei) / series.TOKEN_WEI:+,.2f}".replace("-", "−")
